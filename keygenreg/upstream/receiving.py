"""Bodies that arrive: handed on as they come, watched for an upstream that dies, decompressed within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure as Reason
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from keygenreg.upstream.failures import Broken, TooBig, UpstreamFailure

PACE = 4096
"""Bytes that must arrive in every period of patience; less is an upstream that is dying slowly."""

_PIECE = 256 * 1024


class Receiver(Protocol):
    """
    Takes a body.

    :param take: called with each piece, in the reactor thread.
    :param patience: seconds in which :data:`PACE` bytes, or the end, must come. They do not count while paused.
    :param until_close: the end of the connection may be the end of the body, as whoever takes it can tell (HTTP/1.0).
    :ivar done: fires with None at the body's true end, with :class:`Broken` when it is cut off or too slow, with what
        :meth:`give_up` was given.
    """

    def __init__(
        self, reactor: Any, take: Callable[[bytes], None], patience: float, *, until_close: bool = False
    ) -> None:
        self.done: Deferred[None] = Deferred()
        self._reactor = reactor
        self._take = take
        self._patience = patience
        self._ends = (ResponseDone, PotentialDataLoss) if until_close else (ResponseDone,)
        self._came = 0
        self._paused = False
        self._watch: Any = None

    def connectionMade(self) -> None:
        if self.done.called:
            self.transport.stopProducing()
            return
        self._watch = self._reactor.callLater(self._patience, self._look)
        if self._paused:
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return
        self._came += len(data)
        try:
            self._take(data)
        except UpstreamFailure as failure:
            self.give_up(failure)

    def connectionLost(self, reason: Reason) -> None:
        if reason.check(*self._ends):
            self._end(None)
        else:
            self._end(Broken("The upstream's answer ended too early."))

    def give_up(self, failure: Exception) -> None:
        """End it here: the connection is closed, the rest of the body never comes."""
        if not self.done.called:
            self._end(failure)
            if self.transport is not None:
                self.transport.stopProducing()

    # Backpressure, as :class:`keygenreg.storage.interface.Pressure` has it

    def pause(self) -> None:
        self._paused = True
        if self.transport is not None:
            self.transport.pauseProducing()

    def resume(self) -> None:
        if self._paused and self._watch is not None:
            # What was left of the period may be too short for anything to come.
            self._came = 0
            self._watch.reset(self._patience)
        self._paused = False
        if self.transport is not None:
            self.transport.resumeProducing()

    def fail(self, failure: Exception) -> None:
        self.give_up(failure)

    def _look(self) -> None:
        if self._came < PACE and not self._paused:
            self._watch = None
            self.give_up(Broken("The upstream's answer came too slowly."))
            return
        self._came = 0
        self._watch = self._reactor.callLater(self._patience, self._look)

    def _end(self, failure: Exception | None) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
        if not self.done.called:
            if failure is None:
                self.done.callback(None)
            else:
                self.done.errback(failure)


class Gathering:
    """
    A body in memory, at most ``limit`` bytes of it, as it is or decompressed from gzip.

    Decompression goes piece by piece, so a bomb costs one piece more than the limit.
    """

    def __init__(self, coding: str, limit: int) -> None:
        """:raises Broken: a coding that nobody asked for."""
        if coding not in ("", "identity", "gzip", "x-gzip"):
            raise Broken(f"The upstream's answer has the content coding {coding[:20]!r}, which was not asked for.")
        self._inflater = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in coding else None
        self._limit = limit
        self._size = 0
        self._pieces: list[bytes] = []

    def take(self, data: bytes) -> None:
        """:raises TooBig, Broken: beyond the limit; no gzip."""
        if self._inflater is None:
            self._keep(data)
            return
        try:
            while data and not self._inflater.eof:
                self._keep(self._inflater.decompress(data, _PIECE))
                data = self._inflater.unconsumed_tail
        except zlib.error:
            raise Broken("The upstream's answer is no intact gzip.") from None

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise TooBig(f"The upstream's document has more than {self._limit} bytes.")
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """:raises Broken: the gzip ended in the middle."""
        if self._inflater is not None and not self._inflater.eof:
            raise Broken("The upstream's answer is cut short.")
        return b"".join(self._pieces)
