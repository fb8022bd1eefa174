"""The kinds of value that a dump holds: from JSON to the text that PostgreSQL reads, and from its values back.

Every ``read`` gives the value as text of PostgreSQL's input syntax (None for null) and raises ``ValueError`` with words
that follow the attribute's name: ``expected a string``. Nothing is normalised: a dump states facts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from attrs import frozen

from keygenreg.formats.metadata_keys import from_dump, to_shown
from keygenreg.formats.timestamps import dump_time

#: Texts that are looked up must fit into an entry of a database index, in bytes of UTF-8.
MAX_KEY_BYTES = 1024

_LARGEST = 2**63 - 1
_SMALLEST = -(2**63)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-]00:?00)", re.ASCII
)
# A NUL in serialised JSON: its escape, unless the backslash itself is an escaped one.
_NUL_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_NUL = "holds a NUL character, which cannot be stored"


def _same(value: Any) -> Any:
    return value


@frozen
class Value:
    """
    One kind of value.

    :param read: from JSON to PostgreSQL's text.
    :param write: from what the database driver gives to what JSON is made of; never sees None.
    """

    read: Callable[[Any], str]
    write: Callable[[Any], Any] = _same


def is_id(value: object) -> bool:
    """Whether a value is a UUID as dumps write it: lower case, with dashes."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a string")
    if "\0" in value:
        raise ValueError(_NUL)
    return value


def _key(value: Any) -> str:
    text = _text(value)
    if len(text) * 4 > MAX_KEY_BYTES and len(text.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"is longer than {MAX_KEY_BYTES} bytes")
    return text


def _integer(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected an integer")
    if not _SMALLEST <= value <= _LARGEST:
        raise ValueError("does not fit into 64 bits")
    return str(value)


def _boolean(value: Any) -> str:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return "t" if value else "f"


def _time(value: Any) -> str:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        raise ValueError("expected a time in UTC like 2031-02-03T04:05:06.123456Z")
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("is not a time that exists") from None
    return value


def _texts(value: Any) -> str:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("expected an array of strings")
    escaped = (_text(each).replace("\\", "\\\\").replace('"', '\\"') for each in value)
    return "{" + ",".join(f'"{each}"' for each in escaped) + "}"


def _json(value: Any) -> str:
    text = orjson.dumps(value).decode()
    if "\\u0000" in text and _NUL_ESCAPE.search(text):
        raise ValueError(_NUL)
    return text


def _metadata(value: Any) -> str:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    try:
        return _json(from_dump(value))
    except RecursionError:
        raise ValueError("is nested too deeply") from None


_SETTINGS = ("defaultLicensePermissions", "defaultUserPermissions")


def _settings(value: Any) -> str:
    if not isinstance(value, dict):
        raise ValueError("expected an object")
    for name, permissions in value.items():
        if name not in _SETTINGS:
            raise ValueError(f"there is no setting {shortened(name)}")
        if not isinstance(permissions, list) or not all(isinstance(each, str) for each in permissions):
            raise ValueError(f"{name}: expected an array of strings")
    return _json(value)


TEXT = Value(_text)
#: Text that is looked up, and so no longer than an index takes.
KEY = Value(_key)
INTEGER = Value(_integer)
BOOLEAN = Value(_boolean)
TIME = Value(_time, dump_time)
TEXTS = Value(_texts)
METADATA = Value(_metadata, to_shown)
SETTINGS = Value(_settings)


def one_of(*words: str) -> Value:
    """A string out of a list."""
    allowed = frozenset(words)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"expected one of {', '.join(words)}")
        return value

    return Value(read)


def shortened(word: object, longest: int = 60) -> str:
    """A word of the dump as it may stand in a message: quoted, on one line, not too long."""
    text = orjson.dumps(str(word)).decode()
    return text if len(text) <= longest else text[: longest - 4] + '..."'
