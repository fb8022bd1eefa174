"""SQL with named parameters as text for PREPARE and EXECUTE, so that it means the same as with the values written in.

A parameter gets the type that its value would have as a literal; the server infers the rest, as it does for quoted
literals. What decides how a statement is planned becomes part of the text: NULL, true, false, the number after LIMIT,
and whether an optional condition is there at all (``%(x)s IS NULL OR ...``). So one plan fits all executions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Any
from uuid import UUID

from attrs import define, field, frozen

from keygenreg.database.values import Json

# Executions that took longer than so many seconds, this many in a row, may have too general a plan, or one that was
# made when the tables were smaller. A busy process makes all of them seem long: so as many are sent plain, to compare.
SLOW = 0.05
ROUNDS = 3
GAIN = 0.7
FIRST_REST = 5.0
LAST_REST = 3600.0
# After a table has changed.
SHORT_REST = 1.0

_PARAMETER = re.compile(r"%(?:\((\w+)\)s|%)")
_COUNT = re.compile(r"\b(LIMIT|OFFSET)\s+%\((\w+)\)s", re.IGNORECASE)
# Only where the test stands alone, so that a constant can take its place whatever binds stronger.
_NULL_TEST = re.compile(
    r"(?P<before>\(|\b(?:AND|OR|NOT|WHEN|WHERE|ON)\s)(?P<space>\s*)%\((?P<name>\w+)\)s(?:::\w+(?:\[\])?)?"
    r"\s+IS\s+(?P<negated>NOT\s+)?NULL(?=\s+(?:AND|OR|THEN)\b|\s*\))",
    re.IGNORECASE,
)
_TYPES = {
    str: "unknown",
    UUID: "uuid",
    Json: "unknown",
    bytes: "bytea",
    date: "date",
    timedelta: "interval",
}
_WRITTEN_IN = frozenset({"NULL", "true", "false"})


@define(eq=False)
class PreparedText:
    """One SQL text for one kind of parameters, and what the process has learnt about it.

    ``name`` follows from the text, so statements of equal name are equal, whoever prepared them.
    """

    name: str
    preparation: str
    execution: str
    uses: int = 0
    proven: bool = False
    refused: bool = False
    edition: int = 0
    _slow: list[float] = field(factory=list, init=False)
    _compared: list[float] | None = field(default=None, init=False)
    _pause: float = field(default=FIRST_REST, init=False)
    _resting_until: float = field(default=0.0, init=False)
    _settled_until: float = field(default=0.0, init=False)

    def is_wanted(self, now: float) -> bool:
        """Whether to prepare it: the second time it is needed, unless it was refused or is better sent plain."""
        self.uses += 1
        return self.uses > 1 and not self.refused and self._compared is None and now >= self._resting_until

    def took(self, seconds: float, now: float, *, plain: bool) -> None:
        """Note how long an execution took. Where plain ones are faster, it rests, and its plan is made anew later."""
        if plain:
            if self._compared is not None:
                self._compared.append(seconds)
                self._judge(now)
        elif seconds <= SLOW:
            self._slow.clear()
        else:
            self._slow = [*self._slow[1 - ROUNDS :], seconds]
            if len(self._slow) == ROUNDS and now >= self._settled_until:
                self._compared = []

    def _judge(self, now: float) -> None:
        if self._compared is None or len(self._compared) < ROUNDS:
            return
        if min(self._compared) < GAIN * min(self._slow, default=0.0):
            self._resting_until = now + self._pause
            self.edition += 1
        else:
            self._settled_until = now + self._pause
        self._pause = min(self._pause * 2, LAST_REST)
        self._compared = None
        self._slow.clear()

    def outdate(self, now: float) -> None:
        """Note that the server cannot execute it any more: every session makes it anew, a little later."""
        self.proven = False
        self.edition += 1
        self._resting_until = max(self._resting_until, now + SHORT_REST)


@frozen
class _Places:
    """The names of a text's parameters, in order, and which of them stand after LIMIT and OFFSET."""

    names: tuple[str, ...]
    counts: Mapping[str, str]


def prepared_text(sql: str, params: Mapping[str, Any]) -> PreparedText | None:
    """The one object of the process for this text and this kind of parameters.

    ``None``: a value is of a type that is not known here or a parameter is missing, so the text cannot be prepared;
    or an OFFSET is so far that the plan should be made for it.
    """
    places = _places(sql)
    kinds = []
    for name in places.names:
        if name not in params:
            return None
        kind = _kind_of_count(places.counts[name], params[name]) if name in places.counts else _kind(params[name])
        if kind is None:
            return None
        kinds.append(kind)
    return _text(sql, places.names, tuple(kinds))


@lru_cache(maxsize=4096)
def _places(sql: str) -> _Places:
    names = dict.fromkeys(name for name in _PARAMETER.findall(sql) if name)
    return _Places(tuple(names), {name: word.upper() for word, name in _COUNT.findall(sql)})


@lru_cache(maxsize=1024)
def _text(sql: str, names: tuple[str, ...], kinds: tuple[str, ...]) -> PreparedText:
    kind_of = dict(zip(names, kinds, strict=True))
    written = {name: kind for name, kind in kind_of.items() if kind in _WRITTEN_IN or kind.isdigit()}

    def null_test(match: re.Match[str]) -> str:
        if match["name"] in written:
            return match[0]
        return f"{match['before']}{match['space']}{'true' if match['negated'] else 'false'}"

    numbers: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "%"
        return written.get(name) or f"${numbers.setdefault(name, len(numbers) + 1)}"

    body = _PARAMETER.sub(place, _NULL_TEST.sub(null_test, sql))
    types = f" ({', '.join(kind_of[name] for name in numbers)})" if numbers else ""
    arguments = f"({', '.join(f'%({name})s' for name in numbers)})" if numbers else ""
    digest = hashlib.sha256(f"{types} {body}".encode("utf-8", "surrogatepass")).hexdigest()
    name = f"keygenreg_{digest[:48]}"
    return PreparedText(name, f"PREPARE {name}{types} AS {body}", f"EXECUTE {name}{arguments}")


def _kind(value: Any) -> str | None:
    """The type of a value as a literal, ``unknown`` for quoted ones, or what is to be written in."""
    known = _TYPES.get(type(value))
    if known is not None:
        return known
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _kind_of_integer(value)
    if isinstance(value, datetime):
        return "timestamp" if value.tzinfo is None else "timestamptz"
    if isinstance(value, float):
        return "numeric" if isfinite(value) else None
    if isinstance(value, list):
        return _kind_of_list(value)
    return None


def _kind_of_integer(value: int) -> str | None:
    if -(2**31) < value < 2**31:
        return "int4"
    return "int8" if -(2**63) < value < 2**63 else None


def _kind_of_list(value: list[Any]) -> str | None:
    """psycopg2 writes an empty list as a quoted literal, others as ARRAY[...] of their members."""
    if not value:
        return "unknown"
    kinds = {str: "text", UUID: "uuid"}
    first = type(value[0])
    if first in kinds and all(type(item) is first for item in value):
        return f"{kinds[first]}[]"
    if all(type(item) is int and _kind_of_integer(item) == "int4" for item in value):
        return "int4[]"
    return None


def _kind_of_count(word: str, value: Any) -> str | None:
    if value is None:
        return "NULL"
    if type(value) is not int or value < 0 or (word == "OFFSET" and value > 0):
        return None
    return str(value)
