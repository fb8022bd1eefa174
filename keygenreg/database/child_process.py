"""One PostgreSQL program as a child of this process: started through the launcher, watched, stopped."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from keygenreg.database import launcher

_LAUNCHER = Path(launcher.__file__)
# Nothing of the daemon's surroundings may change what the server does.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}


class ChildProcess(ProcessProtocol):
    """A started program. ``status`` is None while it runs, then its exit status (negative: the signal's number)."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._waiting: list[Deferred[int]] = []

    def ended(self) -> Deferred[int]:
        """Fires with the exit status; cancelling only stops the waiting."""
        waiter: Deferred[int] = Deferred(self._waiting.remove)
        if self.status is None:
            self._waiting.append(waiter)
        else:
            waiter.callback(self.status)
        return waiter

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the program has ended."""
        try:
            self.transport.signalProcess(number)
        except ProcessExitedAlready:
            return

    def processEnded(self, reason: Failure) -> None:
        ended = reason.value
        self.status = -ended.signal if ended.signal else ended.exitCode
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(self.status)


def start_child(
    reactor: Any, program: Path, arguments: Sequence[str], *, identity: str, death_signal: signal.Signals, output: int
) -> ChildProcess:
    """Start the program as its own session, without our environment and open files.

    :param identity: for the launcher, see there.
    :param death_signal: what it gets from the kernel when this process dies in whatever way.
    :param output: descriptor that takes its standard output and errors.
    """
    child = ChildProcess()
    words = [str(os.getpid()), identity, str(int(death_signal)), str(program), *arguments]
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        reactor.spawnProcess(
            child,
            sys.executable,
            [sys.executable, "-I", "-S", str(_LAUNCHER), *words],
            env=_ENVIRONMENT,
            path="/",
            childFDs={0: nothing, 1: output, 2: output},
        )
    finally:
        os.close(nothing)
    return child
