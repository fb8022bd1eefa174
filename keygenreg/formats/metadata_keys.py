"""Metadata of a resource: how its keys are stored, shown, and how much of it is taken.

Stored keys are snake_case, shown ones lowerCamelCase, at every level (api.md 1.1, "metadata keys").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Literal

import orjson

MAX_KEYS = 64
MAX_BYTES = 16 * 1024
MAX_NESTING = 2  # levels of objects and arrays below the metadata object
_DEEPEST = 100  # far above MAX_NESTING, far below the interpreter's recursion limit

Problem = Literal["not_an_object", "too_deep", "too_many_keys", "too_large"]

# Each takes time in proportion to the text, however long a run of capitals or underscores: keys are clients' input.
_BEFORE_CAPITALISED = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])")
_LOWER_BEFORE_CAPITAL = re.compile(r"([a-z0-9])([A-Z])")
_NOT_OF_A_KEY = re.compile(r"[\W_]+")
_UNDERSCORED = re.compile(r"(?<!_)_+([^_])")
_CAPITAL = re.compile(r"[A-Z]")


def stored_key(key: str) -> str:
    """
    The spelling under which a key is stored: ``requiresPython``, ``requires-python``, ``Requires Python`` are all
    ``requires_python``; ``buildURL`` is ``build_url``. Accents are dropped, letters of other scripts stay. A key
    without any letter or digit stays as it is, so that no two of them fall together.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", key) if not unicodedata.combining(c))
    plain = _BEFORE_CAPITALISED.sub("_", plain)
    plain = _LOWER_BEFORE_CAPITAL.sub(r"\1_\2", plain)
    return _NOT_OF_A_KEY.sub("_", plain).strip("_").lower() or key


def shown_key(key: str) -> str:
    """The spelling the API shows: ``requires_python`` is ``requiresPython``."""
    return _UNDERSCORED.sub(lambda match: match[1].upper(), key).rstrip("_") or key


def stored_key_of_shown(key: str) -> str:
    """
    The exact inverse of :func:`shown_key`, for dumps: every capital starts a word, so that an import shows again
    what the export wrote (``aBC`` comes from ``a_b_c``). Not for clients' input: there ``buildURL`` is one word less.
    """
    return _CAPITAL.sub(lambda match: "_" + match[0].lower(), key)


def dashed_key(key: str) -> str:
    """A stored key as part of an HTML ``data-*`` attribute's name: ``requires_python`` is ``requires-python``."""
    return key.replace("_", "-")


def to_stored(metadata: Mapping[str, object]) -> dict[str, object]:
    """All keys of a client's metadata as stored; of keys that fall together the last wins. ``ValueError``: too deep."""
    return _renamed(metadata, stored_key, _DEEPEST)


def to_shown(metadata: Mapping[str, object]) -> dict[str, object]:
    """All keys of stored metadata as the API shows them. ``ValueError``: deeper than anything we store."""
    return _renamed(metadata, shown_key, _DEEPEST)


def from_dump(metadata: Mapping[str, object]) -> dict[str, object]:
    """All keys of a dump's metadata as stored; ``to_shown`` gives its spelling back. ``ValueError``: too deep."""
    return _renamed(metadata, stored_key_of_shown, _DEEPEST)


def _renamed(value: object, rename: Callable[[str], str], levels: int):
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if levels == 0:
        raise ValueError("metadata is nested too deeply")
    if isinstance(value, Mapping):
        return {rename(key): _renamed(member, rename, levels - 1) for key, member in value.items()}
    return [_renamed(member, rename, levels - 1) for member in value]


def shape_problem(metadata: object) -> Problem | None:
    """What is wrong with the shape of metadata in a request (400), or None: nesting of at most ``MAX_NESTING``."""
    if not isinstance(metadata, Mapping):
        return "not_an_object"
    level = [metadata]
    for _ in range(MAX_NESTING + 1):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return None
    return "too_deep"


def _containers(value: Mapping | list) -> list:
    members = value.values() if isinstance(value, Mapping) else value
    return [member for member in members if isinstance(member, (Mapping, list))]


def size_problem(metadata: Mapping[str, object]) -> Problem | None:
    """
    What is too much about well-shaped metadata (422), or None: at most ``MAX_KEYS`` keys at the top, at most
    ``MAX_BYTES`` of compact JSON.
    """
    if len(metadata) > MAX_KEYS:
        return "too_many_keys"
    try:
        size = len(orjson.dumps(metadata))
    except TypeError:  # an integer beyond 64 bits or half a surrogate pair: text that can be neither stored nor shown
        return "too_large"
    return "too_large" if size > MAX_BYTES else None
