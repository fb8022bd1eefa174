"""Tarballs like those of ``npm pack``, whole or broken on purpose."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable
from typing import Any

Entry = tuple[str, bytes] | tarfile.TarInfo


def package_json(name: str = "acme", version: str = "1.0.0", **members: Any) -> bytes:
    return json.dumps({"name": name, "version": version, **members}).encode()


def tarred(entries: Iterable[Entry]) -> bytes:
    """An uncompressed tar; a bare TarInfo becomes an entry without data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size, info.mode = len(entry[1]), 0o644
            archive.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def packed(document: bytes | None = None, *more: Entry, top: str = "package") -> bytes:
    """A tarball of a package with an ``index.js`` and whatever else is given."""
    document = package_json() if document is None else document
    entries = [(f"{top}/package.json", document), (f"{top}/index.js", b"module.exports = 42;\n"), *more]
    return gzip.compress(tarred(entries), mtime=0)


def package(name: str = "acme", version: str = "1.0.0", **members: Any) -> bytes:
    """The tarball of a version."""
    return packed(package_json(name, version, **members))


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A tar entry that is no regular file: ``kind`` is one of tarfile's type constants."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info
