"""
Answers that are ready: whole requests, byte for byte, and what was answered to them, given again before any parsing.

The key is the head of a request as it arrived, with its credentials and conditions, so an answer can only go to a
request that is the same in every byte. It is given as long as its :class:`~keygenreg.caches.generations.Guard` holds
and its time has not come; a revocation therefore counts in the next answer. Only what a handler marked by
:meth:`keygenreg.web.exchange.Exchange.keep` gets here, and only when it is asked for the second time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, frozen
from twisted.web.http import Request
from twisted.web.http_headers import Headers

from keygenreg.caches.bounded import BoundedCache
from keygenreg.caches.generations import Generations, Guard
from keygenreg.web.request_ids import RequestIds
from keygenreg.web.response_head import SERVER, date_field, reason_phrase

LONGEST_HEAD = 4096
"""Heads above are not kept, in bytes."""
LARGEST_BODY = 4 * 1024 * 1024
"""Bodies above are not kept, in bytes."""
LARGEST_PIECE = 64 * 1024
"""Bodies up to here travel with their head, in one piece; larger ones as fast as the client takes them."""
LONGEST_LIFE = 300.0
"""Seconds after which an answer is made anew even if nothing is known to have changed."""

_STATUSES = frozenset({200, 204, 304, 307, 401, 403, 404})
#: Written anew each time, or of the connection.
_OWN_FIELDS = frozenset({b"Server", b"Date", b"X-Request-Id"})
_OF_CONNECTION = (b"Connection", b"Set-Cookie", b"Transfer-Encoding", b"Trailer")
_HEADS_SEEN = 65_536


@frozen
class Keeping:
    """
    Permission to keep the answer of a request: what it was made from, and until when it counts (Unix seconds).
    ``each`` is called whenever it is given again; only answers that are files are kept with one.
    """

    guard: Guard
    until: float
    each: Callable[[], object] | None = None


@define(eq=False)
class ReadyAnswer:
    """
    One answer.

    ``start`` comes before the date, ``rest`` between the request's id and ``body``; where that tells the id, the id and
    ``tail`` follow. ``length`` is that of the whole body, in bytes, ``address`` the client's as a proxy told it. With
    ``engine``, ``method``, ``target`` and ``agent`` these are for the access log and the metrics.
    """

    guard: Guard
    until: float
    start: bytes
    rest: bytes
    body: bytes
    tail: bytes | None
    status: int
    length: int
    engine: str
    method: bytes
    target: bytes
    agent: bytes
    address: str | None


@define(eq=False)
class Given:
    """
    An answer that was given, for the access log and the metrics: ``length`` is that of its body, in bytes, ``address``
    the client's as a proxy told it.
    """

    status: int
    length: int
    engine: str
    method: bytes
    target: bytes
    agent: bytes
    address: str | None


def agent_of(request: Request) -> bytes:
    """The client's name for itself, for the access log."""
    return (request.requestHeaders.getRawHeaders(b"User-Agent") or (b"-",))[0]


def address_of(request: Request) -> str | None:
    """The client's address where a proxy told it."""
    return request.client_address if request.requestHeaders.hasHeader(b"X-Forwarded-For") else None


def field_lines(fields: Headers) -> list[bytes]:
    """The fields of an answer as lines, without those that are written anew each time."""
    pairs = [pair for pair in fields.getAllRawHeaders() if pair[0] not in _OWN_FIELDS]
    return [name + b": " + value for name, values in pairs for value in values]


def start_of(status: int) -> bytes:
    """What comes before the value of the Date field."""
    return b"HTTP/1.1 %d %s\r\nServer: %s\r\nDate: " % (status, reason_phrase(status), SERVER)


def whole_head(data: bytes) -> bool:
    """Whether what arrived in one piece is one request without a body, and one worth keeping."""
    return (
        len(data) <= LONGEST_HEAD
        and data.startswith((b"GET ", b"HEAD "))
        and data.endswith(b"\r\n\r\n")
        and data.count(b"\r\n\r\n") == 1
    )


