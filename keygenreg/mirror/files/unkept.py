"""A file that goes from upstream to one client and is not stored: for when there is no room for it on the disk.

Held in memory is what the client has not taken yet, within a bound: upstream is read no faster. As with files that are
stored, the last bytes are held back until the hashes are known to be right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.python.failure import Failure as Reason

from keygenreg.domain.failures import Unavailable
from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.files.arriving import HELD_BACK, RELAYED_FROM
from keygenreg.mirror.files.checking import checkable, require_right, size_of
from keygenreg.mirror.single_flight import Shared
from keygenreg.storage.hashing import Hashes
from keygenreg.upstream.client import Arrival
from keygenreg.upstream.failures import Broken
from keygenreg.upstream.receiving import Receiver
from keygenreg.web.files.body import Body, Truncated
from keygenreg.web.files.growing import GrowingBlob

WINDOW = 2 * 1024 * 1024
"""Bytes held in memory for one client, beside the piece that has just come; small files fit in."""


class Window:
    """
    The bytes of a stream from ``start`` to ``stop``; those before ``start`` are gone, and not held if they come later.
    """

    def __init__(self) -> None:
        self.start = self.stop = 0
        self._pieces: deque[bytes] = deque()

    @property
    def held(self) -> int:
        """How many there are, in bytes."""
        return max(0, self.stop - self.start)

    def write(self, data: bytes) -> None:
        skipped = min(len(data), max(0, self.start - self.stop))
        self.stop += len(data)
        if skipped < len(data):
            self._pieces.append(data[skipped:])

    def forget(self, before: int) -> None:
        """Let go of what is before a position, which may lie ahead."""
        while self.start < before and self._pieces:
            piece, count = self._pieces[0], before - self.start
            if count < len(piece):
                self._pieces[0] = piece[count:]
                self.start = before
            else:
                self._pieces.popleft()
                self.start += len(piece)
        self.start = max(self.start, before)

    def read(self, start: int, count: int) -> bytes:
        """At most ``count`` bytes from a position on; those before it are let go of."""
        self.forget(start)
        if start != self.start or not self._pieces:
            return b""
        data = self._pieces[0][:count]
        self.forget(start + len(data))
        return data


@define(eq=False)
class _WindowBody(Body):
    """A body whose spans are read from a window; they must follow each other."""

    _file: UnkeptFile = field(kw_only=True)

    def read(self, size: int) -> bytes:
        if not self.parts or not isinstance(self.parts[0], range):
            return Body.read(self, size)
        data = self._file.take(self.parts[0], size)
        self.advance(len(data))
        return data

    def is_cold(self, size: int) -> bool:
        return False


@define(eq=False)
class UnkeptFile(GrowingBlob):
    """
    :param remote: what upstream said of it. :param most: its size at most, in bytes. :param idle: as
        :class:`keygenreg.upstream.client.Limits` has it.
    :ivar left: called when the client wants no more of it, while it arrives.
    :ivar ready: settles with True when its first bytes may be sent, or fails.
    """

    remote: RemoteFile
    most: int
    _reactor: Any
    _idle: float
    left: Callable[[], None] | None = field(default=None, init=False)
    size: int = field(default=0, init=False)
    readable: int = field(default=0, init=False)
    broken: bool = field(default=False, init=False)
    received: int = field(default=0, init=False)
    ready: Shared = field(factory=Shared, init=False)
    _window: Window = field(factory=Window, init=False)
    _hashes: Hashes | None = field(default=None, init=False)
    _receiver: Receiver | None = field(default=None, init=False)
    _paused: bool = field(default=False, init=False)
    _changed: Callable[[], None] | None = field(default=None, init=False)

    # What the sender of a growing file needs

    def fileno(self) -> int:
        return -1

    def body(self, parts: Any, disk: Any) -> Body:
        made = _WindowBody(parts, None, self.close, None, file=self)
        spans = [part for part in made.parts if isinstance(part, range)]
        # What comes before is only hashed.
        self._forget(spans[0].start if spans else 0)
        return made

    def watch(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def close(self) -> None:
        self._changed = None
        left, self.left = self.left, None
        if left is not None:
            left()

    def take(self, span: range, size: int) -> bytes:
        """The next bytes of a span. :raises Truncated: they are gone."""
        data = self._window.read(span.start, min(size, len(span), max(0, self.readable - span.start)))
        self._flow()
        if not data:
            raise Truncated(f"no bytes at offset {span.start}")
        return data

    def _forget(self, before: int) -> None:
        self._window.forget(before)
        self._flow()

    # What the fetch needs

    def receiver(self, arrival: Arrival) -> Receiver:
        """
        Judge the head of the answer and take the body.

        :raises UpstreamFailure: it is not what was announced. Unavailable: nobody says how long it is.
        """
        size = size_of(self.remote, arrival, self.most)
        if size is None:
            raise Unavailable("The registry has no room for files of others at the moment.", retry_after=60)
        self.size = size
        self._hashes = Hashes(checkable(self.remote))
        self._receiver = Receiver(self._reactor, self._take, self._idle, until_close=bool(checkable(self.remote)))
        return self._receiver

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > self.size:
            raise Broken("The file is longer than was announced.", word="wrong")
        self._hashes.update(data)
        self._window.write(data)
        self._flow()
        if self.size >= RELAYED_FROM and self.received > HELD_BACK:
            self._grow(self.received - HELD_BACK)

    def verify(self) -> None:
        """All of it has come; the rest may be sent. :raises UpstreamFailure: it is another file."""
        require_right(self.remote, self.size, self._hashes.digests())
        self._receiver = self.left = None
        self._grow(self.size)

    def fail(self, failure: BaseException) -> None:
        """The rest will never come."""
        self.broken, self._receiver, self.left = True, None, None
        self.ready.settle(Reason(failure))
        if self._changed is not None:
            self._changed()

    def _grow(self, readable: int) -> None:
        self.readable = readable
        self.ready.settle(True)
        if self._changed is not None:
            self._changed()

    def _flow(self) -> None:
        """Let upstream send no more than there is room for."""
        if self._receiver is None:
            return
        if not self._paused and self._window.held > WINDOW:
            self._paused = True
            self._receiver.pause()
        elif self._paused and self._window.held <= WINDOW // 2:
            self._paused = False
            self._receiver.resume()
