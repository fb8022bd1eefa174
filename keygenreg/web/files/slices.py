"""Pushing a body in slices, as fast as the client takes it: at most one slice waits in our memory per connection."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from keygenreg.web.files.body import Body, Truncated

_log = Logger()

SLICE = 128 * 1024
TLS_SLICE = 64 * 1024
"""Sizes of one read and write, in bytes: the optimum of user-space senders; larger ones fall out of the CPU's cache."""


@implementer(IPushProducer)
@define(eq=False)
class SlicePusher:
    """Pushes a :class:`Body` into a request whose head is set, then finishes the request."""

    _request: Request
    _body: Body
    _size: int = SLICE
    _paused: bool = field(default=False, init=False)
    _warming: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)

    def start(self) -> None:
        self._request.registerProducer(self, True)
        self._request.notifyFinish().addErrback(lambda _: self.stopProducing())
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
        while not (self._paused or self._warming or self._over):
            if self._body.is_cold(self._size):
                self._warming = True
                self._body.warm().addBoth(self._warmed)
                return
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

    def _warmed(self, _) -> None:
        self._warming = False
        self._push()

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
