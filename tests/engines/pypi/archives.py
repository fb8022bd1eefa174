"""Wheels and source distributions made by the standard library, whole or broken on purpose."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable

METADATA = (
    b"Metadata-Version: 2.2\nName: acme\nVersion: 1.0\nSummary: Makes everything\n"
    b"Requires-Python: >=3.9\nRequires-Dist: attrs>=23\nRequires-Dist: rich; extra == 'cli'\n"
    b"Provides-Extra: cli\nClassifier: Private :: Do Not Upload\nKeywords: a,b\n\nThe description.\n"
)
WHEEL_NAME = "acme-1.0-py3-none-any.whl"
SDIST_NAME = "acme-1.0.tar.gz"

Entry = tuple[str, bytes]


def metadata(**fields: str) -> bytes:
    """A short core metadata document; ``_`` in a field's name stands for ``-``."""
    stated = {"Metadata_Version": "2.1", "Name": "acme", "Version": "1.0"} | fields
    return "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in stated.items()).encode()


def zipped(entries: Iterable[Entry], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def wheel_entries(document: bytes = METADATA, *, folder: str = "acme-1.0.dist-info") -> list[Entry]:
    return [
        ("acme/__init__.py", b"answer = 42\n"),
        (f"{folder}/METADATA", document),
        (f"{folder}/WHEEL", b"Wheel-Version: 1.0\n"),
        (f"{folder}/RECORD", b""),
    ]


def wheel(document: bytes = METADATA, *, folder: str = "acme-1.0.dist-info") -> bytes:
    return zipped(wheel_entries(document, folder=folder))


def tarred(entries: Iterable[Entry | tarfile.TarInfo], *, tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """An uncompressed tar; a bare TarInfo becomes an entry without data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            archive.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, *, target: str = "") -> tarfile.TarInfo:
    """A tar entry that is no regular file: ``kind`` is one of tarfile's type constants."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def sdist_entries(document: bytes = METADATA, *, top: str = "acme-1.0") -> list[Entry]:
    return [(f"{top}/pyproject.toml", b"[build-system]\n"), (f"{top}/PKG-INFO", document)]


def sdist(document: bytes = METADATA, *, top: str = "acme-1.0", tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    return gzip.compress(tarred(sdist_entries(document, top=top), tar_format=tar_format), mtime=0)


def raw_header(
    name: bytes = b"acme-1.0/file", *, size: bytes = b"00000000000\x00", kind: bytes = b"0", checksum: int | None = None
) -> bytes:
    """One ustar header with a size field as given, and its right checksum unless another is given."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\x00"
    block[124:136] = size
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    total = sum(block) if checksum is None else checksum
    block[148:156] = b"%06o\x00 " % total
    return bytes(block)


def patched(data: bytes, old: bytes, new: bytes, *, count: int = -1) -> bytes:
    """``data`` with some bytes replaced; a pattern that is not there is a mistake of the test."""
    if old not in data:
        raise ValueError(f"{old!r} not found")
    return data.replace(old, new, count)


def with_central_field(data: bytes, name: bytes, offset: int, layout: str, value: int) -> bytes:
    """A zip with one field of one central directory entry overwritten; ``offset`` from the entry's start."""
    at = data.rindex(name) - 46
    if data[at : at + 4] != b"PK\x01\x02":
        raise ValueError("not at a central entry")
    changed = bytearray(data)
    struct.pack_into(layout, changed, at + offset, value)
    return bytes(changed)


def with_end_field(data: bytes, offset: int, layout: str, value: int) -> bytes:
    """A zip with one field of its end record overwritten."""
    changed = bytearray(data)
    struct.pack_into(layout, changed, data.rindex(b"PK\x05\x06") + offset, value)
    return bytes(changed)
