"""Files that are still arriving: served at once, to many, in parts, without being held in memory."""

from __future__ import annotations

import hashlib
import http.client
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.daemon_fixtures import Daemon
from tests.mirror.conftest import Index
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import Answer, content, digest_of, large_content

MIB = 1024 * 1024
FULL = bool(os.environ.get("KEYGENREG_TEST_FULL"))


def rss(daemon: Daemon) -> int:
    """Memory of the daemon's process, in bytes."""
    for line in Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


class Peak:
    """The most memory that a daemon has while this is entered, above what it had before; in bytes."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._over = threading.Event()
        self.before = self.most = rss(daemon)

    @property
    def growth(self) -> int:
        return self.most - self.before

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.most = max(self.most, rss(self._daemon))


def opened(index: Index, url: str, **headers: str) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    sent = {"Authorization": index.api.authorization, "Connection": "close", **headers}
    connection.request("GET", parts.path, headers=sent)
    return connection.getresponse()


def sha256_read(response: http.client.HTTPResponse, pause: float = 0.0) -> str:
    digest = hashlib.sha256()
    while data := response.read(MIB):
        digest.update(data)
        if pause:
            time.sleep(pause)
    return digest.hexdigest()


class Gated:
    """A file of 4 MiB, of which 2 come at once and the others when the gate is opened."""

    size = 4 * MIB

    def __init__(self, index: Index, project: FakeProject) -> None:
        self.index = index
        self.project = project
        self.body = content(self.size)
        self.gate = threading.Event()
        self.filename = project.add("1.0", Answer(self.body, gate=self.gate, gate_at=2 * MIB))
        project.publish()
        self.url = index.url(project.name, self.filename)

    def open(self, **headers: str) -> http.client.HTTPResponse:
        return opened(self.index, self.url, **headers)

    @property
    def asked(self) -> int:
        return len(self.project.upstream.requests(self.project.file_path(self.filename)))


@pytest.fixture
def gated(index: Index, project: FakeProject):
    made = Gated(index, project)
    yield made
    made.gate.set()


def test_the_first_client_is_served_while_the_file_arrives(gated: Gated):
    response = gated.open()
    assert response.read(MIB) == gated.body[:MIB]
    assert not gated.gate.is_set()
    gated.gate.set()
    assert response.read() == gated.body[MIB:]


def test_a_late_one_joins(gated: Gated):
    first = gated.open()
    first.read(MIB)
    second = gated.open()
    assert second.read(MIB) == gated.body[:MIB]
    gated.gate.set()
    assert first.read() == second.read() == gated.body[MIB:]
    assert gated.asked == 1


def test_the_first_one_leaves_and_the_others_stay(gated: Gated):
    first = gated.open()
    first.read(MIB)
    second = gated.open()
    second.read(1000)
    first.close()
    gated.gate.set()
    assert second.read() == gated.body[1000:]
    assert gated.asked == 1


def test_everybody_leaves_and_the_file_is_kept(gated: Gated):
    """A download that was broken off is not begun again from its start for the next one."""
    first = gated.open()
    first.read(MIB)
    first.close()
    gated.gate.set()
    assert gated.open().read() == gated.body
    assert gated.asked == 1


def test_a_range_of_what_is_there(gated: Gated):
    response = gated.open(Range="bytes=1000-1999")
    assert (response.status, response.read()) == (206, gated.body[1000:2000])
    assert response.headers["Content-Range"] == f"bytes 1000-1999/{gated.size}"
    assert not gated.gate.is_set()


def test_a_range_of_what_is_to_come(gated: Gated):
    response = gated.open(Range="bytes=-1000")
    assert response.status == 206
    gated.gate.set()
    assert response.read() == gated.body[-1000:]


def test_several_ranges_of_what_is_to_come(gated: Gated):
    response = gated.open(Range=f"bytes=0-9,{3 * MIB}-{3 * MIB + 9}")
    gated.gate.set()
    body = response.read()
    assert response.status == 206 and response.headers["Content-Type"].startswith("multipart/byteranges")
    assert gated.body[:10] in body and gated.body[3 * MIB : 3 * MIB + 10] in body


def test_resuming_needs_the_same_file(gated: Gated):
    response = gated.open(Range="bytes=10-19")
    assert response.status == 206
    etag = response.headers["ETag"]
    response.close()
    resumed = gated.open(**{"Range": "bytes=10-19", "If-Range": etag})
    assert (resumed.status, resumed.read()) == (206, gated.body[10:20])
    other = gated.open(**{"Range": "bytes=10-19", "If-Range": '"sha256:other"'})
    assert other.status == 200
    other.close()


def test_head_fetches_nothing(gated: Gated):
    answer = gated.index.api.request("HEAD", gated.url)
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(gated.size)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert gated.asked == 0


def test_stored_and_arriving_look_the_same(gated: Gated):
    gated.gate.set()
    first = gated.open()
    assert first.read() == gated.body
    second = gated.open()
    assert second.read() == gated.body
    for field in ("ETag", "Content-Type", "Content-Length", "Cache-Control", "Content-Disposition", "Digest"):
        assert first.headers[field] == second.headers[field]
    assert gated.index.api.get(gated.url, If_None_Match=first.headers["ETag"]).status == 304


def test_many_at_once_are_one_request(index: Index, project: FakeProject, daemon: Daemon):
    """100 clients want one file that nobody has had: one request, the right bytes for all, memory flat."""
    size = (200 if FULL else 24) * MIB
    answer = Answer(large_content(5), size=size)
    expected = digest_of(answer)
    filename = project.add("1.0", answer)
    project.publish()
    url = index.url(project.name, filename)
    with Peak(daemon) as peak, ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda _: sha256_read(opened(index, url)), range(100)))
    print(f"100 x {size // MIB} MiB: daemon grew by {peak.growth / MIB:.1f} MiB")
    assert set(found) == {expected}
    assert len(project.upstream.requests(project.file_path(filename))) == 1
    assert peak.growth < 64 * MIB


def test_a_slow_client_costs_no_memory(index: Index, project: FakeProject, daemon: Daemon):
    """What comes faster than the client takes it goes to disk."""
    size = (300 if FULL else 64) * MIB
    answer = Answer(large_content(6), size=size)
    expected = digest_of(answer)
    filename = project.add("1.0", answer)
    project.publish()
    url = index.url(project.name, filename)
    with Peak(daemon) as peak:
        assert sha256_read(opened(index, url), pause=0.02) == expected
    print(f"{size // MIB} MiB to a slow client: daemon grew by {peak.growth / MIB:.1f} MiB")
    assert peak.growth < 16 * MIB
