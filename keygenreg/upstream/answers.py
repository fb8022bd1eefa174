"""What is read of an upstream's answers: their fields, and what it means when there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.python.failure import Failure as Reason
from twisted.web.client import ResponseFailed, ResponseNeverReceived
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse

from keygenreg.upstream.addresses import Target
from keygenreg.upstream.failures import Broken, Unreachable, UpstreamFailure
from keygenreg.upstream.receiving import Receiver

_LONGEST_WAIT = 3600


def fields_of(response: IResponse) -> dict[str, str]:
    """Names in lower case; of several lines of a name the last."""
    return {
        name.decode("latin-1").lower(): values[-1].decode("latin-1")
        for name, values in response.headers.getAllRawHeaders()
    }


def retry_after(fields: Mapping[str, str]) -> int | None:
    """How long upstream asks us to wait, in seconds."""
    stated = fields.get("retry-after", "").strip()
    return min(int(stated), _LONGEST_WAIT) if stated.isascii() and stated.isdigit() and len(stated) < 10 else None


def drop(reactor: Any, response: IResponse) -> None:
    """Read a body that nobody needs if it is small and there already, else close the connection."""
    receiver = Receiver(reactor, lambda data: None, 1.0)
    receiver.done.addErrback(lambda reason: None)
    response.deliverBody(receiver)
    if response.length is UNKNOWN_LENGTH or response.length > 64 * 1024:
        receiver.give_up(Broken("Not needed."))


def as_failure(error: Exception, target: Target) -> UpstreamFailure:
    """What came out of the agent, as one of ours."""
    while isinstance(error, (ResponseFailed, ResponseNeverReceived)) and error.reasons:
        reason: Reason = error.reasons[0]
        error = reason.value
    if isinstance(error, UpstreamFailure):
        return error
    if isinstance(error, (DeferredTimeout, ConnectError, ConnectTimeout, DNSLookupError)):
        return Unreachable(f"{target.origin} does not answer.")
    if isinstance(error, ConnectionClosed):
        return Broken(f"{target.origin} closed the connection without an answer.")
    return Broken(f"{target.origin} gave no proper answer ({type(error).__name__}).")
