"""Ready answers over real sockets: what is given before parsing is what parsing would have given, to nobody else."""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import time
from collections.abc import Callable
from math import inf
from types import SimpleNamespace
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource

from keygenreg.caches.generations import Generations
from keygenreg.telemetry.access_log import AccessLog
from keygenreg.telemetry.metrics import Metrics
from keygenreg.web.answering import answer
from keygenreg.web.channel import Phase
from keygenreg.web.keeping.ready_answers import LARGEST_BODY, Keeping, ReadyAnswers
from keygenreg.web.limits import Limits
from keygenreg.web.reply import Reply
from tests.web.serving import Client, eventually

TEXT = (("Content-Type", "text/plain"), ("ETag", '"x"'))
LIMIT = 16 * 1024 * 1024
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OWN_VALUES = re.compile(rb"(?m)^(Date|X-Request-Id): [^\r]*")


def headed(path: str, *fields: str, method: str = "GET") -> bytes:
    """The bytes of a whole request without a body."""
    lines = (f"{method} {path} HTTP/1.1", "Host: t", *fields)
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


class Keeper(Resource):
    """Lets every reply be kept; ``made`` are the targets that a handler was asked for."""

    isLeaf = True

    def __init__(self, generations: Generations) -> None:
        super().__init__()
        self.generations = generations
        self.made: list[bytes] = []
        self.until = inf
        self.status = 200
        self.headers: tuple = TEXT
        self.body: Callable[[object], bytes] = lambda request: b"body of %s\n" % request.uri

    def render(self, request):
        return answer(request, self._handle(request))

    async def _handle(self, request) -> Reply:
        self.made.append(request.uri)
        request.engine = "raw"
        request.keeping = Keeping(self.generations.guard(), self.until)
        return Reply(self.status, self.body(request), self.headers)


class Site:
    """A server with ready answers."""

    def __init__(self, serve, **options) -> None:
        limit = options.pop("limit", LIMIT)
        self.generations = Generations()
        self.generations.begin_hearing()
        self.ready = ReadyAnswers(self.generations, limit)
        self.server = serve(ready=self.ready, **options)
        self.keeper = Keeper(self.generations)
        self.server.site.resource = self.keeper

    def connect(self) -> Client:
        return self.server.connect()

    def warm(self, head: bytes) -> bytes:
        """Ask twice, so that the answer is ready; gives its wire form."""
        with self.connect() as client:
            for _ in range(2):
                wire = whole(client, head)
        return wire


@pytest.fixture
def site(serve):
    return Site(serve)


def whole(client: Client, head: bytes) -> bytes:
    """The answer to a request, byte for byte."""
    client.send(head)
    lines = client._until(b"\r\n\r\n")
    length = re.search(rb"(?mi)^Content-Length: (\d+)", lines)
    status = int(lines.split(b" ")[1])
    bodiless = head.startswith(b"HEAD") or status in (204, 304)
    return lines + b"\r\n\r\n" + client.take(0 if bodiless or length is None else int(length[1]))


def comparable(wire: bytes) -> bytes:
    """Without the date and the id, and with fields in one order: the edge may set them in any."""
    head, mark, body = _OWN_VALUES.sub(rb"\1", wire).partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    return b"\r\n".join([first, *sorted(fields)]) + mark + body


def answers_of(client: Client, heads: list[bytes]) -> list[bytes]:
    return [whole(client, head) for head in heads]


# What is given


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304, 307, 401, 403, 404])
def test_a_ready_answer_is_the_ordinary_one(site, method, status):
    """In every byte but the date and the request's id."""
    site.keeper.status = status
    head = headed("/a?b=%20", "Accept-Encoding: gzip", method=method)
    with site.connect() as client:
        first, second, third, fourth = answers_of(client, [head] * 4)
    assert len(site.keeper.made) == 2
    assert {comparable(wire) for wire in (first, second, third, fourth)} == {comparable(first)}


def test_each_has_an_id_of_its_own(site):
    """UUIDs, told in the field as in those bodies that tell them."""
    site.keeper.status = 404
    site.keeper.body = lambda request: json.dumps({"meta": {"id": request.request_id}}).encode()
    with site.connect() as client:
        found = [client.get("/missing") for _ in range(6)]
    ids = [one.headers["x-request-id"] for one in found]
    assert len(site.keeper.made) == 2
    assert [json.loads(one.body)["meta"]["id"] for one in found] == ids
    assert len(set(ids)) == 6 and all(UUID(one).version == 4 for one in ids)


