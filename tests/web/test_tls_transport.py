"""The transport alone: whatever is written, read, paused and resumed in whatever order, the same bytes arrive."""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from contextlib import suppress
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet import main, task, tcp
from twisted.internet.interfaces import IPushProducer, ISSLTransport, ITransport
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer
from zope.interface.verify import verifyObject

from keygenreg.web.tls.context import context_of
from keygenreg.web.tls.port import TlsPort, listen_tls
from keygenreg.web.tls.tickets import share_tickets
from keygenreg.web.tls.transport import RECORD, TlsTransport, can_encrypt_on_sockets
from tests.web.serving import PATIENCE, eventually, self_signed

REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)


def make_port(loop, protocol: type[Protocol], **options):
    factory = Factory.forProtocol(protocol)
    factory.connections = []

    def listen():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            pem = self_signed()
            return listen_tls(
                loop.reactor, listener.fileno(), socket.AF_INET, factory, chain=pem, key=pem,
                handshake_seconds=PATIENCE, **options,
            )  # fmt: skip

    return loop.call(listen)


@pytest.fixture
def listening(loop):
    """Listen with a protocol; ports are closed in the end."""
    ports = []

    def start(protocol, **options):
        ports.append(make_port(loop, protocol, **options))
        return ports[-1]

    yield start
    for port in ports:
        loop.call(port.stopListening)


def connect(loop, port, *, receive: int | None = None) -> ssl.SSLSocket:
    sock = socket.socket()
    if receive is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", loop.call(port.getHost).port))
    context = ssl.create_default_context(cafile=self_signed())
    return context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


def write_now(transport: TlsTransport, data: bytes) -> None:
    """Send at once what the socket takes, and write the rest."""
    transport.write(data[transport.send_now(data) :])


class Echo(Protocol):
    """Sends back what comes, in ways that a random number chooses."""

    def connectionMade(self):
        self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.random = Random(len(self.factory.connections))
        self.factory.connections.append(self)

    def dataReceived(self, data):
        way = self.random.randrange(5)
        if way == 0:
            self.transport.write(data)
        elif way == 1:
            write_now(self.transport, data)
        elif way == 2:
            middle = self.random.randrange(len(data) + 1)
            self.transport.writeSequence([data[:middle], data[middle:]])
        elif way == 3:
            middle = self.random.randrange(len(data) + 1)
            write_now(self.transport, data[:middle])
            write_now(self.transport, data[middle:])
        else:
            self.transport.pauseProducing()
            self.transport.write(data)
            self.transport.reactor.callLater(0.001 * self.random.randrange(3), self.transport.resumeProducing)


