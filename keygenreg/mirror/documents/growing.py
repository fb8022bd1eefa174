"""Documents that grow at their end: what is new is asked for alone, and put to what we have if the whole is then right.

The part that is asked for begins with the last byte that we have, so that there is one to be sent when nothing is new.
Source: RFC 9110, sections 14 and 15.3.7; RFC 9530; that entity tags are MD5 digests is a habit of the compact index.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping

from keygenreg.upstream.client import Document

_CONTENT_RANGE = re.compile(r"bytes +([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", re.ASCII | re.IGNORECASE)
_MD5_TAG = re.compile(r'(?:W/)?"([0-9a-f]{32})"', re.ASCII)
_DIGEST = re.compile(
    r"(?:^|,)\s*sha-(256|512)=(:?)([A-Za-z0-9+/]{43,88}={0,2})\2\s*(?=,|;|$)", re.ASCII | re.IGNORECASE
)


def first_byte(size: int) -> int:
    """Where the part begins that is asked for by who has so many bytes; 0 to ask for the whole."""
    return max(0, size - 1)


def grown(known: bytes, answer: Document, most: int) -> bytes | None:
    """
    The whole document, of what we have and a part that follows.

    :param answer: 206. :param most: bytes of the whole.
    :return: None where they do not fit together, or upstream does not tell what the whole must be.
    """
    stated = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", "").strip())
    if stated is None:
        return None
    first, last, total = map(int, stated.groups())
    if not known or first != first_byte(len(known)) or last != total - 1 or total > most:
        return None
    if len(answer.body) != total - first or answer.body[:1] != known[-1:]:
        return None
    whole = known[:first] + answer.body
    return whole if _is_told(whole, answer.headers) else None


def _is_told(whole: bytes, headers: Mapping[str, str]) -> bool:
    """Whether it has the digests that an answer states of the whole representation; False where it states none."""
    for name in ("repr-digest", "digest"):
        stated = _DIGEST.findall(headers.get(name, ""))
        if stated:
            return all(_decoded(text) == hashlib.new(f"sha{bits}", whole).digest() for bits, _, text in stated)
    tag = _MD5_TAG.fullmatch(headers.get("etag", "").strip())
    return tag is not None and tag[1] == hashlib.md5(whole, usedforsecurity=False).hexdigest()


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""
