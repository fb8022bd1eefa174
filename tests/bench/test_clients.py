"""The clients of ``bench/run`` count what really came."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.blob_client import run
from bench.load import Target, check
from bench.probe import probe

BODY = bytes(100_000)


class Files(BaseHTTPRequestHandler):
    """One file at ``/file``; counts how often it was sent."""

    protocol_version = "HTTP/1.1"
    sent = 0

    def do_GET(self) -> None:
        found = self.path == "/file"
        body = BODY if found else b"not here"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        type(self).sent += found

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class QuietServer(ThreadingHTTPServer):
    """Clients of a measurement leave in the middle."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    Files.sent = 0
    with QuietServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def order(port: int, mode: str, path: str = "/file") -> dict:
    return {
        "port": port, "path": path, "size": len(BODY), "connections": 2, "seconds": 0.3, "mode": mode, "tls": False,
        "pid": os.getpid(),
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["read", "discard"])
def test_bytes_are_those_of_bodies(port: int, mode: str) -> None:
    """Whole files are counted without their heads; those under way are counted as far as they came."""
    said = run(order(port, mode))
    assert said["done"] >= 2
    assert said["done"] * len(BODY) <= said["bytes"] <= Files.sent * len(BODY) + 2 * len(BODY)


def test_an_error_is_not_measured(port: int) -> None:
    with pytest.raises(RuntimeError, match="404"):
        run(order(port, "read", "/another"))
    with pytest.raises(RuntimeError, match="answered 404"):
        check(Target(f"http://127.0.0.1:{port}/another"))


def test_probe_ends_when_told(port: int) -> None:
    enough = iter([False, False, False, True])
    times = probe(Target(f"http://127.0.0.1:{port}/file"), seconds=60, per_second=1000, until=lambda: next(enough))
    assert len(times) == 3 and all(time > 0 for time in times)


def test_probe_refuses_another_status(port: int) -> None:
    with pytest.raises(RuntimeError, match="404"):
        probe(Target(f"http://127.0.0.1:{port}/another"), seconds=60)