@pytest.mark.parametrize(
    "body",
    [
        lambda request: f"{request.request_id} and {request.request_id}".encode(),
        lambda request: (request.request_id + "x" * 2000).encode(),
    ],
    ids=["told twice", "told in what is compressed"],
)
def test_an_id_that_cannot_be_replaced_is_never_told_again(site, body):
    """Such answers are made each time."""
    site.keeper.body = body
    with site.connect() as client:
        for _ in range(4):
            found = client.get("/told", "Accept-Encoding: gzip")
            text = gzip.decompress(found.body) if "content-encoding" in found.headers else found.body
            assert set(_UUID.findall(text.decode())) == {found.headers["x-request-id"]}
    assert len(site.keeper.made) == 4


def test_an_id_in_another_field_is_never_told_again(site):
    """Only X-Request-Id is written anew."""
    site.keeper.body = lambda request: request.responseHeaders.setRawHeaders("Link", [request.request_id]) or b""
    with site.connect() as client:
        found = [client.get("/told") for _ in range(4)]
    assert all(one.headers["link"] == one.headers["x-request-id"] for one in found)


def test_compressed_answers_are_ready_for_those_who_take_them(site):
    """What a client accepts is part of its request."""
    site.keeper.body = lambda request: b"long text " * 500
    packed, plain = headed("/long", "Accept-Encoding: gzip"), headed("/long")
    with site.connect() as client:
        for _ in range(4):
            assert b"Content-Encoding: gzip" in whole(client, packed)
            assert whole(client, plain).endswith(b"long text " * 500)
    assert len(site.keeper.made) == 4


def test_conditions_are_part_of_the_request(site):
    """304 for those who have it, 200 for those who do not."""
    with site.connect() as client:
        for _ in range(4):
            assert client.get("/tagged", 'If-None-Match: "x"').status == 304
            assert client.get("/tagged").status == 200
    assert len(site.keeper.made) == 4


# To whom


def test_other_requests_are_not_answered_by_it(site):
    """A path, a credential, a field, a method, the order of fields: all of it tells requests apart."""
    site.keeper.body = lambda request: repr(sorted(request.requestHeaders.getAllRawHeaders())).encode()
    heads = [
        headed("/x", "Authorization: Bearer a", "Accept: */*"),
        headed("/x", "Authorization: Bearer b", "Accept: */*"),
        headed("/x", "Authorization: bearer a", "Accept: */*"),
        headed("/x", "Authorization: Bearer a", "Accept: text/html"),
        headed("/x", "Accept: */*"),
        headed("/y", "Authorization: Bearer a", "Accept: */*"),
        headed("/x", "Authorization: Bearer a", "Accept: */*", method="HEAD"),
    ]
    with site.connect() as client:
        rounds = [[comparable(wire) for wire in answers_of(client, heads)] for _ in range(4)]
    assert all(one == rounds[0] for one in rounds)
    assert len(site.keeper.made) == 2 * len(heads)


def test_a_request_with_a_body_is_never_answered_from_its_head(site):
    """What follows the head is its body, and no request of its own."""
    head = headed("/with-body", "Content-Length: 29")
    smuggled = b"GET /smuggled HTTP/1.1\r\nA: b\r\n"[:29]
    with site.connect() as client:
        for _ in range(4):
            client.send(head)
            client.send(smuggled)
            assert client.answer().body == b"body of /with-body\n"
        assert client.get("/after").body == b"body of /after\n"
    assert site.keeper.made == [b"/with-body"] * 4 + [b"/after"]


def test_a_chunked_request_is_never_answered_from_its_head(site):
    head = headed("/chunked", "Transfer-Encoding: chunked")
    with site.connect() as client:
        for _ in range(4):
            client.send(head)
            client.send(b"3\r\nabc\r\n0\r\n\r\n")
            assert client.answer().body == b"body of /chunked\n"
    assert site.keeper.made == [b"/chunked"] * 4


def test_words_of_proxies_count_for_proxies_only(serve):
    """An answer that was made for a trusted proxy goes to nobody else, whatever bytes they add to its request."""
    trusted = [True]
    site = Site(serve, trusts=lambda _: trusted[0])
    head = headed("/x", "X-Forwarded-Host: inside.example")
    site.keeper.body = lambda _: b"trusted" if trusted[0] else b"not trusted"
    assert site.warm(head).endswith(b"trusted")
    trusted[0] = False
    for sent in (head, head + b"\1", head + b"\0\1", head + b"\0"):
        with site.connect() as client:
            assert whole(client, sent).endswith(b"not trusted")


