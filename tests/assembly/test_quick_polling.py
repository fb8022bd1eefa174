"""The shorter way from epoll to connections: the same events arrive, and a connection that fails harms no other."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from time import monotonic

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.selectreactor import SelectReactor

from keygenreg.assembly.quick_polling import quicken
from tests.reactor_thread import ReactorThread


class Echo(Protocol):
    """Sends back what comes; fails at "fail", and closes at "close"."""

    def dataReceived(self, data: bytes) -> None:
        if data == b"fail":
            raise ZeroDivisionError
        if data == b"close":
            self.transport.loseConnection()
        self.transport.write(data)

    def connectionLost(self, reason) -> None:
        self.factory.lost.append(reason.type)


class Stage:
    """A quick reactor with an echoing port."""

    def __init__(self) -> None:
        self.thread = ReactorThread()
        self.quick = quicken(self.thread.reactor)
        self.thread.start()
        self.factory = Factory.forProtocol(Echo)
        self.factory.lost = []
        self.port = self.thread.call(lambda: self.thread.reactor.listenTCP(0, self.factory, interface="127.0.0.1"))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port.getHost().port), timeout=10)


@pytest.fixture
def stage() -> Iterator[Stage]:
    running = Stage()
    yield running
    running.thread.call(running.port.stopListening)
    running.thread.stop()


def test_much_data_both_ways(stage: Stage):
    """Reading, and writing that has to wait for the client, go on as ever."""
    assert stage.quick
    data = bytes(range(256)) * 16_384
    with stage.connect() as client:
        client.setblocking(False)
        sent, received = 0, bytearray()
        while len(received) < len(data):
            with suppress(BlockingIOError):
                sent += client.send(data[sent : sent + 65_536]) if sent < len(data) else 0
            try:
                received += client.recv(65_536)
            except BlockingIOError:
                continue
        assert received == data


def test_failing_connection_ends_alone(stage: Stage, capfd):
    """An exception closes the connection that it happened on; others go on."""
    with stage.connect() as good, stage.connect() as bad:
        good.sendall(b"before")
        assert good.recv(100) == b"before"
        bad.sendall(b"fail")
        assert bad.recv(100) == b""
        good.sendall(b"after")
        assert good.recv(100) == b"after"
    assert ZeroDivisionError in stage.factory.lost


def test_ends_are_told(stage: Stage):
    """A client's leaving and our own closing both end in ``connectionLost``."""
    with stage.connect() as client:
        client.sendall(b"close")
        assert client.recv(100) == b"close"
        assert client.recv(100) == b""
    with stage.connect() as client:
        client.sendall(b"x")
        assert client.recv(100) == b"x"
    while len(stage.factory.lost) < 2:
        stage.thread.call(lambda: None)
    assert stage.factory.lost == [ConnectionDone, ConnectionDone]


def test_many_writers_all_get_on(stage: Stage):
    """More connections that take their answers than a turn has time for: each gets all of its own."""
    data = bytes(range(256)) * 2048
    clients = [stage.connect() for _ in range(60)]
    for client in clients:
        Thread(target=client.sendall, args=(data,), daemon=True).start()
    for client in clients:
        received = b""
        while len(received) < len(data):
            received += client.recv(1_000_000)
        assert received == data
        client.close()


def test_other_reactors_are_left_alone():
    """A reactor whose inside is unknown keeps its own way."""
    reactor = SelectReactor()
    before = reactor.doIteration
    assert not quicken(reactor)
    assert reactor.doIteration == before


class Slow(Protocol):
    """Takes its time over all that comes, as if it had much to do, and then echoes it."""

    def dataReceived(self, data: bytes) -> None:
        self.factory.turns.append((self.factory.turn, self.transport.getPeer().port))
        until = monotonic() + 0.004
        while monotonic() < until:
            pass
        self.transport.write(data)


def test_many_who_ask_at_once_share_turns(stage: Stage):
    """A crowd that asks at the same moment is heard over several turns, each in its turn, and none is forgotten."""
    factory = Factory.forProtocol(Slow)
    factory.turns, factory.turn = [], 0
    reactor = stage.thread.reactor

    def count() -> None:
        factory.turn += 1
        reactor.callLater(0, count)

    port = stage.thread.call(lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"))
    clients = [socket.create_connection(("127.0.0.1", port.getHost().port), timeout=10) for _ in range(20)]
    stage.thread.call(count)
    stage.thread.call(lambda: [client.sendall(b"x") for client in clients])
    assert [client.recv(1) for client in clients] == [b"x"] * len(clients)
    turns = Counter(turn for turn, _ in factory.turns)
    assert max(turns.values()) <= 4, "a turn has time for three of them, and for the one after which it is late"
    assert Counter(port for _, port in factory.turns) == {client.getsockname()[1]: 1 for client in clients}
    for client in clients:
        client.close()
    stage.thread.call(port.stopListening)


def test_crowd_that_leaves_at_once(stage: Stage):
    """Connections that all end in one moment are all told, and one that comes meanwhile is served."""
    clients = [stage.connect() for _ in range(100)]
    for client in clients:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
    stage.thread.call(lambda: [client.close() for client in clients])
    with stage.connect() as another:
        another.sendall(b"y")
        assert another.recv(1) == b"y"
    while len(stage.factory.lost) < 101:
        stage.thread.call(lambda: None)
    assert set(stage.factory.lost) == {ConnectionDone}
