"""Requests that are malformed, oversized, slow or ambiguous: refused with a document, and the connection closed."""

from __future__ import annotations

import json

import pytest

from keygenreg.web.limits import Limits
from tests.web.serving import eventually

POST = b"POST /echo HTTP/1.1\r\nHost: t\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

AMBIGUOUS = {
    "both lengths": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, other order": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
    "two different lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "a list of lengths": POST + b"Content-Length: 4, 4\r\n\r\nabcd",
    "signed length": POST + b"Content-Length: +4\r\n\r\nabcd",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x4\r\n\r\nabcd",
    "length of five thousand digits": POST + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity coding": POST + b"Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "two coding fields": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "vertical tab in the coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding in HTTP/1.0": b"POST /echo HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": POST + b"Content-Length : 4\r\n\r\nabcd",
    "folded field": b"GET / HTTP/1.1\r\nHost: t\r\nX-A: b\r\n c\r\n\r\n",
    "folded first field": b"GET / HTTP/1.1\r\n Host: t\r\n\r\n",
    "bare LF ends": b"GET / HTTP/1.1\nHost: t\n\nGET /x HTTP/1.1\r\n\r\n",
    "bare LF in a field": b"GET / HTTP/1.1\r\nHost: t\r\nX-A: b\nContent-Length: 5\r\n\r\n",
    "bare CR in a field": b"GET / HTTP/1.1\r\nHost: t\r\nX-A: b\rContent-Length: 5\r\n\r\n",
    "NUL in a field": b"GET / HTTP/1.1\r\nHost: t\r\nX-A: b\x00c\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nHost: t\r\nX\x00A: b\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: t\r\nnonsense\r\n\r\n",
    "nameless field": b"GET / HTTP/1.1\r\nHost: t\r\n: b\r\n\r\n",
    "bad field before good ones": b"GET / HTTP/1.1\r\nX A: b\r\nHost: t\r\nContent-Length: 0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host with a space": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "three words only": b"GET /\r\n\r\n",
    "four words": b"GET / x HTTP/1.1\r\nHost: t\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: t\r\n\r\n",
    "method with a NUL": b"G\x00T / HTTP/1.1\r\nHost: t\r\n\r\n",
    "control character in the target": b"GET /\x01 HTTP/1.1\r\nHost: t\r\n\r\n",
    "target without slash": b"GET index HTTP/1.1\r\nHost: t\r\n\r\n",
    "authority as target": b"CONNECT t:443 HTTP/1.1\r\nHost: t\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "chunk size with a sign": CHUNKED + b"+1\r\na\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "empty chunk size": CHUNKED + b"\r\na\r\n0\r\n\r\n",
    "LF after the chunk size": CHUNKED + b"1\na\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
    "LF in a chunk extension": CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n",
    "LF in a trailer": CHUNKED + b"0\r\nA: b\nC: d\r\n\r\n",
    "endless chunk size": CHUNKED + b"1" * 2000,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_two_parsers_could_read_differently_is_refused(server, name):
    """One 400 with a document, nothing after it, and the connection is closed: nothing can be smuggled behind."""
    with server.connect() as client:
        client.send(AMBIGUOUS[name] + b"GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.title) == (400, "Bad request")
        assert answer.headers["content-type"] == "application/vnd.api+json"
        assert answer.headers["connection"] == "close"
        assert json.loads(answer.body)["meta"]["id"] == answer.headers["x-request-id"]
        assert answer.headers["server"] == "keygenreg"
        assert client.rest() == b""


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_a_refusal_does_not_depend_on_how_the_bytes_arrive(server, cut):
    """The same in pieces of any size."""
    shape = AMBIGUOUS["both lengths"]
    with server.connect() as client:
        for start in range(0, len(shape), cut):
            client.send(shape[start : start + cut])
        assert client.answer().status == 400
        assert client.rest() == b""


GOOD = {
    "two equal requests in one packet": (b"GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n\r\n", 2),
    "empty line before the request": (b"\r\nGET /a HTTP/1.1\r\nHost: t\r\n\r\n", 1),
    "no host in HTTP/1.0": (b"GET /a HTTP/1.0\r\n\r\n", 1),
    "absolute target": (b"GET http://other:80/a?b=c HTTP/1.1\r\nHost: t\r\n\r\n", 1),
    "absolute target without path": (b"GET http://other HTTP/1.1\r\nHost: t\r\n\r\n", 1),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 1),
    "IPv6 host": (b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 1),
    "bytes that are not UTF-8 in a field": (b"GET / HTTP/1.1\r\nHost: t\r\nUser-Agent: \xff\xfe\r\n\r\n", 1),
    "chunk extension and trailer": (
        b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
        1,
    ),
    "a method nobody knows": (b"BREW /a HTTP/1.1\r\nHost: t\r\n\r\n", 1),
}


@pytest.mark.parametrize("name", GOOD)
def test_unusual_but_clear_requests_are_answered(server, name):
    """Strictness does not hit what RFC 9112 allows."""
    data, count = GOOD[name]
    with server.connect() as client:
        client.send(data)
        assert [client.answer().status for _ in range(count)] == [200] * count


@pytest.mark.parametrize("transport", ["tls", "tls-memory", "unix"])
@pytest.mark.parametrize("name", ["both lengths", "folded field", "LF in a trailer"])
def test_refusals_are_the_same_on_every_transport(serve, transport, name):
    with serve(transport=transport).connect() as client:
        client.send(AMBIGUOUS[name])
        assert client.answer().status == 400
        assert client.rest() == b""


def test_an_absolute_target_decides_host_and_path(server):
    """RFC 9112, section 3.2.2: the target's authority counts, not the Host field."""
    with server.connect() as client:
        assert json.loads(client.get("http://other/a/b").body) == {"path": "/a/b"}


class TestSizes:
    def test_a_long_target_is_414(self, serve):
        with serve(limits=Limits(target_bytes=100)).connect() as client:
            answer = client.get("/" + "a" * 100)
            assert (answer.status, answer.title) == (414, "URI too long")
            assert client.rest() == b""

    def test_a_request_line_without_end_is_414(self, server):
        with server.connect() as client:
            client.send(b"GET /" + b"a" * 40_000)
            assert client.answer().status == 414

    def test_too_many_fields_are_431(self, server):
        with server.connect() as client:
            assert client.get("/", *(f"X-{number}: y" for number in range(200))).status == 431

    def test_large_fields_are_431(self, server):
        with server.connect() as client:
            assert client.get("/", *(f"X-{number}: {'y' * 3000}" for number in range(9))).status == 431

    def test_one_endless_field_is_431(self, server):
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"y" * 40_000)
            assert client.answer().status == 431

    def test_the_limit_is_for_each_request_and_not_for_the_connection(self, server):
        """A long-lived connection does not use its limits up."""
        with server.connect() as client:
            assert {client.get("/", "X: " + "y" * 9000).status for _ in range(5)} == {200}

    def test_an_announced_body_above_the_limit_is_413_before_it_is_sent(self, serve):
        """The client hears it at once, does not get 100 Continue, and the answer survives its sending on."""
        with serve(limits=Limits(body_bytes=1000)).connect() as client:
            client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 90000000\r\nExpect: 100-continue\r\n\r\n")
            answer = client.answer()
            assert (answer.status, answer.title, answer.interim) == (413, "Payload too large", [])

    def test_the_refusal_reaches_a_client_that_sends_on_regardless(self, serve):
        """Many clients only read once they have sent everything; a reset would lose the answer."""
        with serve(limits=Limits(body_bytes=1000)).connect() as client:
            client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 20000000\r\n\r\n")
            client.send(b"a" * 20_000_000)
            assert client.answer().status == 413
            assert client.rest() == b""

    def test_a_chunked_body_above_the_limit_is_413_as_soon_as_it_is(self, serve):
        with serve(limits=Limits(body_bytes=1000)).connect() as client:
            client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(3):
                client.send(b"190\r\n" + b"a" * 400 + b"\r\n")
            assert client.answer().status == 413

    def test_a_body_of_just_the_limit_is_taken(self, serve):
        with serve(limits=Limits(body_bytes=1000)).connect() as client:
            client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\n\r\n" + b"a" * 1000)
            assert json.loads(client.answer().body)["length"] == 1000

    def test_a_refusal_of_a_head_request_has_no_body(self, serve):
        with serve(limits=Limits(body_bytes=1000)).connect() as client:
            client.send(b"HEAD /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5000\r\n\r\n")
            assert client.answer(head=True).status == 413
            assert client.rest() == b""


