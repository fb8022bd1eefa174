"""npm engine: package documents, tarballs, dist-tags and search, read-only, for npm, pnpm, yarn and bun.

* Package documents: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
* Endpoints: https://github.com/npm/registry/blob/main/docs/REGISTRY-API.md
* package.json: https://docs.npmjs.com/cli/configuring-npm/package-json
* Integrity: https://www.w3.org/TR/SRI/
"""

from __future__ import annotations

from keygenreg.engines.npm.ingest import read
from keygenreg.engines.npm.routes import resource
from keygenreg.web.engine import Engine

ENGINE = Engine(key="npm", resource=resource, reader=read)
