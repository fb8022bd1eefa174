"""One HTTP/1.1 connection: stock parsing made stricter, bounded in size and time, and refusals with a body.

What stock twisted.web (26.10) lets through and this does not: folded headers, ``Transfer-Encoding: identity``, transfer
codings under HTTP/1.0, missing or several Host fields, targets without a leading slash, lengths of thousands of digits,
bare CR, LF or NUL in chunk trailers, anything that follows a header it has already refused, and a client that sends on
without taking its answers. Its own 400 has neither headers nor body, and closing right after it loses the answer when
the client is still sending.

Leans on names of ``HTTPChannel`` that have no underscore-free form: ``_command``, ``_path``, ``_version``,
``_networkProducer``, ``_transferDecoder``, ``_finishRequestBody`` and ``_respondToBadRequestAndDisconnect``.
"""

from __future__ import annotations

from enum import Enum

from twisted.internet.interfaces import ISSLTransport
from twisted.web.http import HTTPChannel

from keygenreg.domain.failures import BadRequest, Failure
from keygenreg.web.head_rules import fault_of_head, is_persistent, origin_form
from keygenreg.web.limits import HeadTooLarge, TargetTooLong, TooSlow
from keygenreg.web.response_head import wire_form

_MAX_LENGTH_DIGITS = 18
_UNBOUNDED = 1 << 62
_TLS_HANDSHAKE = b"\x16\x03"


class Phase(Enum):
    """What a connection is waiting for."""

    IDLE = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    HANDLING = "us"
    CLOSING = "the client to take the last answer"


