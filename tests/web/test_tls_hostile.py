"""What is no TLS, or only half of it: the connection ends, nothing of ours fails, and the next client is served."""

from __future__ import annotations

import os
import socket
import ssl
import struct

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.logger import LogLevel, globalLogPublisher

from keygenreg.web.limits import Limits
from tests.web.serving import PATIENCE, eventually
from tests.web.test_tls import connect, raw, trusting

REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


@pytest.fixture
def server(serve):
    return serve(transport="tls")


@pytest.fixture
def faults():
    """What is logged as a failure of ours."""
    logged = []

    def observe(event):
        if event["log_level"] >= LogLevel.error:
            logged.append(event)

    globalLogPublisher.addObserver(observe)
    yield logged
    globalLogPublisher.removeObserver(observe)


def client_hello(padding: int = 0) -> bytes:
    """The first bytes of a real client; ``padding`` asks for that many bytes of protocol names."""
    context = trusting()
    if padding:
        context.set_alpn_protocols(["x" * 250] * (padding // 251))
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


HELLO = client_hello()


def end_of(sock: socket.socket) -> bytes:
    """Everything until the server closes; a reset is an end too."""
    said = b""
    try:
        while data := sock.recv(65536):
            said += data
    except ConnectionResetError:
        pass
    return said


def serves(server) -> bool:
    with connect(server) as client:
        return client.get("/").status == 200


class TestWhatIsNoTls:
    def test_plain_http_is_told_so(self, server, faults):
        """In plain HTTP, as that is what such a client can read; whatever it sends, the connection ends in order."""
        with raw(server) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n" + b"X-Field: x\r\n" * 100 + b"\r\n")
            answer = b""
            while data := sock.recv(65536):
                answer += data
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert f"Content-Length: {len(body)}".encode() in head
        assert b"HTTPS" in body
        eventually(lambda: not server.site.channels, "the connection to be gone")
        assert not faults

    @REUSED
    @given(st.one_of(st.binary(min_size=6, max_size=300), st.binary(max_size=300).map(lambda tail: HELLO[:9] + tail)))
    @example(b"\x16\x03\x01\xff\xff" + bytes(300))
    @example(b"\x15\x03\x01\x00\x02\x02\x28")
    @example(b"\x80\x2e\x01\x03\x01" + bytes(41))
    @example(b"\x00" * 100)
    def test_garbage(self, server, faults, data):
        with raw(server) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            end_of(sock)
        eventually(lambda: not server.site.channels, "the connection to be gone")
        assert not faults
        assert serves(server)

    def test_nothing_at_all(self, server, faults):
        raw(server).close()
        assert serves(server)
        eventually(lambda: not server.site.channels, "the connections to be gone")
        assert not faults

    def test_a_reset_before_the_first_byte(self, server, faults):
        for _ in range(20):
            sock = raw(server)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        assert serves(server)
        eventually(lambda: not server.site.channels, "the connections to be gone")
        assert not faults


class TestHalfOfAHandshake:
    @REUSED
    @given(st.integers(0, len(HELLO)))
    def test_it_breaks_off_anywhere(self, server, faults, length):
        with raw(server) as sock:
            sock.sendall(HELLO[:length])
            sock.shutdown(socket.SHUT_WR)
            end_of(sock)
        eventually(lambda: not server.site.channels, "the connection to be gone")
        assert not faults

    @REUSED
    @given(st.integers(0, len(HELLO) - 1), st.integers(1, 255))
    def test_a_changed_byte_anywhere(self, server, faults, place, change):
        changed = bytearray(HELLO)
        changed[place] ^= change
        with raw(server) as sock:
            sock.sendall(changed)
            sock.shutdown(socket.SHUT_WR)
            end_of(sock)
        eventually(lambda: not server.site.channels, "the connection to be gone")
        assert not faults

    def test_a_large_one(self, server, faults):
        """Far more than a record; refused or not, it does not hurt."""
        with raw(server) as sock:
            sock.sendall(client_hello(60_000))
            sock.settimeout(PATIENCE)
            assert sock.recv(65536)
        assert serves(server)
        assert not faults

    def test_one_that_claims_to_be_endless(self, server, faults):
        """A ClientHello of 16 MiB, as its length says: refused before it is here."""
        record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + os.urandom(16380)
        with raw(server) as sock:
            try:
                for _ in range(1000):
                    sock.sendall(record)
            except OSError:
                pass
            end_of(sock)
        eventually(lambda: not server.site.channels, "the connection to be gone")
        assert not faults

    @pytest.mark.parametrize("start", [b"", HELLO[:1], HELLO[:100], HELLO], ids=["none", "byte", "part", "all"])
    def test_it_does_not_go_on(self, serve, start):
        """What is begun has to come to its end soon, whether the client says anything or not."""
        server = serve(transport="tls", limits=Limits(head_time=0.3))
        with raw(server) as sock:
            sock.sendall(start)
            end_of(sock)
        eventually(lambda: not server.site.channels, "the connection to be gone")

    def test_it_goes_on_byte_by_byte(self, serve):
        """A byte now and then gives no more time."""
        server = serve(transport="tls", limits=Limits(head_time=0.3))
        with raw(server) as sock:
            sock.settimeout(0.05)
            for byte in HELLO:
                try:
                    sock.sendall(bytes([byte]))
                    if not sock.recv(1):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            else:
                pytest.fail("it went on")

    def test_a_refused_one_is_told_why(self, server):
        """The alert arrives, though the client's bytes were not all read."""
        context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("AES128-SHA")
        with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
            connect(server, context)


class TestHalfOfAConversation:
    def test_a_record_that_was_changed_on_its_way(self, server, faults):
        """Its bytes never reach the request; the connection ends."""
        with raw(server) as sock:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536))
            sock.sendall(outgoing.read())
            tls.write(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            record = bytearray(outgoing.read())
            record[-1] ^= 1
            sock.sendall(record)
            end_of(sock)
        eventually(lambda: not server.site.channels, "the connection to be gone")
        assert server.observed.codes == []
        assert not faults

    def test_a_request_and_half_a_record(self, server, faults):
        """The request is answered or given up, the connection ends, and no fault is logged."""
        with raw(server) as sock:
            tls = trusting().wrap_socket(sock, server_hostname="localhost")
            tls.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            assert tls.recv(1) == b"H"
            os.write(tls.fileno(), b"\x17\x03\x03\x40\x00half")
            tls.close()
        eventually(lambda: not server.site.channels, "the connection to be gone")
        assert not faults
        assert serves(server)