class TestSameBytes:
    @REUSED
    @given(
        chunks=st.lists(st.integers(1, 70_000), min_size=1, max_size=12),
        reads=st.lists(st.integers(1, 40_000), min_size=1, max_size=5),
        eagerness=st.integers(0, 3),
    )
    def test_both_ways_in_any_order(self, loop, listening, chunks, reads, eagerness):
        """``eagerness``: how often the client writes before it reads; buffers are small: each waits for the other."""
        port = listening(Echo)
        sent = b"".join(Random(size).randbytes(size) for size in chunks)
        with connect(loop, port, receive=4096) as sock:
            assert exchange(sock, sent, chunks, reads, eagerness) == sent

    @REUSED
    @given(st.lists(st.integers(0, 200_000), min_size=1, max_size=8), st.integers(1, 60_000))
    def test_everything_written_arrives_before_the_end(self, loop, listening, sizes, read):
        """``loseConnection`` comes after what was written, and ends with a close_notify."""
        pieces = [Random(size).randbytes(size) for size in sizes]

        class Sender(Protocol):
            def connectionMade(self):
                for piece in pieces:
                    self.transport.write(piece)
                self.transport.loseConnection()

            def dataReceived(self, data): ...

        # A handshake that is not over when the connection is to be closed has nobody to send to.
        port = listening(after_first_byte(Sender))
        with connect(loop, port, receive=4096) as sock:
            sock.sendall(b"x")
            heard = b""
            while data := sock.recv(read):
                heard += data
        assert heard == b"".join(pieces)

    @REUSED
    @given(st.lists(st.integers(1, 150_000), min_size=1, max_size=10), st.integers(1000, 60_000))
    def test_a_producer_is_paused_and_resumed(self, loop, listening, sizes, read):
        """It never writes while it is paused, and what waits in memory is bounded."""
        pieces = deque(Random(size).randbytes(size) for size in sizes)
        expected, faults = b"".join(pieces), []

        @implementer(IPushProducer)
        class Producer(Protocol):
            paused = False

            def connectionMade(self):
                self.transport.registerProducer(self, True)
                self.resumeProducing()

            def pauseProducing(self):
                self.paused = True

            def stopProducing(self): ...

            def resumeProducing(self):
                self.paused = False
                while pieces and not self.paused:
                    self.transport.write(pieces.popleft())
                if not pieces:
                    self.transport.unregisterProducer()
                    self.transport.loseConnection()
                waiting = len(self.transport.dataBuffer) + self.transport._tempDataLen
                if waiting > 150_000 + self.transport.bufferSize:
                    faults.append(waiting)

        port = listening(after_first_byte(Producer))
        with connect(loop, port, receive=4096) as sock:
            sock.sendall(b"x")
            heard = b""
            while data := sock.recv(read):
                heard += data
        assert heard == expected
        assert not faults


def exchange(sock: ssl.SSLSocket, sent: bytes, chunks: list[int], reads: list[int], eagerness: int) -> bytes:
    """Send and receive at the same time, as far as the socket lets us; what was received."""
    sock.setblocking(False)
    heard, unsent, turn = bytearray(), memoryview(sent), 0
    while len(heard) < len(sent):
        turn += 1
        writes = bool(unsent) and turn % 4 <= eagerness
        try:
            if writes:
                unsent = unsent[sock.send(unsent[: chunks[turn % len(chunks)]]) :]
            else:
                heard += sock.recv(reads[turn % len(reads)])
        except ssl.SSLWantReadError:
            if not writes and not unsent:
                assert select.select([sock], [], [], PATIENCE)[0]
        except ssl.SSLWantWriteError:
            # Full. OpenSSL wants the same bytes again, and the server may need us to read before it takes them.
            while True:
                with suppress(ssl.SSLWantReadError):
                    heard += sock.recv(reads[0])
                try:
                    unsent = unsent[sock.send(unsent[: chunks[turn % len(chunks)]]) :]
                    break
                except ssl.SSLWantWriteError:
                    assert any(select.select([sock], [sock], [], PATIENCE)[:2])
    return bytes(heard)


def after_first_byte(protocol: type[Protocol]) -> type[Protocol]:
    """The protocol, which begins when the client has sent something."""

    class Waiting(Protocol):
        def dataReceived(self, data):
            inner = protocol()
            inner.factory = self.factory
            self.transport.protocol = inner
            inner.makeConnection(self.transport)

    return Waiting


class TestHalfClose:
    def test_what_comes_afterwards_is_dropped(self, loop, listening):
        """The client has its answer and an end, and may send on; our side is done when it closes."""
        lost = []

        class Refuser(Protocol):
            refused = False

            def dataReceived(self, data):
                if not self.refused:
                    self.refused = True
                    self.transport.write(b"no" * 50_000)
                    self.transport.loseWriteConnection()

            def connectionLost(self, reason):
                lost.append(reason.type)

        port = listening(Refuser)
        with connect(loop, port) as sock:
            sock.sendall(b"x")
            for _ in range(50):
                sock.sendall(bytes(10_000))
            heard = b""
            while data := sock.recv(65536):
                heard += data
            assert heard == b"no" * 50_000
            assert lost == []
        eventually(lambda: lost == [main.CONNECTION_DONE.__class__], "the end")

    def test_an_abort_is_no_orderly_end(self, loop, listening):
        class Aborter(Protocol):
            def dataReceived(self, data):
                self.transport.write(b"x" * 1000)
                self.transport.abortConnection()

        with connect(loop, listening(Aborter)) as sock:
            sock.sendall(b"x")
            with pytest.raises(OSError):
                while sock.recv(65536):
                    pass


