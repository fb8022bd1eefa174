"""A PostgreSQL server of our own: made on first start, watched while the daemon lives, gone when it goes."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from keygenreg.database import launcher
from keygenreg.database.cancellation import detached
from keygenreg.database.child_process import ChildProcess, start_child
from keygenreg.database.cluster import Cluster, ClusterUnusable, binaries
from keygenreg.database.connection_settings import APPLICATION_NAME, ConnectionSettings
from keygenreg.database.directory_lock import DirectoryInUse, DirectoryLock
from keygenreg.database.faults import SessionLost
from keygenreg.database.identity import Identity, choose_identity, give
from keygenreg.database.running import announce, retract, socket_directory
from keygenreg.database.session import open_session

PORT = 5432
DATABASE = "postgres"

# Seconds.
LOCK_PATIENCE = 1.5
ORPHAN_PATIENCE = 20.0
RESTART_PATIENCE = 20.0
STOP_PATIENCE = 30.0
REPORT_EVERY = 10.0
PROBE_EVERY = 0.05
LAST_RESTART_DELAY = 5.0

# What a server says that found traces of its predecessor: the dead process not reaped yet, its children still leaving.
_PREDECESSOR = ("lock file", "shared memory block")

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "cluster_name": APPLICATION_NAME,
    "shared_buffers": "128MB",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # No statement, parameter or row ever reaches the log: they carry what clients sent, secrets included.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}

log = Logger()


class EmbeddedPostgres:
    """The server of one data directory; holds the directory's lock from :meth:`start` to :meth:`stop`.

    :param directory: the daemon's data directory; made when missing.
    :param max_connections: how many connections the server takes.
    :param server_settings: further PostgreSQL settings, by name.
    """

    def __init__(
        self,
        directory: Path,
        reactor: Any,
        *,
        max_connections: int = 100,
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory.absolute()
        self._reactor = reactor
        self._server_settings = _SETTINGS | {"max_connections": str(max_connections)} | dict(server_settings or {})
        self._lock = DirectoryLock(self._directory)
        self._cluster = Cluster(self._directory)
        self._child: ChildProcess | None = None
        self._stopping = False
        self._supervision: Deferred[None] | None = None
        self._settings: ConnectionSettings | None = None

    async def start(self) -> ConnectionSettings:
        """Start the server and return when it has answered a query, however long its recovery takes.

        :raises DirectoryInUse: another daemon works on the directory.
        :raises ClusterUnusable: it cannot be served; the text tells the operator what to do.
        """
        # Others may pass through, as the server does under its own user, but not look in.
        self._directory.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        await self._acquire_lock()
        try:
            self._programs = binaries()
            self._identity = choose_identity([self._directory, self._programs])
            retract(self._directory)
            await self._settle_cluster()
            sockets = socket_directory(self._identity)
            self._settings = ConnectionSettings(
                str(sockets), PORT, APPLICATION_NAME, self._cluster.password(), DATABASE
            )
            announce(self._directory, self._settings, ready=False)
            await self._start_server(self._settings)
        except BaseException:
            await self.stop()
            raise
        announce(self._directory, self._settings, ready=True)
        self._supervision = Deferred.fromCoroutine(self._supervise(self._settings))
        self._supervision.addErrback(lambda failure: log.failure("Watching PostgreSQL failed", failure))
        return self._settings

    async def stop(self) -> None:
        """Stop the server, first by ending its sessions, and give up the directory. Safe to repeat."""
        self._stopping = True
        if self._supervision is not None:
            self._supervision.cancel()
        if self._child is not None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                self._child.signal(number)
                if await self._within(STOP_PATIENCE, self._child):
                    break
                log.warn("PostgreSQL did not stop within {seconds} s", seconds=STOP_PATIENCE)
            self._child = None
        if self._settings is not None:
            retract(self._directory)
            self._settings = None
        self._lock.release()

    async def _acquire_lock(self) -> None:
        deadline = self._reactor.seconds() + LOCK_PATIENCE
        while True:
            try:
                self._lock.acquire()
                return
            except DirectoryInUse:
                # Somebody may only be looking whether a daemon is there.
                if self._reactor.seconds() > deadline:
                    raise
            await deferLater(self._reactor, PROBE_EVERY)

    async def _settle_cluster(self) -> None:
        """Make the data directory, or take over an existing one from whoever used it last."""
        if not self._cluster.exists():
            await self._initialise()
        await self._await_orphans()
        self._cluster.forget_stale_pid()
        give(self._cluster.data, self._identity)

    async def _initialise(self) -> None:
        password = self._cluster.password()
        self._cluster.begin(self._identity, password)
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

    async def _start_server(self, settings: ConnectionSettings) -> None:
        """Start the server until it is ready; try again while traces of its predecessor are in the way."""
        deadline = self._reactor.seconds() + RESTART_PATIENCE
        while True:
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

    async def _supervise(self, settings: ConnectionSettings) -> None:
        delay = PROBE_EVERY
        while not self._stopping:
            born = self._reactor.seconds()
            try:
                status = await self._child.ended()
                log.error("PostgreSQL ended with status {status}; starting it again", status=status)
                if self._reactor.seconds() - born > 60:
                    delay = PROBE_EVERY
                await deferLater(self._reactor, delay)
                delay = min(delay * 2, LAST_RESTART_DELAY)
                await self._start_server(settings)
                log.info("PostgreSQL is ready again")
            except CancelledError:
                return
            except ClusterUnusable as error:
                log.error("PostgreSQL cannot be started again: {error}", error=str(error))

    def _launch(self, program: str, arguments: list[str], death_signal: signal.Signals) -> tuple[int, ChildProcess]:
        """Start a program; returns where in the log its words begin, and the child."""
        output = self._cluster.open_log()
        try:
            offset = os.fstat(output).st_size
            child = start_child(
                self._reactor,
                self._programs / program,
                arguments,
                identity=self._identity.word,
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
            return ClusterUnusable(_cannot_change_user(self._directory, self._identity))
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
