"""One request on our site: an id, a bounded or streamed body, and no page of twisted.web's own making."""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from uuid import uuid4

from twisted.logger import Logger
from twisted.python.failure import Failure as Reason
from twisted.web import server
from twisted.web.error import UnsupportedMethod
from twisted.web.server import NOT_DONE_YET

from keygenreg.domain.failures import Failure, NotAllowed, TooLarge
from keygenreg.web.keeping.ready_answers import Keeping
from keygenreg.web.refusals import incident
from keygenreg.web.reply import Reply
from keygenreg.web.response_head import SERVER, date_field
from keygenreg.web.sending import send
from keygenreg.web.upload import TransportPressure, Upload, UploadTarget

_log = Logger()

CLIENT_GONE = 499
"""The status under which the access log has a request whose client left before the answer was complete."""


class EdgeRequest(server.Request):
    """
    See the module.

    :ivar upload: the body, when the site's ``claim_upload`` took it; ``content`` is empty then.
    :ivar engine: set by the resource tree: the engine's key, for metrics and the access log.
    :ivar client_address: set where a trusted proxy is believed: the address that the access log shows.
    :ivar counted: for :mod:`keygenreg.telemetry.metrics`: whether the request is among those in flight.
    :ivar whole_head: the request as it arrived, when it was a head and nothing else and its answer may be kept.
    :ivar keeping: permission to keep the answer, set by the edge.
    :ivar started: reactor time at which the head had arrived, in seconds.
    """

    defaultContentType = None
    upload: Upload | None = None
    engine: str = "-"
    started: float | None = None
    counted = False
    client_address: str | None = None
    whole_head: bytes | None = None
    keeping: Keeping | None = None
    _refused = False
    _body_room = 0

    @cached_property
    def request_id(self) -> str:
        """A UUID of our own making; what clients send as theirs is not taken over."""
        return str(uuid4())

    def header(self, name: str) -> str | None:
        """A request field by name, several of one name joined by commas; undecodable bytes are replaced."""
        values = self.requestHeaders.getRawHeaders(name.encode("latin-1"))
        return None if not values else ", ".join(value.decode("utf-8", "replace") for value in values)

    # Body

    def begin_body(self, method: bytes, target: bytes, length: int | None) -> Failure | None:
        """Decide where the body goes, before a byte of it is taken; a failure refuses the request."""
        site = self.channel.site
        self.started = site.reactor.seconds()
        self.method, self.uri, self.clientproto = method, target, self.channel._version
        try:
            claim = None if site.claim_upload is None else site.claim_upload(method, target, self.requestHeaders)
            if isinstance(claim, UploadTarget):
                return self._begin_upload(claim, length)
        except Failure as failure:
            return failure
        except Exception:
            _log.failure("Incident {incident}: an upload could not begin", incident=self.request_id)
            return Failure(f"Something went wrong on our side. The log has it as incident {self.request_id}.")
        if claim is not None:
            return claim
        self._body_room = site.limits.body_bytes
        return self._too_large() if length is not None and length > self._body_room else None

    def _begin_upload(self, target: UploadTarget, length: int | None) -> Failure | None:
        failure = target.refusal(length)
        if failure is None:
            incoming = self.channel.site.blobs.begin(algorithms=target.algorithms)
            incoming.pressure = TransportPressure(self.channel)
            self.upload = Upload(target, incoming)
        return failure

    def _too_large(self) -> Failure:
        return TooLarge(f"The body is above {self.channel.site.limits.body_bytes} bytes.")

    def gotLength(self, length):
        self.content = BytesIO()

    def handleContentChunk(self, data):
        if self.upload is not None:
            failure = self.upload.receive(data)
        else:
            self._body_room -= len(data)
            failure = self._too_large() if self._body_room < 0 else None
            if failure is None:
                self.content.write(data)
        if failure is not None:
            self.channel.refuse(failure)

    def end_body(self) -> Failure | None:
        """The body is complete; a failure refuses the request after all."""
        if self.upload is None:
            return None
        self.upload.incoming.pressure = None
        return self.upload.complete()

    # Answer

    def process(self):
        self.site = self.channel.site
        self.site.request_begins(self)
        self.responseHeaders.setRawHeaders(b"Server", [SERVER])
        self.responseHeaders.setRawHeaders(b"Date", [date_field(int(self.site.reactor.seconds()))])
        self.responseHeaders.setRawHeaders(b"X-Request-Id", [self.request_id.encode("ascii")])
        self.prepath = []
        self.postpath = [server.unquote(part) for part in self.path[1:].split(b"/")]
        if self.path == b"*":
            self._handleStar()
            return
        try:
            self.render(self.site.getResourceFor(self))
        except Exception:
            self.processingFailed(Reason())

    def getRequestHostname(self):
        """The same for all: Klein binds its routes to a host, and fails where the Host header names none."""
        return b"localhost"

    def render(self, resrc):
        try:
            body = resrc.render(self)
        except UnsupportedMethod as unsupported:
            allow = tuple(method.decode("latin-1") for method in unsupported.allowedMethods)
            failure = NotAllowed("This path does not do that method.", allow=allow)
            send(self, self.site.refusal(failure, self.request_id))
            return
        if body is not NOT_DONE_YET:
            send(self, Reply(self.code, body))


    def processingFailed(self, reason):
        """Log a fault of ours under the request's id, and tell the client that id and nothing else."""
        _log.failure("Incident {incident}", failure=reason, incident=self.request_id)
        if self._disconnected or self.finished:
            return reason
        if self.startedWriting:
            self.channel.transport.abortConnection()
        else:
            self.responseHeaders.removeHeader(b"ETag")
            send(self, incident(self.request_id))
        return reason

    # Ends

    def was_refused(self, reply: Reply) -> None:
        """The channel answered in our place, before the body was here."""
        self._refused = True
        self.code, self.sentLength = reply.status, len(reply.body)
        self._drop_upload()

    def finish(self):
        super().finish()
        self._drop_upload()

    def connectionLost(self, reason):
        site, begun = self.channel.site, self.started is not None
        super().connectionLost(reason)
        self.producer = None  # it has been told to stop; and it holds the request
        if self.site is None:
            self._drop_upload()  # the body never got here; afterwards it is the handler's, see answering
        if begun and not self.finished and not self._refused:
            self.code = CLIENT_GONE
            site.log(self)

    def _drop_upload(self) -> None:
        if self.upload is not None:
            self.upload.incoming.pressure = None
            self.upload.discard()
