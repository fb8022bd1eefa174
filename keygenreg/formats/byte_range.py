"""The Range header of HTTP: which bytes of a representation a client asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re

MAX_RANGES = 16
"""Default bound on the spans of one request; more are answered with the whole representation."""

_SPEC = re.compile(r"(\d*)-(\d*)\Z", re.ASCII)
#: What most clients send.
_PLAIN = re.compile(r"bytes=(\d{1,19})-(\d{1,19})\Z", re.ASCII)
_MAX_DIGITS = 19
_MAX_OVERLAPS = 2


class Unsatisfiable(ValueError):
    """No span of a well-formed header lies inside the representation: answer 416, ``Content-Range: bytes */size``."""


def parse_ranges(header: str, size: int, *, max_ranges: int = MAX_RANGES) -> list[range] | None:
    """
    Read a ``Range`` header.

    :param header: the header's value, such as ``bytes=0-499,-20``.
    :param size: length of the representation, in bytes.
    :param max_ranges: how many spans are honoured.
    :return: spans in the order asked for, end excluded, none of them empty; or None when the header is to be ignored
        and the whole representation sent with 200: another unit, a syntax error, more than ``max_ranges`` spans or
        more than two overlaps (RFC 9110, section 17.15, lets a server refuse such requests).
    :raises Unsatisfiable: every span lies beyond the end; answer 416.

    Source: RFC 9110, sections 14.1.1, 14.1.2 and 14.2.
    """
    if plain := _PLAIN.match(header):
        first, end = int(plain[1]), min(int(plain[2]) + 1, size)
        if first < end:
            return [range(first, end)]
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip(" \t").lower() != "bytes":
        return None
    items = [item for item in (part.strip(" \t") for part in specs.split(",")) if item]
    if not items or len(items) > max_ranges:
        return None
    spans: list[range] = []
    for item in items:
        match = _SPEC.match(item)
        if match is None or item == "-" or max(map(len, match.groups())) > _MAX_DIGITS:
            return None
        first, last = match.groups()
        if first and last and int(last) < int(first):
            return None
        span = _span(first, last, size)
        if span:
            spans.append(span)
    if not spans:
        raise Unsatisfiable(f"no byte of {header!r} lies within {size} bytes")
    return None if _overlaps(spans) > _MAX_OVERLAPS else spans


def _span(first: str, last: str, size: int) -> range:
    if not first:
        return range(max(0, size - int(last)), size)
    end = size if not last else min(int(last) + 1, size)
    return range(min(int(first), end), end)


def _overlaps(spans: list[range]) -> int:
    """How many spans share a byte with one that starts before them."""
    count, reached = 0, -1
    for span in sorted(spans, key=lambda span: span.start):
        count += span.start < reached
        reached = max(reached, span.stop)
    return count


def content_range(span: range, size: int) -> str:
    """The ``Content-Range`` of one span (RFC 9110, section 14.4)."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def unsatisfied_content_range(size: int) -> str:
    """The ``Content-Range`` of a 416 answer."""
    return f"bytes */{size}"
