"""What can go wrong with another registry, as values; the mirror decides what its clients are told."""

from __future__ import annotations

from attrs import frozen


@frozen
class UpstreamFailure(Exception):
    """Base of all. ``detail`` is a sentence for logs and people, without credentials; ``word`` names it in figures."""

    detail: str
    word: str = "failed"

    def __str__(self) -> str:
        return self.detail


@frozen
class Refused(UpstreamFailure):
    """We do not go there: a host, scheme or address that the operator has not allowed, or too many redirects."""

    word: str = "refused"


@frozen
class Unreachable(UpstreamFailure):
    """No answer: no connection, or none in time."""

    word: str = "unreachable"


@frozen
class Broken(UpstreamFailure):
    """An answer that ended too early, came too slowly, or breaks the protocol."""

    word: str = "broken"


@frozen
class Unranged(UpstreamFailure):
    """A part of a file was asked for, and what came is not that part."""

    word: str = "unranged"


@frozen
class TooBig(UpstreamFailure):
    """An answer beyond the operator's bound."""

    word: str = "too-big"


@frozen
class BadStatus(UpstreamFailure):
    """An answer with a status that is of no use; ``retry_after`` in seconds when upstream has said so."""

    status: int = 0
    retry_after: int | None = None
    word: str = "status"


@frozen
class Busy(UpstreamFailure):
    """Too many requests to this upstream are under way or waiting; nothing was sent."""

    word: str = "busy"


@frozen
class Tripped(UpstreamFailure):
    """The circuit is open: it failed again and again, and is left alone for ``retry_after`` seconds."""

    retry_after: float = 1.0
    word: str = "tripped"
