"""How much a client may send and how long it may take: the bounds of one connection."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from keygenreg.domain.failures import Failure


@frozen
class Limits:
    """
    Sizes in bytes, times in seconds.

    :ivar connections: open at a time; one more is closed at once.
    :ivar head_bytes: request line and headers together (431 beyond).
    :ivar head_count: header fields of one request (431 beyond).
    :ivar target_bytes: the request target (414 beyond).
    :ivar body_bytes: bodies that are not uploads (413 beyond).
    :ivar keep_alive: how long a connection may idle between requests.
    :ivar head_time: from the first byte of a request to the end of its headers.
    :ivar body_time, body_pace: in every ``body_time`` at least ``body_pace`` bytes of a body must arrive.
    :ivar send_time: how long a client may take no byte of an answer.
    :ivar closing_time: what a closed connection gets to take the rest of its last answer.
    :ivar linger_time, linger_bytes: after a refusal, how long and how much of a body is read and dropped, so that the
        refusal is not lost in a reset connection.
    """

    connections: int = 10_000
    head_bytes: int = 16 * 1024
    head_count: int = 100
    target_bytes: int = 8 * 1024
    body_bytes: int = 1024 * 1024
    keep_alive: float = 75.0
    head_time: float = 20.0
    body_time: float = 30.0
    body_pace: int = 4096
    send_time: float = 60.0
    closing_time: float = 60.0
    linger_time: float = 5.0
    linger_bytes: int = 64 * 1024 * 1024


@frozen
class TargetTooLong(Failure):
    """The request target is over the limit (414)."""

    status: ClassVar[int] = 414
    title: ClassVar[str] = "URI too long"


@frozen
class HeadTooLarge(Failure):
    """The headers are over a limit (431)."""

    status: ClassVar[int] = 431
    title: ClassVar[str] = "Request header fields too large"


@frozen
class TooSlow(Failure):
    """The request did not arrive in time (408)."""

    status: ClassVar[int] = 408
    title: ClassVar[str] = "Request timeout"
