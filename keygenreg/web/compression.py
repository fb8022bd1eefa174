"""Which answers are worth compressing, for whom, and the compressing (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import gzip
import re

_TEXTUAL = re.compile(
    r"(text/.*|application/(.*\+)?(json|xml)|application/(javascript|x-javascript|yaml)|image/svg\+xml)\Z"
)
_Q_VALUE = re.compile(r"[qQ][ \t]*=[ \t]*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")

SMALLEST = 512
LARGEST = 4 * 1024 * 1024
"""Bodies between these sizes, in bytes, are compressed; above, it would hold the reactor for too long."""

_FAST_ABOVE = 128 * 1024


def is_textual(content_type: str) -> bool:
    """Whether a media type is text of some kind: JSON, HTML, XML, plain."""
    return _TEXTUAL.match(content_type.partition(";")[0].strip().lower()) is not None


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether an Accept-Encoding header lets us use gzip; malformed items are ignored."""
    if not accept_encoding:
        return False
    wildcard = False
    for item in accept_encoding.split(","):
        coding, _, parameter = item.partition(";")
        weight = _Q_VALUE.match(parameter.strip())
        if parameter.strip() and weight is None:
            continue
        wanted = weight is None or float(weight[1]) > 0
        name = coding.strip().lower()
        if name in ("gzip", "x-gzip"):
            return wanted
        wildcard = wanted if name == "*" else wildcard
    return wildcard


def compress(body: bytes) -> bytes:
    """``body`` as gzip, the same bytes every time; large bodies trade size for speed."""
    return gzip.compress(body, compresslevel=1 if len(body) > _FAST_ABOVE else 6, mtime=0)
