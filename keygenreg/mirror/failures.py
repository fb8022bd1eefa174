"""What clients are told when upstream fails: never that a thing does not exist, as they would do without it."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from keygenreg.domain.failures import Failure, Unavailable
from keygenreg.upstream.failures import BadStatus, Busy, Tripped, UpstreamFailure


@frozen
class BadUpstream(Failure):
    """Upstream answered with what cannot be passed on (502)."""

    status: ClassVar[int] = 502
    title: ClassVar[str] = "Bad gateway"


_RETRY = 5


def as_failure(failure: UpstreamFailure) -> Failure:
    """An upstream's failure as an answer: 502 where trying again is of no use, else 503 with the time to do so."""
    detail = "The registry that this comes from cannot be read at the moment."
    if isinstance(failure, BadStatus):
        if failure.status not in (429, 500, 502, 503, 504):
            return BadUpstream(detail)
        return Unavailable(detail, retry_after=failure.retry_after or _RETRY)
    if isinstance(failure, Tripped):
        return Unavailable(detail, retry_after=max(1, round(failure.retry_after)))
    if isinstance(failure, Busy):
        return Unavailable("Too many downloads from the registry that this comes from.", retry_after=_RETRY)
    if failure.word in ("refused", "too-big", "wrong"):
        return BadUpstream("The registry that this comes from sent something that is not passed on.")
    return Unavailable(detail, retry_after=_RETRY)
