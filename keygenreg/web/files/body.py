"""What is left to send of an answer's body: literal bytes and spans of a file, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from attrs import define, field, setters
from twisted.internet.defer import Deferred

from keygenreg.storage.threads import DiskThreads

WARM_WINDOW = 4 * 1024 * 1024
"""How much of a file is brought into the page cache at a time, in bytes."""

SEEN_STRETCH = 1024 * 1024
"""
How far apart it is looked whether a file is in the page cache, in bytes: what may be missing in between is small. Twice
as far each time it is, as a look at what is not there has the kernel read ahead on behalf of the one who looks.
"""

_LONGEST_STRETCH = 4 * SEEN_STRETCH

_WARM_READ = 256 * 1024


class Truncated(Exception):
    """A stored file ended before the length that was promised to the client."""


def _as_parts(parts: Iterable[bytes | range]) -> deque[memoryview | range]:
    return deque(part if isinstance(part, range) else memoryview(part) for part in parts if len(part))


@define(eq=False, on_setattr=setters.NO_OP)
class Body:
    """
    :ivar parts: what is left.
    :ivar fd: the file that spans are of.
    :param on_close: called exactly once, when the body is sent or given up.
    :param disk: where a file that is not in the page cache is read; None: in the reactor.
    """

    parts: deque[memoryview | range] = field(converter=_as_parts)
    fd: int | None = None
    _on_close: Callable[[], None] | None = None
    _disk: DiskThreads | None = None
    _warm_until: int = field(default=-1, init=False)
    _seen_until: int = field(default=-1, init=False)
    _stretch: int = field(default=SEEN_STRETCH, init=False)
    _probe: list[bytearray] = field(factory=lambda: [bytearray(1)], init=False)

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size`` of them; empty at the end. Raises Truncated, or OSError of the disk."""
        if not self.parts:
            return b""
        part = self.parts[0]
        if isinstance(part, range):
            data = os.pread(self.fd, min(size, len(part)), part.start)
            if not data:
                raise Truncated(f"no bytes at offset {part.start}")
        else:
            data = bytes(part[:size])
        self.advance(len(data))
        return data

    def advance(self, count: int) -> None:
        """Count bytes of the first part as sent."""
        rest = self.parts[0][count:]
        if rest:
            self.parts[0] = rest
        else:
            self.parts.popleft()

    def close(self) -> None:
        on_close, self._on_close = self._on_close, None
        self.parts.clear()
        if on_close is not None:
            on_close()

    def ready(self, size: int) -> int:
        """
        How many of the next ``size`` bytes can be read without waiting for the disk, as far as the kernel tells
        (Linux 4.14); 0: bring them in by :meth:`warm`. Literal bytes are always ready.
        """
        if not self.parts:
            return 0
        part = self.parts[0]
        end = min(len(part), size)
        if self._disk is None or not isinstance(part, range):
            return end
        start, end = part.start, part.start + end
        if end <= self._seen_until:
            return end - start
        if start < self._warm_until:
            return min(end, self._warm_until) - start
        at = max(start, self._seen_until)
        # Files come into the page cache and leave it in stretches: where both ends of one are, so is what is between.
        try:
            while at < end:
                stop = min(at + self._stretch, part.stop)
                if at != self._seen_until:
                    os.preadv(self.fd, self._probe, at, os.RWF_NOWAIT)
                os.preadv(self.fd, self._probe, stop - 1, os.RWF_NOWAIT)
                self._seen_until = at = stop
                self._stretch = min(2 * self._stretch, _LONGEST_STRETCH)
        except BlockingIOError:
            self._stretch = SEEN_STRETCH
            return max(0, min(at, end) - start)
        except OSError:
            self._disk = None  # this file system cannot tell
        return end - start

    def is_cold(self, size: int) -> bool:
        """Whether the next ``size`` bytes are to be brought in by :meth:`warm` before any of them is read."""
        return bool(self.parts) and size > 0 and not self.ready(size)

    def warm(self) -> Deferred[None]:
        """Bring what comes next into the page cache, in a thread."""
        span = self.parts[0][:WARM_WINDOW]
        # Evicted again or unreadable, it is read where it is sent: a window is warmed once, so nothing can go round.
        self._warm_until = span.stop
        return self._disk.run(_read_through, self.fd, span)


def _read_through(fd: int, span: range) -> None:
    """Read and drop. Should the answer end meanwhile and ``fd`` become another file, that one is read to no effect."""
    buffer = [bytearray(_WARM_READ)]
    with suppress(OSError):
        os.posix_fadvise(fd, span.start, len(span), os.POSIX_FADV_WILLNEED)
        for offset in range(span.start, span.stop, _WARM_READ):
            os.preadv(fd, buffer, offset)
