"""A real site on a loopback port for the tests of the edge, and raw clients to talk to it."""

from __future__ import annotations

import atexit
import json
import os
import socket
import ssl
import threading
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource

from keygenreg.domain.failures import BadRequest, NotFound
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.web.answering import answer
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.site import EdgeSite
from keygenreg.web.tls.port import listen_tls
from keygenreg.web.upload import UploadTarget
from tests.web.certificates import new_certificate

JSON = (("Content-Type", "application/vnd.api+json"),)
PATIENCE = 20.0


def claim_upload(method, target, headers):
    """``PUT /up/<max>[/<exact>]`` is an upload; ``/up/bad`` is a forged URL."""
    if method != b"PUT" or not target.startswith(b"/up/"):
        return None
    numbers = target.partition(b"?")[0].split(b"/")[2:]
    if not all(number.isdigit() and len(number) < 12 for number in numbers):
        return NotFound("This upload URL is not valid.")
    most, exact = ([int(number) for number in numbers] + [None])[:2]
    return UploadTarget(max_bytes=most, exact_bytes=exact, algorithms=frozenset({"sha512"}), claim="c")


class Tree(Resource):
    """What the tests ask for; every path is answered by one handler."""

    isLeaf = True

    def __init__(self, blobs: FilesystemBlobStore, blob_path: Path, reactor) -> None:
        super().__init__()
        self.blobs, self.blob_path, self._reactor = blobs, blob_path, reactor
        self.cancelled: list[bytes] = []
        self.ended: list[bytes] = []
        self.open_blobs: list[Watched] = []
        self.blob_size: int | None = None
        self.replies: dict[bytes, Reply] = {}

    def render(self, request):
        if request.path == b"/plain-boom":
            raise RuntimeError("a secret detail")
        return answer(request, self._handle(request))

    async def _handle(self, request) -> Reply | BlobReply:
        path = request.path
        if path in self.replies:
            return self.replies[path]
        if path.startswith(b"/up/"):
            return await self._store(request)
        if path == b"/blob":
            blob = Watched(self.blob_path, self.blob_size)
            self.open_blobs.append(blob)
            return BlobReply(blob, '"tag"', 1_000_000_000.0, (("Content-Type", "application/x-test"),))
        if path.startswith(b"/zeros/"):
            return Reply(200, bytes(int(path[7:])))
        if path == b"/boom":
            raise RuntimeError("a secret detail")
        if path == b"/missing":
            raise NotFound("There is no such thing.")
        if path == b"/never":
            return await self._never(request)
        if path == b"/echo":
            body = request.content.read()
            return Reply(200, json.dumps({"method": request.method.decode(), "length": len(body)}).encode(), JSON)
        return Reply(200, json.dumps({"path": path.decode("latin-1")}).encode(), JSON)

    async def _store(self, request) -> Reply:
        if request.upload is None:
            raise NotFound("Uploads are PUT.")
        digests = await request.upload.incoming.finish()
        if request.args.get(b"keep"):
            await self.blobs.adopt(request.upload.incoming)
        told = {"sha256": digests.sha256, "size": digests.size, "sha512": digests.others["sha512"]}
        return Reply(200, json.dumps(told).encode(), JSON)

    async def _never(self, request) -> Reply:
        waiting = Deferred(lambda _: self.cancelled.append(request.method))
        self._reactor.callLater(0.4, lambda: waiting.called or waiting.callback(None))
        await waiting
        self.ended.append(request.method)
        raise BadRequest("nobody reads this")


@define(eq=False)
class Watched:
    """An opened file that knows whether it was closed."""

    path: Path
    size: int | None = None
    closed: bool = field(default=False, init=False)
    _file: object = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._file = open(self.path, "rb")  # noqa: SIM115
        self.size = os.fstat(self._file.fileno()).st_size if self.size is None else self.size

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self.closed = True
        self._file.close()


class Server:
    """A listening :class:`EdgeSite` in a :class:`~tests.reactor_thread.ReactorThread`."""

    def __init__(self, loop, tree: Tree, blobs: FilesystemBlobStore, *, transport: str = "tcp", **options) -> None:
        """
        ``transport`` is ``tcp``, ``unix`` (never sends from the page cache), ``tls`` (on the socket itself) or
        ``tls-memory`` (Twisted's own).
        """
        self.loop, self.tree, self.blobs, self.transport = loop, tree, blobs, transport
        self.observed = Observed()
        self.site = EdgeSite(
            tree,
            reactor=loop.reactor,
            claim_upload=claim_upload,
            blobs=blobs,
            observers=(self.observed,),
            **options,
        )
        self._port = loop.call(self._listen)
        self.port = getattr(self._port.getHost(), "port", None)

    @property
    def is_secure(self) -> bool:
        return self.transport.startswith("tls")

    def _listen(self):
        reactor = self.loop.reactor
        if self.transport == "unix":
            return reactor.listenUNIX(str(self.blobs.root.parent / "socket"), self.site)
        if self.is_secure:
            pem = self_signed()
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.setblocking(False)
                return listen_tls(
                    reactor, listener.fileno(), socket.AF_INET, self.site, chain=pem, key=pem,
                    handshake_seconds=self.site.limits.head_time, on_sockets=self.transport == "tls",
                )  # fmt: skip
        return reactor.listenTCP(0, self.site, interface="127.0.0.1")

    def stop(self) -> None:
        self.loop.call(self._port.stopListening)
        self.loop.call(lambda: [channel.transport.abortConnection() for channel in list(self.site.channels)])

    def connect(self) -> Client:
        if self.transport == "unix":
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(PATIENCE)
            sock.connect(str(self.blobs.root.parent / "socket"))
            return Client(sock)
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        if self.is_secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        return Client(sock)


@cache
def self_signed() -> Path:
    """A PEM file with a key and a certificate that nobody trusts; gone when the tests are."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "both.pem"
    file.write_bytes(b"".join(new_certificate()))
    return file


class Observed:
    """Remembers what the site tells its observers."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.in_flight = 0

    def began(self, request) -> None:
        self.in_flight += 1
        request.counted = True

    def repeated(self, answer, channel, request_id) -> None:
        self.codes.append(answer.status)

    def ended(self, request) -> None:
        self.in_flight -= request.counted
        self.codes.append(request.code)


@define
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    interim: list[int]

    @property
    def title(self) -> str:
        return json.loads(self.body)["errors"][0]["title"]


class Client:
    """A socket that reads answers by their Content-Length, and nothing more forgiving."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_) -> None:
        self.sock.close()

    def send(self, data: bytes) -> Client:
        self.sock.sendall(data)
        return self

    def get(self, path: str, *fields: str, method: str = "GET") -> Answer:
        head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: t", *fields))
        self.send(head.encode("latin-1") + b"\r\n")
        return self.answer(head=method == "HEAD")

    def answer(self, *, head: bool = False) -> Answer:
        interim = []
        while True:
            lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status != 100:
                break
            interim.append(status)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        length = 0 if head or status in (204, 304) else int(headers["content-length"])
        return Answer(status, headers, self.take(length), interim)

    def take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._more():
                raise EOFError(f"closed after {len(self._buffer)} of {count} bytes")
        data = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return data

    def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as an end too."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        data, self._buffer = bytes(self._buffer), bytearray()
        return data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if not self._more():
                raise EOFError(f"closed after {self._buffer!r}")
        data, _, self._buffer = self._buffer.partition(mark)
        return data

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)


def eventually(condition, what: str = "the condition") -> None:
    """Wait until ``condition()`` is true; fail when that takes too long."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        pause.wait(0.01)
