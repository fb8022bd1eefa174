"""The registry's database for commands beside the daemon: joined while a daemon runs, else started for a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
    return await with_login(settings, reactor, lambda login: _in_thread(reactor, login, work))


async def with_login(settings: Settings, reactor: Any, work: Callable[[ConnectionSettings], Awaitable[T]]) -> T:
    """
    The result of ``work(login)``, to which the registry's database answers until it has come to its end. Nothing is
    migrated. Errors as in :func:`with_database`.
    """
    if settings.database.url:
        return await work(ConnectionSettings.from_url(settings.database.url))
    deadline = reactor.seconds() + _PATIENCE
    while True:
        try:
            login = running_database(settings.storage.data_dir)
            if login is not None:
                return await work(login)
            server = embedded(settings, reactor)
            login = await server.start()
        except (StillStarting, DirectoryInUse) as busy:
            if reactor.seconds() > deadline:
                raise DirectoryInUse(settings.storage.data_dir, getattr(busy, "pid", None)) from None
            await deferLater(reactor, _PROBE_EVERY)
        else:
            return await _and_stop(server, login, work)


async def _and_stop(
    server: EmbeddedPostgres, login: ConnectionSettings, work: Callable[[ConnectionSettings], Awaitable[T]]
) -> T:
    try:
        return await work(login)
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
