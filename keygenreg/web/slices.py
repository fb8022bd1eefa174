"""Pushing a body in slices, as fast as the client takes it: at most one slice waits in our memory per connection."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable

from attrs import define, field
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

_log = Logger()

SLICE = 128 * 1024
TLS_SLICE = 64 * 1024
"""Sizes of one read and write, in bytes: the optimum of user-space senders; larger ones fall out of the CPU's cache."""


class Truncated(Exception):
    """A stored file ended before the length that was promised to the client."""


def _as_parts(parts: Iterable[bytes | range]) -> deque[memoryview | range]:
    return deque(part if isinstance(part, range) else memoryview(part) for part in parts if len(part))


@define(eq=False)
class Body:
    """
    What is left to send: literal bytes and spans of a file, in order.

    ``close`` is called exactly once, when the body is sent or given up.
    """

    parts: deque[memoryview | range] = field(converter=_as_parts)
    fd: int | None = None
    _on_close: Callable[[], None] | None = None

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


@implementer(IPushProducer)
@define(eq=False)
class SlicePusher:
    """Pushes a :class:`Body` into a request whose head is set, then finishes the request."""

    _request: Request
    _body: Body
    _size: int = SLICE
    _paused: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)

    def start(self) -> None:
        self._request.registerProducer(self, True)
        self._push()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._push()

    def stopProducing(self) -> None:
        """The connection is gone or going."""
        self._over = True
        self._body.close()

    def _push(self) -> None:
        while not (self._paused or self._over):
            try:
                data = self._body.read(self._size)
            except (Truncated, OSError):
                _log.failure("A stored file cannot be read to its end; its answer was cut off")
                self._give_up()
                return
            if not data:
                self._finish()
                return
            self._request.channel.still_sending()
            self._request.write(data)

    def _finish(self) -> None:
        self._over = True
        self._body.close()
        self._request.unregisterProducer()
        self._request.finish()

    def _give_up(self) -> None:
        """End the connection so that no client takes what it has for the whole."""
        self._over = True
        self._body.close()
        self._request.channel.transport.abortConnection()


def push(request: Request, parts: Iterable[bytes | range], *, fd: int | None = None, on_close=None) -> None:
    """Send ``parts`` (spans are of ``fd``) as the body of ``request`` and finish it; ``on_close`` runs on any path."""
    secure = ISSLTransport.providedBy(request.channel.transport)
    SlicePusher(request, Body(parts, fd, on_close), TLS_SLICE if secure else SLICE).start()
