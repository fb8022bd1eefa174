"""A reactor thread and disk threads for the tests of stores."""

from __future__ import annotations

import pytest
from twisted.python.threadpool import ThreadPool

from keygenreg.storage.threads import DiskThreads
from tests.reactor_thread import ReactorThread


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
