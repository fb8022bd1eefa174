"""Ready answers too large for one piece: whole for every client, however slow, and what follows waits its turn."""

from __future__ import annotations

import hashlib
import random
import socket
import time

import pytest

from keygenreg.web.keeping.ready_answers import LARGEST_BODY
from tests.web.test_ready_answers import Site, headed, whole

BODY = random.Random(1).randbytes(LARGEST_BODY)
LARGE = headed("/large")
SMALL = headed("/small")


@pytest.fixture
def site(serve) -> Site:
    made = Site(serve, limit=64 * 1024 * 1024)
    made.keeper.headers = (("Content-Type", "application/octet-stream"), ("ETag", '"x"'))
    made.keeper.body = lambda request: BODY if request.uri == b"/large" else b"small\n"
    made.warm(LARGE)
    made.warm(SMALL)
    made.keeper.made.clear()
    return made


def digest(wire: bytes) -> str:
    return hashlib.sha256(wire.partition(b"\r\n\r\n")[2]).hexdigest()


EXPECTED = hashlib.sha256(BODY).hexdigest()


def test_again_and_again_on_one_connection(site):
    """Large and small answers take turns."""
    with site.connect() as client:
        for _ in range(5):
            assert digest(whole(client, LARGE)) == EXPECTED
            assert whole(client, SMALL).endswith(b"\r\n\r\nsmall\n")
    assert site.keeper.made == []


def test_slow_reader_gets_all_of_it(site):
    """A client with a small window that reads now and then."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", site.server.port))
        client.sendall(LARGE)
        wire = bytearray()
        while len(wire.partition(b"\r\n\r\n")[2]) < LARGEST_BODY:
            wire += client.recv(262_144)
        assert digest(bytes(wire)) == EXPECTED
    assert site.keeper.made == []


def test_requests_sent_meanwhile_wait(site):
    """Those that arrive while a body is under way are answered behind it, in order."""
    with site.connect() as client:
        client.send(LARGE)
        client.send(SMALL + LARGE)
        client.send(SMALL)
        wires = []
        for head in (b"", b"", b"", b""):
            wires.append(whole(client, head))
    assert [digest(wire) for wire in wires] == [EXPECTED, digest(wires[1]), EXPECTED, digest(wires[1])]
    assert wires[1].endswith(b"\r\n\r\nsmall\n")


def test_client_leaves_in_the_middle(site):
    """Nothing is left behind: the connection is forgotten, and others are served."""
    for _ in range(20):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", site.server.port))
            client.sendall(LARGE)
            client.recv(1000)
    deadline = time.monotonic() + 20
    while site.server.site.channels and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not site.server.site.channels
    with site.connect() as client:
        assert digest(whole(client, LARGE)) == EXPECTED


def test_draining_lets_it_finish(site):
    """What is under way when the site drains arrives in full; then the connection ends."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", site.server.port))
        client.sendall(LARGE)
        wire = bytearray(client.recv(1000))
        site.server.loop.call(site.server.site.drain)
        while data := client.recv(262_144):
            wire += data
        assert digest(bytes(wire)) == EXPECTED
