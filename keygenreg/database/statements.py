"""From a query value and its parameters to the text that is sent, and checks of what comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from attrs import frozen

from keygenreg.database.query import Query
from keygenreg.database.values import parameters
from keygenreg.database.visibility import with_scope
from keygenreg.domain.scope import Scope

_CHANGES = re.compile(r"\b(insert|update|delete|merge|truncate|pg_notify|nextval|setval)\b", re.IGNORECASE)


@frozen
class UnexpectedRows(Exception):
    """A query gave another number of rows than its caller relies on: a defect of ours, never the client's."""

    query: str
    count: int

    def __str__(self) -> str:
        return f"{self.query}: {self.count} rows"


def compiled(query: Query, scope: Scope | None, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The SQL text and all its parameters, the scope's included."""
    if scope is None:
        return query.sql, parameters(params)
    sql, narrowing = with_scope(query, scope)
    return sql, parameters({**params, **narrowing})


@lru_cache(maxsize=4096)
def changes_data(query: Query) -> bool:
    """Whether the statement may write, so that it must neither be stopped half-way nor sent twice.

    Guessed from its words; a read taken for a write only runs to its end although its client has left.
    """
    return _CHANGES.search(query.sql) is not None


def at_most_one(query: Query, rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """:raises UnexpectedRows: there are several."""
    if len(rows) > 1:
        raise UnexpectedRows(query.name, len(rows))
    return rows[0] if rows else None


def exactly_one(query: Query, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """:raises UnexpectedRows: there is none, or several."""
    if len(rows) != 1:
        raise UnexpectedRows(query.name, len(rows))
    return rows[0]
