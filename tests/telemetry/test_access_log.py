"""The access log: what a line says, what it never says, and when it is written."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers

from keygenreg.telemetry.access_log import AccessLog, safe_target


class Sink(io.StringIO):
    closed_by_log = False

    def close(self):
        self.closed_by_log = True


class Ended:
    """A request that has ended."""

    method, clientproto, code, sentLength, engine = b"GET", b"HTTP/1.1", 200, 17, "pypi"
    request_id, started, client_address = "4c5e", 999.5, None

    def __init__(self, uri: bytes = b"/simple/", agent: bytes = b"pip/24") -> None:
        self.uri = uri
        self.requestHeaders = Headers({b"User-Agent": [agent], b"Authorization": [b"Bearer prod-abc"]})

    def getClientAddress(self):
        return IPv4Address("TCP", "192.0.2.7", 40000)


@pytest.fixture
def clock():
    clock = Clock()
    clock.advance(1000)
    return clock


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def log(clock, sink):
    log = AccessLog(lambda: sink, clock, secret_paths=("/-/uploads/",))
    log.start()
    return log


class TestLines:
    def test_a_line_says_who_what_and_how_long(self, log, sink):
        log.ended(Ended())
        log.flush()
        assert sink.getvalue() == (
            '192.0.2.7 1970-01-01T00:16:40Z "GET /simple/ HTTP/1.1" 200 17 0.5000 pypi 4c5e "pip/24"\n'
        )

    def test_credentials_are_nowhere_in_it(self, log, sink):
        log.ended(Ended(b"/v1/x?auth=license:SECRET&token=SECRET&Signature=SECRET&limit=10"))
        log.ended(Ended(b"/-/uploads/SECRET?x=1"))
        log.flush()
        assert "SECRET" not in sink.getvalue()
        assert "prod-abc" not in sink.getvalue()
        assert "limit=10" in sink.getvalue()
        assert "/-/uploads/[hidden]?x=1" in sink.getvalue()

    def test_the_client_behind_a_trusted_proxy_is_named(self, log, sink):
        request = Ended()
        request.client_address = "198.51.100.9"
        log.ended(request)
        log.flush()
        assert sink.getvalue().startswith("198.51.100.9 ")

    @given(st.binary(), st.binary())
    def test_nothing_a_client_sends_breaks_a_line(self, uri, agent):
        """Quotes, line breaks and terminal codes are escaped: one request is one line of printable ASCII."""
        clock, sink = Clock(), Sink()
        log = AccessLog(lambda: sink, clock)
        log.start()
        log.ended(Ended(uri, agent.translate(None, b"\r\n")))
        log.flush()
        line = sink.getvalue()
        assert line.count("\n") == 1 and line.endswith("\n")
        assert line[:-1].isascii() and line[:-1].isprintable()
        assert line.count('"') == 4

    @pytest.mark.parametrize(
        "query", ["%61uth=SECRET", "SECRET", "to%6ben=SECRET", "AUTH=SECRET", "x-api-key=SECRET", "a=1&SECRET"]
    )
    def test_escaped_and_bare_parameters_are_not_trusted(self, query):
        assert "SECRET" not in safe_target("/a?" + query)

    def test_brackets_of_page_parameters_stay_readable(self):
        assert safe_target("/a?page%5Bsize%5D=10&page[number]=2") == "/a?page%5Bsize%5D=10&page[number]=2"


class TestBatches:
    def test_lines_are_written_once_a_second(self, log, sink, clock):
        log.ended(Ended())
        assert sink.getvalue() == ""
        clock.advance(1)
        assert sink.getvalue().count("\n") == 1

    def test_many_lines_do_not_wait(self, log, sink):
        for _ in range(1000):
            log.ended(Ended())
        assert sink.getvalue().count("\n") >= 512

    def test_stopping_writes_what_waits(self, log, sink, clock):
        log.ended(Ended())
        log.stop()
        assert sink.getvalue().count("\n") == 1
        assert sink.closed_by_log
        assert clock.getDelayedCalls() == []

    def test_reopening_goes_on_in_a_new_file(self, clock):
        sinks = [Sink(), Sink()]
        opened = iter(sinks)
        log = AccessLog(lambda: next(opened), clock)
        log.start()
        log.ended(Ended(b"/old"))
        log.reopen()
        log.ended(Ended(b"/new"))
        log.stop()
        assert ["/old" in sinks[0].getvalue(), "/new" in sinks[1].getvalue()] == [True, True]
        assert sinks[0].closed_by_log

    def test_a_log_that_cannot_be_written_costs_no_request(self, log, sink):
        def broken(_):
            raise OSError("disk full")

        sink.write = broken
        log.ended(Ended())
        log.flush()
        del sink.write
        log.ended(Ended())
        log.flush()
        assert sink.getvalue().count("\n") == 1
