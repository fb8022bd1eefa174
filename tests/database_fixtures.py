"""A real PostgreSQL for tests: one server per test process, one fresh migrated database per test module."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import pytest
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.migrate import migrate
from keygenreg.database.pool import Database
from tests.reactor_thread import ReactorThread

T = TypeVar("T")
Runner = Callable[[Coroutine[Deferred[Any], Any, T]], T]

_ROOT = Path(__file__).parents[1]
_TEMPLATE = "template_registry"
_numbers = count(1)


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectionSettings]:
    """Login as superuser at a server of this test process."""
    directory = tmp_path_factory.mktemp("database")
    command = [sys.executable, "-m", "tests.database_server", str(directory), "fsync=off", "full_page_writes=off"]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the embedded PostgreSQL did not start; its words are above")
        yield ConnectionSettings(**json.loads(line) | {"extra": ()})
        process.stdin.close()


@pytest.fixture(scope="session")
def migrated_template(database_server: ConnectionSettings) -> str:
    """Name of a database that was migrated once and is copied for every module."""
    on_server(database_server, f"CREATE DATABASE {_TEMPLATE}")
    migrate(database_server.database(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="module")
def database_settings(database_server: ConnectionSettings, migrated_template: str) -> Iterator[ConnectionSettings]:
    """Login at a fresh database with the whole schema, for this test module alone."""
    with fresh_database(database_server, migrated_template) as settings:
        yield settings


@pytest.fixture(scope="module")
def empty_database_settings(database_server: ConnectionSettings) -> Iterator[ConnectionSettings]:
    """Login at a database without any table, for this test module alone."""
    with fresh_database(database_server, "template1") as settings:
        yield settings


@pytest.fixture(scope="session")
def reactor_thread() -> Iterator[ReactorThread]:
    """A reactor that runs in a thread for the whole session."""
    thread = ReactorThread()
    thread.start()
    yield thread
    thread.stop()


@pytest.fixture(scope="session")
def run_in_reactor(reactor_thread: ReactorThread) -> Runner[Any]:
    """Run a coroutine in that reactor to its end: ``row = run_in_reactor(database.one(QUERY, id=...))``."""
    return reactor_thread.wait


@pytest.fixture(scope="module")
def database(database_settings: ConnectionSettings, reactor_thread: ReactorThread) -> Iterator[Database]:
    """The module's database, opened in the reactor of ``run_in_reactor``."""
    opened = Database(reactor_thread.reactor, database_settings, connections=4)
    yield opened
    reactor_thread.wait(opened.close())


class DatabaseTestCase(TestCase):
    """Trial's TestCase with ``self.database`` in the global reactor; tests may be ``async def``.

    Trial fails a test that leaves anything behind: a logged error, an unhandled Deferred, a timer, a connection.
    """

    timeout = 20

    @pytest.fixture(autouse=True)
    def _take_settings(self, database_settings: ConnectionSettings) -> None:
        self.settings = database_settings

    def setUp(self) -> None:
        self.reactor = global_reactor
        self.database = self.open_database()

    def open_database(self, **options: Any) -> Database:
        """A further Database of the test, closed after it."""
        opened = Database(self.reactor, self.settings, **options)
        self.addCleanup(opened.close)
        return opened


class fresh_database:
    """Context of a copy of the template on the server; dropped at the end, whoever is still connected."""

    def __init__(self, server: ConnectionSettings, template: str) -> None:
        self._server = server
        self._template = template
        self._settings = server.database(f"test_{next(_numbers)}")

    def __enter__(self) -> ConnectionSettings:
        on_server(self._server, f"CREATE DATABASE {self._settings.dbname} TEMPLATE {self._template}")
        return self._settings

    def __exit__(self, *_: object) -> None:
        on_server(self._server, f"DROP DATABASE {self._settings.dbname} WITH (FORCE)")


def on_server(settings: ConnectionSettings, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Run one statement with plain psycopg2, outside any transaction; returns its rows."""
    with closing(psycopg2.connect(**settings.keywords(statement_timeout=20))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return cursor.fetchall() if cursor.description else []