@pytest.mark.parametrize("transport", ["tcp", "unix", "tls", "tls-memory"])
def test_on_every_kind_of_connection(serve, transport):
    """Without TLS and with, on sockets that can be written to at once and others."""
    site = Site(serve, transport=transport)
    head = headed("/kind")
    site.keeper.body = lambda _: b"z" * 100_000
    with site.connect() as client:
        wires = answers_of(client, [head] * 6)
    assert {comparable(wire) for wire in wires} == {comparable(wires[0])}
    assert len(site.keeper.made) == 2


# How requests arrive


def test_split_at_every_byte(site):
    """A request that arrives in pieces is put together and answered once, ready or not."""
    head = headed("/split", "Accept: */*")
    expected = comparable(site.warm(head))
    with site.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(1, len(head)):
            client.send(head[:cut])
            site.server.loop.call(lambda: None)
            assert comparable(whole(client, head[cut:])) == expected, cut


@pytest.mark.parametrize("count", [2, 3, 7])
def test_pipelined(site, count):
    """Several in one piece are answered one by one, in their order."""
    one, other = headed("/one"), headed("/other")
    expected = [comparable(site.warm(one)), comparable(site.warm(other))]
    with site.connect() as client:
        for _ in range(3):
            client.send((one + other) * count)
            for _ in range(count):
                assert comparable(whole(client, b"")) == expected[0]
                assert comparable(whole(client, b"")) == expected[1]
            assert comparable(whole(client, one)) == expected[0]


def test_pieces_that_end_with_a_request(site):
    """Half a request, then the rest and a whole one: nothing is given twice or out of turn."""
    ready, plain = headed("/ready"), headed("/plain")
    expected, ordinary = comparable(site.warm(ready)), comparable(site.warm(plain))
    with site.connect() as client:
        client.send(plain[:-3])
        site.server.loop.call(lambda: None)
        client.send(plain[-3:] + ready + ready[:5])
        assert comparable(whole(client, b"")) == ordinary
        assert comparable(whole(client, b"")) == expected
        assert comparable(whole(client, ready[5:])) == expected


def test_empty_lines_before_a_request(site):
    """They are skipped (RFC 9112, section 2.2), in the same piece or before it."""
    head = headed("/after-lines")
    expected = comparable(site.warm(head))
    with site.connect() as client:
        assert comparable(whole(client, b"\r\n" + head)) == expected
        client.send(b"\r\n")
        site.server.loop.call(lambda: None)
        assert comparable(whole(client, head)) == expected


@pytest.mark.parametrize("garbage", [b"\0", b"garbage\r\n", b"\x16\x03\x01", b" ", b"GET / HTTP/9.9\r\n\r\n"])
def test_garbage_before_a_request(site, garbage):
    """Refused as ever; the ready answer does not follow."""
    head = headed("/after-garbage")
    site.warm(head)
    with site.connect() as client:
        client.send(garbage)
        site.server.loop.call(lambda: None)
        client.send(head)
        assert client.rest().count(b"HTTP/1.1 ") == 1
    assert len(site.keeper.made) == 2


def test_requests_while_one_is_being_answered(site):
    """What comes during another's handling waits for its turn."""
    ready = headed("/ready")
    expected = comparable(site.warm(ready))
    slow = site.server.loop.reactor

    async def handle(request):
        from twisted.internet.task import deferLater

        await deferLater(slow, 0.05)
        return Reply(200, b"slow", TEXT)

    render = site.keeper.render
    site.keeper.render = lambda request: answer(request, handle(request)) if request.path == b"/s" else render(request)
    with site.connect() as client:
        client.send(headed("/s"))
        site.server.loop.call(lambda: None)
        client.send(ready)
        assert whole(client, b"").endswith(b"slow")
        assert comparable(whole(client, b"")) == expected


# For how long


def counted(site: Site, client: Client, head: bytes) -> int:
    """How often a handler was asked for one more request."""
    before = len(site.keeper.made)
    whole(client, head)
    return len(site.keeper.made) - before


@pytest.mark.parametrize("message", ["everything", "", "nonsense", "catalogue nonsense"])
def test_nothing_is_given_after_a_change(site, message):
    """The next answer is made anew, and is ready again afterwards."""
    head = headed("/changing")
    site.warm(head)
    with site.connect() as client:
        assert counted(site, client, head) == 0
        site.generations.move(message)
        assert counted(site, client, head) == 1
        assert counted(site, client, head) == 0


