"""The Link header (RFC 8288): written for clients, read from upstream servers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

_LONGEST = 64 * 1024
_MAX_LINKS = 100
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TARGET = re.compile(r"[ \t,]*<([^>]*)>")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})[ \t]*(?:=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t;,"]*))?)?', re.ASCII)
_QUOTED_PAIR = re.compile(r"\\(.)")
_NOT_IN_TARGET = re.compile(r"[^\x21-\x7e]|[<>]")


@frozen
class Link:
    """A target as it was written (resolve it against the request's URL) and its relation types in lower case."""

    target: str
    rel: frozenset[str]
    parameters: tuple[tuple[str, str], ...] = ()


def link_header(target: str, rel: str) -> str:
    """
    One link as a header's value, such as ``</v2/x/tags/list?n=2&last=b>; rel="next"``.

    :raises ValueError: the target is not an encoded URL reference: it holds spaces, control characters, ``<`` or ``>``.
    """
    if _NOT_IN_TARGET.search(target):
        raise ValueError("a link's target must be percent-encoded")
    return f'<{target}>; rel="{rel}"'


def parse_links(header: str) -> list[Link]:
    """
    The links of a Link header's value; several header lines are joined by commas before.

    Never raises: reading ends at the first thing that is no link. Of repeated ``rel`` parameters the first counts.

    Source: RFC 8288, section 3 and appendix B.2.
    """
    links: list[Link] = []
    position, header = 0, header[:_LONGEST]
    while len(links) < _MAX_LINKS and (match := _TARGET.match(header, position)):
        position, parameters = match.end(), []
        while parameter := _PARAMETER.match(header, position):
            position = parameter.end()
            if parameter[1]:
                parameters.append((parameter[1].lower(), _unquoted(parameter[2] or "")))
        rel = next((value for name, value in parameters if name == "rel"), "")
        rest = tuple((name, value) for name, value in parameters if name != "rel")
        links.append(Link(match[1].strip(), frozenset(rel.lower().split()), rest))
        position = _comma(header, position)
    return links


def _comma(header: str, position: int) -> int:
    """Where the next link may start; the end of the header when no comma follows."""
    rest = header[position:].lstrip(" \t")
    return position if rest.startswith(",") else len(header)


def _unquoted(value: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def target_of(links: Iterable[Link], rel: str) -> str | None:
    """The first link of a relation type (in lower case), None without one."""
    return next((link.target for link in links if rel in link.rel), None)