class Script:
    """In place of an ``SSLSocket``: answers calls from a list of results and exceptions, and keeps what was sent."""

    def __init__(self, **answers) -> None:
        self.answers = {name: deque(values) for name, values in answers.items()}
        self.sent = b""

    def _next(self, name, default):
        result = self.answers[name].popleft() if self.answers.get(name) else default
        if isinstance(result, Exception):
            raise result
        return result

    def do_handshake(self):
        self._next("do_handshake", None)

    def recv(self, _size):
        return self._next("recv", ssl.SSLWantReadError())

    def send(self, data):
        count = min(self._next("send", len(data)), len(data))
        self.sent += bytes(data[:count])
        return count

    def unwrap(self):
        self._next("unwrap", None)

    def fileno(self):
        return 1

    def setblocking(self, _flag): ...


class Watcher(task.Clock):
    """A reactor that only remembers what it watches."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.writing = set(), set()
        self.addReader, self.removeReader = self.reading.add, self.reading.discard
        self.addWriter, self.removeWriter = self.writing.add, self.writing.discard


class Recorder(Protocol):
    def __init__(self) -> None:
        self.heard = b""

    def dataReceived(self, data):
        self.heard += data


def scripted(**answers) -> tuple[TlsTransport, Watcher]:
    reactor = Watcher()
    port = TlsPort(0, Factory(), reactor=reactor)
    transport = TlsTransport(Script(**answers), Recorder(), ("127.0.0.1", 1), port, 0, reactor)
    transport.begin(20)
    transport.protocol.makeConnection(transport)
    return transport, reactor


WANT_READ, WANT_WRITE = ssl.SSLWantReadError(), ssl.SSLWantWriteError()


class TestWants:
    """OpenSSL may want to write in order to read, and the other way round; then it is asked again at the right time."""

    def test_provides_what_it_says(self):
        transport, _ = scripted()
        assert verifyObject(ISSLTransport, transport)
        assert verifyObject(ITransport, transport)

    def test_a_read_that_must_write(self):
        """An answer to new keys on a full socket: nothing is read, and nothing spins, until it is gone."""
        transport, reactor = scripted(recv=[WANT_WRITE, b"later"])
        assert transport.doRead() is None
        assert transport not in reactor.reading
        assert transport in reactor.writing
        transport.doWrite()
        assert transport in reactor.reading
        assert transport not in reactor.writing
        transport.doRead()
        assert transport.protocol.heard == b"later"

    def test_a_read_that_must_write_and_is_paused_meanwhile(self):
        transport, reactor = scripted(recv=[WANT_WRITE, b"later"])
        transport.doRead()
        transport.pauseProducing()
        transport.doWrite()
        assert transport not in reactor.reading
        transport.resumeProducing()
        transport.doRead()
        assert transport.protocol.heard == b"later"

    def test_a_write_that_must_read(self):
        transport, reactor = scripted(send=[WANT_READ])
        transport.doRead()
        transport.write(b"answer")
        transport.doWrite()
        assert transport not in reactor.writing
        transport.doRead()
        assert transport in reactor.writing
        transport.doWrite()
        assert transport.socket.sent == b"answer"

    def test_what_was_not_taken_is_offered_again_first(self):
        transport, _ = scripted(send=[3, WANT_WRITE])
        transport.doRead()
        write_now(transport, b"abcdef")
        write_now(transport, b"ghi")
        assert transport.socket.sent == b"abc"
        transport.doWrite()
        assert transport.socket.sent == b"abcdefghi"

    def test_what_was_written_before_the_handshake_waits_for_it(self):
        transport, reactor = scripted(do_handshake=[WANT_READ, WANT_READ, WANT_WRITE])
        transport.write(b"early")
        transport.doWrite()
        assert transport not in reactor.writing
        transport.doRead()
        assert transport not in reactor.writing
        transport.doRead()
        assert transport in reactor.writing
        transport.doWrite()
        assert transport.socket.sent == b"early"

    def test_a_close_notify_on_a_full_socket(self):
        transport, reactor = scripted(unwrap=[WANT_WRITE, WANT_WRITE])
        transport.doRead()
        transport.loseConnection()
        assert transport.doWrite() is None
        assert transport in reactor.writing
        assert transport.doWrite() is None
        assert transport.doWrite() is main.CONNECTION_DONE

    def test_closing_in_the_middle_of_a_handshake(self):
        transport, _ = scripted(do_handshake=[WANT_READ])
        transport.doRead()
        transport.loseConnection()
        assert transport.doWrite() is main.CONNECTION_DONE

    def test_the_last_records_are_delivered_before_the_end(self):
        transport, _ = scripted(recv=[b"a" * 16384, b"b" * 16384, b""])
        assert transport.doRead() is main.CONNECTION_DONE
        assert transport.protocol.heard == b"a" * 16384 + b"b" * 16384

    def test_handshakes_leave_time_for_others(self):
        """When they have taken their share of a turn of the reactor, the rest waits for the next one."""
        transport, _ = scripted(do_handshake=[WANT_READ])
        other, _ = scripted()
        port = other.server = transport.server
        assert port.may_shake(other)
        port.shook(1.0)
        transport.doRead()
        assert len(transport.socket.answers["do_handshake"]) == 1
        transport.doRead()
        assert len(transport.socket.answers["do_handshake"]) == 0

    def test_files_share_a_turn(self):
        """One sender gets much at once, of a thousand each gets a record, and none gets nothing."""
        transport, _ = scripted()
        port = transport.server
        alone = port.share(transport)
        port.sent(alone)
        assert port.share(transport) == alone > 100_000
        crowd = [object() for _ in range(1000)]
        for turn in range(3):
            for each in crowd:
                share = port.share(each)
                assert share >= RECORD
                assert turn == 0 or share == RECORD
                port.sent(share)
        assert port.share(transport) == RECORD
        port.share(transport)
        assert port.share(transport) == alone


class TestTickets:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("shared", [True, False])
    def test_another_process_resumes_what_one_began(self, loop, listening, version, shared):
        """Where they share a secret; where not, the client shakes hands anew, and that is all."""
        secrets = [b"a" * 32, b"a" * 32 if shared else b"b" * 32]
        first, second = (listening(Echo, tickets=secret) for secret in secrets)
        context = ssl.create_default_context(cafile=self_signed())
        context.minimum_version = context.maximum_version = version
        sessions, resumed = [None], []
        for port in (first, second):
            plain = socket.create_connection(("127.0.0.1", loop.call(port.getHost).port), timeout=PATIENCE)
            with context.wrap_socket(plain, server_hostname="localhost", session=sessions[-1]) as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
                sessions.append(sock.session)
                resumed.append(sock.session_reused)
        assert resumed == [False, shared]

    def test_where_openssl_is_another_nothing_is_touched(self, monkeypatch):
        context = context_of(self_signed(), self_signed())
        assert share_tickets(context, b"a" * 32)
        monkeypatch.setattr(ssl, "OPENSSL_VERSION_INFO", (9, 0, 0, 0, 0))
        assert not share_tickets(context, b"a" * 32)


def test_where_it_does_not_work_twisteds_own_is_used(loop, listening, monkeypatch):
    """As in a Twisted whose transports have lost a name that ours leans on."""
    assert can_encrypt_on_sockets()
    monkeypatch.delattr(tcp.Port, "_fromListeningDescriptor")
    assert not can_encrypt_on_sockets()
    monkeypatch.undo()
    port = listening(Recorder, on_sockets=False)
    assert type(port) is tcp.Port
    with connect(loop, port) as sock:
        assert sock.version() == "TLSv1.3"
