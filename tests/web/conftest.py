"""A server for the tests of the edge."""

from __future__ import annotations

import os

import pytest
from twisted.python.threadpool import ThreadPool

from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads
from tests.reactor_thread import ReactorThread
from tests.web.serving import Server, Tree

BLOB_SIZE = 1_000_003


@pytest.fixture(scope="session")
def loop():
    loop = ReactorThread()
    loop.start()
    yield loop
    loop.stop()


@pytest.fixture(scope="session")
def threads(loop):
    pool = ThreadPool(0, 3)
    pool.start()
    yield DiskThreads(loop.reactor, pool)
    pool.stop()


@pytest.fixture
def blob(tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(os.urandom(BLOB_SIZE))
    return path


@pytest.fixture
def serve(loop, threads, tmp_path, blob):
    """Start servers with limits of the test's choosing; they are stopped afterwards."""
    running = []

    def start(*, disk=threads, **options) -> Server:
        blobs = FilesystemBlobStore(tmp_path / "store", disk)
        blobs.prepare()
        options.setdefault("disk", disk)
        server = Server(loop, Tree(blobs, blob, loop.reactor), blobs, **options)
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def server(serve):
    return serve()
