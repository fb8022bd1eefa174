"""Requests to one upstream: within its rules, its breaker and its bounds, with our credentials and nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from keygenreg import __version__
from keygenreg.upstream.addresses import AddressRules, Target, join
from keygenreg.upstream.agent import CODING, WANTED_CODING, http_client
from keygenreg.upstream.answers import as_failure, drop, fields_of, retry_after
from keygenreg.upstream.breaker import Breaker
from keygenreg.upstream.failures import BadStatus, Broken, Refused, TooBig, Unranged, UpstreamFailure
from keygenreg.upstream.parts import Part, read_head
from keygenreg.upstream.receiving import Gathering, Receiver
from keygenreg.upstream.slots import Slots

USER_AGENT = f"keygenreg/{__version__} (mirror)"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


@frozen
class Limits:
    """
    Bounds of one upstream. Times in seconds, sizes in bytes.

    ``connect`` is for one connection, ``first_byte`` from sending a request to the head of its answer, ``idle`` the
    time in which some of the body must come. ``documents`` and ``files`` may be under way at the same time.
    """

    connect: float = 5.0
    first_byte: float = 10.0
    idle: float = 30.0
    documents: int = 16
    files: int = 16
    document_bytes: int = 64 * 1024 * 1024
    file_bytes: int = 5 * 1024**3


@frozen
class Document:
    """
    An answer read whole: 200 and 206 with their ``body``, 304, 404 (for 410 too) and 416 without. Header names in lower
    case.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@frozen(eq=False)
class Arrival:
    """The head of a file that is about to arrive: ``size`` in bytes, None when upstream does not say."""

    url: str
    size: int | None
    headers: Mapping[str, str]
    _response: IResponse

    def deliver(self, receiver: Receiver) -> None:
        """Let the body flow into a receiver; must be called, if only to give it up."""
        self._response.deliverBody(receiver)


