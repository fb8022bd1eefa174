"""Every read of engines and of the management API can be prepared, so that none is planned for each request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg2
import pytest

from keygenreg.database.prepared_text import prepared_text
from keygenreg.database.query import Query
from keygenreg.database.statements import changes_data, compiled
from keygenreg.domain.scope import Scope
from tests.test_architecture import feature_queries

SCOPES = [Scope(UUID(int=1), kind, UUID(int=2)) for kind in ("staff", "product", "license", "user", "anonymous")]
READS = {query.sql: query for _, query in feature_queries() if not changes_data(query)}
_NAME = re.compile(r"%\((\w+)\)s")
_COUNT = re.compile(r"(?:LIMIT|OFFSET)\s+%\((\w+)\)s")


@pytest.fixture(scope="module")
def cursor(database_settings) -> Iterator[Any]:
    """At a database with the whole schema."""
    with closing(psycopg2.connect(**database_settings.keywords(statement_timeout=60))) as connection:
        connection.autocommit = True
        with connection.cursor() as opened:
            yield opened


def variants(query: Query) -> Iterator[tuple[str, dict[str, Any]]]:
    """The query for each kind of bearer, with all parameters given as text, and with all left out."""
    unguarded = query.unscoped is not None and "%(scope_" not in query.sql
    for scope in [None] if unguarded else SCOPES:
        sql, params = compiled(query, scope, {})
        counts = set(_COUNT.findall(sql))
        for value in ("text", None):
            given = {name: 0 if name in counts else value for name in _NAME.findall(sql)}
            yield sql, given | params


def test_there_are_reads():
    """What is tested below is not nothing."""
    assert len(READS) > 80


@pytest.mark.parametrize("query", READS.values(), ids=lambda query: query.name)
def test_can_be_prepared(cursor, query):
    """The server finds the types of all parameters, whoever asks and whichever filters are given."""
    for sql, params in variants(query):
        text = prepared_text(sql, params)
        cursor.execute(text.preparation)
        cursor.execute(f"DEALLOCATE {text.name}")
