"""Large downloads beside each other: those of files that are not in the page cache, and who gets how much."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from tests.resilience.conftest import MIB, PATIENCE, Registry
from tests.resilience.connections import open_request, read_head

SIZE = (1024 if os.environ.get("KEYGENREG_TEST_FULL") == "1" else 192) * MIB
CLIENTS = 8
_PATTERN = os.urandom(MIB)


def pieces() -> Iterator[bytes]:
    for number in range(SIZE // MIB):
        yield number.to_bytes(8, "big") + _PATTERN[8:]


@pytest.fixture(scope="module")
def url(only_registry: Registry) -> str:
    """Where the file is."""
    registry = only_registry.begin()
    release = registry.admin.make_release(registry.product, "9.0.0")
    related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
    document = {"data": {"type": "artifacts", "attributes": {"filename": "large.bin"}, "relationships": related}}
    made = registry.admin.post("/artifacts", document, Prefer="no-redirect")
    with closing(open_request(made.headers["Location"], "PUT", length=SIZE)) as connection:
        for piece in pieces():
            connection.sendall(piece)
        assert read_head(connection)[0] == 200
    return f"{registry.admin.base}/artifacts/{made.data['id']}"


def forget(registry: Registry) -> None:
    """Drop the file from the page cache."""
    path = next(path for path in (registry.data_dir / "blobs/sha256").glob("*/*") if path.stat().st_size == SIZE)
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def read_from_disk(registry: Registry) -> dict[str, int]:
    """Bytes that each thread of the daemon has fetched from a disk; the reactor's has the number of the process."""
    found = {}
    for task in Path(f"/proc/{registry.process.pid}/task").iterdir():
        lines = (task / "io").read_text().splitlines()
        found[task.name] = int(next(line for line in lines if line.startswith("read_bytes")).split()[1])
    return found


@pytest.mark.timeout(300)
def test_a_file_that_has_to_come_from_disk_is_not_read_by_the_reactor(registry: Registry, url: str) -> None:
    """Threads bring it into memory, so that nobody else waits for the disk."""
    forget(registry)
    before, reactor = read_from_disk(registry), str(registry.process.pid)
    digest = hashlib.sha256()
    with closing(open_request(url)) as connection:
        status, data = read_head(connection)
        assert status == 200
        digest.update(data)
        while data := connection.recv(MIB):
            digest.update(data)
    wanted = hashlib.sha256()
    for piece in pieces():
        wanted.update(piece)
    assert digest.digest() == wanted.digest()
    read = {task: count - before.get(task, 0) for task, count in read_from_disk(registry).items()}
    # Nothing at all is read where files are in memory anyway.
    assert read[reactor] <= sum(read.values()) / 20


@pytest.mark.timeout(300)
def test_connections_share_what_there_is(registry: Registry, url: str) -> None:
    """However greedy all of them are, none is served to its end before the others have had a part."""
    received, begun = [0] * CLIENTS, Barrier(CLIENTS)
    when_one_was_done: list[list[int]] = []

    def download(number: int) -> None:
        with closing(open_request(url)) as connection:
            begun.wait(PATIENCE)
            while piece := connection.recv(MIB):
                received[number] += len(piece)
            when_one_was_done.append(list(received))

    with ThreadPoolExecutor(CLIENTS) as threads:
        for each in [threads.submit(download, number) for number in range(CLIENTS)]:
            each.result()
    assert min(received) > SIZE
    assert min(when_one_was_done[0]) > SIZE // 16
