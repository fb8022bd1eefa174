"""A part of a file that is asked for by range: what its answer must say to be taken for that part and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from keygenreg.formats.conditional import parse_etag
from keygenreg.upstream.failures import Unranged

_CONTENT_RANGE = re.compile(r"bytes +(\d{1,19})-(\d{1,19})/(\d{1,19})", re.ASCII | re.IGNORECASE)


@frozen
class Part:
    """
    The bytes of one part, all of them.

    :ivar total: length of the file that it is of, in bytes.
    :ivar etag: the file's strong entity tag with its quotes; None where upstream gives none.
    """

    body: bytes
    total: int
    etag: str | None = None


@frozen
class PartHead:
    """What the head of a part's answer says that is of use."""

    total: int
    etag: str | None


def strong_etag(text: str | None) -> str | None:
    """An entity tag by which two answers can be told to be of the same bytes; None for weak ones and other text."""
    tag = None if text is None else parse_etag(text)
    return None if tag is None or tag.weak else str(tag)


def read_head(
    status: int, fields: Mapping[str, str], length: int | None, *, span: range, size: int | None, etag: str | None
) -> PartHead:
    """
    Judge the head of an answer to a request for one part.

    :param fields: names in lower case. :param length: of the body, in bytes; None when the answer does not say.
    :param span: what was asked for. :param size: what the file has, in bytes; None: whatever the answer says.
    :param etag: the file's, where an earlier part told it.
    :raises Unranged: it is another part, of another file, or none.

    Source: RFC 9110, sections 14.4, 15.3.7 (a 206 may hold less than was asked for, which is of no use here).
    """
    if status != 206:
        raise Unranged(f"The upstream answers a request for a part with status {status}.")
    stated = _CONTENT_RANGE.fullmatch(fields.get("content-range", "").strip())
    if stated is None:
        raise Unranged("The upstream's answer does not say which part of which length it is.")
    first, last, total = map(int, stated.groups())
    if (first, last) != (span.start, span.stop - 1) or last >= total:
        raise Unranged(f"The upstream sent the bytes {first}-{last} where {span.start}-{span.stop - 1} were asked for.")
    if size is not None and total != size:
        raise Unranged(f"The upstream's file has {total} bytes where {size} were listed.")
    if length is not None and length != len(span):
        raise Unranged(f"The upstream's part has {length} bytes where {len(span)} were asked for.")
    found = strong_etag(fields.get("etag"))
    if etag is not None and found != etag:
        raise Unranged("The upstream's file is not the one that an earlier part was of.")
    return PartHead(total, found)
