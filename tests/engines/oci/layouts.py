"""Image layouts made by hand: every byte known, every fault possible."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

import zstandard

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def as_json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def descriptor(content: bytes, media_type: str, *, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **more}


def platform(architecture: str, os: str = "linux") -> dict[str, Any]:
    return {"platform": {"os": os, "architecture": architecture}}


class Layout:
    """A layout under construction: ``files`` by path, ``roots`` the descriptors of its index.json."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.roots: list[dict[str, Any]] = []
        self.index_fields: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX}

    def blob(self, content: bytes, media_type: str, *, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
        """Store bytes; their descriptor."""
        found = descriptor(content, media_type, algorithm=algorithm, **more)
        self.files[f"blobs/{found['digest'].replace(':', '/')}"] = content
        return found

    def image(
        self, *layers: bytes, config: bytes = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}',
        media_type: str = MANIFEST, config_type: str = CONFIG, algorithm: str = "sha256", fields: dict | None = None,
        **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """An image's manifest, configuration and layers; the manifest's descriptor. ``fields`` go into the manifest."""
        body = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self.blob(config, config_type, algorithm=algorithm),
            "layers": [self.blob(layer, LAYER, algorithm=algorithm) for layer in layers],
            **(fields or {}),
        }
        return self.blob(as_json(body), media_type, algorithm=algorithm, **more)

    def index(
        self, *children: dict[str, Any], media_type: str = INDEX, fields: dict | None = None, **more: Any
    ) -> dict[str, Any]:
        """An index; its descriptor."""
        body = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(children), **(fields or {})}
        return self.blob(as_json(body), media_type, **more)

    def add(self, *roots: dict[str, Any]) -> Layout:
        """List in index.json."""
        self.roots.extend(roots)
        return self

    def content(self, found: dict[str, Any]) -> bytes:
        return self.files[f"blobs/{found['digest'].replace(':', '/')}"]

    @property
    def index_json(self) -> bytes:
        return as_json({**self.index_fields, "manifests": self.roots})

    def tar(self, *, order: list[str] | None = None, prefix: str = "") -> bytes:
        """The archive; ``order`` names files that come first."""
        files = {**self.files} if "index.json" in self.files else {**self.files, "index.json": self.index_json}
        names = [*(order or []), *(name for name in files if name not in (order or []))]
        return tar_of([(prefix + name, files[name]) for name in names if name in files])


def tar_of(entries: list[tuple[str, bytes]], *, format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def gz(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def zst(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(content)


def simple(*layers: bytes, **more: Any) -> Layout:
    """One image of one platform."""
    layout = Layout()
    return layout.add(layout.image(*(layers or (b"a layer",)), **more))


def multi_platform(*, nested: bool = True) -> Layout:
    """An image for amd64 and arm64 that share a layer."""
    layout = Layout()
    images = [
        layout.image(b"shared layer", f"layer of {name}".encode(), config=config_of(name), **platform(name))
        for name in ("amd64", "arm64")
    ]
    return layout.add(layout.index(*images)) if nested else layout.add(*images)


def config_of(architecture: str) -> bytes:
    return as_json({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
