"""A large file on the fake upstream that can be had in parts, or in whatever a test gives out as parts."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from attrs import define, field

from tests.mirror.fake_upstream import large_content

MIB = 1024 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@define
class Ranged:
    """
    To be put on a :class:`tests.mirror.fake_upstream.FakeUpstream`.

    :ivar etag: sent with everything; If-Range is compared with it.
    :ivar lie: answers a request for a part in a way of its own: called with the handler, the first byte and the length.
    :ivar gate: whole answers send nothing of the body before it is set.
    """

    size: int = 16 * MIB
    seed: int = 7
    etag: str | None = '"one"'
    lie: Callable[[Any, int, int], None] | None = None
    gate: threading.Event = field(factory=threading.Event)
    parts: list[tuple[int, int]] = field(factory=list)
    whole: int = 0

    def length(self) -> int:
        return self.size

    def part(self, start: int, count: int) -> bytes:
        return large_content(self.seed)(start, count)

    def __call__(self, handler: Any) -> None:
        asked = _RANGE.fullmatch(handler.headers.get("Range", ""))
        stated = handler.headers.get("If-Range")
        if asked is not None:
            first, last = map(int, asked.groups())
            self.parts.append((first, last))
            if self.lie is not None:
                self.lie(handler, first, last - first + 1)
                return
            if stated in (None, self.etag):
                content_range = f"bytes {first}-{last}/{self.size}"
                send(handler, 206, self.part(first, last - first + 1), content_range=content_range, etag=self.etag)
                return
        self.whole += 1
        handler.send_response(200)
        handler.send_header("Content-Length", str(self.size))
        handler.end_headers()
        handler.wfile.flush()
        self.gate.wait(60)
        for start in range(0, self.size, MIB):
            handler.wfile.write(self.part(start, min(MIB, self.size - start)))


def send(handler: Any, status: int, body: bytes, *, content_range: str | None = None, etag: str | None = None) -> None:
    """One answer with a length."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    if content_range is not None:
        handler.send_header("Content-Range", content_range)
    if etag is not None:
        handler.send_header("ETag", etag)
    handler.end_headers()
    handler.wfile.write(body)
