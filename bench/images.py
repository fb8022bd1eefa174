"""Images to pull: made once, and put on disk the way docker-registry, distribution and zot keep them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import field, frozen

from bench.machine import MIB

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_INDEX = "application/vnd.oci.image.index.v1+json"
TAG = "1.0.0"


@frozen
class Blob:
    """A file with its digest, ``sha256:...``."""

    path: Path
    digest: str
    size: int

    @property
    def hex(self) -> str:
        return self.digest.partition(":")[2]


@frozen
class Image:
    """An image of one platform; ``manifest`` and ``config`` are blobs too."""

    name: str
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...] = field(factory=tuple)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.manifest, self.config, *self.layers)

    def manifest_path(self) -> str:
        return f"/v2/{self.name}/manifests/{TAG}"

    def layer_path(self, number: int = 0) -> str:
        return f"/v2/{self.name}/blobs/{self.layers[number].digest}"


def random_blob(path: Path, size: int) -> Blob:
    """A file of random bytes; hashed while it is written."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            piece = os.urandom(min(MIB, size - start))
            digest.update(piece)
            file.write(piece)
    return Blob(path, f"sha256:{digest.hexdigest()}", size)


def _blob(folder: Path, content: bytes) -> Blob:
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return Blob(folder / digest, f"sha256:{digest}", len(content))


def image(folder: Path, name: str, layers: Sequence[Blob]) -> Image:
    """An image of some layers, with a manifest of 2 KiB or a little more, as those of real images."""
    ids = {"type": "layers", "diff_ids": [layer.digest for layer in layers]}
    config = _blob(folder, json.dumps({"architecture": "amd64", "os": "linux", "rootfs": ids, "x": name}).encode())
    described = [{"mediaType": _LAYER, "digest": each.digest, "size": each.size} for each in layers]
    notes = {f"org.example.note.{number}": "What somebody says about this image. " * 3 for number in range(9)}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": config.digest, "size": config.size},
        "layers": described,
        "annotations": notes,
    }
    return Image(name, _blob(folder, json.dumps(document, indent=1).encode()), config, tuple(layers))


def _index(made: Image) -> bytes:
    root = {"mediaType": MANIFEST, "digest": made.manifest.digest, "size": made.manifest.size}
    return json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [root]}).encode()


def layout_archive(made: Image, path: Path) -> None:
    """The image as one tar archive of an OCI layout, as vendors publish it."""
    with tarfile.open(path, "w") as archive:
        for name, content in (("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", _index(made))):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for blob in made.blobs:
            archive.add(blob.path, f"blobs/sha256/{blob.hex}")


def for_distribution(made: Image, root: Path) -> None:
    """Into the directory of the file system driver of docker-registry and distribution."""
    base = root / "docker/registry/v2"
    for blob in made.blobs:
        _link(blob, base / "blobs/sha256" / blob.hex[:2] / blob.hex / "data")
    repository = base / "repositories" / made.name
    for blob in made.blobs[1:]:
        _write(repository / "_layers/sha256" / blob.hex / "link", blob.digest)
    manifests = repository / "_manifests"
    for place in (f"revisions/sha256/{made.manifest.hex}", f"tags/{TAG}/current",
                  f"tags/{TAG}/index/sha256/{made.manifest.hex}"):  # fmt: skip
        _write(manifests / place / "link", made.manifest.digest)


def for_zot(made: Image, root: Path) -> None:
    """Into zot's directory: one OCI layout for each repository."""
    for blob in made.blobs:
        _link(blob, root / made.name / "blobs/sha256" / blob.hex)
    index = json.loads(_index(made))
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": TAG}
    _write(root / made.name / "index.json", json.dumps(index))
    _write(root / made.name / "oci-layout", '{"imageLayoutVersion": "1.0.0"}')


def for_nginx(made: Image, root: Path) -> None:
    """As static files at the paths of the distribution protocol."""
    _link(made.manifest, root / made.manifest_path()[1:])
    for number, layer in enumerate(made.layers):
        _link(layer, root / made.layer_path(number)[1:])
    _link(made.config, root / f"v2/{made.name}/blobs/{made.config.digest}")


def _link(blob: Blob, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.link(blob.path, path)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def pieces(folder: Path, count: int, size: int) -> Iterator[Blob]:
    """Layers of random bytes."""
    for number in range(count):
        yield random_blob(folder / f"layer-{number}", size)
