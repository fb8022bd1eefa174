"""``npm search``: what is asked for, and what is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from attrs import frozen

from keygenreg.engines.npm import documents
from keygenreg.formats.jsonapi_query import QueryParameters

_DEFAULT_SIZE, _LARGEST_SIZE = 20, 250
_MOST_WORDS, _LONGEST_TEXT = 10, 256
#: Qualifiers of npm's own search that mean something here; their values are words like others.
_QUALIFIERS = ("keywords", "author", "maintainer")


@frozen
class Search:
    """
    ``text`` as asked for, in lower case; ``words`` that must all occur; ``scope`` that names must begin with, such as
    ``@acme/``; ``start`` and ``size`` choose a part of what is found.
    """

    text: str
    words: tuple[str, ...]
    scope: str | None
    size: int
    start: int


def parse(query: QueryParameters) -> Search:
    """The parameters ``text``, ``size`` and ``from``; nonsense counts as nothing."""
    text = (query.text("text") or "")[:_LONGEST_TEXT].strip().lower()
    words, scope = [], None
    for term in text.split()[:_MOST_WORDS]:
        qualifier, colon, value = term.partition(":")
        if colon and qualifier == "scope":
            scope = f"@{value.removeprefix('@')}/"
        elif colon and qualifier in _QUALIFIERS:
            words += value.split(",")
        else:
            words.append(term)
    return Search(
        text,
        tuple(word for word in words if word),
        scope,
        _number(query.text("size"), _DEFAULT_SIZE, _LARGEST_SIZE),
        _number(query.text("from"), 0, 2**31),
    )


def _number(text: str | None, default: int, largest: int) -> int:
    if text is None or not text.isascii() or not text.isdigit():
        return default
    return int(text) if len(text) < 10 and int(text) < largest else largest


def results(rows: Sequence[Mapping[str, Any]], now: datetime) -> documents.Document:
    """The document of what was found."""
    total = rows[0]["total"] if rows else 0
    found = (
        documents.search_entry(row["key"], row["release_version"], row["created"], _package(row["content"]))
        for row in rows
    )
    return documents.search_results(found, total, now)


def _package(content: str) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
