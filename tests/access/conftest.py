"""A plain connection to the module's database, what it shows, and the door that callers come through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from psycopg2.extras import register_uuid

from keygenreg.access.accounts import Accounts
from keygenreg.access.authentication import Authenticator
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.pool import Database
from tests.access.door import CountingPasswords, Door
from tests.access.sight import Sight

register_uuid()


@pytest.fixture(scope="module")
def connection(database_settings: ConnectionSettings) -> Iterator[Connection]:
    """For tests that roll back what they did, so that the next one finds the database empty; or that commit."""
    with closing(psycopg2.connect(**database_settings.keywords(statement_timeout=20))) as opened:
        yield opened


@pytest.fixture(scope="module")
def sight(connection: Connection) -> Sight:
    return Sight(connection)


@pytest.fixture
def passwords() -> CountingPasswords:
    return CountingPasswords([])


@pytest.fixture
def door(connection: Connection, database: Database, run_in_reactor, passwords: CountingPasswords) -> Door:
    """Several accounts; passwords are only counted."""
    authenticator = Authenticator(database, passwords)
    return Door(connection, Accounts(database, singleplayer=False), authenticator, run_in_reactor)