class TestSlowClients:
    def test_a_head_that_trickles_is_ended(self, serve):
        """A byte now and then does not keep a connection for ever."""
        server = serve(limits=Limits(head_time=1.0))
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\n")
            answer = client.answer()
            assert (answer.status, answer.title) == (408, "Request timeout")
            assert client.rest() == b""

    def test_a_body_that_stalls_is_ended(self, serve):
        server = serve(limits=Limits(body_time=1.0))
        with server.connect() as client:
            client.send(b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc")
            assert client.answer().status == 408

    def test_an_idle_connection_is_closed_without_a_word(self, serve):
        server = serve(limits=Limits(keep_alive=1.0))
        with server.connect() as client:
            assert client.get("/").status == 200
            assert client.rest() == b""

    def test_a_client_that_takes_no_byte_of_a_download_is_cut_off(self, serve, blob):
        """Its file is closed and its memory freed."""
        with open(blob, "ab") as file:
            file.truncate(60_000_000)
        server = serve(limits=Limits(send_time=1.0))
        with server.connect() as client:
            client.send(b"GET /blob HTTP/1.1\r\nHost: t\r\n\r\n")
            eventually(lambda: server.tree.open_blobs and server.tree.open_blobs[0].closed, "the blob to be closed")
            eventually(lambda: not server.site.channels, "the connection to go")
