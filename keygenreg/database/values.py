"""Python values as SQL parameters, and result rows as dicts.

Wrap a list that is meant as one JSON document in :data:`Json`; a bare list or tuple becomes an SQL array.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any
from uuid import UUID, SafeUUID

import orjson
from psycopg2 import BINARY
from psycopg2.extensions import new_array_type, new_type, register_type
from psycopg2.extras import Json as _Json
from psycopg2.extras import register_default_json, register_default_jsonb, register_uuid

_BYTEA = 17
_UUID = 2950
_UUID_ARRAY = 2951


class Json(_Json):
    """A value to store in a ``jsonb`` column."""

    def dumps(self, value: Any) -> str:
        return orjson.dumps(value).decode("utf-8")


def register(connection: Any) -> None:
    """Let rows of the (psycopg2) connection carry UUIDs, decoded JSON and plain bytes."""
    register_uuid(conn_or_curs=connection)
    register_default_json(conn_or_curs=connection, loads=orjson.loads)
    register_default_jsonb(conn_or_curs=connection, loads=orjson.loads)
    for kind in (_AS_BYTES, _AS_UUID, _AS_UUIDS):
        register_type(kind, connection)


def parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """What psycopg2 takes for: dicts (jsonb), tuples, sets (arrays), members of enumerations (their value)."""
    return {name: _parameter(value) for name, value in values.items()}


def rows_of(cursor: Any) -> list[dict[str, Any]]:
    """All rows of a finished cursor; empty when the statement returns none."""
    if cursor.description is None:
        return []
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=False)) for row in cursor.fetchall()]


def _parameter(value: Any) -> Any:
    if isinstance(value, dict):
        return Json(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_parameter(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return value


def _bytes(value: str | None, cursor: Any) -> bytes | None:
    return None if value is None else bytes(BINARY(value, cursor))


def _uuid(value: str | None, cursor: Any) -> UUID | None:
    """The constructor's checks take most of its time, and every row has ids; the server sends well-formed ones only."""
    if value is None:
        return None
    made = _blank(UUID)
    _set(made, "int", int(value.replace("-", ""), 16))
    _set(made, "is_safe", _UNKNOWN)
    return made


_blank = object.__new__
_set = object.__setattr__
_UNKNOWN = SafeUUID.unknown
_AS_BYTES = new_type((_BYTEA,), "BYTES", _bytes)
_AS_UUID = new_type((_UUID,), "UUID", _uuid)
_AS_UUIDS = new_array_type((_UUID_ARRAY,), "UUID[]", _AS_UUID)
