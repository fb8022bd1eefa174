"""The HTTP site: connections with bounds, requests with ids, and what is counted and logged about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import Site

from keygenreg.domain.failures import Failure
from keygenreg.storage.interface import BlobStore
from keygenreg.storage.threads import DiskThreads
from keygenreg.web.channel import EdgeChannel
from keygenreg.web.files.acceleration import Acceleration
from keygenreg.web.keeping.ready_answers import Given, ReadyAnswer, ReadyAnswers
from keygenreg.web.keeping.ready_channel import ReadyChannel
from keygenreg.web.keeping.ready_files import ReadyFiles
from keygenreg.web.limits import Limits
from keygenreg.web.refusals import refusal
from keygenreg.web.reply import Reply
from keygenreg.web.request import EdgeRequest
from keygenreg.web.upload import UploadTarget

_log = Logger()

ClaimUpload = Callable[[bytes, bytes, Headers], UploadTarget | Failure | None]
"""``(method, target, headers)`` -> where the body goes; ``target`` is the path with its query, as received."""


class Observer(Protocol):
    """Told of every request: metrics, access log. Must not raise and must be quick."""

    def began(self, request: EdgeRequest) -> None: ...

    def ended(self, request: EdgeRequest) -> None:
        """The answer is complete, was refused, or the client left (``request.code`` 499)."""

    def repeated(self, answer: ReadyAnswer | Given, channel: EdgeChannel, request_id: bytes) -> None:
        """An answer that was ready was given; neither ``began`` nor ``ended`` is called for it."""


class EdgeSite(Site):
    """
    A twisted.web site whose connections are :class:`ReadyChannel` and whose requests are :class:`EdgeRequest`.

    :param resource: root of the resource tree.
    :param reactor: an IReactorTime, for deadlines and dates.
    :param claim_upload: asked once per request, before its body, whether the body is an upload; None: none ever is.
    :param blobs: where uploads go, and files come from whose answers are ready; needed with ``claim_upload``.
    :param disk: where files that are not in the page cache are read; None: in the reactor.
    :param refusal: a failure, and the request's id, as the answer where no engine is in charge.
    :param observers: told of every request.
    :param ready: answers to give before a request is parsed; None: there are none.
    :param trusts: whether a peer's address is that of a proxy whose words count: it may be answered differently.
    :param acceleration: how a web server in front is told to send a file itself; None: it never is.
    """

    protocol = ReadyChannel
    requestFactory = EdgeRequest
    displayTracebacks = False
    noisy = False
    draining = False

    def __init__(
        self,
        resource: IResource,
        *,
        reactor,
        limits: Limits | None = None,
        claim_upload: ClaimUpload | None = None,
        blobs: BlobStore | None = None,
        disk: DiskThreads | None = None,
        refusal: Callable[[Failure, str], Reply] = refusal,
        observers: tuple[Observer, ...] = (),
        ready: ReadyAnswers | None = None,
        trusts: Callable[[str], bool] = lambda _address: False,
        acceleration: Acceleration | None = None,
    ) -> None:
        super().__init__(resource, reactor=reactor, timeout=None, parsePOSTFormSubmission=False)
        self.limits = Limits() if limits is None else limits
        self.claim_upload = claim_upload
        self.blobs = blobs
        self.disk = disk
        self.refusal = refusal
        self.observers = observers
        self.ready = ready
        self.files = None if ready is None or blobs is None else ReadyFiles(ready, blobs, self.limits)
        self._trusts = trusts
        self.acceleration = acceleration
        self.channels: set[EdgeChannel] = set()
        self._sweep = LoopingCall(self._check_deadlines)
        self._sweep.clock = reactor

    def startFactory(self):
        self._sweep.start(1.0, now=False)

    def stopFactory(self):
        if self._sweep.running:
            self._sweep.stop()
        if self.files is not None:
            self.files.open.close()

    def kind_of(self, transport: Any) -> bytes:
        """What, besides its bytes, decides how a request is answered: empty for most connections."""
        secure = ISSLTransport.providedBy(transport)
        trusted = self._trusts(getattr(transport.getPeer(), "host", "") or "")
        return b"\0" * secure + b"\1" * trusted

    def acceptableProtocols(self):
        return [b"http/1.1"]

    def _check_deadlines(self) -> None:
        now = self.reactor.seconds()
        for channel in list(self.channels):
            try:
                channel.check_deadline(now)
            except Exception:
                _log.failure("A connection could not be ended")
        if self.files is not None:
            self.files.open.sweep(now)

    def drain(self) -> None:
        """Close idle connections, and every other one after the answer it is waiting for."""
        self.draining = True
        for channel in list(self.channels):
            channel.close_when_idle()

    def request_begins(self, request: EdgeRequest) -> None:
        for observer in self.observers:
            observer.began(request)

    def log(self, request: EdgeRequest) -> None:
        for observer in self.observers:
            observer.ended(request)
