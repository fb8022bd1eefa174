"""
What of a request's head only chooses how much of a file is sent: Range and conditions. Without them, heads are keys.

Only lines whose value is plain visible text are taken out; any other stays in the key.
"""

from __future__ import annotations

import re

from twisted.web.http_headers import Headers

VARYING = ("Range", "If-Range", "If-None-Match", "If-Modified-Since")
"""Names of the fields that are taken out of a head."""

UNKEPT = ("If-Match", "If-Unmodified-Since")
"""Names of conditions that are so rare that what is asked for with them is not kept."""

_NAMES = {name.lower().encode("ascii"): name for name in VARYING}
_LINE = re.compile(
    rb"\r\n(Range|If-Range|If-None-Match|If-Modified-Since):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*"
    rb"(?=\r\n)",
    re.IGNORECASE,
)

NOTHING: dict[str, str] = {}
"""No fields, for heads that have none."""


def taken_apart(head: bytes) -> tuple[bytes, dict[str, str]]:
    """
    A whole head without its varying fields, and those, by the names in :data:`VARYING`. Where there are two of one
    name, all stay where they are.
    """
    first = _LINE.search(head)
    if first is None:
        return head, NOTHING
    start, end = first.span()
    if _LINE.search(head, end) is None:
        return head[:start] + head[end:], {_NAMES[first[1].lower()]: first[2].decode("ascii")}
    lines = _LINE.findall(head)
    fields = {_NAMES[name.lower()]: value.decode("ascii") for name, value in lines}
    if len(fields) < len(lines):
        return head, NOTHING
    return _LINE.sub(b"", head), fields


def is_told_by(fields: dict[str, str], headers: Headers) -> bool:
    """Whether ``fields`` are all conditions that a request has, as it was parsed."""
    asked = {name: values for name in (*VARYING, *UNKEPT) if (values := headers.getRawHeaders(name)) is not None}
    return asked == {name: [value] for name, value in fields.items()}
