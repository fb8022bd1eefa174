"""Requests and connections that have ended are gone at once: nothing of them waits for the garbage collector."""

from __future__ import annotations

import gc
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from types import CoroutineType, FrameType, SimpleNamespace, TracebackType

import pytest
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from keygenreg.caches.generations import Generations
from keygenreg.domain.account import Account
from keygenreg.domain.failures import Denied, Failure
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.web.edge import Edge, answers, answers_unrouted
from keygenreg.web.engine import Engine
from keygenreg.web.exchange import Exchange
from keygenreg.web.keeping.keeping_answer import Memory
from keygenreg.web.keeping.ready_answers import ReadyAnswers
from keygenreg.web.links import Addresses, Proxies
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.resource_tree import Tree
from keygenreg.web.routing import Routed
from tests.web.serving import Server, eventually
from tests.web.serving import Tree as Uploads
from tests.web.test_kept_replies import ACCOUNT

TIMES = 5
FILE = random.Random(1).randbytes(6_000_000)
SHA256 = hashlib.sha256(FILE).hexdigest()
ROOT = "/v1/accounts/a/engines/raw"
_READS = ["GET", "HEAD"]
_OURS = ("keygenreg", "twisted", "klein", "zope", "_io")


def plain(exchange: Exchange, failure: Failure) -> Reply:
    return Reply(failure.status, failure.detail.encode())


class Accounts:
    """One, for every reference."""

    async def find(self, reference: str | None, host: str) -> Account:
        return ACCOUNT


class Sample:
    """An engine without a database."""

    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False

    def __init__(self, edge: Edge, blobs: FilesystemBlobStore) -> None:
        self.parts = SimpleNamespace(edge=edge)
        self.blobs = blobs

    @app.route("/text/<name>", methods=_READS)
    @answers(plain)
    async def text(self, exchange: Exchange, name: str) -> Reply:
        return Reply(200, name.encode() * int(exchange.query.text("times") or 1), (("Content-Type", "text/plain"),))

    @app.route("/kept/<name>", methods=_READS)
    @answers(plain)
    async def kept(self, exchange: Exchange, name: str) -> Reply:
        exchange.keep()
        return Reply(200, name.encode() * int(exchange.query.text("times") or 1))

    @app.route("/file", methods=_READS)
    @answers(plain)
    async def file(self, exchange: Exchange) -> BlobReply:
        if exchange.query.text("kept"):
            exchange.keep(shared=False)
        return BlobReply(await self.blobs.open(SHA256), f'"{SHA256}"', 1e9, (("Content-Type", "application/x-test"),))

    @app.route("/denied", methods=_READS)
    @answers(plain)
    async def denied(self, exchange: Exchange) -> Reply:
        raise Denied("You may not.")

    @app.route("/broken", methods=_READS)
    @answers(plain)
    async def broken(self, exchange: Exchange) -> Reply:
        raise RuntimeError("a fault of ours")

    @app.route("/waiting", methods=_READS)
    @answers(plain)
    async def waiting(self, exchange: Exchange) -> Reply:
        await Deferred()


answers_unrouted(Sample.app, plain, refusal="Nothing is written here.")


class Root(Resource):
    """Uploads are those of the other tests."""

    isLeaf = True

    def __init__(self, uploads: Resource, others: Resource) -> None:
        super().__init__()
        self.uploads, self.others = uploads, others

    def render(self, request):
        return (self.uploads if request.path.startswith(b"/up/") else self.others).render(request)


@pytest.fixture(scope="module", autouse=True)
def by_hand() -> Iterator[None]:
    """Nothing is collected but when a test looks, and nothing looked at that was there before."""
    gc.collect()
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture(scope="module", params=["tcp", "tls"])
def server(request, loop, threads, tmp_path_factory) -> Iterator[Server]:
    """One for all tests: another that ends meanwhile would be found too."""
    directory = tmp_path_factory.mktemp("loops")
    blobs = FilesystemBlobStore(directory / "store", threads)
    blobs.prepare()
    path = blobs.path_of(SHA256)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(FILE)
    generations = Generations()
    generations.begin_hearing()
    uploads = Uploads(blobs, path, loop.reactor)
    ready = ReadyAnswers(generations, 50_000_000)
    made = Server(loop, uploads, blobs, disk=threads, ready=ready, transport=request.param)
    made.site.resource = Root(uploads, tree_of(Edge(
        Accounts(), None, Addresses(None, "t"), Proxies(()), "multiplayer", Memory(generations, None)
    ), blobs))  # fmt: skip
    yield made
    made.stop()


def tree_of(edge: Edge, blobs: FilesystemBlobStore) -> Tree:
    engines = {"raw": Engine("raw", lambda _parts: Routed(Sample(edge, blobs).app))}

    def refuse(request, failure: Failure) -> object:
        async def handler(_exchange: Exchange) -> Reply:
            raise failure

        edge.answer(request, handler, plain)
        return NOT_DONE_YET

    owners = {"raw": engines["raw"].resource(None)}
    return Tree(owners, engines, edge.addresses, singleplayer=False, refuse=refuse)


