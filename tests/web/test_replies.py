"""Replies on the wire: lengths, HEAD, conditional requests, compression, faults, and handlers whose client leaves."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import globalLogPublisher

from keygenreg.web.compression import accepts_gzip, is_textual
from keygenreg.web.reply import Reply
from tests.web.serving import JSON, eventually

LONG = json.dumps({"words": ["entry"] * 400}).encode()
GZIP = "Accept-Encoding: gzip, br"


@pytest.fixture
def logged():
    """What Twisted's loggers were told, as events."""
    events = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


class TestHeads:
    def test_every_answer_has_an_id_and_no_version(self, server):
        """The id differs from request to request, and nothing tells which software in which version runs here."""
        with server.connect() as client:
            first, second = client.get("/a"), client.get("/b")
        assert first.headers["x-request-id"] != second.headers["x-request-id"]
        assert first.headers["server"] == "keygenreg"
        assert "date" in first.headers

    def test_head_has_the_length_of_the_body_it_leaves_out(self, server):
        server.tree.replies[b"/long"] = Reply(200, LONG, JSON)
        with server.connect() as client:
            for fields in ([], [GZIP]):
                get, head = client.get("/long", *fields), client.get("/long", *fields, method="HEAD")
                assert head.headers["content-length"] == get.headers["content-length"]
                assert head.body == b""

    @pytest.mark.parametrize("status", [204, 304])
    def test_answers_without_body_have_no_length(self, server, status):
        """A body that a handler put there by mistake does not end up in front of the next answer."""
        server.tree.replies[b"/none"] = Reply(status, b"mistake")
        with server.connect() as client:
            answer = client.get("/none")
            assert "content-length" not in answer.headers
            assert client.get("/a").status == 200

    def test_no_content_type_is_made_up(self, server):
        server.tree.replies[b"/bare"] = Reply(200, b"bytes")
        with server.connect() as client:
            assert "content-type" not in client.get("/bare").headers

    def test_line_breaks_in_a_header_value_do_not_start_a_header(self, server):
        """A file name with line breaks in it cannot forge a field."""
        server.tree.replies[b"/split"] = Reply(200, b"", (("X-Name", "a\r\nSet-Cookie: b"),))
        with server.connect() as client:
            assert "set-cookie" not in client.get("/split").headers

    def test_connection_close_is_honoured_and_announced(self, server):
        for value in ("close", "Close", "keep-alive, close"):
            with server.connect() as client:
                assert client.get("/", f"Connection: {value}").headers["connection"] == "close"
                assert client.rest() == b""

    def test_http_1_0_gets_its_answer_and_the_end(self, server):
        with server.connect() as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert client.answer().headers["connection"] == "close"
            assert client.rest() == b""


class TestConditionalReplies:
    @pytest.mark.parametrize("tag", ['"v1"', 'W/"v1"', "*", '"other", "v1"', '"v1-gzip"'])
    def test_what_the_client_has_is_not_sent_again(self, server, tag):
        server.tree.replies[b"/long"] = Reply(200, LONG, (*JSON, ("ETag", '"v1"')))
        with server.connect() as client:
            answer = client.get("/long", f"If-None-Match: {tag}")
            assert answer.status == 304
            assert "content-type" not in answer.headers

    def test_what_the_client_lacks_is_sent(self, server):
        server.tree.replies[b"/long"] = Reply(200, LONG, (*JSON, ("ETag", '"v1"')))
        with server.connect() as client:
            assert client.get("/long", 'If-None-Match: "v2"').body == LONG

    def test_each_coding_has_its_own_tag(self, server):
        """A cache never mixes the compressed body up with the plain one, and revalidates both."""
        server.tree.replies[b"/long"] = Reply(200, LONG, (*JSON, ("ETag", '"v1"')))
        with server.connect() as client:
            tags = {fields: client.get("/long", *fields).headers["etag"] for fields in ((), (GZIP,))}
            assert tags == {(): '"v1"', (GZIP,): '"v1-gzip"'}
            again = client.get("/long", GZIP, 'If-None-Match: "v1-gzip"')
            assert (again.status, again.headers["etag"]) == (304, '"v1-gzip"')


