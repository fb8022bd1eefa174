"""A file that is not compressed, read like one that is; and telling which of the two a file is."""

from __future__ import annotations

from typing import BinaryIO

from keygenreg.domain.reading import IngestError
from keygenreg.formats.archives.gunzip import GzipStream

_GZIP_MAGIC = b"\x1f\x8b"
_STEP = 1024 * 1024


class PlainStream:
    """Bytes of ``file``; ``position`` counts those passed so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer only at the end."""
        data = self._file.read(count)
        self.position += len(data)
        return data

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes.

        :raises IngestError: the end comes before.
        """
        while count > 0:
            passed = len(self.read(min(count, _STEP)))
            if not passed:
                raise IngestError("The archive ends in the middle of a member; upload it again.")
            count -= passed


def is_gzip(file: BinaryIO) -> bool:
    """Whether a file, at its beginning, is one of gzip; it is at its beginning afterwards."""
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return magic == _GZIP_MAGIC


def decompressed(file: BinaryIO, *, limit: int) -> GzipStream | PlainStream:
    """
    A seekable file at its beginning, through gzip when its first bytes say so, whatever its name says.

    :param limit: the most bytes that may come out of gzip.
    """
    return GzipStream(file, limit=limit) if is_gzip(file) else PlainStream(file)
