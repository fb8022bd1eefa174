"""Which part of a long list a request asks for, and the link to the next one."""

from __future__ import annotations

import re

from attrs import frozen

from keygenreg.domain.failures import BadRequest, Source
from keygenreg.formats.jsonapi_query import QueryParameters
from keygenreg.formats.link import link_header

#: As many as one answer has at most; several clients do not follow links, so it is many.
MOST_TAGS = 10_000
MOST_REFERRERS = 1000
MOST_REPOSITORIES = 1000

_NUMBER = re.compile(r"[0-9]{1,1000}", re.ASCII)


@frozen
class Page:
    """``size`` entries after ``last``."""

    size: int
    last: str


def of_query(query: QueryParameters, *, most: int) -> Page:
    """
    Read ``n`` and ``last``. A large ``n`` means as many as there may be.

    :raises BadRequest: ``n`` is no number.
    """
    text = query.text("n")
    last = query.text("last") or ""
    if text is None or text == "":
        return Page(most, last)
    if not _NUMBER.fullmatch(text):
        source = Source(parameter="n")
        raise BadRequest("The parameter n must be a whole number.", "PAGINATION_NUMBER_INVALID", source)
    return Page(min(int(text[-12:]) if len(text) <= 12 else most, most), last)


def next_link(path: str, query: QueryParameters, last: str, size: int | None = None) -> tuple[str, str]:
    """
    The header that leads to what comes after ``last``.

    :param path: as the request has it.
    :param size: repeated as ``n``, ``None`` where the request has none.
    """
    kept = query.public().without("last", "n")
    kept = kept if size is None else kept.plus(("n", str(size)))
    return "Link", link_header(f"{path}?{kept.plus(('last', last)).encode()}", "next")
