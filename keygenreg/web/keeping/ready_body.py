"""
The body of a ready answer on its way, as fast as the client takes it.

To its channel it is the request that is being answered: what the client sends meanwhile waits as behind any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from keygenreg.web.channel import Phase
from keygenreg.web.files.slices import SLICE, TLS_SLICE
from keygenreg.web.keeping.immediate_write import send_now

if TYPE_CHECKING:
    from keygenreg.web.keeping.ready_channel import ReadyChannel


@implementer(IPushProducer)
class ReadyBody:
    """Sends one; the bytes stay where they are kept, only what the socket does not take at once is copied."""

    def __init__(self, channel: ReadyChannel, body: bytes) -> None:
        self._channel = channel
        self._rest = memoryview(body)
        self._size = TLS_SLICE if channel.isSecure() else SLICE
        self._paused = False

    def start(self, head: bytes) -> None:
        """Begin, with the head; the channel is idle."""
        channel, rest = self._channel, self._rest
        sent = send_now(channel.transport, head, rest)
        if sent < len(head):
            channel.transport.write(head[sent:])
            sent = len(head)
        self._rest = rest[sent - len(head) :]
        channel.begin_answer(self, channel.site.limits.send_time)
        channel.registerProducer(self, True)
        self._push()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._push()

    def stopProducing(self) -> None:
        """The connection is gone or going."""
        self._rest = self._rest[:0]
        self._paused = True

    def connectionLost(self, reason: object) -> None:
        """What a channel tells its requests."""
        self.stopProducing()

    def _push(self) -> None:
        channel = self._channel
        while self._rest and not self._paused:
            piece, self._rest = self._rest[: self._size], self._rest[self._size :]
            channel.still_sending()
            channel.transport.write(bytes(piece))
        if not self._rest and not self._paused and channel.phase is Phase.HANDLING:
            channel.end_answer(self)
