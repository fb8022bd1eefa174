"""Files far larger than what the daemon may keep in memory go in and out of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from threading import Event, Thread

import psutil
import pytest
from attrs import define, field

from tests.reactor_thread import ReactorThread
from tests.resilience.conftest import MIB, Registry
from tests.resilience.connections import open_request, read_head
from tests.resilience.storage_at_rest import collect_now

#: With KEYGENREG_TEST_FULL=1 the size that the daemon is built for; else one that would show as clearly.
SIZE = (2048 if os.environ.get("KEYGENREG_TEST_FULL") == "1" else 512) * MIB
MOST_GROWTH = 64 * MIB
#: No two pieces of a file are the same, and none costs anything to make.
_PATTERN = os.urandom(MIB)


def pieces() -> Iterator[bytes]:
    for number in range(SIZE // MIB):
        yield number.to_bytes(8, "big") + _PATTERN[8:]


@define
class Watch:
    """The largest resident set of a process while a block runs, in bytes; ``growth`` is over its start."""

    process: psutil.Process
    before: int = field(default=0, init=False)
    most: int = field(default=0, init=False)
    _over: Event = field(factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def __enter__(self) -> Watch:
        self.before = self.most = self.process.memory_info().rss
        self._thread = Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, self.process.memory_info().rss)

    @property
    def growth(self) -> int:
        return self.most - self.before


@pytest.mark.timeout(300)
def test_large_files_do_not_grow_the_daemon(registry: Registry, reactor_thread: ReactorThread) -> None:
    release = registry.admin.make_release(registry.product, "6.0.0")
    # What the first upload and download of a process load is not what is measured.
    registry.admin.get(f"/artifacts/{registry.admin.make_artifact(release, 'small', b'x')['id']}", Accept="*/*")
    related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
    document = {"data": {"type": "artifacts", "attributes": {"filename": "huge.bin"}, "relationships": related}}
    made = registry.admin.post("/artifacts", document, Prefer="no-redirect")
    path = f"/artifacts/{made.data['id']}"

    with (
        Watch(registry.watched) as upload,
        closing(open_request(made.headers["Location"], "PUT", length=SIZE)) as connection,
    ):
        for piece in pieces():
            connection.sendall(piece)
        assert read_head(connection)[0] == 200
    with (
        Watch(registry.watched) as download,
        closing(open_request(registry.admin.base + path)) as connection,
    ):
        status, data = read_head(connection)
        assert status == 200
        assert received(connection, data) == (SIZE, sent_digest())
    print(f"{SIZE} bytes: growth of {upload.growth} by the upload, of {download.growth} by the download")
    assert upload.growth < MOST_GROWTH
    assert download.growth < MOST_GROWTH

    registry.admin.delete(path)
    assert collect_now(registry, reactor_thread) >= 1


def sent_digest() -> bytes:
    digest = hashlib.blake2b()
    for piece in pieces():
        digest.update(piece)
    return digest.digest()


def received(connection, data: bytes) -> tuple[int, bytes]:
    """Size and digest of what comes."""
    digest, size = hashlib.blake2b(data), len(data)
    while piece := connection.recv(MIB):
        digest.update(piece)
        size += len(piece)
    return size, digest.digest()
