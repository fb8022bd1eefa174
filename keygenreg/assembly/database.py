"""The database of a daemon: embedded or elsewhere, brought up to the program's schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from attrs import frozen
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from keygenreg.assembly.bootstrap import create_first_account, signing_key
from keygenreg.assembly.inheritance import clear_up
from keygenreg.caches.generations import CHANNEL, Generations
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.embedded import EmbeddedPostgres
from keygenreg.database.migrate import migrate
from keygenreg.database.notifications import Listener
from keygenreg.database.pool import Database
from keygenreg.settings import Settings

_log = Logger()
#: What a few commands beside the daemon may need, and the LISTEN connections.
_SPARE_CONNECTIONS = 20


@frozen
class Prepared:
    """A migrated registry: how to log in, its signing key, and the first administrator if it was made just now."""

    login: ConnectionSettings
    signing_key: bytes
    first_admin: dict[str, Any] | None


def embedded(settings: Settings, reactor: Any) -> EmbeddedPostgres | None:
    """The data directory's own server, not yet started; ``None`` when the settings name another one."""
    if settings.database.url:
        return None
    workers = settings.server.workers
    # While web processes are replaced there are twice as many for a while.
    processes = 2 * workers if workers > 1 else 1
    connections = processes * (settings.database.pool_size + 3) + _SPARE_CONNECTIONS
    return EmbeddedPostgres(settings.storage.data_dir, reactor, max_connections=connections)


async def prepare(settings: Settings, server: EmbeddedPostgres | None, reactor: Any) -> Prepared:
    """
    Start the embedded server if it is ours, migrate, and make what a registry cannot be without.

    :raises DirectoryInUse, ClusterUnusable, MigrationRefused: see there.
    """
    if server is None:
        settings.storage.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        login = ConnectionSettings.from_url(settings.database.url)
    else:
        login = await server.start()
    # An embedded server is ours alone, as it holds the lock of the directory.
    alone = server is not None
    return await deferToThreadPool(
        reactor, reactor.getThreadPool(), _prepare, login, settings.storage.data_dir, alone
    )


def _prepare(login: ConnectionSettings, data_dir: Path, alone: bool) -> Prepared:
    migrate(login)
    connection = psycopg2.connect(**login.keywords(statement_timeout=0))
    try:
        if alone:
            clear_up(connection, data_dir)
        return Prepared(login, signing_key(connection), create_first_account(connection, data_dir))
    finally:
        connection.close()


def connect(
    settings: Settings, login: ConnectionSettings, reactor: Any, changed: Callable[[str], None] | None = None
) -> Database:
    """The pool of one process; it opens connections when they are first needed. ``changed``: see :class:`Database`."""
    given = settings.database
    return Database(
        reactor,
        login,
        connections=given.pool_size,
        waiters=given.pool_waiters,
        statement_timeout=given.statement_timeout_seconds,
        changed=changed,
        prepare=given.prepared_statements,
    )


def listen_for_changes(generations: Generations, login: ConnectionSettings, reactor: Any) -> Listener:
    """What moves the generations when somebody else has changed something; to be started."""
    listener = Listener(reactor, login)
    listener.listen(CHANNEL, generations.move)
    listener.watch(connected=generations.begin_hearing, lost=generations.end_hearing)
    return listener
