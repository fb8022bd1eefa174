"""RubyGems engine: the compact index, the Marshal indexes, specifications and gems, read-only, for gem and Bundler.

* Compact index: https://guides.rubygems.org/rubygems-org-compact-index-api/
* Specifications: https://guides.rubygems.org/specification-reference/
* Older indexes and Marshal 4.8: https://docs.ruby-lang.org/en/master/marshal_rdoc.html
"""

from __future__ import annotations

from keygenreg.engines.rubygems.ingest import read
from keygenreg.engines.rubygems.routes import resource
from keygenreg.web.engine import Engine

ENGINE = Engine(key="rubygems", resource=resource, reader=read, root_methods=frozenset({"HEAD"}))
