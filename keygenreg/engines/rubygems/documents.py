"""A rendered document as an answer: entity tag, digests, ranges and compression as gem and Bundler want them."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Protocol

from attrs import frozen

from keygenreg.formats.byte_range import (
    Unsatisfiable,
    content_range,
    parse_ranges,
    unsatisfied_content_range,
)
from keygenreg.formats.conditional import Outcome, evaluate, range_applies
from keygenreg.formats.media_types import OCTET_STREAM, PLAIN_UTF8
from keygenreg.web.compression import LARGEST, SMALLEST, accepts_gzip, compress
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import BlobReply, Headers, ReadableBlob, Reply

#: Every use comes back to us, so that new versions and lost rights show at once; mostly it ends with a 304.
_CACHED = "{}, max-age=0, must-revalidate, no-transform"
_VARY = ("Vary", "Accept, Authorization, Accept-Encoding")
_ONE_SPAN = 1


class ReadableFile(Protocol):
    """Bytes that many may read."""

    def blob(self) -> ReadableBlob:
        """For one answer, which closes it."""


@frozen
class Validators:
    """
    What tells documents apart. Bundler takes the tag for the MD5 of the file that it keeps, and appends what a range
    brings only if the digest is that of the whole; so both are of the document itself, however it travels.
    """

    etag: str
    headers: Headers

    @classmethod
    def of(cls, body: bytes) -> Validators:
        digest = b64encode(hashlib.sha256(body).digest()).decode("ascii")
        return cls.told(hashlib.md5(body, usedforsecurity=False).hexdigest(), digest)

    @classmethod
    def told(cls, md5: str, sha256: str) -> Validators:
        """:param md5: in hex. :param sha256: in Base64."""
        headers = (("Digest", f"sha-256={sha256}"), ("Repr-Digest", f"sha-256=:{sha256}:"), ("Accept-Ranges", "bytes"))
        return cls(f'"{md5}"', headers)


def text_reply(
    exchange: Exchange,
    body: bytes,
    *,
    public: bool,
    validators: Validators | None = None,
    packed: bytes | None = None,
) -> Reply:
    """
    A file of the compact index; compressed for those who take that, unless they ask for a range.

    :param validators: of the body, where they are known. :param packed: it as gzip, where that is made already.
    """
    headers = (("Content-Type", PLAIN_UTF8),)
    return _reply(exchange, body, headers, public=public, validators=validators, packed=packed)


def binary_reply(exchange: Exchange, body: bytes, disposition: str, *, public: bool) -> Reply:
    """A file of the older indexes. They are compressed as they are."""
    headers = (("Content-Type", OCTET_STREAM), ("Content-Disposition", disposition))
    return _reply(exchange, body, headers, public=public)


def list_reply(
    exchange: Exchange, plain: ReadableFile, packed: ReadableFile | None, validators: Validators, headers: Headers
) -> BlobReply:
    """
    A long list that lies in files, for this caller alone.

    :param packed: it as gzip, for those who take that, unless they ask for a range.
    :param headers: its type, and other fields.
    """
    headers += (("Cache-Control", _CACHED.format("private")), _VARY)
    headers += tuple(pair for pair in validators.headers if pair[0] != "Accept-Ranges")  # the edge says that
    if packed is not None and exchange.header("Range") is None and _takes_gzip(exchange):
        headers += (("Content-Encoding", "gzip"),)
        return BlobReply(packed.blob(), f"W/{validators.etag}", None, headers)
    return BlobReply(plain.blob(), validators.etag, None, headers)


def _reply(
    exchange: Exchange,
    body: bytes,
    headers: Headers,
    *,
    public: bool,
    validators: Validators | None = None,
    packed: bytes | None = None,
) -> Reply:
    validators = Validators.of(body) if validators is None else validators
    audience = "public" if public else "private"
    headers += (("Cache-Control", _CACHED.format(audience)), _VARY)
    headers += (("ETag", validators.etag), *validators.headers)
    tags = {"etag": validators.etag, "last_modified": None}
    if evaluate(exchange.header, method=exchange.method, **tags) is not Outcome.PROCEED:
        return Reply(200, body, headers)  # the edge says 304 or 412
    asked = exchange.header("Range") if exchange.method == "GET" else None
    if asked is not None and range_applies(exchange.header("If-Range"), **tags):
        try:
            spans = parse_ranges(asked, len(body), max_ranges=_ONE_SPAN)
        except Unsatisfiable:
            headers = (*headers[1:], ("Content-Type", "text/plain"))
            return Reply(416, b"", (*headers, ("Content-Range", unsatisfied_content_range(len(body)))))
        if spans:
            part = body[spans[0].start : spans[0].stop]
            return Reply(206, part, (*headers, ("Content-Range", content_range(spans[0], len(body)))))
    worth_it = packed is not None or SMALLEST < len(body) <= LARGEST
    if headers[0][1] == PLAIN_UTF8 and worth_it and _takes_gzip(exchange):
        # Weak: the same document, other bytes.
        headers = tuple(("ETag", f"W/{value}") if name == "ETag" else (name, value) for name, value in headers)
        return Reply(200, compress(body) if packed is None else packed, (*headers, ("Content-Encoding", "gzip")))
    return Reply(200, body, headers)


def _takes_gzip(exchange: Exchange) -> bool:
    return accepts_gzip(exchange.header("Accept-Encoding"))
