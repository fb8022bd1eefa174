"""Files without a name: long lists that are made once, and then sent and read by many at once."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator
from operator import eq
from pathlib import Path
from tempfile import TemporaryFile

from attrs import define, field, frozen

#: Read at a time, in bytes: whoever works on a piece lets other threads work after it.
PIECE = 128 * 1024
#: No line of a list is longer, in bytes; longer ones are not read.
LONGEST_LINE = 1024 * 1024
# Begins what is given instead of such a line: no name does.
_UNREADABLE = b"!"


@define(eq=False)
class OpenBlob:
    """A :class:`keygenreg.web.reply.ReadableBlob` of one answer."""

    size: int
    _fd: int | None

    def fileno(self) -> int:
        if self._fd is None:
            raise ValueError("the file is closed")
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


@frozen(eq=False)
class NamelessFile:
    """A complete file, closed when nobody has this value any more; ``size`` in bytes."""

    size: int
    _fd: int = field(repr=False)

    def __attrs_post_init__(self) -> None:
        weakref.finalize(self, os.close, self._fd)

    @classmethod
    def written(cls, folder: Path, pieces: Iterable[bytes | memoryview]) -> NamelessFile:
        """:param folder: of the file system where it lies. :raises OSError: which takes no more."""
        with TemporaryFile(dir=folder) as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            return cls(file.tell(), os.dup(file.fileno()))

    def blob(self) -> OpenBlob:
        return OpenBlob(self.size, os.dup(self._fd))

    def pieces(self, place: int = 0, *, most: int | None = None) -> Iterator[bytes]:
        """What comes from a place on, before byte ``most``, :data:`PIECE` bytes at a time."""
        end = self.size if most is None else most
        while place < end:
            data = os.pread(self._fd, min(PIECE, end - place), place)
            if not data:
                raise OSError("a file of ours has become shorter")
            place += len(data)
            yield data

    def begins(self, other: NamelessFile) -> bool:
        """Whether the other one begins with all of this."""
        return self.size <= other.size and all(map(eq, self.pieces(), other.pieces(most=self.size)))

    def lines(self, place: int = 0) -> Iterator[bytes]:
        """The same in whole lines."""
        rest = b""
        for data in self.pieces(place):
            lines, newline, tail = data.rpartition(b"\n")
            if newline:
                yield rest + lines + newline
                rest = tail
            else:
                rest += tail
            if len(rest) > LONGEST_LINE:
                rest = _UNREADABLE
        if rest:
            yield rest
