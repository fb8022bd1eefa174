"""Pieces of JSON:API documents, and documents as bytes (api.md 2.6).

All links are paths in the long form, ``/v1/accounts/<account id>/...``, whatever path the request used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

import orjson

from keygenreg.formats.timestamps import api_time

Object = dict[str, object]


class _Absent:
    """The type of :data:`ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


#: No linkage at all, unlike None which is the linkage "nothing".
ABSENT: Final = _Absent()


def account_path(account: UUID | str, *segments: UUID | str) -> str:
    """``/v1/accounts/<account id>/...``, each segment percent-encoded: a slash within one becomes ``%2F``."""
    return "/".join((f"/v1/accounts/{account}", *(quote(str(segment), safe="@:+,") for segment in segments)))


def linkage(type_: str, id_: UUID | str | None) -> Object | None:
    """A resource identifier; None when there is none to point at."""
    return None if id_ is None else {"type": type_, "id": str(id_)}


def related(
    path: str | None,
    *,
    data: Object | Sequence[Object] | None | _Absent = ABSENT,
    meta: Mapping[str, object] | None = None,
) -> Object:
    """
    One relationship.

    :param path: where the related resource is, None for nowhere.
    :param data: its linkage (see :func:`linkage`), or a list of them; left out by default.
    """
    relationship: Object = {"links": {"related": path}}
    if data is not ABSENT:
        relationship["data"] = data
    if meta is not None:
        relationship["meta"] = dict(meta)
    return relationship


def account_relationship(account: UUID | str) -> Object:
    """The ``account`` relationship that every resource has."""
    return related(account_path(account), data=linkage("accounts", account))


def environment_relationship(account: UUID | str, environment: UUID | str | None) -> Object:
    """The ``environment`` relationship; a global resource has neither link nor linkage."""
    if environment is None:
        return related(None, data=None)
    return related(account_path(account, "environments", environment), data=linkage("environments", environment))


def resource(
    type_: str,
    id_: UUID | str,
    attributes: Mapping[str, object],
    *,
    relationships: Mapping[str, object] | None = None,
    links: Mapping[str, object] | None = None,
    meta: Mapping[str, object] | None = None,
) -> Object:
    """One resource object; attributes and relationships keep their order."""
    made: Object = {"id": str(id_), "type": type_, "attributes": attributes}
    if relationships is not None:
        made["relationships"] = relationships
    if links is not None:
        made["links"] = links
    if meta is not None:
        made["meta"] = meta
    return made


def document(
    data: Object | Sequence[Object] | None,
    *,
    links: Mapping[str, object] | None = None,
    meta: Mapping[str, object] | None = None,
    included: Sequence[Object] | None = None,
) -> Object:
    """A success document. Lists give ``links`` too, be they empty."""
    made: Object = {"data": data}
    for name, value in (("included", included), ("links", links), ("meta", meta)):
        if value is not None:
            made[name] = value
    return made


def render(made: Mapping[str, object]) -> bytes:
    """
    A document as UTF-8 JSON, members in the order given.

    Datetimes become API times (milliseconds, ``Z``), UUIDs text. Stored metadata may hold integers beyond 64 bits,
    which need the slower encoder of the standard library.
    """
    try:
        return orjson.dumps(made, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        return json.dumps(made, default=_plain, separators=(",", ":")).encode("ascii")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return api_time(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
