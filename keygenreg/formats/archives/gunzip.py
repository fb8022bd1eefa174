"""A gzip file as a stream of decompressed bytes: forward only, in pieces of bounded size, up to a limit.

The standard library's reader takes unlimited time over empty members and reads a long header byte by byte, so
the members are driven here and :mod:`zlib` does the rest, checksums included. Source: RFC 1952.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from keygenreg.domain.reading import IngestError

_CHUNK = 64 * 1024
_PIECE = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
_MOST_MEMBERS = 1000


class GzipStream:
    """Decompressed bytes of ``file``, at most ``limit`` of them; ``position`` counts those passed so far."""

    def __init__(self, file: BinaryIO, *, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._left = limit
        self._members = 1
        self._inflater = zlib.decompressobj(_GZIP)
        self._pending = memoryview(b"")
        self._ended = False
        self.position = 0

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer only at the end.

        :raises IngestError: the file is cut short, damaged, no gzip, or decompresses to more than the limit.
        """
        pieces = []
        while count and self._fill():
            pieces.append(bytes(self._pending[:count]))
            self._pending = self._pending[count:]
            count -= len(pieces[-1])
        data = b"".join(pieces)
        self.position += len(data)
        return data

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes.

        :raises IngestError: as :meth:`read`; also when the end comes before.
        """
        while count > 0:
            if not self._fill():
                raise IngestError("The archive ends in the middle of a member; upload it again.")
            step = min(count, len(self._pending))
            self._pending = self._pending[step:]
            self.position += step
            count -= step

    def _fill(self) -> bool:
        """Have something pending; False at the end."""
        while not self._pending and not self._ended:
            try:
                piece = self._inflate()
            except zlib.error as error:
                raise IngestError(f"The archive is no intact gzip file ({error}); upload it again.") from None
            self._left -= len(piece)
            if self._left < 0:
                raise IngestError(f"The archive decompresses to more than {self._limit >> 20} MiB, which is the limit.")
            self._pending = memoryview(piece)
        return bool(self._pending)

    def _inflate(self) -> bytes:
        if self._inflater.eof:
            rest = self._inflater.unused_data or self._file.read(_CHUNK)
            # Like gzip itself: whatever is not another member after the last one is padding.
            if not rest or not _MAGIC.startswith(rest[:2]):
                self._ended = True
                return b""
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise IngestError("The archive consists of too many gzip members; compress it in one piece.")
            self._inflater = zlib.decompressobj(_GZIP)
            return self._inflater.decompress(rest, _PIECE)
        compressed = self._inflater.unconsumed_tail or self._file.read(_CHUNK)
        piece = self._inflater.decompress(compressed, _PIECE)
        if not piece and not compressed and not self._inflater.eof:
            raise IngestError("The archive is cut short; upload it again.")
        return piece
