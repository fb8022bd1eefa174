"""The registry's database for commands beside the daemon: joined while a daemon runs, else started for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg2
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from keygenreg.assembly.database import embedded
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.directory_lock import DirectoryInUse
from keygenreg.database.embedded import EmbeddedPostgres
from keygenreg.database.migrate import migrate
from keygenreg.database.running import StillStarting, running_database
from keygenreg.settings import Settings

T = TypeVar("T")

#: Seconds. A daemon that is starting may have to recover its database first.
_PATIENCE = 120.0
_PROBE_EVERY = 0.2


async def with_database(settings: Settings, reactor: Any, work: Callable[[Any], T]) -> T:
    """
    The result of ``work(connection)``, run in a thread with a psycopg2 connection to the migrated registry.

    The data directory need not exist yet, and a daemon may be serving it or not. A transaction that ``work`` leaves
    open is rolled back.

    :raises DirectoryInUse: another command has the directory for longer than we wait.
    :raises ClusterUnusable, MigrationRefused, psycopg2.Error: see there.
    """
    if settings.database.url:
        return await _in_thread(reactor, ConnectionSettings.from_url(settings.database.url), work)
    deadline = reactor.seconds() + _PATIENCE
    while True:
        try:
            login = running_database(settings.storage.data_dir)
            if login is not None:
                return await _in_thread(reactor, login, work)
            server = embedded(settings, reactor)
            login = await server.start()
        except (StillStarting, DirectoryInUse) as busy:
            if reactor.seconds() > deadline:
                raise DirectoryInUse(settings.storage.data_dir, getattr(busy, "pid", None)) from None
            await deferLater(reactor, _PROBE_EVERY)
        else:
            return await _and_stop(server, reactor, login, work)


async def _and_stop(
    server: EmbeddedPostgres, reactor: Any, login: ConnectionSettings, work: Callable[[Any], T]
) -> T:
    try:
        return await _in_thread(reactor, login, work)
    finally:
        await server.stop()


async def _in_thread(reactor: Any, login: ConnectionSettings, work: Callable[[Any], T]) -> T:
    def run() -> T:
        migrate(login)
        connection = psycopg2.connect(**login.keywords(statement_timeout=0))
        try:
            return work(connection)
        finally:
            connection.close()

    return await deferToThreadPool(reactor, reactor.getThreadPool(), run)
