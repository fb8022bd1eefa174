"""Uploads: streamed into the store while they arrive, refused before a byte is taken, gone when their client is."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os

import pytest

from keygenreg.domain.failures import Unavailable
from keygenreg.web.limits import Limits
from tests.storage.failing_threads import FailingThreads
from tests.web.serving import eventually


def files(server) -> list[str]:
    return sorted(path.name for path in server.blobs.root.rglob("*") if path.is_file())


def put(server, path: str, body, **headers) -> tuple[int, dict]:
    """Upload with the standard library's client; an iterable body goes chunked."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("PUT", path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


class TestTaking:
    @pytest.mark.parametrize("size", [0, 1, 300_000, 9_000_000])
    def test_a_body_with_a_length_is_stored(self, server, size):
        """The answer's digests are those of what was sent, and the blob holds it."""
        data = os.urandom(size)
        status, told = put(server, "/up/10000000?keep=1", data)
        assert status == 200
        assert told["sha256"] == hashlib.sha256(data).hexdigest()
        assert told["sha512"] == hashlib.sha512(data).hexdigest()
        assert told["size"] == size
        assert server.blobs.path_of(told["sha256"]).read_bytes() == data
        assert files(server) == [told["sha256"]]

    def test_a_chunked_body_is_stored(self, server):
        """As the vendor's tool sends an empty file, and pipes of unknown length."""
        pieces = [os.urandom(70_000) for _ in range(40)]
        status, told = put(server, "/up/10000000?keep=1", iter(pieces))
        assert (status, told["sha256"]) == (200, hashlib.sha256(b"".join(pieces)).hexdigest())
        status, told = put(server, "/up/10000000?keep=1", iter([]))
        assert (status, told["size"]) == (200, 0)

    def test_an_upload_may_be_larger_than_other_bodies(self, serve):
        server = serve(limits=Limits(body_bytes=10))
        assert put(server, "/up/1000", b"a" * 1000)[0] == 200

    def test_what_no_handler_adopts_is_discarded(self, server):
        assert put(server, "/up/1000000", b"a" * 600_000)[0] == 200
        eventually(lambda: files(server) == [], "the incoming file to go")

    def test_expect_100_continue(self, server):
        with server.connect() as client:
            client.send(b"PUT /up/100 HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            client.send(b"abc")
            answer = client.answer()
            assert (answer.status, answer.interim) == (200, [100])

    def test_uploads_and_other_requests_share_a_connection(self, server):
        upload = b"PUT /up/100 HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc"
        with server.connect() as client:
            for _ in range(2):
                client.send(upload + b"GET /a HTTP/1.1\r\nHost: t\r\n\r\n")
                assert [client.answer().status for _ in range(2)] == [200, 200]


class TestRefusing:
    def test_a_forged_url_is_refused_before_the_body(self, server):
        """No 100 Continue, no file, and the client learns why although it was about to send much."""
        with server.connect() as client:
            client.send(b"PUT /up/bad HTTP/1.1\r\nHost: t\r\nContent-Length: 50000000\r\nExpect: 100-continue\r\n\r\n")
            answer = client.answer()
            assert (answer.status, answer.interim) == (404, [])
            assert client.rest() == b""
        assert files(server) == []

    @pytest.mark.parametrize(
        ("path", "size", "status"), [("/up/10", 11, 413), ("/up/100/10", 11, 400), ("/up/100/10", 9, 400)]
    )
    def test_a_wrong_length_is_refused_at_once(self, server, path, size, status):
        with server.connect() as client:
            client.send(f"PUT {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {size}\r\n\r\n".encode())
            assert client.answer().status == status
        assert files(server) == []

    @pytest.mark.parametrize(
        ("path", "size", "status"),
        [("/up/1000000", 1_000_001, 413), ("/up/9000000/600000", 600_001, 400), ("/up/9000000/600000", 599_999, 400)],
    )
    def test_a_wrong_chunked_length_is_refused_as_soon_as_it_shows(self, server, path, size, status):
        with server.connect() as client:
            client.send(f"PUT {path} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"a" * size))
            assert client.answer().status == status
        eventually(lambda: files(server) == [], "the incoming file to go")

    def test_a_store_that_takes_no_more_uploads_says_when_to_come_again(self, server):
        server.blobs.max_uploads = 0
        status, document = put(server, "/up/100", b"abc")
        assert (status, document["errors"][0]["title"]) == (503, "Service unavailable")

    def test_a_disk_that_fails_midway_ends_the_upload(self, serve, threads):
        """The client is told while it still sends, and nothing stays."""
        server = serve(disk=FailingThreads(threads, OSError(errno.ENOSPC, "No space left on device")))
        with server.connect() as client:
            client.send(b"PUT /up/9000000 HTTP/1.1\r\nHost: t\r\nContent-Length: 9000000\r\n\r\n" + b"a" * 1_000_000)
            assert client.answer().status == Unavailable.status
        eventually(lambda: files(server) == [], "the incoming file to go")


class TestLeaving:
    @pytest.mark.parametrize("framing", ["Content-Length: 9000000", "Transfer-Encoding: chunked"])
    def test_a_client_that_leaves_midway_leaves_nothing(self, server, framing):
        with server.connect() as client:
            client.send(f"PUT /up/9000000 HTTP/1.1\r\nHost: t\r\n{framing}\r\n\r\n".encode())
            client.send((b"" if "Length" in framing else b"7a1200\r\n") + b"a" * 3_000_000)
            eventually(lambda: files(server), "the incoming file to appear")
        eventually(lambda: files(server) == [], "the incoming file to go")
        eventually(lambda: server.observed.codes == [499], "the observer to be told")

    def test_an_upload_that_stalls_leaves_nothing(self, serve):
        server = serve(limits=Limits(body_time=1.0))
        with server.connect() as client:
            client.send(b"PUT /up/9000000 HTTP/1.1\r\nHost: t\r\nContent-Length: 9000000\r\n\r\n" + b"a" * 500_000)
            assert client.answer().status == 408
        eventually(lambda: files(server) == [], "the incoming file to go")

    def test_a_complete_upload_is_kept_although_its_client_left(self, server):
        """The bytes are here; the record of them is not lost because an answer could not be delivered."""
        data = os.urandom(4_000_000)
        with server.connect() as client:
            head = f"PUT /up/9000000?keep=1 HTTP/1.1\r\nHost: t\r\nContent-Length: {len(data)}\r\n\r\n"
            client.send(head.encode() + data)
        eventually(lambda: files(server) == [hashlib.sha256(data).hexdigest()], "the blob")