def garbage() -> Counter[str]:
    """What only a collector frees, by kind: instances of ours and of Twisted's, and ended calls."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return Counter(
            type(each).__qualname__
            for each in gc.garbage
            if type(each).__module__.split(".")[0] in _OURS
            or isinstance(each, (FrameType, TracebackType, CoroutineType))
        )
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.collect()


def left_behind(server: Server, ask: Callable[[Server], None]) -> Counter[str]:
    """What requests leave behind once all connections are closed."""
    ask(server)  # what the first ones leave is of the caches
    settle(server)
    server.loop.call(garbage)
    for _ in range(TIMES):
        ask(server)
    settle(server)
    return server.loop.call(garbage)


def settle(server: Server) -> None:
    eventually(lambda: not server.site.channels, "connections to end")
    eventually(lambda: not server.observed.in_flight, "requests to end")
    eventually(lambda: not server.site.disk._waiting, "the disk")
    server.loop.call(lambda: None)


def asked(path: str, *fields: str, method: str = "GET", times: int = 2, status: int = 200) -> Callable[[Server], None]:
    """Some requests on one connection."""

    def ask(server: Server) -> None:
        with server.connect() as client:
            for _ in range(times):
                assert client.get(ROOT + path, *fields, method=method).status == status

    return ask


def cut_off(path: str) -> Callable[[Server], None]:
    """The client leaves in the middle of the answer."""

    def ask(server: Server) -> None:
        with server.connect() as client:
            client.send(f"GET {ROOT}{path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            client.take(1000)

    return ask


def sent(
    data: bytes, *statuses: int, wait: Callable[[Server], bool] = lambda _server: True
) -> Callable[[Server], None]:
    """Raw bytes, and the answers to them."""

    def ask(server: Server) -> None:
        with server.connect() as client:
            client.send(data)
            for status in statuses:
                assert client.answer().status == status
            eventually(lambda: wait(server), "what was sent to arrive")

    return ask


def head(path: str, *fields: str, method: str = "GET") -> bytes:
    return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: t", *fields, "")).encode()


KINDS = {
    "a connection without a request": lambda server: server.connect().sock.close(),
    "half a head": sent(b"GET / HT", wait=lambda server: bool(server.site.channels)),
    "routed": asked("/text/x"),
    "routed, compressed": asked("/text/x?times=3000", "Accept-Encoding: gzip"),
    "routed, large": asked("/text/x?times=3000000"),
    "routed, only the head": asked("/text/x", method="HEAD"),
    "routed, the last one": asked("/text/x", "Connection: close", times=1),
    "ready": asked("/kept/x"),
    "ready, large": asked("/kept/x?times=900000"),
    "denied": asked("/denied", status=403),
    "a fault of ours": asked("/broken", status=500),
    "no route": asked("/text/x/y/z", status=404),
    "no such method": asked("/text/x", method="DELETE", status=405),
    "no place": sent(head("/elsewhere") * 2, 404, 404),
    "an escape that is none": asked("/text/%zz", status=400),
    "pipelined": sent(head(ROOT + "/text/x") * 4, 200, 200, 200, 200),
    "a file": asked("/file"),
    "a file, only the head": asked("/file", method="HEAD"),
    "a file that is not modified": asked("/file", f'If-None-Match: "{SHA256}"', status=304),
    "a small range": asked("/file", "Range: bytes=5-900", status=206),
    "a large range": asked("/file", "Range: bytes=5-2000000", status=206),
    "ranges": asked("/file", "Range: bytes=5-9,100-1000000,2000000-2000010", status=206),
    "a range beyond the end": asked("/file", "Range: bytes=9999999-", status=416),
    "a ready file": asked("/file?kept=1", times=4),
    "a large range of a ready file": asked("/file?kept=1", "Range: bytes=5-2000000", times=4, status=206),
    "cut off": cut_off("/text/x?times=9000000"),
    "cut off, ready": cut_off("/kept/x?times=900000"),
    "cut off, a file": cut_off("/file"),
    "cut off, a ready file": cut_off("/file?kept=1"),
    "left while a handler waits": sent(
        head(ROOT + "/waiting"), wait=lambda server: server.observed.in_flight == len(server.site.channels)
    ),
    "an upload": sent(head("/up/900000", "Content-Length: 300000", method="PUT") + bytes(300_000), 200),
    "an upload in chunks": sent(
        head("/up/900000", "Transfer-Encoding: chunked", method="PUT") + b"4\r\nabcd\r\n0\r\n\r\n", 200
    ),
    "an upload that is cut off": sent(
        head("/up/900000", "Content-Length: 300000", method="PUT") + bytes(100_000),
        wait=lambda server: all(channel.length for channel in server.site.channels),
    ),
    "an upload that is too large": sent(head("/up/5", "Content-Length: 10", method="PUT"), 413),
    "no HTTP": sent(b"NONSENSE\r\n\r\n", 400),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_for_the_collector(server: Server, kind: str) -> None:
    assert left_behind(server, KINDS[kind]) == Counter()


def test_the_collector_would_show_it(server: Server) -> None:
    """That is, what this file looks for is found where it is."""

    def ask(server: Server) -> None:
        with server.connect() as client:
            client.get(ROOT + "/text/x")
            server.loop.call(keep_alive, server)

    def keep_alive(server: Server) -> None:
        for channel in server.site.channels:
            channel.me = channel

    assert left_behind(server, ask)["ReadyChannel"] == TIMES
