"""Starting, failing and stopping a daemon; running a coroutine to its end."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from socket import gaierror
from typing import Any

import pytest
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock

from keygenreg.configuration import ConfigurationError
from keygenreg.database.cluster import ClusterUnusable
from keygenreg.database.directory_lock import DirectoryInUse
from keygenreg.running import Daemon, refusal_of


class SlowService(Service):
    """Starts when the test says so."""

    def __init__(self) -> None:
        self.cancelled = False
        self.stops = 0
        self.up: Deferred[None] = Deferred(self._cancel)
        self.down: Deferred[None] = Deferred()

    def _cancel(self, _: Deferred[None]) -> None:
        self.cancelled = True

    def startService(self) -> Deferred[None]:
        return self.up

    def stopService(self) -> Deferred[None]:
        self.stops += 1
        return self.down


class Stage:
    """A daemon around a slow service, and everything it did to its surroundings."""

    def __init__(self) -> None:
        self.service = SlowService()
        self.reactor = MemoryReactorClock()
        self.reactor.stop = lambda: self.stopped.append(True)
        self.stopped: list[bool] = []
        self.told: list[int] = []
        self.daemon = Daemon(self.service, self.reactor, on_failure=self.told.append)

    def run_reactor(self) -> None:
        for hook, arguments, keywords in self.reactor.whenRunningHooks:
            hook(*arguments, **keywords)


@pytest.fixture
def stage() -> Stage:
    return Stage()


class TestDaemon:
    """A service that takes its time to start."""

    def test_runs_on_after_a_good_start(self, stage: Stage) -> None:
        stage.daemon.startService()
        stage.service.up.callback(None)
        assert (stage.daemon.exit_status, stage.stopped, stage.told) == (0, [], [])

    @pytest.mark.parametrize(
        ("reason", "status", "sentence"),
        [
            (ConfigurationError("server.port: expected a number."), 2, "server.port: expected a number."),
            (DirectoryInUse(Path("/d"), 12), 3, "Another daemon (process 12) already works on /d."),
            (
                CannotListenError("0.0.0.0", 80, OSError(errno.EADDRINUSE, "Address already in use")),
                4,
                "Cannot listen on port 80 of 0.0.0.0: address already in use.",
            ),
            (CannotListenError("nohost", 80, gaierror(-2, "Name not known")), 4, "of nohost: name not known."),
            (OSError(errno.EADDRINUSE, "Address already in use"), 4, "The address is in use by another program"),
            (ClusterUnusable("Made by another version."), 5, "Made by another version."),
            (PermissionError(errno.EACCES, "Permission denied", "/d/blobs"), 5, "/d/blobs: permission denied."),
        ],
    )
    def test_a_foreseen_failure_is_a_status_and_a_sentence(
        self, stage: Stage, capsys: pytest.CaptureFixture, reason: Exception, status: int, sentence: str
    ) -> None:
        stage.daemon.startService()
        stage.service.up.errback(reason)
        stage.run_reactor()
        assert (stage.daemon.exit_status, stage.told, stage.stopped) == (status, [status], [True])
        error = capsys.readouterr().err
        assert error.startswith("keygenreg: ") and sentence in error and error.count("\n") == 1

    def test_an_unforeseen_failure_is_status_1(self, stage: Stage, capsys: pytest.CaptureFixture) -> None:
        stage.daemon.startService()
        stage.service.up.errback(ZeroDivisionError("division by zero"))
        stage.run_reactor()
        assert (stage.daemon.exit_status, stage.stopped) == (1, [True])
        assert "could not be started: division by zero" in capsys.readouterr().err

    def test_a_service_that_raises_at_once_fails_too(self, stage: Stage) -> None:
        def refuse() -> None:
            raise ClusterUnusable("No.")

        stage.service.startService = refuse
        stage.daemon.startService()
        stage.run_reactor()
        assert (stage.daemon.exit_status, stage.stopped) == (5, [True])

    def test_a_stop_while_starting_cancels_the_start(self, stage: Stage, capsys: pytest.CaptureFixture) -> None:
        """SIGTERM during a long recovery of the database is an ordinary end."""
        stage.daemon.startService()
        ending = stage.daemon.stopService()
        assert (stage.service.cancelled, stage.service.stops, ending.called) == (True, 1, False)
        stage.service.down.callback(None)
        assert ending.called
        assert (stage.daemon.exit_status, stage.stopped, capsys.readouterr().err) == (0, [], "")

    def test_a_stop_waits_for_the_service(self, stage: Stage) -> None:
        stage.daemon.startService()
        stage.service.up.callback(None)
        ending = stage.daemon.stopService()
        assert not ending.called
        stage.service.down.callback(None)
        assert ending.called


def test_nobody_foresaw_other_errors() -> None:
    """They keep their traceback."""
    assert refusal_of(KeyError("x")) is None
    assert refusal_of(OSError(errno.EIO, "Input/output error")) is None


SCRIPT = """
import sys
from twisted.internet import reactor
from twisted.internet.defer import Deferred, CancelledError
from keygenreg.running import run_to_end

async def value():
    return 6 * 7

async def failure():
    raise LookupError("lost")

async def for_ever():
    print("waiting", flush=True)
    try:
        await Deferred()
    finally:
        print("cleaned up", flush=True)

async def cancels():
    raise CancelledError()

print(run_to_end(reactor, {name}))
"""


class TestRunToEnd:
    """A reactor that runs for one coroutine; a process runs a reactor only once, so each test has its own."""

    @pytest.fixture
    def run(self) -> Callable[[str], Any]:
        def start(name: str) -> subprocess.Popen:
            return subprocess.Popen(
                [sys.executable, "-c", SCRIPT.replace("{name}", name)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        return start

    def test_gives_the_value(self, run: Callable[[str], subprocess.Popen]) -> None:
        assert run("value").communicate(timeout=60)[0] == "42\n"

    def test_gives_the_exception(self, run: Callable[[str], subprocess.Popen]) -> None:
        assert "LookupError: lost" in run("failure").communicate(timeout=60)[1]

    def test_a_cancellation_of_its_own_is_no_interrupt(self, run: Callable[[str], subprocess.Popen]) -> None:
        assert CancelledError.__name__ in run("cancels").communicate(timeout=60)[1]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it_cleanly(self, run: Callable[[str], subprocess.Popen], number: signal.Signals) -> None:
        process = run("for_ever")
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        output, error = process.communicate(timeout=60)
        assert output == "cleaned up\n"
        assert "KeyboardInterrupt" in error
