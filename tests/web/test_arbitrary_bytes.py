"""Whatever bytes arrive: no fault of ours, no silence in the log about one, and the next client is served."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import LogLevel, globalLogPublisher

from tests.web.serving import eventually
from tests.web.test_hostile_requests import AMBIGUOUS, GOOD

SHAPES = [*AMBIGUOUS.values(), *(data for data, _ in GOOD.values()), b"PUT /up/9 HTTP/1.1\r\nHost: t\r\n\r\n"]
SPICE = st.sampled_from([b"\r\n", b"\n", b"\r", b"\x00", b":", b" ", b"\t", b"0", b"\xff", b"Content-Length: 3\r"])


@st.composite
def mutated(draw) -> bytes:
    """A request of the hostile kind with a few bytes taken out, put in or exchanged; perhaps two in a row."""
    data = draw(st.sampled_from(SHAPES)) + draw(st.sampled_from([b"", *SHAPES]))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(SPICE | st.binary(max_size=3)) + data[place + draw(st.integers(0, 3)) :]
    return data


@pytest.fixture
def faults():
    """Errors that were logged."""
    events = []

    def observe(event) -> None:
        if event["log_level"] >= LogLevel.error:
            events.append(event.get("log_format"))

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | mutated(), st.integers(1, 400))
def test_no_input_is_a_fault_of_ours(server, faults, data, cut):
    """Every answer is below 500, nothing is logged as an error, and every connection is let go."""
    server.observed.codes.clear()
    with server.connect() as client:
        with suppress(OSError):  # refused before we had finished
            client.send(data[:cut]).send(data[cut:])
            client.sock.shutdown(socket.SHUT_WR)
        client.rest()
    eventually(lambda: not server.site.channels, "the connection to go")
    with server.connect() as client:
        assert client.get("/a").status == 200
    assert [code for code in server.observed.codes if code >= 500] == []
    assert faults == []
