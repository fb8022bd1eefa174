"""Which answers are worth compressing, for whom, and the compressing (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import gzip
import re
from typing import Any

from twisted.internet.threads import deferToThreadPool

from keygenreg.caches.bounded import BoundedCache

_TEXTUAL = re.compile(
    r"(text/.*|application/(.*\+)?(json|xml)|application/(javascript|x-javascript|yaml)|image/svg\+xml)\Z"
)
_Q_VALUE = re.compile(r"[qQ][ \t]*=[ \t]*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z")

SMALLEST = 512
LARGEST = 4 * 1024 * 1024
"""Bodies between these sizes, in bytes, are compressed; above, it would hold the reactor for too long."""

_FAST_ABOVE = 128 * 1024
# Bytes that take longer to compress than to look up.
_KEPT_ABOVE = 4 * 1024


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
    """``body`` as gzip, the same bytes every time; large bodies trade size for speed. In the reactor's thread only."""
    packed = _packed.get(body)
    return _keep(body, _compressed(body)) if packed is None else packed


async def compress_aside(reactor: Any, body: bytes) -> bytes:
    """The same, made in a thread of the reactor's; :func:`compress` then knows it."""
    packed = _packed.get(body)
    if packed is not None:
        return packed
    return _keep(body, await deferToThreadPool(reactor, reactor.getThreadPool(), _compressed, body))


# A document is kept once for all who see the same, and compressed for each of them, who may be thousands.
_packed: BoundedCache[bytes, bytes] = BoundedCache(16 * 1024 * 1024)


def _keep(body: bytes, packed: bytes) -> bytes:
    if len(body) > _KEPT_ABOVE:
        _packed.put(body, packed, len(body) + len(packed))
    return packed


def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1 if len(body) > _FAST_ABOVE else 6, mtime=0)