class EdgeChannel(HTTPChannel):
    """
    See the module. Made by :class:`keygenreg.web.site.EdgeSite`, which sets ``site`` and calls :meth:`check_deadline`
    once a second; there are no delayed calls per connection.
    """

    # Our own bounds answer with the right status before these would.
    totalHeadersSize = _UNBOUNDED
    maxHeaders = _UNBOUNDED

    phase = Phase.IDLE
    deadline: float | None = None
    _refused = False
    _held = False
    _in_head = False
    _head_bytes = 0
    _head_count = 0
    _pace = 0
    _dropped = 0
    _done = None

    def connectionMade(self):
        self.MAX_LENGTH = self.site.limits.head_bytes
        self._enter(Phase.IDLE, self.site.limits.keep_alive)
        super().connectionMade()
        if len(self.site.channels) >= self.site.limits.connections:
            self.transport.abortConnection()
        self.site.channels.add(self)

    def connectionLost(self, reason):
        self.site.channels.discard(self)
        super().connectionLost(reason)
        # Each of these may hold the connection: what has ended should go at once, and not when garbage is looked for.
        self.requests.clear()
        self._done = self._transferDecoder = self._requestProducer = None

    # Time

    def _enter(self, phase: Phase, seconds: float | None) -> None:
        self.phase = phase
        self.deadline = None if seconds is None else self.site.reactor.seconds() + seconds

    def still_sending(self) -> None:
        """The client takes our answer: give it ``send_time`` for the next bytes."""
        self.deadline = self.site.reactor.seconds() + self.site.limits.send_time

    def check_deadline(self, now: float) -> None:
        """Act on a deadline that has passed: a refusal where the client could read one, else the end."""
        if self.deadline is None or now < self.deadline:
            return
        if self.phase in (Phase.HEAD, Phase.BODY):
            self.refuse(TooSlow("The request did not arrive in time."))
        elif self.phase is Phase.IDLE:
            self.loseConnection()
        else:
            self.deadline = None
            self.transport.abortConnection()

    def loseConnection(self):
        self._enter(Phase.CLOSING, self.site.limits.closing_time)
        return super().loseConnection()

    def close_when_idle(self) -> None:
        """Take no further request after the one under way."""
        if self.phase is Phase.IDLE:
            self.loseConnection()
        elif self.phase is not Phase.HEAD:
            # What comes on a connection that does not persist is dropped, so the rest of a head may still come on one
            # that does; checkPersistence ends it.
            self.persistent = False

    # Head

    def dataReceived(self, data):
        if self._refused:
            self._dropped += len(data)
            if self._dropped > self.site.limits.linger_bytes:
                self.transport.abortConnection()
            return
        if self.phase is Phase.IDLE:
            self._enter(Phase.HEAD, self.site.limits.head_time)
            if data.startswith(_TLS_HANDSHAKE) and not self.isSecure():
                # Clients of registries try TLS first and go on without only when they are answered.
                self._bad("This port speaks HTTP without TLS.")
                return
        super().dataReceived(data)

    def lineReceived(self, line):
        if self._refused:
            return
        if self._in_head:
            self._head_bytes += len(line) + 2
            if self._head_bytes > self.site.limits.head_bytes:
                self.refuse(HeadTooLarge(f"The headers are above {self.site.limits.head_bytes} bytes."))
                return
            if not line:
                self._in_head = False
            elif line[0] in b" \t":
                self._bad("A header field may not be folded over several lines.")
                return
        elif line:
            self._in_head = True
            if self.phase is Phase.IDLE:  # pipelined: it was here before the previous answer was
                self._enter(Phase.HEAD, self.site.limits.head_time)
            self._head_bytes, self._head_count = len(line) + 2, 0
            if line.count(b" ") == 2 and len(line.split(b" ")[1]) > self.site.limits.target_bytes:
                self.refuse(TargetTooLong(f"The request target is above {self.site.limits.target_bytes} bytes."))
                return
        super().lineReceived(line)

    def lineLengthExceeded(self, line):
        if self._in_head:
            self.refuse(HeadTooLarge(f"The headers are above {self.site.limits.head_bytes} bytes."))
        else:
            self.refuse(TargetTooLong("The request line is too long."))

    def headerReceived(self, line):
        if self._refused:
            return False
        if not line.isascii():
            # Whoever reads a header as text decodes it as UTF-8: nothing that would fail gets past here.
            line = line.decode("utf-8", "replace").encode("utf-8")
        self._head_count += 1
        if self._head_count > self.site.limits.head_count:
            self.refuse(HeadTooLarge(f"There are more than {self.site.limits.head_count} header fields."))
            return False
        return super().headerReceived(line)

    def _maybeChooseTransferDecoder(self, header, data):
        if header == b"Transfer-Encoding" and data.lower() != b"chunked":
            return self._failChooseTransferDecoder()
        if header == b"Content-Length" and len(data) > _MAX_LENGTH_DIGITS:
            return self._failChooseTransferDecoder()
        return super()._maybeChooseTransferDecoder(header, data)

    def allHeadersReceived(self):
        if self._refused:
            return
        request = self.requests[-1]
        failure = fault_of_head(self._version, self._path, request.requestHeaders)
        if failure is None:
            self._path = origin_form(self._path, request.requestHeaders)
            failure = request.begin_body(self._command, self._path, self.length)
        if failure is not None:
            self.refuse(failure)
            return
        if self.length != 0:
            self._pace = 0
            self._enter(Phase.BODY, self.site.limits.body_time)
        super().allHeadersReceived()

    def checkPersistence(self, request, version):
        if is_persistent(version, request.requestHeaders) and not self.site.draining:
            return True
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    # Body

    def rawDataReceived(self, data):
        if self._refused:
            return
        if self.phase is Phase.BODY:
            self._pace += len(data)
            if self._pace >= self.site.limits.body_pace:
                self._pace = 0
                self._enter(Phase.BODY, self.site.limits.body_time)
        super().rawDataReceived(data)
        if self._waitingForTransport and sum(map(len, self._dataBuffer)) > self._optimisticEagerReadSize:
            self._networkProducer.pauseProducing()

    def hold_reading(self) -> None:
        """Read nothing more until :meth:`release_reading`: the store is behind, which is not the client's fault."""
        self._held = True
        self.deadline = None
        self._networkProducer.pauseProducing()

    def release_reading(self) -> None:
        """Undo :meth:`hold_reading`."""
        if not self._held:
            return
        self._held = False
        if self.phase is Phase.BODY:
            self._enter(Phase.BODY, self.site.limits.body_time)
        if not self._waitingForTransport:
            self._networkProducer.resumeProducing()

    def resumeProducing(self):
        done, self._done = self._done, None
        super().resumeProducing()
        if done is not None:
            self.requests.insert(0, done)
            self.requestDone(done)
        if self._held:
            self._networkProducer.pauseProducing()

    def _finishRequestBody(self, data):
        trailers = getattr(self._transferDecoder, "_trailerHeaders", ())
        if any(line.translate(None, b"\x00\r\n") != line for line in trailers):
            self._bad("The trailer of the body has a line break or NUL inside a field.")
            return
        super()._finishRequestBody(data)

    def allContentReceived(self):
        if self._refused:
            return
        failure = self.requests[-1].end_body()
        if failure is not None:
            self.refuse(failure)
            return
        self.release_reading()
        self._enter(Phase.HANDLING, None)
        super().allContentReceived()

    def requestDone(self, request):
        if self.persistent and self._waitingForTransport:
            # A full buffer: requests that wait in ours are answered when the client has taken what it asked for, or a
            # packet of small requests would become megabytes of answers in memory.
            self._done = request
            self.requests.remove(request)
            self.still_sending()
            return
        if self.persistent:
            self._enter(Phase.IDLE, self.site.limits.keep_alive)
        super().requestDone(request)

    # Refusals

    def _respondToBadRequestAndDisconnect(self):
        self._bad("The request is not well-formed HTTP.")

    def _bad(self, detail: str) -> None:
        self.refuse(BadRequest(detail))

    def refuse(self, failure: Failure) -> None:
        """Answer a request that is not all here, and close: what follows on the connection is unwanted."""
        if self._refused or self.phase in (Phase.HANDLING, Phase.CLOSING):
            return
        self._refused = True
        self._held = False
        request = self.requests[-1] if self.requests else self.requestFactory(self)
        reply = self.site.refusal(failure, request.request_id)
        now = self.site.reactor.seconds()
        self.transport.writeSequence(wire_form(reply, request.request_id, now=now, without_body=self._is_head()))
        request.was_refused(reply)
        self.site.log(request)
        self._linger()

    def _is_head(self) -> bool:
        return getattr(self, "_command", None) == b"HEAD"

    def _linger(self) -> None:
        """Close our half and drop what still comes: closing with unread bytes would reset the answer away."""
        self.clearLineBuffer()
        self._networkProducer.unregisterProducer()
        self._enter(Phase.CLOSING, self.site.limits.linger_time)
        if ISSLTransport.providedBy(self.transport) and not getattr(self.transport, "half_closes", False):
            self.transport.loseConnection()
        else:
            self._networkProducer.resumeProducing()
            self.transport.loseWriteConnection()
