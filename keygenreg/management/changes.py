"""Writes whose columns depend on what a body holds: the few statements that are put together at run time."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_WHY = "writes one record that was found through the scope, or is new"


def _checked(names: Any) -> list[str]:
    found = list(names)
    for name in found:
        if not _NAME.match(name):
            raise ValueError(f"not a column: {name!r}")
    return found


async def insert(transaction: Transaction, table: str, values: dict[str, Any]) -> dict:
    """
    Insert one row; an ``id`` is made unless given.

    :param table, values: names of our own, never a client's.
    :return: the row as stored.
    """
    values = {"id": uuid4()} | values
    columns = _checked([table, *values])[1:]
    places = ", ".join(f"%({name})s" for name in columns)
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) RETURNING *"
    return await transaction.one(Query(f"insert into {table}", sql, unscoped=_WHY), **values)


async def update(transaction: Transaction, table: str, identifier: UUID, values: dict[str, Any]) -> dict | None:
    """Change columns of one row and its ``updated`` time; the row as stored, ``None`` when it is gone."""
    columns = _checked([table, *values])[1:]
    changes = ", ".join([*(f"{name} = %({name})s" for name in columns), "updated = now()"])
    sql = f"UPDATE {table} SET {changes} WHERE id = %(_id)s RETURNING *"
    return await transaction.maybe(Query(f"update {table}", sql, unscoped=_WHY), _id=identifier, **values)


async def delete(transaction: Transaction, table: str, identifier: UUID) -> int:
    """Delete one row, and by cascade what belongs to it; how many rows went."""
    _checked([table])
    sql = f"DELETE FROM {table} WHERE id = %(_id)s"
    return await transaction.execute(Query(f"delete from {table}", sql, unscoped=_WHY), _id=identifier)