def test_nothing_is_given_while_changes_cannot_be_heard(site):
    head = headed("/deaf")
    site.warm(head)
    with site.connect() as client:
        site.generations.end_hearing()
        assert [counted(site, client, head) for _ in range(4)] == [1] * 4
        site.generations.begin_hearing()
        assert [counted(site, client, head) for _ in range(3)] == [1, 0, 0]


def test_nothing_is_given_after_its_time(site):
    """Not even once."""
    head = headed("/timed")
    site.keeper.until = time.time() - 0.001
    with site.connect() as client:
        assert [counted(site, client, head) for _ in range(4)] == [1] * 4
        site.keeper.until = time.time() + 3600
        assert [counted(site, client, head) for _ in range(3)][-1] == 0
    found = site.ready.find(head, time.time())
    assert found is not None
    assert site.ready.find(head, found.until) is None


def test_an_answer_made_before_a_change_and_sent_after_it_is_not_kept(site):
    """The change comes while the handler is at work."""
    head = headed("/overtaken")
    site.keeper.body = lambda _: site.generations.move("everything") or b"old"
    with site.connect() as client:
        for _ in range(3):
            whole(client, head)
        site.keeper.body = lambda _: b"new"
        assert whole(client, head).endswith(b"new")


@pytest.mark.parametrize("status", [206, 303, 400, 405, 412, 429, 500, 503])
def test_answers_of_other_kinds_are_made_each_time(site, status):
    site.keeper.status, site.keeper.headers = status, ()
    with site.connect() as client:
        assert [counted(site, client, headed("/x")) for _ in range(4)] == [1] * 4


@pytest.mark.parametrize("field", [("Set-Cookie", "a=b"), ("Connection", "close"), ("Trailer", "X")])
def test_answers_about_one_connection_are_made_each_time(site, field):
    site.keeper.headers = (field,)
    with site.connect() as client:
        assert [counted(site, client, headed("/x")) for _ in range(3)] == [1] * 3


def test_a_request_that_ends_its_connection_ends_it(site):
    """Connection: close, and HTTP/1.0, are answered in the ordinary way each time."""
    for head in (headed("/last", "Connection: close"), b"GET /last HTTP/1.0\r\nHost: t\r\n\r\n"):
        for _ in range(4):
            with site.connect() as client:
                client.send(head)
                assert client.rest().endswith(b"body of /last\n")
    assert len(site.keeper.made) == 8


def test_nothing_is_kept_without_room(serve):
    """``cache.answers_bytes = 0`` turns ready answers off."""
    site = Site(serve, limit=0)
    with site.connect() as client:
        assert [counted(site, client, headed("/off")) for _ in range(4)] == [1] * 4
    assert site.ready.used == 0


def test_those_who_guess_take_nobodys_place(serve):
    """Ten thousand wrong guesses, each once: what is asked for again and again stays ready."""
    site = Site(serve, limit=100_000)
    head = headed("/wanted", "Authorization: Bearer good")
    site.warm(head)
    with site.connect() as client:
        for number in range(10_000):
            guess = headed("/wanted", f"Authorization: Bearer {number}")
            request = SimpleNamespace(code=401, responseHeaders=Headers(), method=b"GET", request_id="id", uri=b"/")
            site.ready.remember(guess, request, Keeping(site.generations.guard(), inf), b"", 0.0)
        assert counted(site, client, head) == 0
    assert site.ready.used < 5_000


def test_large_answers_and_heads_are_not_kept(site):
    site.keeper.body = lambda _: bytes(LARGEST_BODY + 1)
    with site.connect() as client:
        assert [counted(site, client, headed("/large")) for _ in range(3)] == [1] * 3
        site.keeper.body = lambda _: b"small"
        assert [counted(site, client, headed("/x", "A: " + "a" * 4096)) for _ in range(3)] == [1] * 3


# Slow clients, ends of connections


def _small_buffers(site: Site, client: Client) -> None:
    """The server's side of the connection takes little at once."""

    def shrink() -> None:
        (channel,) = site.server.site.channels
        channel.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    site.server.loop.call(shrink)


