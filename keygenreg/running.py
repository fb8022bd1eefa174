"""Runs services and coroutines to their end, and says in one sentence why one could not start."""

from __future__ import annotations

import errno
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg2
from attrs import frozen
from twisted.application.service import IService, Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger
from twisted.python.failure import Failure

from keygenreg.assembly.program import ProgramReplaced
from keygenreg.configuration import ConfigurationError
from keygenreg.database.cluster import ClusterUnusable
from keygenreg.database.directory_lock import DirectoryInUse
from keygenreg.database.migrate import MigrationRefused

T = TypeVar("T")
_log = Logger()

UNEXPECTED = 1
BAD_CONFIGURATION = 2
DIRECTORY_IN_USE = 3
PORT_IN_USE = 4
UNUSABLE = 5


@frozen
class Refusal:
    """Why the daemon cannot run: an exit status of its own for each reason, and a sentence for the operator."""

    status: int
    sentence: str


def refusal_of(reason: BaseException) -> Refusal | None:
    """The refusal behind an exception; ``None`` for one that nobody foresaw and that deserves its traceback."""
    match reason:
        case ConfigurationError():
            return Refusal(BAD_CONFIGURATION, str(reason))
        case ProgramReplaced():
            return Refusal(UNEXPECTED, str(reason))
        case DirectoryInUse():
            return Refusal(DIRECTORY_IN_USE, str(reason))
        case CannotListenError():
            where = f"Cannot listen on port {reason.port} of {reason.interface or 'all addresses'}"
            why = getattr(reason.socketError, "strerror", None) or str(reason.socketError)
            return Refusal(PORT_IN_USE, f"{where}: {why.lower()}.")
        case OSError(errno=errno.EADDRINUSE):
            return Refusal(PORT_IN_USE, f"The address is in use by another program: {reason}.")
        case ClusterUnusable() | MigrationRefused():
            return Refusal(UNUSABLE, str(reason))
        case psycopg2.OperationalError():
            return Refusal(UNUSABLE, f"The database cannot be used: {' '.join(str(reason).split())}")
        case OSError(filename=str() | bytes()):
            return Refusal(UNUSABLE, f"{reason.filename}: {(reason.strerror or 'cannot be used').lower()}.")
    return None


class Daemon(Service):
    """
    A service that takes its time to start, under a reactor that ends with it.

    The inner service's ``startService`` may return a Deferred that fires once everything is up. When it fails, the
    reactor is stopped and ``exit_status`` tells why. A stop that comes while it is still starting cancels that
    Deferred; ``stopService`` of the inner service is called in every case, once, and has to cope with a start that did
    not get to its end.

    :param failed: fails when the service, once it runs, cannot go on: then the reactor is stopped as well.
    """

    def __init__(
        self,
        service: IService,
        reactor: IReactorCore,
        on_failure: Callable[[int], None] = lambda status: None,
        *,
        failed: Deferred[None] | None = None,
    ) -> None:
        self.exit_status = 0
        self._service = service
        self._reactor = reactor
        self._on_failure = on_failure
        self._starting: Deferred[Any] | None = None
        if failed is not None:
            failed.addErrback(self._failed)

    def startService(self) -> None:
        super().startService()
        self._starting = maybeDeferred(self._service.startService)
        self._starting.addErrback(self._failed)

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        if self._starting is not None:
            self._starting.cancel()
        return maybeDeferred(self._service.stopService)

    def _failed(self, failure: Failure) -> None:
        if self.exit_status or (not self.running and failure.check(CancelledError)):
            return
        refusal = refusal_of(failure.value)
        if refusal is None:
            _log.failure("The registry could not be started.", failure)
            refusal = Refusal(UNEXPECTED, f"The registry could not be started: {failure.getErrorMessage()}")
        print(f"keygenreg: {refusal.sentence}", file=sys.stderr, flush=True)
        self.exit_status = refusal.status
        self._on_failure(refusal.status)
        if self.running:
            self._reactor.callWhenRunning(self._reactor.stop)


def run_to_end(reactor: IReactorCore, work: Callable[[], Awaitable[T]]) -> T:
    """
    What a coroutine function returns, run by a reactor that runs only for it.

    :raises KeyboardInterrupt: a signal ended it; the coroutine was cancelled and has come to its end.
    :raises BaseException: whatever the coroutine raised.
    """
    outcome: list[Any] = []
    stopping: list[bool] = []

    async def keep_outcome() -> None:
        try:
            outcome.append(await work())
        except CancelledError:
            outcome.append(Failure(KeyboardInterrupt()) if stopping else Failure())
        except BaseException:
            outcome.append(Failure())

    def start() -> None:
        working = Deferred.fromCoroutine(keep_outcome())

        def interrupt() -> Deferred[None]:
            stopping.append(True)
            working.cancel()
            return working

        reactor.addSystemEventTrigger("before", "shutdown", interrupt)
        working.addCallback(lambda _: None if stopping else reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run()
    if not outcome:
        raise KeyboardInterrupt
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]