@define(eq=False)
class UpstreamClient:
    """
    :param authorization: value of the Authorization field, sent to the origin of ``rules.index`` only.
    """

    reactor: Any
    rules: AddressRules
    limits: Limits = Limits()
    authorization: str | None = field(default=None, repr=False)
    documents: Slots = field(init=False)
    files: Slots = field(init=False)
    _breakers: dict[str, Breaker] = field(factory=dict, init=False)
    _client: Any = field(init=False)
    _pool: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.documents, self.files = Slots(self.limits.documents), Slots(self.limits.files)
        self._client, self._pool = http_client(self.reactor, self.rules, connect_seconds=self.limits.connect)

    def breaker(self, origin: str) -> Breaker:
        """The breaker of one of the upstream's hosts; there are as many as allowed hosts."""
        return self._breakers.setdefault(origin, Breaker(self.reactor.seconds))

    @property
    def states(self) -> dict[str, str]:
        """The state of each host's circuit."""
        return {origin: breaker.state for origin, breaker in self._breakers.items()}

    @property
    def breakers(self) -> Mapping[str, Breaker]:
        """The circuit of each host that was asked."""
        return self._breakers

    async def exists(self, url: str, *, accept: str) -> bool:
        """Whether there is a document, of which nothing is read. :raises UpstreamFailure: upstream does not tell."""
        async with self.documents.slot():
            target, response = await self._follow(url, {"Accept": accept}, "HEAD")
            if response.code not in (200, 404, 410):
                raise self._bad_status(target, response, fields_of(response))
            self._whole(target, response)
            return response.code == 200

    async def document(
        self, url: str, *, accept: str, etag: str | None = None, last_modified: str | None = None, start: int = 0
    ) -> Document:
        """
        Read a document; with validators of the copy at hand, conditionally.

        :param start: unless 0, only what comes from this byte on is asked for. Upstream may answer with the whole.
        :raises UpstreamFailure: there is none to be had.
        """
        headers = {"Accept": accept, WANTED_CODING.decode(): "gzip"}
        if start:
            # Compressed, it would be a part of what is compressed.
            headers |= {WANTED_CODING.decode(): "identity", "Range": f"bytes={start}-"}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        async with self.documents.slot():
            target, response = await self._follow(url, headers)
            fields = fields_of(response)
            if response.code in (304, 404, 410) or (start and response.code == 416):
                self._whole(target, response)
                return Document(404 if response.code == 410 else response.code, target.url, fields)
            if response.code != 200 and not (start and response.code == 206):
                raise self._bad_status(target, response, fields)
            try:
                gathering = Gathering(fields.get(CODING.decode(), ""), self.limits.document_bytes)
            except UpstreamFailure:
                drop(self.reactor, response)
                raise
            body = await self._gathered(target, response, gathering)
            return Document(response.code, target.url, fields, body)

    async def file(self, url: str, on_head: Callable[[Arrival], Receiver]) -> None:
        """
        Fetch a file; returns when its last byte has been delivered.

        :param on_head: called with the head; gives the receiver that takes the body.
        :raises UpstreamFailure: as it happens, before or in the middle. What ``on_head`` raises comes out too.
        """
        async with self.files.slot():
            target, response = await self._follow(url, {"Accept": "*/*", WANTED_CODING.decode(): "identity"})
            fields = fields_of(response)
            if response.code != 200:
                raise self._bad_status(target, response, fields)
            size = None if response.length is UNKNOWN_LENGTH else response.length
            try:
                if fields.get(CODING.decode(), "") not in ("", "identity"):
                    raise Broken("The upstream encodes files that were asked for as they are.")
                receiver = on_head(Arrival(target.url, size, fields, response))
            except BaseException:
                drop(self.reactor, response)
                raise
            await self._received(target, response, receiver)

    async def part(self, url: str, span: range, *, size: int | None, etag: str | None = None) -> Part:
        """
        Read one part of a file, which is held in memory whole.

        Bounded like documents, whose size it has: resolvers wait for it, who must not stand behind files of gigabytes.

        :param size: what the file has, in bytes; None: unknown. :param etag: a strong one that an earlier part told.
        :raises Unranged: upstream answered something else. UpstreamFailure: it did not answer properly.
        """
        headers = {"Accept": "*/*", WANTED_CODING.decode(): "identity", "Range": f"bytes={span.start}-{span.stop - 1}"}
        if etag is not None:
            headers["If-Range"] = etag
        async with self.documents.slot():
            target, response = await self._follow(url, headers)
            fields = fields_of(response)
            if response.code >= 400:
                raise self._bad_status(target, response, fields)
            try:
                if fields.get(CODING.decode(), "") not in ("", "identity"):
                    raise Unranged("The upstream encodes parts that were asked for as they are.")
                length = None if response.length is UNKNOWN_LENGTH else response.length
                head = read_head(response.code, fields, length, span=span, size=size, etag=etag)
            except UpstreamFailure:
                drop(self.reactor, response)
                raise
            try:
                body = await self._gathered(target, response, Gathering("", len(span)))
            except TooBig:
                raise Unranged("The upstream sent more than was asked for.") from None
            if len(body) != len(span):
                raise Unranged(f"The upstream sent {len(body)} bytes where {len(span)} were asked for.")
            return Part(body, head.total, head.etag)

    async def close(self) -> None:
        """Close idle connections; those in use end with their requests."""
        await self._pool.closeCachedConnections()

    async def _follow(self, url: str, headers: dict[str, str], method: str = "GET") -> tuple[Target, IResponse]:
        """The first answer that is no redirect, each hop checked anew."""
        target = self.rules.check(url)
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._send(target, headers, method)
            if response.code not in _REDIRECTS:
                return target, response
            location = fields_of(response).get("location", "")
            self._whole(target, response)
            target = self.rules.check(join(target.url, location), came_from=target)
        raise Refused("The upstream redirects without end.")

    async def _send(self, target: Target, headers: dict[str, str], method: str) -> IResponse:
        breaker = self.breaker(target.origin)
        breaker.admit()
        sent = {"User-Agent": USER_AGENT, **headers}
        if self.authorization and target.origin == self.rules.index.origin:
            sent["Authorization"] = self.authorization
        try:
            asking = self._client.request(
                method, target.url, headers=sent, allow_redirects=False, unbuffered=True, reactor=self.reactor
            )
            asking.addTimeout(self.limits.connect + self.limits.first_byte, self.reactor)
            response = await asking
        except CancelledError:
            breaker.abandoned()
            raise
        except Exception as error:
            failure = as_failure(error, target)
            if isinstance(failure, Refused):
                breaker.abandoned()
            else:
                breaker.failed()
            raise failure from None
        if response.code >= 500 or response.code == 429:
            breaker.failed(retry_after(fields_of(response)))
        else:
            breaker.answered()
        return response

    async def _gathered(self, target: Target, response: IResponse, gathering: Gathering) -> bytes:
        """A body that is held in memory, and so must come within a time."""
        receiver = Receiver(self.reactor, gathering.take, self.limits.idle)
        receiver.done.addTimeout(self.limits.idle * 4, self.reactor)
        await self._received(target, response, receiver)
        return gathering.whole()

    async def _received(self, target: Target, response: IResponse, receiver: Receiver) -> None:
        response.deliverBody(receiver)
        try:
            await receiver.done
        except CancelledError:
            receiver.transport.stopProducing()
            raise
        except DeferredTimeout:
            receiver.transport.stopProducing()
            self.breaker(target.origin).failed()
            raise Broken("The upstream's answer took too long.") from None
        except Broken:
            self.breaker(target.origin).failed()
            raise
        self.breaker(target.origin).succeeded()

    def _whole(self, target: Target, response: IResponse) -> None:
        """An answer whose head says everything."""
        self.breaker(target.origin).succeeded()
        drop(self.reactor, response)

    def _bad_status(self, target: Target, response: IResponse, fields: Mapping[str, str]) -> BadStatus:
        drop(self.reactor, response)
        return BadStatus(
            f"{target.origin} answered with status {response.code}.",
            status=response.code,
            retry_after=retry_after(fields),
        )
