"""A relay between a client and the daemon that notes each request with its status."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from attrs import define, field, frozen

_PASSED_ON = ("transfer-encoding", "connection")


@frozen
class Seen:
    """One request; ``headers`` are those that were sent, names in lower case."""

    method: str
    path: str
    status: int
    headers: dict[str, str] = field(repr=False)


@define
class Watched:
    """Listens on ``port`` of 127.0.0.1; ``seen`` grows as requests are answered."""

    port: int
    seen: list[Seen] = field(factory=list)

    def statuses(self, ending: str) -> list[int]:
        """Of the requests whose path ends so."""
        return [each.status for each in self.seen if each.path.endswith(ending)]


@contextmanager
def watching(port: int) -> Iterator[Watched]:
    """A relay to a port of localhost; answers travel whole, so nothing large should."""

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers.items()))
                response = upstream.getresponse()
                content = response.read()
            finally:
                upstream.close()
            self.send_response_only(response.status, response.reason)
            for name, value in response.getheaders():
                if name.lower() not in _PASSED_ON:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            sent = {name.lower(): value for name, value in self.headers.items()}
            watched.seen.append(Seen(self.command, self.path, response.status, sent))

        do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = answer

        def log_message(self, *_words: object) -> None:
            """Nothing: ``seen`` has it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    server.daemon_threads = True
    watched = Watched(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
