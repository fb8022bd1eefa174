"""The server program of an embedded PostgreSQL: makes its data directory, starts it, waits for it, stops it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from keygenreg.database import launcher
from keygenreg.database.cancellation import detached
from keygenreg.database.child_process import ChildProcess, start_child
from keygenreg.database.cluster import Cluster, ClusterUnusable, binaries
from keygenreg.database.connection_settings import APPLICATION_NAME, ConnectionSettings
from keygenreg.database.faults import SessionLost
from keygenreg.database.identity import Identity, choose_identity, give
from keygenreg.database.session import open_session

# Seconds.
ORPHAN_PATIENCE = 20.0
RESTART_PATIENCE = 20.0
STOP_PATIENCE = 30.0
REPORT_EVERY = 10.0
PROBE_EVERY = 0.05

# What a server says that found traces of its predecessor: the dead process not reaped yet, its children still leaving.
_PREDECESSOR = ("lock file", "shared memory block")

log = Logger()


class ServerProcess:
    """Runs the programs on one cluster, as the user that can.

    :param server_settings: PostgreSQL settings, by name.
    :raises ClusterUnusable: the binaries are missing.
    """

    def __init__(self, reactor: Any, cluster: Cluster, server_settings: Mapping[str, str]) -> None:
        self._reactor = reactor
        self._cluster = cluster
        self._server_settings = server_settings
        self._programs = binaries()
        self.identity = choose_identity([cluster.directory, self._programs])
        self._child: ChildProcess | None = None

    async def settle(self) -> None:
        """Make the data directory, or take over an existing one from whoever used it last.

        :raises ClusterUnusable: that cannot be done.
        """
        if not self._cluster.exists():
            await self._initialise()
        await self._await_orphans()
        give(self._cluster.data, self.identity)

    async def _initialise(self) -> None:
        password = self._cluster.password()
        self._cluster.begin(self.identity, password)
        arguments = [
            *("-D", str(self._cluster.unfinished), "-U", APPLICATION_NAME),
            *("--pwfile", str(self._cluster.initial_password_file)),
            *("--auth-local=scram-sha-256", "--auth-host=reject", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"),
        ]
        offset, self._child = self._launch("initdb", arguments, signal.SIGKILL)
        status = await self._child.ended()
        if status != 0:
            raise self._unusable("initdb", status, offset)
        self._cluster.finish()

    async def _await_orphans(self) -> None:
        """Wait for a server that lost its daemon, and hurry it along: we hold the lock, so nobody needs it."""
        started = self._reactor.seconds()
        for number in (signal.SIGINT, signal.SIGQUIT):
            for process in self._cluster.postmasters():
                log.warn("Stopping PostgreSQL process {pid}, whose daemon is gone", pid=process.pid)
                process.send_signal(number)
            deadline = self._reactor.seconds() + ORPHAN_PATIENCE
            while self._cluster.inhabitants():
                if self._reactor.seconds() > deadline:
                    break
                await deferLater(self._reactor, 2 * PROBE_EVERY)
            else:
                return
        if self._cluster.postmasters():
            seconds = self._reactor.seconds() - started
            raise ClusterUnusable(
                f"An old PostgreSQL process still uses {self._cluster.data} after {seconds:.0f} seconds: stop it."
            )

    async def start(self, settings: ConnectionSettings) -> None:
        """Start the server and return when it has answered, however long its recovery takes.

        Starts it again while traces of its predecessor are in the way.

        :raises ClusterUnusable: it ended, or refuses the password.
        """
        deadline = self._reactor.seconds() + RESTART_PATIENCE
        while True:
            if not self._cluster.inhabitants():
                self._cluster.forget_stale_pid()
            named = self._server_settings | {"unix_socket_directories": settings.host}
            arguments = ["-D", str(self._cluster.data), "-p", str(settings.port)]
            for name, value in named.items():
                arguments += ["-c", f"{name}={value}"]
            offset, self._child = self._launch("postgres", arguments, signal.SIGINT)
            status = await self._until_ready(self._child, settings)
            if status is None:
                return
            said = self._cluster.log_since(offset)
            if self._reactor.seconds() > deadline or not any(words in said for words in _PREDECESSOR):
                raise self._unusable("postgres", status, offset)
            await deferLater(self._reactor, 5 * PROBE_EVERY)

    async def stop(self) -> None:
        """End the server, first by ending its sessions, in the end by force. Without effect when none was started."""
        child = self._child
        if child is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            child.signal(number)
            if await self._within(STOP_PATIENCE, child):
                return
            log.warn("PostgreSQL did not stop within {seconds} s", seconds=STOP_PATIENCE)

    def ended(self) -> Deferred[int]:
        """Fires with the exit status when the server started last has ended; cancelling only stops the waiting."""
        return self._child.ended()

    async def _until_ready(self, child: ChildProcess, settings: ConnectionSettings) -> int | None:
        """Wait until the server answers; returns its exit status when it ends instead."""
        started = reported = self._reactor.seconds()
        while child.status is None:
            try:
                await detached(self._probe(settings), what="first connection")
                return None
            except SessionLost as error:
                if "password authentication failed" in str(error):
                    raise ClusterUnusable(
                        f"{self._cluster.password_file} does not hold the password of the database: "
                        "put it back from a backup."
                    ) from None
            now = self._reactor.seconds()
            if now - reported >= REPORT_EVERY:
                reported = now
                log.info("PostgreSQL is recovering for {seconds:.0f} s so far", seconds=now - started)
            await deferLater(self._reactor, PROBE_EVERY)
        return child.status

    async def _probe(self, settings: ConnectionSettings) -> None:
        session = await open_session(self._reactor, settings, statement_timeout=0)
        session.close()

    def _launch(self, program: str, arguments: list[str], death_signal: signal.Signals) -> tuple[int, ChildProcess]:
        """Start a program; returns where in the log its words begin, and the child."""
        output = self._cluster.open_log()
        try:
            offset = os.fstat(output).st_size
            child = start_child(
                self._reactor,
                self._programs / program,
                arguments,
                identity=self.identity.word,
                death_signal=death_signal,
                output=output,
            )
        finally:
            os.close(output)
        return offset, child

    async def _within(self, seconds: float, child: ChildProcess) -> bool:
        try:
            await child.ended().addTimeout(seconds, self._reactor)
        except TimeoutError:
            return False
        return True

    def _unusable(self, program: str, status: int, offset: int) -> ClusterUnusable:
        if status == launcher.REFUSED:
            return ClusterUnusable(_cannot_change_user(self._cluster.directory, self.identity))
        said = self._cluster.log_since(offset).strip()
        return ClusterUnusable(f"{program} ended with status {status}. It said:\n{said}")


def _cannot_change_user(directory: Path, identity: Identity) -> str:
    if identity.word.startswith("namespace"):
        return (
            f"PostgreSQL does not run as root, no account of keygenreg, postgres, nobody can enter {directory}, and "
            "this system forbids user namespaces. Start the daemon as a normal user, or choose a data directory "
            "whose parents every user may pass through (chmod o+x)."
        )
    return f"The system forbids to become user {identity.uid}. Start the daemon as a normal user."
