"""Engines, channels, platforms, arches and filetypes: resources without rows of their own.

They exist because a package, release or artifact of the account names them (dump.md, "Derived resources").
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import MappingProxyType
from typing import Literal
from uuid import UUID, uuid5

DerivedType = Literal["engines", "channels", "platforms", "arches", "filetypes"]

#: Display names by key; resources of the other types have none.
ENGINE_NAMES = MappingProxyType(
    {"pypi": "PyPI", "tauri": "Tauri", "raw": "Raw", "rubygems": "Rubygems", "npm": "npm", "oci": "oci"}
)
#: All engine keys.
ENGINES = tuple(ENGINE_NAMES)


def derived_id(account: UUID, type_: DerivedType, key: str) -> UUID:
    """The id of a derived resource: the same on every server. Keys are compared in lower case."""
    return uuid5(account, f"{type_}/{key.lower()}")


def derived_name(type_: DerivedType, key: str) -> str | None:
    """What a derived resource is called, None for all but engines."""
    return ENGINE_NAMES.get(key.lower()) if type_ == "engines" else None


def key_of_id(account: UUID, type_: DerivedType, id_: UUID, keys: Iterable[str]) -> str | None:
    """Which of ``keys`` an id stands for, None if none of them."""
    return next((key for key in keys if derived_id(account, type_, key) == id_), None)


def earliest(created: Iterable[tuple[str, datetime]]) -> dict[str, datetime]:
    """The creation time of each derived resource: per key in lower case, the earliest of what names it."""
    found: dict[str, datetime] = {}
    for key, moment in created:
        key = key.lower()
        found[key] = min(moment, found.get(key, moment))
    return found
