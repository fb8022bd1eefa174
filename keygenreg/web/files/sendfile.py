"""Sending files from the kernel's page cache straight to the socket, without a copy in this process.

Takes over the ``doWrite`` of a plain TCP transport (twisted.internet.tcp.Server, 26.10) while a body is sent. What was
written before goes out first, what is written meanwhile waits behind, and the transport is given back for the next
answer. The kernel's send window is the backpressure. Leans on ``dataBuffer``, ``_tempDataLen`` and on ``doWrite`` being
looked up on the instance at every event, as Twisted's own ``abortConnection`` does.
"""

from __future__ import annotations

import errno
import os
from time import monotonic

from attrs import define, field
from twisted.internet import main, tcp
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from keygenreg.web.files.body import Body, Truncated
from keygenreg.web.files.slices import SlicePusher

_log = Logger()

BURST = 2 * 1024 * 1024
"""
Most bytes that the kernel is given at once: what nginx gives it too. Larger ones fill the socket's buffer, whose rest
is then sent as acknowledgments come in: less of our time for a byte, but fewer bytes in all.
"""

_FIRST_BURST = 1024 * 1024
"""Bytes of a first burst, and least of any; one that the socket takes whole is followed by one of twice as many."""

_TURN = 0.002
"""
Seconds in which one connection may send burst after burst before the next one has its turn: the way round the reactor
costs a twentieth of a burst.
"""

_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EOVERFLOW})


def can_send_files(transport: object) -> bool:
    """Whether ``transport`` is one whose socket we may write to ourselves: plain TCP, no TLS, nothing around it."""
    return type(transport) is tcp.Server and not transport.TLS


@implementer(IPushProducer)
@define(eq=False)
class FileSender:
    """Sends a :class:`Body` on the transport of a request whose head is set, then finishes the request."""

    _request: Request
    _body: Body
    _transport: tcp.Server
    _flushing: bool = field(default=True, init=False)
    _over: bool = field(default=False, init=False)
    _burst: int = field(default=_FIRST_BURST, init=False)

    def start(self) -> None:
        self._request.registerProducer(self, True)
        self._request.notifyFinish().addErrback(lambda _: self.stopProducing())
        self._request.write(b"")
        self._transport.doWrite = self._do_write
        # The kernel hands over a file in pieces; each would be sent as it is. Turned on again, it sends the last one.
        self._transport.setTcpNoDelay(False)
        self._transport.startWriting()

    # The transport's buffer only ever holds a head or the delimiters of parts: nothing to pause for.

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def stopProducing(self) -> None:
        """The connection is gone or going."""
        self._release()
        self._body.close()

    def _release(self) -> None:
        """Give the transport its own ``doWrite`` back, unless somebody else has put one there (``abortConnection``)."""
        self._over = True
        if self._transport.__dict__.get("doWrite") == self._do_write:
            del self._transport.doWrite

    def _do_write(self):
        """Called by the reactor when the socket takes bytes; answers as ``IWriteDescriptor.doWrite``."""
        transport = self._transport
        if transport.disconnecting:
            self.stopProducing()
            return transport.doWrite()
        if self._flushing:
            result = type(transport).doWrite(transport)
            if result is not None or self._over:
                return result
            if transport.dataBuffer or transport._tempDataLen:
                return None
            self._flushing = False
            transport.startWriting()
        if not self._body.parts:
            return self._finish()
        if not isinstance(self._body.parts[0], range):
            self._flushing = True
            transport.write(self._body.read(_FIRST_BURST))
            return None
        ready = self._body.ready(self._burst)
        if ready:
            return self._send(ready)
        transport.stopWriting()
        self._body.warm().addBoth(self._warmed)
        return None

    def _send(self, size: int):
        """
        Send what is in the page cache of the span that comes next, ``size`` bytes at first, until the socket has enough
        or the turn is over.
        """
        body, descriptor, sent = self._body, self._transport.socket.fileno(), self._request.sentLength
        until = monotonic() + _TURN
        while size:
            try:
                count = os.sendfile(descriptor, body.fd, body.parts[0].start, size)
                if not count:
                    raise Truncated(f"no bytes at offset {body.parts[0].start}")
            except BlockingIOError:
                break
            except (Truncated, OSError) as error:
                return self._failed(error)
            body.advance(count)
            self._request.sentLength += count
            self._burst = min(2 * size, BURST) if count == size else max(count, _FIRST_BURST)
            if not body.parts:
                return self._finish()
            if count < size or monotonic() > until or not isinstance(body.parts[0], range):
                break
            size = body.ready(self._burst)
        if self._request.sentLength > sent:
            self._request.channel.still_sending()
        return None

    def _failed(self, error: Truncated | OSError):
        if getattr(error, "errno", None) in _UNSUPPORTED:
            self._push_instead()
            return None
        if isinstance(error, Truncated) or error.errno == errno.EIO:
            _log.failure("A stored file cannot be read to its end; its answer was cut off")
            self.stopProducing()
            self._transport.abortConnection()
            return None
        return main.CONNECTION_LOST

    def _push_instead(self) -> None:
        """A file system or socket without sendfile: send what is left through memory."""
        self._release()
        self._transport.setTcpNoDelay(True)
        self._transport.stopWriting()
        self._request.unregisterProducer()
        SlicePusher(self._request, self._body).start()

    def _warmed(self, _) -> None:
        if not self._over:
            self._transport.startWriting()

    def _finish(self) -> None:
        self._release()
        self._transport.setTcpNoDelay(True)
        self._body.close()
        if not (self._transport.dataBuffer or self._transport._tempDataLen):
            self._transport.stopWriting()
        self._request.unregisterProducer()
        self._request.finish()
