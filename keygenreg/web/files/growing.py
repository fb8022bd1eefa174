"""Sending a file that is still arriving: as far as it may be read, then waiting for more, cut off if it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, field
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from keygenreg.storage.threads import DiskThreads
from keygenreg.web.files.body import Body, Truncated
from keygenreg.web.files.slices import SLICE, TLS_SLICE

_log = Logger()


class GrowingBlob:
    """
    Base of blobs (:class:`keygenreg.web.reply.ReadableBlob`) whose bytes are not all there yet.

    :ivar size: what it will have in the end, in bytes.
    :ivar readable: how many of the first bytes may be sent now.
    :ivar broken: the rest will never come.
    """

    __slots__ = ()

    size: int
    readable: int
    broken: bool

    def fileno(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def watch(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` whenever ``readable`` or ``broken`` has changed, until :meth:`close`."""
        raise NotImplementedError

    def body(self, parts: Iterable[bytes | range], disk: DiskThreads | None) -> Body:
        """Where the bytes of ``parts`` are read from; closing it closes the blob."""
        return Body(parts, self.fileno(), self.close, disk)


@implementer(IPushProducer)
@define(eq=False)
class GrowingPusher:
    """Pushes a :class:`Body` whose spans are of a growing blob, and finishes the request; or ends its connection."""

    _request: Request
    _body: Body
    _blob: GrowingBlob
    _size: int = SLICE
    _paused: bool = field(default=False, init=False)
    _warming: bool = field(default=False, init=False)
    _pushing: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)

    def start(self) -> None:
        self._request.registerProducer(self, True)
        self._request.notifyFinish().addErrback(lambda _: self.stopProducing())
        self._blob.watch(self._changed)
        self._request.write(b"")  # the head goes now, however long the bytes may take
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

    def _changed(self) -> None:
        if self._over:
            return
        if not self._paused:
            # It is us whom the client waits for: that is no reason to give it up.
            self._request.channel.still_sending()
        self._push()

    def _push(self) -> None:
        if self._pushing:
            return
        self._pushing = True
        try:
            while not (self._paused or self._warming or self._over) and self._push_once():
                pass
        finally:
            self._pushing = False

    def _push_once(self) -> bool:
        """Send one slice; False when there is none to be had now."""
        if self._blob.broken:
            self._give_up()
            return False
        size = self._allowed()
        if size == 0:
            return False
        if self._body.is_cold(size):
            self._warming = True
            self._body.warm().addBoth(self._warmed)
            return False
        try:
            data = self._body.read(size)
        except (Truncated, OSError):
            _log.failure("A file on its way cannot be read; its answer was cut off")
            self._give_up()
            return False
        if not data:
            self._finish()
            return False
        self._request.channel.still_sending()
        self._request.write(data)
        return True

    def _allowed(self) -> int:
        """How much may be read now, in bytes."""
        if not self._body.parts or not isinstance(self._body.parts[0], range):
            return self._size
        return max(0, min(self._size, self._blob.readable - self._body.parts[0].start))

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


def send_growing(request: Request, parts: Iterable[bytes | range], blob: GrowingBlob) -> None:
    """Send ``parts`` of ``blob`` as the body of ``request``, whose head is set, and finish it; closes the blob."""
    body = blob.body(parts, request.channel.site.disk)
    transport = request.channel.transport
    GrowingPusher(request, body, blob, TLS_SLICE if ISSLTransport.providedBy(transport) else SLICE).start()
