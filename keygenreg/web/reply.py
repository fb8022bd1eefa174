"""What a handler answers: a value, turned into bytes on the wire by :mod:`keygenreg.web.sending`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import evolve, field, frozen

Headers = tuple[tuple[str, str], ...]


def _headers(pairs: Iterable[tuple[str, str]]) -> Headers:
    return tuple((str(name), str(value)) for name, value in pairs)


@frozen
class Reply:
    """A complete answer held in memory.

    ``headers`` never include Content-Length (the edge adds it) and may repeat a name.
    The edge drops ``body`` for HEAD and for 204 / 304 but keeps the length of a HEAD answer truthful.
    ``packed`` is the body as gzip where somebody has made that already; else the edge does where it is worth it.
    """

    status: int
    body: bytes = b""
    headers: Headers = field(default=(), converter=_headers)
    packed: bytes | None = None

    def with_headers(self, *pairs: tuple[str, str]) -> Reply:
        return evolve(self, headers=self.headers + pairs)


class ReadableBlob(Protocol):
    """An opened stored blob; see :mod:`keygenreg.storage.interface`."""

    size: int

    def fileno(self) -> int: ...

    def close(self) -> None: ...


@frozen
class BlobReply:
    """Stored bytes as the answer: the edge applies Range, If-Range, If-None-Match and HEAD, then streams.

    ``etag`` is the strong entity tag with its quotes; ``headers`` hold at least Content-Type.
    The edge owns ``blob`` from here on and closes it on every path.
    """

    blob: ReadableBlob
    etag: str
    last_modified: float | None = None
    headers: Headers = field(default=(), converter=_headers)
