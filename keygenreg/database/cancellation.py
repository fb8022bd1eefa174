"""Deferreds that are safe to cancel: whoever waits may leave, the work behind ends in an orderly way.

txpostgres lets the cancelling of its Deferreds escape as an unhandled error, and PostgreSQL's protocol wants every
answer to be read to its end. So nobody outside this package ever holds a Deferred of txpostgres, only a detached one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")

log = Logger()


def detached(work: Coroutine[Any, Any, T], *, what: str, left: Callable[[], None] | None = None) -> Deferred[T]:
    """Start the work and return a Deferred of its result.

    Cancelling that Deferred fails it with CancelledError at once and leaves the work running. Errors of work that
    nobody waits for any more are logged by kind only: their text may hold what a client sent.

    :param what: what the work is, for the log.
    :param left: called once when the waiter leaves before the end, so that the work may be shortened.
    """

    def leave(_: Deferred[T]) -> None:
        if left is not None:
            left()

    waiter: Deferred[T] = Deferred(leave)

    def succeeded(result: T) -> None:
        if not waiter.called:
            waiter.callback(result)

    def failed(failure: Failure) -> None:
        if not waiter.called:
            waiter.errback(failure)
        elif not failure.check(CancelledError):
            log.info("{what}: {error} after its client had left", what=what, error=failure.type.__name__)

    Deferred.fromCoroutine(work).addCallbacks(succeeded, failed)
    return waiter
