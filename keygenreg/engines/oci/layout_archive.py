"""An archive of an image layout: where its files lie, without ever unpacking it.

Source: OCI Image 1.1, image-layout.md.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import BinaryIO

from attrs import field, frozen

from keygenreg.domain.reading import IngestError
from keygenreg.formats.archives import member_names
from keygenreg.formats.archives.tar_members import Member, members

LAYOUT, INDEX = "oci-layout", "index.json"
#: What ``docker save`` wrote before it wrote layouts.
LEGACY = "manifest.json"

_BLOB = re.compile(r"blobs/[^/]{1,64}/[^/]{1,512}")
_STEP = 1024 * 1024


@frozen
class Span:
    """Where a file's bytes are in the archive, in bytes."""

    offset: int
    size: int


class FileStream:
    """A seekable file for :func:`members`: what is skipped is not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.position = 0

    def read(self, count: int) -> bytes:
        data = self._file.read(count)
        self.position += len(data)
        return data

    def skip(self, count: int) -> None:
        """:raises IngestError: the end comes before."""
        if count > self._size - self.position:
            raise IngestError("The archive ends in the middle of a member; upload it again.")
        self.position = self._file.seek(count, os.SEEK_CUR)


@frozen
class LayoutArchive:
    """
    The files of a layout that an image may consist of.

    ``spans`` are by path, without a leading ``./``; ``unusable`` the paths of blobs that are links, folders or devices.
    """

    _file: BinaryIO
    spans: dict[str, Span] = field(factory=dict)
    unusable: set[str] = field(factory=set)

    @classmethod
    def scan(cls, file: BinaryIO) -> LayoutArchive:
        """
        Look at every header of a tar archive that is not compressed.

        :raises IngestError: no intact archive, beyond limits, names that lead outside, a file twice.
        """
        archive = cls(file)
        for member in members(FileStream(file)):
            archive._add(member)
        return archive

    def _add(self, member: Member) -> None:
        name = _plain(member.name)
        if name:
            member_names.check(name, archive="The archive")
        if name not in (LAYOUT, INDEX, LEGACY) and not _BLOB.fullmatch(name):
            return
        if not member.is_file:
            self.unusable.add(name)
            return
        if name in self.spans:
            raise IngestError(f"The archive holds {member_names.shown(name)} twice; build it again.")
        self.spans[name] = Span(self._file.tell(), member.size)

    def find(self, path: str) -> Span | None:
        """:raises IngestError: there is something at the path that is no regular file."""
        if path in self.unusable:
            raise IngestError(f"{member_names.shown(path)} in the archive is no regular file; build it again.")
        return self.spans.get(path)

    def content(self, span: Span) -> bytes:
        """The bytes of a file, which the caller knows to be small."""
        self._file.seek(span.offset)
        data = self._file.read(span.size)
        if len(data) < span.size:
            raise IngestError("The archive ends in the middle of a member; upload it again.")
        return data

    def digests(self, span: Span, algorithms: set[str]) -> dict[str, str]:
        """Hex digests of a file by algorithm; it is read in steps."""
        hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._file.seek(span.offset)
        left = span.size
        while left:
            data = self._file.read(min(_STEP, left))
            if not data:
                raise IngestError("The archive ends in the middle of a member; upload it again.")
            for each in hashes.values():
                each.update(data)
            left -= len(data)
        return {name: each.hexdigest() for name, each in hashes.items()}


def _plain(name: str) -> str:
    """A member's name without ``./`` in front and a slash at its end; empty for the archive's own folder."""
    while name.startswith("./"):
        name = name[2:].lstrip("/") if name != "./" else ""
    return name.rstrip("/") if name != "." and not name.startswith("/") else name.strip(".")
