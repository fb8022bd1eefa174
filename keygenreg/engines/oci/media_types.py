"""Media types of images and artifacts, and what kind of document each one is."""

from __future__ import annotations

import re

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_LAYOUT = "application/vnd.oci.layout.header.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
#: Was in a draft of OCI Image 1.1 and in ORAS; its content is in ``blobs``.
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
#: Documents whose schemaVersion is 1; no client of today takes them (OCI Distribution 1.1).
OUTDATED = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
#: Layers that may be fetched elsewhere only: an archive need not have them.
NOT_DISTRIBUTABLE = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)

_NAME = r"[0-9A-Za-z][0-9A-Za-z!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)


def is_media_type(text: object) -> bool:
    """Whether a value is a media type without parameters (RFC 6838, 4.2)."""
    return isinstance(text, str) and _MEDIA_TYPE.fullmatch(text) is not None


def is_document(media_type: str) -> bool:
    """Whether what an index lists under this type is served as a manifest whose parts are known."""
    return media_type in INDEXES or media_type in MANIFESTS or media_type == OCI_ARTIFACT
