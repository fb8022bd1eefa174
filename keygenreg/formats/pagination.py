"""Slices of lists: the three styles of pagination, their limits, and the links between the slices."""

from __future__ import annotations

import re
from typing import NoReturn
from uuid import UUID

from attrs import frozen

from keygenreg.domain.failures import BadRequest, Source
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.formats.jsonapi_query import QueryParameters

MAX_SIZE = 100
MAX_NUMBER = 100
DEFAULT_SIZE = 10

_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


@frozen
class Limit:
    """The first ``size`` records; no links."""

    size: int = DEFAULT_SIZE
    descending: bool = True

    @property
    def offset(self) -> int:
        return 0


@frozen
class Page:
    """The ``number``-th page (from 1) of ``size`` records each."""

    number: int
    size: int
    descending: bool = True

    @property
    def offset(self) -> int:
        """How many records come before the page."""
        return (self.number - 1) * self.size


@frozen
class Keyset:
    """The ``size`` records after the one with id ``after``; from the start when it is None."""

    after: UUID | None
    size: int
    descending: bool = True

    @property
    def offset(self) -> int:
        return 0


Pagination = Limit | Page | Keyset


def read_pagination(query: QueryParameters) -> Pagination:
    """
    Which slice of a list a request asks for.

    :raises BadRequest: out of range or malformed; ``source.parameter`` is ``order``, ``limit``, ``page``,
        ``page[number]``, ``page[size]`` or ``page[cursor]``.

    Source: api.md 2.7, engines.md 3.
    """
    descending = _descending(query)
    limit = _limit(query)
    if "page" not in query:
        return Limit(limit, descending)
    page = query.members("page")
    if query.kind("page") != "object" or not {"number", "cursor"} & set(page):
        _refuse("page", "must be page[number] or page[cursor], with page[size] if you like")
    if "number" in page and "cursor" in page:
        _refuse("page", "cannot have both a number and a cursor")
    size = _bounded("page[size]", page["size"], MAX_SIZE) if "size" in page else limit
    if "number" in page:
        return Page(_bounded("page[number]", page["number"], MAX_NUMBER), size, descending)
    cursor = page["cursor"]
    after = parse_uuid(cursor)
    if cursor and after is None:
        _refuse("page[cursor]", "must be an id, or empty for the start")
    return Keyset(after, size, descending)


def _descending(query: QueryParameters) -> bool:
    if "order" not in query:
        return True
    order = (query.strict_text("order") or "").lower()
    if order not in ("asc", "desc"):
        _refuse("order", "must be asc or desc")
    return order == "desc"


def _limit(query: QueryParameters) -> int:
    if "limit" not in query:
        return DEFAULT_SIZE
    return _bounded("limit", query.strict_text("limit") or "", MAX_SIZE)


def _bounded(parameter: str, text: str, most: int) -> int:
    if _INTEGER.fullmatch(text) is None or not 1 <= int(text) <= most:
        _refuse(parameter, f"must be a number from 1 to {most}")
    return int(text)


def _refuse(parameter: str, detail: str) -> NoReturn:
    raise BadRequest(detail, source=Source(parameter=parameter))


def page_links(
    pagination: Pagination,
    path: str,
    query: QueryParameters,
    *,
    count: int | None = None,
    last_id: UUID | str | None = None,
) -> dict[str, object]:
    """
    The ``links`` of a list document.

    :param path: the list's own path, in the long form with the account's id.
    :param query: the request's query; its other members are kept, credentials are not.
    :param count: how many records there are in all; needed for a :class:`Page`.
    :param last_id: id of the slice's last record if more records follow it; only used for a :class:`Keyset`.
    :return: empty for a :class:`Limit`.

    Source: api.md 2.7, engines.md 3.
    """
    kept = query.public().without("page")

    def link(member: str, value: object) -> str:
        pairs = ((f"page[{member}]", str(value)), ("page[size]", str(pagination.size)))
        return f"{path}?{kept.plus(*pairs).encode()}"

    if isinstance(pagination, Page):
        total = count or 0
        pages = -(-total // pagination.size)
        reachable = min(pages, MAX_NUMBER)  # a link to a page beyond would be answered 400
        number = pagination.number
        inside = number <= pages
        return {
            "self": link("number", number),
            "prev": link("number", number - 1) if inside and number > 1 else None,
            "next": link("number", number + 1) if number < reachable else None,
            "first": link("number", 1) if pages else None,
            "last": link("number", reachable) if pages else None,
            "meta": {"pages": pages, "count": total},
        }
    if isinstance(pagination, Keyset):
        return {
            "self": link("cursor", pagination.after or ""),
            "next": link("cursor", last_id) if last_id is not None else None,
        }
    return {}