@pytest.mark.parametrize("size", [10, 30_000, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_answers_keep_their_order_when_the_client_is_slow(site, size):
    """Requests without a pause while nothing is read: later answers come after earlier ones, whole."""
    heads = [headed(f"/{number}") for number in range(12)]
    site.keeper.body = lambda request: (request.path * size)[:size]
    for head in heads:
        site.warm(head)
    with site.connect() as client:
        whole(client, heads[0])
        _small_buffers(site, client)
        for head in heads[1:]:
            client.send(head)
            site.server.loop.call(lambda: None)
        for number in range(1, 12):
            assert whole(client, b"").partition(b"\r\n\r\n")[2] == (b"/%d" % number * size)[:size]
        assert whole(client, heads[3]).partition(b"\r\n\r\n")[2] == (b"/3" * size)[:size]


def test_a_client_that_takes_nothing_is_not_served_without_end(site):
    """What waits for it in memory stays within what was asked for when its buffer was full."""
    head = headed("/big")
    site.keeper.body = lambda _: bytes(LARGEST_BODY)
    site.warm(head)
    with site.connect() as client:
        whole(client, head)
        _small_buffers(site, client)
        client.sock.setblocking(False)
        for _ in range(200):
            try:
                client.sock.send(head)
            except BlockingIOError:
                break
            site.server.loop.call(lambda: None)

        def waiting() -> int:
            (channel,) = site.server.site.channels
            return len(channel.transport.dataBuffer) + channel.transport._tempDataLen

        assert site.server.loop.call(waiting) < 3 * LARGEST_BODY


def test_a_client_that_leaves(site):
    """Before it has taken its ready answer: nothing is left behind, others are served."""
    head = headed("/gone")
    site.keeper.body = lambda _: bytes(LARGEST_BODY)
    site.warm(head)
    for _ in range(5):
        client = site.connect()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.send(head)
        client.sock.close()
    eventually(lambda: not site.server.site.channels, "the connections are forgotten")
    with site.connect() as client:
        assert whole(client, head).endswith(bytes(LARGEST_BODY))


def test_idle_connections_end_counting_from_the_last_answer(serve):
    """Each ready answer gives the connection its time anew."""
    site = Site(serve, limits=Limits(keep_alive=1000.0))
    head = headed("/alive")
    site.warm(head)
    with site.connect() as client:
        whole(client, head)
        (channel,) = site.server.site.channels
        first = site.server.loop.call(lambda: channel.deadline)
        whole(client, head)
        second = site.server.loop.call(lambda: channel.deadline)
        assert first < second
        site.server.loop.call(channel.check_deadline, second - 0.5)
        assert comparable(whole(client, head))
        site.server.loop.call(lambda: channel.check_deadline(channel.deadline + 1))
        assert client.rest() == b""


def test_draining(site):
    """Idle connections end; whoever is asked meanwhile says that it is the last answer."""
    head = headed("/drained")
    site.warm(head)
    with site.connect() as idle, site.connect() as late:
        whole(idle, head)
        late.send(head[:10])
        channels = site.server.site.channels
        eventually(lambda: any(channel.phase is Phase.HEAD for channel in channels), "half a request arrives")
        site.server.loop.call(site.server.site.drain)
        assert idle.rest() == b""
        late.send(head[10:])
        assert b"Connection: close" in late.rest()


# Who hears of it


def test_they_are_counted_and_logged(site):
    """As every other request: status, bytes, engine, target without secrets, id, agent."""
    log, registry = io.StringIO(), CollectorRegistry()
    lines = AccessLog(lambda: log, site.server.loop.reactor)
    lines._sink = log
    metrics = Metrics(registry, site.server.loop.reactor)
    site.server.site.observers = (lines, metrics)
    head = headed("/x?token=secret&page=2", "User-Agent: tester/1 \"q\"")
    with site.connect() as client:
        wires = answers_of(client, [head] * 5)
        whole(client, headed("/x?token=secret&page=2", 'User-Agent: tester/1 "q"', method="HEAD"))
    site.server.loop.call(lines.flush)
    found = log.getvalue().splitlines()
    ids = [re.search(rb"X-Request-Id: (\S+)", wire)[1].decode() for wire in wires]
    assert [line.split(" ")[9] for line in found[:5]] == ids
    assert len({re.sub(r"\S+Z|\d\.\d{4}|[0-9a-f-]{36}", "", line) for line in found[:5]}) == 1
    assert "secret" not in log.getvalue()
    size = len(wires[0].partition(b"\r\n\r\n")[2])
    assert registry.get_sample_value("keygenreg_requests_total", {"engine": "raw", "status": "200"}) == 6
    assert registry.get_sample_value("keygenreg_sent_bytes_total", {"engine": "raw"}) == 5 * size
    assert registry.get_sample_value("keygenreg_ready_answers_total", {"engine": "raw"}) == 3
    assert registry.get_sample_value("keygenreg_requests_in_flight") == 0
