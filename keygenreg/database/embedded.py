"""A PostgreSQL server of our own: made on first start, watched while the daemon lives, gone when it goes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from keygenreg.database.cluster import Cluster, ClusterUnusable
from keygenreg.database.connection_settings import APPLICATION_NAME, ConnectionSettings
from keygenreg.database.directory_lock import DirectoryInUse, DirectoryLock
from keygenreg.database.running import announce, retract, socket_directory
from keygenreg.database.server_process import ServerProcess

PORT = 5432
DATABASE = "postgres"

# Seconds.
LOCK_PATIENCE = 1.5
LOCK_EVERY = 0.05
FIRST_RESTART_DELAY = 0.05
LAST_RESTART_DELAY = 5.0
STEADY = 60.0

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "cluster_name": APPLICATION_NAME,
    "shared_buffers": "128MB",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    # Without statistics of what was just published, plans are several times slower: they are made within seconds.
    "autovacuum_naptime": "15s",
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
        self._server: ServerProcess | None = None
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
            self._server = ServerProcess(self._reactor, self._cluster, self._server_settings)
            await self._server.settle()
            # Only now is nobody left who could still be using the socket directory of a daemon that was killed.
            retract(self._directory)
            sockets = str(socket_directory(self._server.identity))
            self._settings = ConnectionSettings(sockets, PORT, APPLICATION_NAME, self._cluster.password(), DATABASE)
            announce(self._directory, self._settings, ready=False)
            await self._server.start(self._settings)
        except OSError as error:
            await self.stop()
            raise ClusterUnusable(f"PostgreSQL's files below {self._directory} cannot be prepared: {error}") from error
        except BaseException:
            await self.stop()
            raise
        announce(self._directory, self._settings, ready=True)
        self._supervision = Deferred.fromCoroutine(self._supervise(self._server, self._settings))
        self._supervision.addErrback(lambda failure: log.failure("Watching PostgreSQL failed", failure))
        return self._settings

    async def stop(self) -> None:
        """Stop the server, first by ending its sessions, and give up the directory. Safe to repeat."""
        self._stopping = True
        if self._supervision is not None:
            self._supervision.cancel()
        if self._server is not None:
            await self._server.stop()
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
            await deferLater(self._reactor, LOCK_EVERY)

    async def _supervise(self, server: ServerProcess, settings: ConnectionSettings) -> None:
        delay = FIRST_RESTART_DELAY
        while not self._stopping:
            born = self._reactor.seconds()
            try:
                status = await server.ended()
                log.error("PostgreSQL ended with status {status}; starting it again", status=status)
                if self._reactor.seconds() - born > STEADY:
                    delay = FIRST_RESTART_DELAY
                await deferLater(self._reactor, delay)
                delay = min(delay * 2, LAST_RESTART_DELAY)
                await server.start(settings)
                log.info("PostgreSQL is ready again")
            except CancelledError:
                return
            except (ClusterUnusable, OSError) as error:
                log.error("PostgreSQL cannot be started again: {error}", error=str(error))
