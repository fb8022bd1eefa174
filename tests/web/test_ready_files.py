"""Files that are ready, over real sockets: sent before parsing is what parsing would have sent."""

from __future__ import annotations

import hashlib
import os
import random
import re
import socket
import struct
import time
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource

from keygenreg.caches.generations import Generations
from keygenreg.telemetry.access_log import AccessLog
from keygenreg.telemetry.metrics import Metrics
from keygenreg.web.answering import answer
from keygenreg.web.files.acceleration import Acceleration
from keygenreg.web.files.body import Body
from keygenreg.web.files.open_files import IDLE
from keygenreg.web.keeping.ready_answers import Keeping, ReadyAnswers
from keygenreg.web.limits import Limits
from keygenreg.web.reply import BlobReply
from tests.web.serving import Client, Server, eventually
from tests.web.test_ready_answers import comparable, headed, whole

MODIFIED = 1_000_000_000.5
ON_THAT_DAY, LATER = "Sun, 09 Sep 2001 01:46:40 GMT", "Sun, 09 Sep 2001 01:46:41 GMT"
CONTENTS = {
    size: random.Random(size).randbytes(size) for size in (0, 1, 500, 65_535, 65_536, 65_537, 200_000, 3_000_000)
}
_OWN = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


class Shelf(Resource):
    """``/<size>`` is the file of that size, and may be kept; ``made`` are the targets that a handler was asked for."""

    isLeaf = True

    def __init__(self, generations: Generations, server: Server) -> None:
        super().__init__()
        self.generations, self.blobs = generations, server.blobs
        self.made: list[bytes] = []
        self.until = inf
        self.each = None
        for content in CONTENTS.values():
            self.store(content)

    def store(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.blobs.path_of(sha256)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return sha256

    def path_of(self, size: int):
        return self.blobs.path_of(hashlib.sha256(CONTENTS[size]).hexdigest())

    def render(self, request):
        return answer(request, self._handle(request))

    async def _handle(self, request) -> BlobReply:
        self.made.append(request.uri)
        request.engine = "raw"
        guard = self.generations.guard()
        size = int(request.path[1:])
        sha256 = hashlib.sha256(CONTENTS[size]).hexdigest()
        blob = await self.blobs.open(sha256)
        request.keeping = Keeping(guard, self.until, self.each)
        headers = (("Content-Type", "application/x-test"), ("Vary", "Accept"), ("X-Odd", "100%d"), ("X-Two", "a"))
        return BlobReply(blob, f'"{sha256[:8]}"', MODIFIED, (*headers, ("X-Two", "b")))


class Site:
    """A server whose files are kept."""

    def __init__(self, serve, *, limit: int = 16 * 1024 * 1024, **options) -> None:
        self.generations = Generations()
        self.generations.begin_hearing()
        self.ready = ReadyAnswers(self.generations, limit)
        self.server = serve(ready=self.ready, **options)
        self.site = self.server.site
        self.shelf = self.site.resource = Shelf(self.generations, self.server)

    def connect(self) -> Client:
        return self.server.connect()

    def warm(self, *heads: bytes) -> list[bytes]:
        """Ask so often that the files are ready and open; the last answers."""
        with self.connect() as client:
            for _ in range(3):
                wires = [whole(client, head) for head in heads]
        self.shelf.made.clear()
        return wires


@pytest.fixture
def site(serve) -> Site:
    return Site(serve)


def tag_of(size: int) -> str:
    return f'"{hashlib.sha256(CONTENTS[size]).hexdigest()[:8]}"'


def told(wire: bytes) -> bytes:
    """What is comparable of an answer: without its date, ids and boundaries."""
    return _OWN.sub(b"[own]", comparable(wire))


# What is sent


@pytest.mark.parametrize("transport", ["tcp", "unix", "tls", "tls-memory"])
@pytest.mark.parametrize("size", sorted(CONTENTS))
def test_a_ready_file_is_the_ordinary_one(serve, transport, size):
    """In every byte but the date and the request's id, on every kind of connection."""
    site = Site(serve, transport=transport)
    with site.connect() as client:
        wires = [whole(client, headed(f"/{size}", "Accept: */*")) for _ in range(5)]
    assert len(site.shelf.made) == 2
    assert {told(wire) for wire in wires} == {told(wires[0])}
    assert wires[4].endswith(b"\r\n\r\n" + CONTENTS[size])
    assert len({re.search(rb"X-Request-Id: (\S+)", wire)[1] for wire in wires}) == 5


def test_of_a_file_that_is_ready_every_part_is(site):
    """Ranges and conditions need not have been asked for before."""
    site.warm(headed("/200000"))
    content = CONTENTS[200_000]
    with site.connect() as client:
        for first, last in ((0, 0), (199_999, 199_999), (5, 65_540), (0, 199_999), (3, 150_000)):
            found = client.get("/200000", f"Range: bytes={first}-{last}")
            assert (found.status, found.body) == (206, content[first : last + 1])
            assert found.headers["content-range"] == f"bytes {first}-{last}/200000"
        assert client.get("/200000", f"If-None-Match: {tag_of(200_000)}").status == 304
        assert client.get("/200000", f"If-Modified-Since: {LATER}").status == 304
    assert site.shelf.made == []


def test_a_file_may_become_ready_by_its_parts(site):
    """Ranges at random places are asked for once each, and of one file all the same."""
    with site.connect() as client:
        for number in range(20):
            found = client.get("/3000000", f"Range: bytes={number * 1000}-{number * 1000 + 65_535}")
            assert found.body == CONTENTS[3_000_000][number * 1000 : number * 1000 + 65_536]
    assert len(site.shelf.made) == 2


_RANGES = [
    "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-500", "bytes=10-99", "Bytes=5-5", "bytes= 1-2", "bytes=499-499",
    "bytes=500-", "bytes=0-70000", "bytes=65536-", "bytes=-0", "bytes=5-1", "bytes=a-b", "bytes=", "lines=1-2",
    "bytes=0-1,5-6", "bytes=0-1,", "bytes=9999999-", "bytes=0-99999999999999999999", "bytes=1-1\t", "\tbytes=2-2",
    "bytes=0-\x80",
]  # fmt: skip


@st.composite
def heads(draw) -> bytes:
    """Requests for files, with what may be asked of them."""
    size = draw(st.sampled_from(sorted(CONTENTS)))
    tag = tag_of(size)
    tags = [tag, f"W/{tag}", '"other"', f'"other", {tag}', "*", "", "garbage", tag[:-1], f"{tag}\xe4"]
    dates = [ON_THAT_DAY, LATER, "Sun, 09 Sep 2001 01:46:39 GMT", "yesterday", ""]
    values = {
        "Range": _RANGES,
        "range": _RANGES,
        "If-Range": tags + dates,
        "If-None-Match": tags,
        "IF-NONE-MATCH": tags,
        "If-Modified-Since": dates,
        "If-Match": tags,
        "If-Unmodified-Since": dates,
        "Range ": ["bytes=0-0"],
    }
    names = draw(st.lists(st.sampled_from(sorted(values)), max_size=3))
    fields = [f"{name}:{draw(st.sampled_from(['', ' ', '  ']))}{draw(st.sampled_from(values[name]))}" for name in names]
    if draw(st.integers(0, 15)) == 0:
        fields.insert(0, "Range: bytes=1-1\r\n folded")
    return headed(f"/{size}", *fields, method=draw(st.sampled_from(["GET", "GET", "GET", "HEAD"])))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_answers_are_those_of_a_server_that_keeps_nothing(serve, tmp_path, transport):
    """Whatever is asked of a file, one by one and all at once."""
    site = Site(serve, transport=transport)
    plain = Site(serve, transport=transport, limit=0)
    site.warm(*(headed(f"/{size}", method=method) for size in CONTENTS for method in ("GET", "HEAD")))

    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
    @given(st.lists(heads(), min_size=3, max_size=6))
    def compare(asked):
        with plain.connect() as client:
            expected = answers_to(client, asked)
        made = len(site.shelf.made)
        with site.connect() as client:
            assert answers_to(client, asked) == expected
        ready.append(len(expected) - (len(site.shelf.made) - made))
        with site.connect() as client:
            client.send(b"".join(asked))
            found = []
            for head in asked[: len(expected)]:
                found.append(told(whole_of(client, head, send=False)))
            assert found == expected

    ready: list[int] = []
    compare()
    assert sum(ready) > len(plain.shelf.made) // 4


def whole_of(client: Client, head: bytes, *, send: bool = True) -> bytes:
    client.send(head if send else b"")
    lines = client._until(b"\r\n\r\n")
    length = re.search(rb"(?mi)^Content-Length: (\d+)", lines)
    bodiless = head.startswith(b"HEAD") or b" 304 " in lines.split(b"\r\n")[0]
    return lines + b"\r\n\r\n" + client.take(0 if bodiless or length is None else int(length[1]))


def answers_to(client: Client, asked: list[bytes]) -> list[bytes]:
    """What is answered, up to where the server ends the connection."""
    found = []
    for head in asked:
        found.append(told(whole_of(client, head)))
        if b"\r\nConnection: close" in found[-1]:
            break
    return found


def test_what_follows_a_head_is_no_part_of_it(site):
    """A line that would be taken out of a head is none behind its end."""
    site.warm(headed("/500"))
    with site.connect() as client:
        client.send(headed("/500") + b"Range: bytes=0-0\r\n")
        assert whole(client, b"").endswith(CONTENTS[500])
        client.send(b"\r\n")
        assert b" 400 " in client.rest().split(b"\r\n")[0]


# To whom


def test_other_requests_are_not_answered_by_it(site):
    """Credentials, Accept and everything else that is no condition tell requests apart."""
    site.warm(headed("/500", "Authorization: Bearer a"))
    with site.connect() as client:
        for fields in ((), ("Authorization: Bearer b",), ("Authorization: Bearer a", "Accept: text/html")):
            client.get("/500", *fields, "Range: bytes=0-1")
            client.get("/500", *fields)
    assert len(site.shelf.made) == 6


@pytest.mark.parametrize("message", ["everything", "nonsense"])
def test_nothing_is_given_after_a_change(site, message):
    """The next answer is made anew, whatever part it is of."""
    site.warm(headed("/500"), headed("/200000"))
    with site.connect() as client:
        site.generations.move(message)
        client.get("/500", "Range: bytes=0-1")
        client.get("/200000")
    assert site.shelf.made == [b"/500", b"/200000"]


def test_nothing_is_given_while_changes_cannot_be_heard(site):
    site.warm(headed("/500"))
    site.generations.end_hearing()
    with site.connect() as client:
        for _ in range(4):
            client.get("/500")
    assert len(site.shelf.made) == 4


def test_nothing_is_given_after_its_time(site):
    site.shelf.until = time.time() - 0.001
    with site.connect() as client:
        for _ in range(4):
            client.get("/500")
    assert len(site.shelf.made) == 4


def test_a_change_while_a_file_is_being_opened_counts(site):
    """The answer was ready when the request came, and is not any more when the file is open."""
    with site.connect() as client:
        for _ in range(2):
            client.get("/500")
        opening, opens = held_back(site)
        client.send(headed("/500"))
        eventually(lambda: opens, "the file is being opened")
        site.generations.move("everything")
        site.server.loop.call(lambda: opening.callback(None))
        assert whole(client, b"").endswith(CONTENTS[500])
    assert len(site.shelf.made) == 3


def held_back(site: Site) -> tuple[Deferred[None], list[str]]:
    """Files are opened when the Deferred fires; which ones are waited for."""
    opening, opens, blobs = Deferred(), [], site.site.blobs
    original = blobs.open

    async def opened(sha256: str):
        opens.append(sha256)
        waiting = Deferred()
        opening.addCallback(lambda _: waiting.callback(None))
        await waiting
        return await original(sha256)

    class Slow:
        open = staticmethod(opened)

    site.site.files.open._blobs = Slow()
    return opening, opens


# Files on the disk


def test_a_removed_file_is_not_sent_for_long(site):
    """It is closed within a second, and the request then goes the long way, which knows what to say."""
    site.warm(headed("/500"), headed("/200000"))
    files = site.site.files.open
    assert len(files) == 2
    site.shelf.path_of(500).unlink()
    eventually(lambda: len(files) == 1, "the removed file is closed")
    with site.connect() as client:
        assert client.get("/500").status == 404
        assert client.get("/500").status == 404
        assert client.get("/200000").status == 200
    assert site.shelf.made == [b"/500", b"/500"]


def test_a_file_that_was_removed_and_is_not_open_goes_the_long_way(site):
    """With what was sent behind it answered in order."""
    with site.connect() as client:
        for _ in range(2):
            client.get("/500")
        site.shelf.path_of(500).unlink()
        client.send(headed("/500") + headed("/1"))
        assert whole(client, b"").startswith(b"HTTP/1.1 404 ")
        assert whole(client, b"").endswith(CONTENTS[1])
        client.send(headed("/500"))
        site.server.loop.call(lambda: None)
        client.send(headed("/1"))
        assert whole(client, b"").startswith(b"HTTP/1.1 404 ")
        assert whole(client, b"").endswith(CONTENTS[1])


def test_idle_files_are_closed(site):
    """Files that nobody asks for keep no place on the disk; and are opened again."""
    site.warm(headed("/500"), headed("/3000000"))
    files = site.site.files.open
    descriptors = [file.fd for file in files._files.values()]
    site.server.loop.call(lambda: files.sweep(time.time() + IDLE + 1))
    assert len(files) == 0
    for descriptor in descriptors:
        with pytest.raises(OSError):
            os.fstat(descriptor)
    with site.connect() as client:
        assert client.get("/500").body == CONTENTS[500]
    assert site.shelf.made == []


def test_only_some_files_stay_open(site):
    files = site.site.files.open
    files.most = 3
    site.warm(*(headed(f"/{size}") for size in CONTENTS))
    assert len(files) <= 3
    with site.connect() as client:
        for size, content in CONTENTS.items():
            assert client.get(f"/{size}").body == content
    assert site.shelf.made == []


def test_a_file_that_is_being_sent_stays_open(site):
    """Though it is dropped meanwhile."""
    site.warm(headed("/3000000"))
    files = site.site.files.open
    with slow_client(site) as client:
        client.sendall(headed("/3000000"))
        client.recv(1)
        (file,) = files._files.values()
        site.server.loop.call(files.close)
        assert os.fstat(file.fd)
        got = 1
        while got < 3_000_000:
            got += len(client.recv(1 << 20))
    eventually(lambda: file.blob._fd is None, "the file is closed")


def slow_client(site: Site) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", site.server.port))
    return client


def test_what_is_not_in_the_page_cache_is_not_read_in_the_reactor(site, monkeypatch):
    """A small file goes to the senders that read it in a thread."""
    site.warm(headed("/500"))
    warmed = []

    def cold(self, size):
        return not warmed

    def warm(self):
        warmed.append(self)
        done = Deferred()
        site.server.loop.reactor.callLater(0.01, done.callback, None)
        return done

    def not_there(fd, buffers, offset, flags=0):
        raise BlockingIOError

    monkeypatch.setattr(Body, "is_cold", cold)
    monkeypatch.setattr(Body, "warm", warm)
    monkeypatch.setattr("keygenreg.web.keeping.file_answering.os.preadv", not_there)
    with site.connect() as client:
        assert client.get("/500").body == CONTENTS[500]
    assert len(warmed) == 1 and site.shelf.made == []


def test_a_file_system_that_cannot_tell_is_read_all_the_same(site, monkeypatch):
    site.warm(headed("/500"))

    def cannot(fd, buffers, offset, flags=0):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("keygenreg.web.keeping.file_answering.os.preadv", cannot)
    with site.connect() as client:
        assert [client.get("/500").body for _ in range(3)] == [CONTENTS[500]] * 3
    assert site.shelf.made == []


# Connections


@pytest.mark.parametrize("size", [500, 65_536, 200_000, 3_000_000])
def test_pipelined(site, size):
    """Many in one piece, each answered whole and in order."""
    one, other = headed(f"/{size}"), headed("/1")
    expected = [told(wire) for wire in site.warm(one, other)]
    with site.connect() as client:
        client.send((one + other) * 4)
        for _ in range(4):
            assert told(whole(client, b"")) == expected[0]
            assert told(whole(client, b"")) == expected[1]


def test_clients_that_leave_in_the_middle(site):
    """Nothing stays behind; their status is 499."""
    site.warm(headed("/3000000"))
    for _ in range(5):
        with slow_client(site) as client:
            client.sendall(headed("/3000000"))
            client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: not site.site.channels, "the connections are forgotten")
    assert site.server.observed.codes[-5:] == [499] * 5
    assert site.server.observed.in_flight == 0
    (file,) = site.site.files.open._files.values()
    assert file._users == 0