class TestCompression:
    def test_text_is_compressed_for_those_who_accept_it(self, server):
        server.tree.replies[b"/long"] = Reply(200, LONG, JSON)
        with server.connect() as client:
            answer = client.get("/long", GZIP)
            assert answer.headers["content-encoding"] == "gzip"
            assert gzip.decompress(answer.body) == LONG
            plain = client.get("/long")
            assert (plain.body, plain.headers["vary"]) == (LONG, "Accept-Encoding")

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(200, b"{}", JSON),
            Reply(200, LONG, (("Content-Type", "application/octet-stream"),)),
            Reply(200, gzip.compress(LONG) * 20, (*JSON, ("Content-Encoding", "gzip"))),
        ],
    )
    def test_small_binary_and_already_compressed_bodies_stay_as_they_are(self, server, reply):
        server.tree.replies[b"/x"] = reply
        with server.connect() as client:
            assert client.get("/x", GZIP).body == reply.body

    def test_vary_of_the_handler_is_kept(self, server):
        server.tree.replies[b"/long"] = Reply(200, LONG, (*JSON, ("Vary", "Accept")))
        with server.connect() as client:
            assert client.get("/long").headers["vary"] == "Accept, Accept-Encoding"

    @pytest.mark.parametrize(
        ("header", "accepted"),
        [
            ("gzip", True),
            ("GZIP", True),
            ("br, gzip;q=0.5", True),
            ("*", True),
            ("gzip;q=0", False),
            ("gzip;q=0.000", False),
            ("*;q=0", False),
            ("*, gzip;q=0", False),
            ("br", False),
            ("", False),
            (None, False),
            ("gzip;q=nonsense", False),
        ],
    )
    def test_accept_encoding_is_read_with_its_weights(self, header, accepted):
        assert accepts_gzip(header) is accepted

    @given(st.text())
    def test_any_header_text_is_read(self, text):
        """Nonsense means no."""
        assert accepts_gzip(text) in (True, False)
        assert is_textual(text) in (True, False)


class TestLargeReplies:
    def test_a_reply_of_many_slices_is_complete_and_the_connection_goes_on(self, server):
        body = bytes(range(256)) * 40_000
        server.tree.replies[b"/large"] = Reply(200, body)
        with server.connect() as client:
            client.send(b"GET /large HTTP/1.1\r\nHost: t\r\n\r\nGET /a HTTP/1.1\r\nHost: t\r\n\r\n")
            assert client.answer().body == body
            assert json.loads(client.answer().body) == {"path": "/a"}


class TestFaults:
    @pytest.mark.parametrize("path", ["/boom", "/plain-boom"])
    def test_a_fault_of_ours_tells_the_client_an_incident_and_the_log_the_rest(self, server, logged, path):
        with server.connect() as client:
            answer = client.get(path)
            assert client.get("/a").status == 200
        assert answer.status == 500
        assert answer.title == "Internal server error"
        assert b"secret" not in answer.body
        incident = json.loads(answer.body)["meta"]["id"]
        assert any(event.get("incident") == incident for event in logged)

    def test_a_failure_is_answered_in_the_site_s_own_form(self, server):
        with server.connect() as client:
            answer = client.get("/missing")
        assert (answer.status, answer.title) == (404, "Not found")
        assert json.loads(answer.body)["errors"][0]["code"] == "NOT_FOUND"


class TestLeavingClients:
    def test_a_read_is_cancelled_when_its_client_leaves(self, server):
        with server.connect() as client:
            client.send(b"GET /never HTTP/1.1\r\nHost: t\r\n\r\n")
            eventually(lambda: server.observed.in_flight == 1, "the request to begin")
        eventually(lambda: server.tree.cancelled == [b"GET"], "the handler to be cancelled")
        eventually(lambda: server.observed.codes == [499], "the observer to be told")
        assert server.tree.ended == []

    def test_a_write_runs_to_its_end_when_its_client_leaves(self, server, logged):
        """Half a transaction helps nobody; nothing is logged as an error either."""
        with server.connect() as client:
            client.send(b"POST /never HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
            eventually(lambda: server.observed.in_flight == 1, "the request to begin")
        eventually(lambda: server.tree.ended == [b"POST"], "the handler to end")
        assert server.tree.cancelled == []
        assert [event for event in logged if event["log_level"].name in ("error", "critical")] == []

    def test_a_second_request_waits_for_the_first(self, server):
        """Pipelined requests are answered in order."""
        with server.connect() as client:
            client.send(b"GET /never HTTP/1.1\r\nHost: t\r\n\r\nGET /a HTTP/1.1\r\nHost: t\r\n\r\n")
            assert [client.answer().status for _ in range(2)] == [400, 200]


class TestDraining:
    def test_a_draining_site_ends_idle_connections_and_finishes_the_others(self, server):
        """A restart does not cut off answers."""
        with server.connect() as idle, server.connect() as busy:
            assert idle.get("/").status == 200
            busy.send(b"GET /never HTTP/1.1\r\nHost: t\r\n\r\n")
            eventually(lambda: server.observed.in_flight == 1, "the request to begin")
            server.loop.call(server.site.drain)
            assert idle.rest() == b""
            assert busy.answer().status == 400
            assert busy.rest() == b""


