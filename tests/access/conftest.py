"""A plain connection to the module's database, and what the database shows through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from psycopg2.extras import register_uuid

from keygenreg.database.connection_settings import ConnectionSettings
from tests.access.sight import Sight

register_uuid()


@pytest.fixture(scope="module")
def connection(database_settings: ConnectionSettings) -> Iterator[Connection]:
    """Each test rolls back what it did in it, so that the next one finds the database empty."""
    with closing(psycopg2.connect(**database_settings.keywords(statement_timeout=20))) as opened:
        yield opened


@pytest.fixture(scope="module")
def sight(connection: Connection) -> Sight:
    return Sight(connection)