def test_a_client_that_leaves_while_its_file_is_being_opened(site):
    with site.connect() as client:
        for _ in range(2):
            client.get("/500")
        opening, opens = held_back(site)
        client.send(headed("/500"))
        eventually(lambda: opens, "the file is being opened")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: not site.site.channels, "the connection is forgotten")
    site.server.loop.call(lambda: opening.callback(None))
    with site.connect() as client:
        assert client.get("/500").status == 200
    assert site.server.observed.in_flight == 0


def test_a_client_that_takes_nothing_is_given_up(serve):
    site = Site(serve, limits=Limits(send_time=0.5))
    site.warm(headed("/3000000"))
    with slow_client(site) as client:
        client.sendall(headed("/3000000"))
        client.recv(1)
        eventually(lambda: not site.site.channels, "the connection is given up")


def test_draining_lets_it_finish(site):
    """What is under way when the site drains arrives in full; then the connection ends."""
    site.warm(headed("/3000000"))
    with slow_client(site) as client:
        client.sendall(headed("/3000000"))
        wire = client.recv(1000)
        site.server.loop.call(site.site.drain)
        while data := client.recv(1 << 20):
            wire += data
    assert wire.partition(b"\r\n\r\n")[2] == CONTENTS[3_000_000]


def test_draining_while_a_file_is_being_opened_that_is_gone(site):
    """The long way's answer ends the connection, as it should."""
    with site.connect() as client:
        for _ in range(2):
            client.get("/500")
        opening, opens = held_back(site)
        client.send(headed("/500"))
        eventually(lambda: opens, "the file is being opened")
        site.shelf.path_of(500).unlink()
        site.server.loop.call(site.site.drain)
        site.server.loop.call(lambda: opening.callback(None))
        assert client.rest().startswith(b"HTTP/1.1 404 ")


