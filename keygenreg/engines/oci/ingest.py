"""Reading an uploaded image: the archive of an image layout, plain or compressed.

Blocking and CPU-bound, so run in a thread; memory stays within the bounds on documents whatever the file holds.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from attrs import evolve

from keygenreg.domain.reading import Reading
from keygenreg.engines.oci.image_layout import Bounds, ImageLayout
from keygenreg.engines.oci.layout_archive import LayoutArchive
from keygenreg.engines.oci.unpacking import unpacked

_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst")
_DEFAULT_UNPACKED = 1024**3
_MAGIC, _MAGIC_OFFSET = b"ustar", 257


def read(
    path: Path,
    filename: str,
    package_key: str,
    version: str,
    *,
    scratch: Path,
    most_unpacked: int = _DEFAULT_UNPACKED,
    bounds: Bounds | None = None,
) -> Reading:
    """
    Read one stored artifact.

    Each index and manifest is a manifest found; its metadata are ``root`` (listed in index.json: 1; index.json itself:
    0), ``tags`` (of the root it belongs to), ``platform``, ``subject``, ``artifact_type``, and ``aside`` for what is no
    image of its own (signatures, attestations). Every file of the image is a part.

    :param path: the stored bytes.
    :param filename: the artifact's name; only archives are read.
    :param scratch: a directory in which a compressed archive is unpacked, ``most_unpacked`` bytes at most.
    :return: empty for whatever is not called like an archive; such files are stored and cannot be pulled.
    :raises IngestError: the archive is no image layout, or its image is incomplete, damaged or beyond bounds.
    """
    with path.open("rb") as file:
        if not _is_archive(filename.lower(), file):
            return Reading()
        inner = unpacked(file, scratch=scratch, most=most_unpacked)
        try:
            reading = ImageLayout(LayoutArchive.scan(inner or file), bounds or Bounds()).read()
        except BaseException:
            if inner is not None:
                inner.close()
            raise
    return evolve(reading, unpacked=inner)


def _is_archive(filename: str, file: BinaryIO) -> bool:
    """By its ending; a name without one may have been given the file type ``tar``, so there the bytes tell."""
    if "." in filename.rpartition("/")[2]:
        return filename.endswith(_ENDINGS)
    file.seek(_MAGIC_OFFSET)
    return file.read(len(_MAGIC)) == _MAGIC


def make_reader(scratch: Path, settings: Any) -> partial[Reading]:
    """The reader of a daemon with these :class:`keygenreg.settings.Settings`."""
    given = settings.processing
    bounds = Bounds(document=given.image_document_bytes, documents=given.image_documents, parts=given.image_blobs)
    return partial(read, scratch=scratch, most_unpacked=given.image_bytes, bounds=bounds)