class ReadyAnswers:
    """
    What one web process keeps.

    :param limit: in bytes.
    """

    def __init__(self, generations: Generations, limit: int) -> None:
        self._generations = generations
        self._numbers = generations.numbers
        #: Of other kinds too, see :meth:`put`.
        self._answers: BoundedCache[bytes, Any] = BoundedCache(limit)
        self._seen: set[int] = set()
        self._ids = RequestIds()
        self._second = -1
        self._date = b""

    @property
    def used(self) -> int:
        """Bytes in use."""
        return self._answers.used

    def find(self, head: bytes, now: float) -> ReadyAnswer | None:
        """The answer to a request, if there is one that still counts at ``now`` (Unix seconds)."""
        answer = self._answers.young.get(head) or self._answers.get(head)
        if answer is None:
            return None
        guard, numbers = answer.guard, self._numbers
        if (
            numbers[guard.catalogue_slot] == guard.catalogue
            and numbers[guard.bearers_slot] == guard.bearers
            and numbers[0] == guard.everything
            and now < answer.until
            and self._generations.heard
        ):
            return answer
        self._answers.forget(head)
        return None

    def wire(self, answer: ReadyAnswer, now: float) -> tuple[bytes, bytes]:
        """The bytes to send, without the body where that is larger than a piece, and the request's id."""
        date, request_id = self.stamp(now)
        parts = (answer.start, date, b"\r\nX-Request-Id: ", request_id, answer.rest)
        if answer.length <= LARGEST_PIECE:
            parts += (answer.body,)
        if answer.tail is not None:
            parts += (request_id, answer.tail)
        return b"".join(parts), request_id

    def stamp(self, now: float) -> tuple[bytes, bytes]:
        """What is an answer's own: the values of its fields Date and X-Request-Id."""
        second = int(now)
        if second != self._second:
            self._second, self._date = second, date_field(second)
        return self._date, self._ids()

    def may_keep(self, key: bytes, request: Request, keeping: Keeping, now: float) -> bool:
        """Whether an answer may be kept, and is worth it: most requests come once."""
        return (
            keeping.until > now
            and not any(map(request.responseHeaders.hasHeader, _OF_CONNECTION))
            and self._generations.holds(keeping.guard)
            and self._asked_before(key)
        )

    def put(self, key: bytes, answer: Any, size: int) -> None:
        """
        Keep an answer of another kind, with ``guard`` and ``until``, for :meth:`find`.

        :param key: which no request can have: they end with a line break, and a zero or one at most.
        :param size: what key and answer are taken to cost, in bytes.
        """
        self._answers.put(key, answer, size)

    def forget(self, key: bytes) -> None:
        self._answers.forget(key)

    def remember(self, head: bytes, request: Request, keeping: Keeping, body: bytes, now: float) -> None:
        """
        Keep the answer that is about to be sent.

        :param head: the request as it arrived, as :meth:`find` will get it.
        :param request: with status and fields of the answer set.
        :param body: as it is sent; of a HEAD, as a GET would get it.
        """
        fields = request.responseHeaders
        if (
            request.code not in _STATUSES
            or len(body) > LARGEST_BODY
            or keeping.each is not None
            or not self.may_keep(head, request, keeping, now)
        ):
            return
        lines = field_lines(fields)
        sent = b"" if request.method == b"HEAD" else body
        own_id = request.request_id.encode("ascii")
        sent, told, tail = sent.partition(own_id)
        if own_id in tail or any(own_id in line for line in lines):
            return  # told more often than can be replaced
        if not told:
            sent = self._answers.shared(sent)
        answer = ReadyAnswer(
            guard=keeping.guard,
            until=min(keeping.until, now + LONGEST_LIFE),
            start=start_of(request.code),
            rest=b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n",
            body=sent,
            tail=tail if told else None,
            status=request.code,
            length=0 if request.method == b"HEAD" else len(body),
            engine=request.engine,
            method=request.method,
            target=request.uri,
            agent=agent_of(request),
            address=address_of(request),
        )
        own = 2 * len(head) + len(answer.rest) + len(tail)
        self._answers.put(head, answer, own + len(sent) if told else own, b"" if told else sent)

    def _asked_before(self, head: bytes) -> bool:
        """What is asked for once would only push out what is asked for again and again."""
        mark = hash(head)
        if mark in self._seen:
            return True
        if len(self._seen) >= _HEADS_SEEN:
            self._seen.clear()
        self._seen.add(mark)
        return False
