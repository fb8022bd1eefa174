"""Conditional requests of HTTP: entity tags, dates, and which precondition decides (RFC 9110, section 13)."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_tz
from enum import Enum

from attrs import frozen

_ETAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\uffff]*)"')
_LIST = re.compile(r'[ \t,]*(?:(W/)?"([\x21\x23-\x7e\x80-\uffff]*)"[ \t]*(?:,|\Z))')

CODING_SUFFIX = "-gzip"
"""Put at the end of an entity tag's text when the body was compressed on the way out: another representation."""


class Outcome(Enum):
    """What the preconditions say about a request."""

    PROCEED = 200
    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412


@frozen
class EntityTag:
    """``opaque`` is the text between the quotes."""

    opaque: str
    weak: bool = False

    def __str__(self) -> str:
        return f'{"W/" if self.weak else ""}"{self.opaque}"'

    def strongly_equals(self, other: EntityTag) -> bool:
        return not self.weak and not other.weak and self.opaque == other.opaque

    def weakly_equals(self, other: EntityTag) -> bool:
        return self.opaque == other.opaque


def parse_etag(text: str) -> EntityTag | None:
    """One entity tag with its quotes; None for anything else (RFC 9110, section 8.8.3)."""
    match = _ETAG.fullmatch(text.strip(" \t"))
    return None if match is None else EntityTag(match.group(2), match.group(1) is not None)


def parse_etags(header: str) -> list[EntityTag] | None:
    """The tags of an If-Match or If-None-Match header; None for ``*``; those before a syntax error count."""
    if header.strip(" \t") == "*":
        return None
    tags, position = [], 0
    while match := _LIST.match(header, position):
        tags.append(EntityTag(match.group(2), match.group(1) is not None))
        position = match.end()
    return tags


def with_coding(etag: str) -> str:
    """The entity tag of the compressed form of what ``etag`` names."""
    return f'{etag[:-1]}{CODING_SUFFIX}"' if etag.endswith('"') and len(etag) > 1 else etag


def without_coding(tag: EntityTag) -> EntityTag:
    """The tag of the uncompressed form, whichever form ``tag`` names."""
    return EntityTag(tag.opaque.removesuffix(CODING_SUFFIX), tag.weak)


def none_match(header: str, etag: str) -> bool:
    """
    Whether If-None-Match holds, that is: the client does *not* have ``etag`` yet. Weak comparison; a tag that the edge
    gave to a compressed form counts as the tag it was made from.

    Source: RFC 9110, section 13.1.2.
    """
    tags, current = parse_etags(header), parse_etag(etag)
    if tags is None:
        return False
    if current is None:
        return True
    return not any(tag.weakly_equals(current) or without_coding(tag).weakly_equals(current) for tag in tags)


def named_form(header: str | None, etag: str) -> str:
    """The form of ``etag`` that an If-None-Match header names: that of the compressed body, or ``etag`` itself."""
    coded = parse_etag(with_coding(etag))
    tags = parse_etags(header or "*") or []
    return with_coding(etag) if coded is not None and any(tag.weakly_equals(coded) for tag in tags) else etag


def any_match(header: str, etag: str) -> bool:
    """Whether If-Match holds: the client names ``etag``, by strong comparison (RFC 9110, section 13.1.1)."""
    tags, current = parse_etags(header), parse_etag(etag)
    if tags is None:
        return True
    return current is not None and any(tag.strongly_equals(current) for tag in tags)


def format_http_date(seconds: float) -> str:
    """Unix time in seconds as an IMF-fixdate (RFC 9110, section 5.6.7)."""
    return formatdate(int(seconds), usegmt=True)


def parse_http_date(text: str) -> int | None:
    """Unix time in seconds of an HTTP date in any of its three forms; None for anything else."""
    try:
        parts = parsedate_tz(text)
        if parts is None:
            return None
        moment = datetime(*parts[:6], tzinfo=UTC)
        return timegm(moment.utctimetuple()) - (parts[9] or 0)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def evaluate(
    headers: Callable[[str], str | None], *, method: str, etag: str | None, last_modified: float | None
) -> Outcome:
    """
    Apply the preconditions of a request to an existing representation, in the order of RFC 9110, section 13.2.2.

    :param headers: gives a header's value by name, several fields of one name joined by commas, or None.
    :param last_modified: Unix time in seconds.
    """
    reading = method in ("GET", "HEAD")
    if (value := headers("If-Match")) is not None:
        if not any_match(value, etag or ""):
            return Outcome.PRECONDITION_FAILED
    elif last_modified is not None:
        since = _date(headers("If-Unmodified-Since"))
        if since is not None and int(last_modified) > since:
            return Outcome.PRECONDITION_FAILED
    if (value := headers("If-None-Match")) is not None:
        if not none_match(value, etag or ""):
            return Outcome.NOT_MODIFIED if reading else Outcome.PRECONDITION_FAILED
    elif reading and last_modified is not None:
        since = _date(headers("If-Modified-Since"))
        if since is not None and int(last_modified) <= since:
            return Outcome.NOT_MODIFIED
    return Outcome.PROCEED


def range_applies(if_range: str | None, *, etag: str | None, last_modified: float | None) -> bool:
    """
    Whether Range counts: there is no If-Range, or it names exactly this representation, by strong comparison of tags or
    by the same date (RFC 9110, section 13.1.5).
    """
    if if_range is None:
        return True
    tag = parse_etag(if_range)
    if tag is not None:
        current = parse_etag(etag or "")
        return current is not None and tag.strongly_equals(current)
    date = parse_http_date(if_range)
    return date is not None and last_modified is not None and date == int(last_modified)


def _date(text: str | None) -> int | None:
    return None if text is None else parse_http_date(text)
