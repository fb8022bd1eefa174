"""Large bodies go through a server without staying in it: its memory is measured from outside."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.web.serving import PATIENCE, Client, self_signed

MIB = 1024 * 1024
LARGE = 256 * MIB
ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A server in a child process, and how much it has grown since it had answered its first requests."""

    def __init__(self, directory: Path, blob: Path, pem: Path | None = None) -> None:
        self._pem = pem
        files = [directory, blob] if pem is None else [directory, blob, pem]
        command = [sys.executable, "-m", "tests.web.server_process", *map(str, files)]
        self._child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        self.port = int(self._child.stdout.readline())
        self._process = psutil.Process(self._child.pid)
        for _ in range(3):
            with self.connect() as client:
                client.send(b"PUT /up/9000000 HTTP/1.1\r\nHost: t\r\nContent-Length: 600000\r\n\r\n" + b"a" * 600_000)
                assert client.answer().status == 200
                assert client.get("/blob", "Range: bytes=0-200000").status == 206
        self._start = self._process.memory_info().rss
        self.most = 0

    def connect(self) -> Client:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        if self._pem is not None:
            sock = ssl.create_default_context(cafile=self._pem).wrap_socket(sock, server_hostname="localhost")
        return Client(sock)

    def weigh(self) -> None:
        self.most = max(self.most, self._process.memory_info().rss - self._start)

    def open_files(self) -> int:
        return len(self._process.open_files())

    def stop(self) -> None:
        self._child.terminate()
        self._child.wait(PATIENCE)
        self._child.stdout.close()


@pytest.fixture(params=["tcp", "tls"])
def process(tmp_path, request):
    blob = tmp_path / "blob"
    with open(blob, "wb") as file:
        file.truncate(LARGE)
    process = Process(tmp_path / "store", blob, self_signed() if request.param == "tls" else None)
    yield process
    process.stop()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_upload_does_not_stay_in_memory(process, framing):
    """256 MiB, faster than they can be hashed, cost the server less than 32 MiB."""
    piece = b"k" * (2 * MIB)
    digest = hashlib.sha256()
    with process.connect() as client:
        field = f"Content-Length: {LARGE}" if framing == "length" else "Transfer-Encoding: chunked"
        client.send(f"PUT /up/{LARGE} HTTP/1.1\r\nHost: t\r\n{field}\r\n\r\n".encode())
        for _ in range(LARGE // len(piece)):
            client.send(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))
            digest.update(piece)
            process.weigh()
        client.send(b"" if framing == "length" else b"0\r\n\r\n")
        client.sock.settimeout(60)
        assert json.loads(client.answer().body)["sha256"] == digest.hexdigest()
    process.weigh()
    assert process.most < 32 * MIB


def test_a_download_to_a_slow_client_does_not_stay_in_memory(process):
    """256 MiB to a client that takes them piece by piece cost the server less than 16 MiB."""
    with process.connect() as client:
        client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
        client._until(b"\r\n\r\n")
        for _ in range(LARGE // (2 * MIB)):
            assert client.take(2 * MIB).count(0) == 2 * MIB
            process.weigh()
    assert process.most < 16 * MIB


def test_a_packet_of_requests_does_not_become_a_pile_of_answers(process):
    """Many requests at once, for 100 kB each, are answered one by one, as the client takes them."""
    count, size = 1200, 100_000
    with process.connect() as client:
        client.send(f"GET /zeros/{size} HTTP/1.1\r\nHost: t\r\n\r\n".encode() * count)
        for _ in range(count):
            assert len(client.answer().body) == size
            process.weigh()
    assert process.most < 16 * MIB


@pytest.mark.parametrize("path", ["/blob", "/zeros/400000000"])
def test_what_a_client_sends_while_it_waits_for_an_answer_is_not_gathered(process, path):
    """Sending on and on without reading makes the client wait, not the server grow."""
    with process.connect() as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        client.take(1000)
        client.sock.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100 * MIB:
                sent += client.sock.send(b"j" * 65536)
                process.weigh()
    assert process.most < 16 * MIB


def test_a_crowd_of_slow_clients_is_carried(process):
    """A hundred downloads that hardly move cost at most one slice each; all files are closed in the end."""
    clients = [process.connect() for _ in range(100)]
    before = process.open_files()
    for client in clients:
        client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
    for client in clients:
        client.take(10_000)
        process.weigh()
    with process.connect() as other:
        assert other.get("/a").status == 200
    assert process.most < 32 * MIB
    for client in clients:
        client.sock.close()
    with process.connect() as other:
        for _ in range(200):
            if process.open_files() <= before:
                break
            assert other.get("/a").status == 200
    assert process.open_files() <= before