# What is counted


def test_log_and_metrics_have_every_file(serve, tmp_path):
    """Whether it was ready or not: status, bytes of the body, engine."""
    registry = CollectorRegistry()
    site = Site(serve)
    metrics = Metrics(registry, site.server.loop.reactor)
    lines = []

    class Sink:
        write = staticmethod(lines.append)
        flush = staticmethod(lambda: None)

    log = AccessLog(Sink, site.server.loop.reactor)
    site.server.loop.call(log.start)
    site.site.observers = (metrics, log)
    with site.connect() as client:
        for _ in range(4):
            client.get("/500", "User-Agent: pip")
            client.get("/500", "User-Agent: pip", "Range: bytes=0-9")
            client.get("/200000", "User-Agent: pip")
            client.get("/500", "User-Agent: pip", f"If-None-Match: {tag_of(500)}")
            client.get("/500", "User-Agent: pip", method="HEAD")
    site.server.loop.call(log.stop)
    found = re.findall(r'"(\w+) (/\d+) HTTP/1.1" (\d+) (\d+) [\d.]+ raw [0-9a-f-]{36} "pip"', "".join(lines))
    assert sorted(found) == sorted(
        [("GET", "/500", "200", "500"), ("GET", "/500", "206", "10"), ("GET", "/200000", "200", "200000"),
         ("GET", "/500", "304", "0"), ("HEAD", "/500", "200", "0")] * 4
    )  # fmt: skip
    assert registry.get_sample_value("keygenreg_requests_total", {"engine": "raw", "status": "200"}) == 12
    assert registry.get_sample_value("keygenreg_requests_total", {"engine": "raw", "status": "206"}) == 4
    assert registry.get_sample_value("keygenreg_sent_bytes_total", {"engine": "raw"}) == 4 * 200_510
    assert registry.get_sample_value("keygenreg_requests_in_flight") == 0


def test_what_counts_each_is_called_each_time(site):
    """Small and large, and not for a request that goes the long way."""
    counted = []
    site.shelf.each = lambda: counted.append(1)
    with site.connect() as client:
        for _ in range(5):
            client.get("/500")
            client.get("/200000")
            client.get("/500", "Range: bytes=0-1,3-4")
    assert len(counted) == 15 - len(site.shelf.made)


def test_files_that_a_server_in_front_sends_are_never_sent_by_us(serve):
    """X-Accel-Redirect goes the long way; small files are ready all the same."""
    site = Site(serve)
    root = site.server.blobs.directory
    site.site.acceleration = Acceleration("X-Accel-Redirect", root, "/-/stored/", lambda _: True)
    with site.connect() as client:
        for _ in range(4):
            assert client.get("/200000").headers["x-accel-redirect"].startswith("/-/stored/")
            assert client.get("/500").body == CONTENTS[500]
    assert site.shelf.made.count(b"/200000") == 4 and site.shelf.made.count(b"/500") == 2
