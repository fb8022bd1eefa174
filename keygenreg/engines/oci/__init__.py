"""OCI engine: container images and other artifacts for docker, podman, containerd, skopeo, oras, helm and crane.

* Distribution: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md (pull, content discovery)
* Images: https://github.com/opencontainers/image-spec/blob/v1.1.1/ (image-layout.md, image-index.md, manifest.md)
* Tokens: https://distribution.github.io/distribution/spec/auth/token/ and .../auth/oauth/
* Docker's manifests: https://distribution.github.io/distribution/spec/manifest-v2-2/
"""

from __future__ import annotations

from keygenreg.engines.oci.ingest import make_reader
from keygenreg.engines.oci.routes import resource
from keygenreg.web.engine import Engine

ENGINE = Engine(key="oci", resource=resource, reader_maker=make_reader, registry_prefix="v2")
