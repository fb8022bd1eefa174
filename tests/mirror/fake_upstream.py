"""A registry on loopback that does what a test tells it to, however wrong, and writes down what it was asked.

``FakeUpstream`` knows nothing of any protocol: a test puts an answer under a path with :meth:`FakeUpstream.put`. What
may be wrong are the ``Answer``'s parameters; anything else is a function that gets the connection's handler.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field, frozen


@frozen
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]


@define
class Answer:
    """
    What a path answers.

    :ivar body: bytes, or a function ``(start, count) -> bytes`` for large ones with ``size``.
    :ivar cut: after so many bytes the connection is reset.
    :ivar stated: the Content-Length that is claimed; None: the true one, "" : none, and chunks are sent.
    :ivar pause: seconds between pieces of ``piece`` bytes.
    :ivar gate: nothing beyond ``gate_at`` bytes is sent before it is set.
    """

    body: bytes | Callable[[int, int], bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(factory=dict)
    size: int | None = None
    cut: int | None = None
    stated: int | str | None = None
    piece: int = 256 * 1024
    pause: float = 0.0
    gate: threading.Event | None = None
    gate_at: int = 0

    def length(self) -> int:
        return len(self.body) if self.size is None else self.size

    def part(self, start: int, count: int) -> bytes:
        if isinstance(self.body, bytes):
            return self.body[start : start + count]
        return self.body(start, count)


class FakeUpstream:
    """Start it with :meth:`start`; ``url`` ends with a slash."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[Any], None]] = {}
        self.seen: list[Seen] = []
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._down = False

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> FakeUpstream:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                upstream._answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_: Any) -> None: ...

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, answer: Answer | Callable[[Any], None]) -> None:
        """:param path: with its leading slash."""
        self.answers[path] = answer

    def go_down(self) -> None:
        """From now on connections are closed without an answer."""
        self._down = True

    def come_back(self) -> None:
        self._down = False

    def requests(self, path: str) -> list[Seen]:
        """Those for one path so far."""
        with self._lock:
            return [seen for seen in self.seen if seen.path == path]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.seen.append(Seen(handler.command, handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        if self._down:
            handler.close_connection = True
            handler.connection.close()
            return
        answer = self.answers.get(handler.path)
        if callable(answer):
            with suppress(OSError):
                answer(handler)
            return
        if answer is None:
            answer = Answer(b"not here", 404)
        etag = answer.headers.get("ETag")
        if etag and handler.headers.get("If-None-Match") == etag:
            answer = Answer(b"", 304, answer.headers)
        with suppress(OSError):
            self._send(handler, answer)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        chunked = answer.stated == ""
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif answer.status != 304:
            length = answer.length() if answer.stated is None else answer.stated
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.flush()
        if handler.command == "HEAD" or answer.status == 304:
            return
        sent = 0
        while sent < answer.length():
            if answer.gate is not None and sent >= answer.gate_at:
                answer.gate.wait(60)
            if answer.cut is not None and sent >= answer.cut:
                handler.close_connection = True
                handler.connection.close()
                return
            data = answer.part(sent, min(answer.piece, answer.length() - sent))
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            handler.wfile.flush()
            sent += len(data)
            if answer.pause:
                time.sleep(answer.pause)
        if chunked:
            handler.wfile.write(b"0\r\n\r\n")
        if answer.stated not in (None, "") and answer.stated != answer.length():
            handler.close_connection = True


def content(size: int, seed: int = 1) -> bytes:
    """Bytes that differ everywhere, the same for the same seed."""
    return large_content(seed)(0, size)


def large_content(seed: int) -> Callable[[int, int], bytes]:
    """A body of any size for :class:`Answer`: each 32 bytes are a digest of their place."""

    block = 1024 * 1024
    first = b"".join(hashlib.sha256(b"%d/%d" % (seed, place)).digest() for place in range(block // 32))

    def part(start: int, count: int) -> bytes:
        pieces = []
        while count:
            number, offset = divmod(start, block)
            # Each block is the first one, turned by its number: cheap, and no two places look alike.
            turned = number * 4099 % block
            place = (turned + offset) % block
            piece = first[place : place + min(count, block - place, block - offset)]
            pieces.append(piece)
            start += len(piece)
            count -= len(piece)
        return b"".join(pieces)

    return part


def digest_of(answer: Any) -> str:
    """SHA-256 of an answer's whole body, in hex."""
    digest, sent = hashlib.sha256(), 0
    while sent < answer.length():
        data = answer.part(sent, 1024 * 1024)
        digest.update(data)
        sent += len(data)
    return digest.hexdigest()
