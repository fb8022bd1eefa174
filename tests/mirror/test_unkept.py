"""Without room on the disk, files go past it to each client, right or cut off; a disk that fills up is survived."""

from __future__ import annotations

import http.client
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.mirror.files.fetching import FULL
from keygenreg.mirror.files.unkept import Window
from tests.daemon_fixtures import Daemon, fetch, free_ports_in_a_row
from tests.mirror.conftest import mirror_settings
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import Answer, FakeUpstream, content, digest_of, large_content
from tests.mirror.test_relaying import FULL as AT_LENGTH
from tests.mirror.test_relaying import Peak, sha256_read

MIB = 1024 * 1024


def url_of(daemon: Daemon, project: FakeProject) -> str:
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    (file,) = fetch("GET", f"{daemon.url}/v1/engines/pypi/simple/{project.name}/", headers=accept).json["files"]
    return file["url"]


def opened(url: str, **headers: str) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", parts.path, headers={"Connection": "close", **headers})
    return connection.getresponse()


def kept(daemon: Daemon, project: FakeProject) -> int:
    """How many of its files are on record."""
    with daemon.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mirrored_files WHERE name = %s", (project.name,))
        found = cursor.fetchone()[0]
    connection.close()
    return found


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def operator() -> int:
    return free_ports_in_a_row(1)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream, operator: int) -> Iterator[Daemon]:
    env = mirror_settings(upstream, anonymous="true", free_bytes=str(10**15))
    env |= {"KEYGENREG_OPERATOR_PORT": str(operator)}
    daemon = Daemon(tmp_path_factory.mktemp("full") / "data", env=env).start()
    yield daemon
    daemon.stop()


class TestWithoutRoom:
    """The floor is one that no disk reaches."""

    @pytest.mark.parametrize("size", [0, 1, 5000, MIB - 1, MIB, 3 * MIB, 24 * MIB])
    def test_files_are_passed_on(self, full: Daemon, project: FakeProject, size: int):
        """Right ones, of any size, and nothing of them stays."""
        body = content(size)
        filename = project.add("1.0", body)
        project.publish()
        url = url_of(full, project)
        for _ in range(2):
            answer = fetch("GET", url)
            assert answer.status == 200 and answer.body == body
        assert len(project.upstream.requests(project.file_path(filename))) == 2
        assert kept(full, project) == 0
        assert not list((full.data_dir / "incoming").iterdir())

    @pytest.mark.parametrize("listed", [{"hashes": {"sha256": "0" * 64}}, {"size": 4 * MIB}], ids=["hash", "size"])
    @pytest.mark.parametrize("size", [5000, 3 * MIB])
    def test_wrong_ones_are_not(self, full: Daemon, project: FakeProject, size: int, listed: dict):
        """A small one is an error, a large one is cut off before its end."""
        body = content(size)
        project.add("1.0", body, **listed)
        project.publish()
        try:
            answer = fetch("GET", url_of(full, project))
        except (OSError, http.client.HTTPException) as cut:
            assert size > MIB
            assert len(getattr(cut, "partial", b"")) < size
        else:
            assert answer.status == 502
            assert size < MIB or "size" in listed

    def test_an_upstream_that_breaks_off(self, full: Daemon, project: FakeProject):
        project.add("1.0", Answer(content(3 * MIB), cut=2 * MIB))
        project.publish()
        with pytest.raises((OSError, http.client.HTTPException)):
            fetch("GET", url_of(full, project))

    def test_an_upstream_that_is_gone(self, full: Daemon, project: FakeProject):
        filename = project.add("1.0", content(5000))
        project.publish()
        url = url_of(full, project)
        project.upstream.put(project.file_path(filename), Answer(b"", 404))
        assert fetch("GET", url).status == 502

    @pytest.mark.parametrize("start", [0, 1000, 9 * MIB, 16 * MIB - 2 * MIB])
    def test_a_download_is_resumed(self, full: Daemon, project: FakeProject, start: int):
        """What comes before is read from upstream for its hash, and neither sent nor held."""
        body = content(16 * MIB)
        project.add("1.0", body)
        project.publish()
        response = opened(url_of(full, project), Range=f"bytes={start}-")
        assert response.status == 206
        assert response.read() == body[start:]

    def test_a_part_of_the_middle(self, full: Daemon, project: FakeProject):
        body = content(16 * MIB)
        project.add("1.0", body)
        project.publish()
        url = url_of(full, project)
        response = opened(url, Range=f"bytes={3 * MIB}-{6 * MIB}")
        assert (response.status, response.read()) == (206, body[3 * MIB : 6 * MIB + 1])
        assert opened(url, Range="bytes=0-9,-10").status == 503

    def test_a_client_that_leaves_ends_it(self, full: Daemon, project: FakeProject):
        """Nobody else wants what upstream sends."""
        gate, broken = threading.Event(), threading.Event()

        def endless(handler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(64 * MIB))
            handler.end_headers()
            try:
                for start in range(0, 64 * MIB, MIB):
                    handler.wfile.write(body.part(start, MIB))
                    if start > 2 * MIB:
                        gate.wait(30)
            except OSError:
                broken.set()

        body = Answer(large_content(9), size=64 * MIB)
        filename = project.add("1.0", body)
        project.publish()
        project.upstream.put(project.file_path(filename), endless)
        response = opened(url_of(full, project))
        assert response.read(MIB) == body.part(0, MIB)
        response.close()
        gate.set()
        assert broken.wait(30)

    def test_many_at_once(self, full: Daemon, project: FakeProject):
        """More than there may be requests to upstream: they take turns, and all get the right file."""
        answer = Answer(large_content(3), size=8 * MIB)
        expected = digest_of(answer)
        project.add("1.0", answer)
        project.publish()
        url = url_of(full, project)
        with Peak(full) as peak, ThreadPoolExecutor(40) as pool:
            assert set(pool.map(lambda _: sha256_read(opened(url)), range(40))) == {expected}
        print(f"40 x 8 MiB past the disk: daemon grew by {peak.growth / MIB:.1f} MiB")
        assert peak.growth < 128 * MIB

    def test_a_slow_client_costs_no_memory(self, full: Daemon, project: FakeProject):
        """Upstream is read as fast as the client reads."""
        size = (300 if AT_LENGTH else 64) * MIB
        answer = Answer(large_content(4), size=size)
        expected = digest_of(answer)
        project.add("1.0", answer)
        project.publish()
        url = url_of(full, project)
        with Peak(full) as peak:
            assert sha256_read(opened(url), pause=0.02) == expected
        print(f"{size // MIB} MiB past the disk to a slow client: daemon grew by {peak.growth / MIB:.1f} MiB")
        assert peak.growth < 16 * MIB

    def test_an_operator_sees_it(self, full: Daemon, project: FakeProject, operator: int):
        project.add("1.0", content(10))
        project.publish()
        fetch("GET", url_of(full, project))
        text = fetch("GET", f"http://127.0.0.1:{operator}/metrics").body.decode()
        assert 'keygenreg_mirror_answers_total{engine="pypi",outcome="unkept",what="file"}' in text
        assert 'keygenreg_mirror_failures_total{engine="pypi",why="no-room"}' in text
        assert "is not kept" in full.log.read_text()


@define
class Disk:
    """A daemon's disk, which a test may fill and clear."""

    daemon: Daemon
    fill: Callable[[], None]
    clear: Callable[[], None]


@pytest.fixture
def limited_disk(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Disk]:
    """Without rights: the daemon's files may not become longer than 2 MiB while it is full."""
    daemon = Daemon(tmp_path / "data", env=mirror_settings(upstream, anonymous="true", idle_seconds="20")).start()
    process, name = daemon.process.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(process, name)
    yield Disk(
        daemon,
        lambda: resource.prlimit(process, name, (2 * MIB, before[1])) and None,
        lambda: resource.prlimit(process, name, before) and None,
    )
    daemon.stop()


@pytest.fixture
def small_disk(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Disk]:
    """A real file system of 24 MiB for the blobs, filled up to its last byte."""
    disk, data = tmp_path / "disk", tmp_path / "data"
    disk.mkdir()
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("NOT TESTED: file systems can be mounted by root only")
    filler = disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    try:
        for name in ("blobs", "incoming"):
            (disk / name).mkdir()
            (data / name).symlink_to(disk / name)
        settings = mirror_settings(upstream, anonymous="true", free_bytes="0", idle_seconds="20")
        daemon = Daemon(data, env=settings).start()
        yield Disk(daemon, fill, filler.unlink)
        daemon.stop()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("kind", ["limited_disk", "small_disk"])
def test_the_disk_fills_up_while_a_file_arrives(kind: str, request: pytest.FixtureRequest, project: FakeProject):
    """Who reads it is cut off; who asks again gets it past the disk; with room again it is kept again."""
    disk: Disk = request.getfixturevalue(kind)
    gate, body = threading.Event(), content(12 * MIB)
    project.add("1.0", Answer(body, gate=gate, gate_at=6 * MIB))
    project.publish()
    url = url_of(disk.daemon, project)
    response = opened(url)
    first = response.read(5 * MIB)
    assert first == body[: 5 * MIB]
    disk.fill()
    gate.set()
    with pytest.raises((OSError, http.client.HTTPException)):
        rest = response.read()
        raise AssertionError(f"{len(rest)} more bytes and a clean end")
    incoming = disk.daemon.data_dir / "incoming"
    until(lambda: not list(incoming.iterdir()))
    for _ in range(2):
        assert fetch("GET", url).body == body
    resumed = opened(url, Range=f"bytes={len(first)}-")
    assert first + resumed.read() == body
    assert kept(disk.daemon, project) == 0 and not list(incoming.iterdir())
    disk.clear()

    def kept_again() -> bool:
        assert fetch("GET", url).body == body
        return kept(disk.daemon, project) == 1

    until(kept_again, FULL + 20)
    asked = len(project.upstream.requests(project.file_path(project.files[0]["filename"])))
    assert fetch("GET", url).body == body
    assert len(project.upstream.requests(project.file_path(project.files[0]["filename"]))) == asked


class TestWindow:
    @given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(0, 200), st.data())
    def test_reads_what_was_written(self, pieces: list[bytes], start: int, data: st.DataObject):
        """In order, from any start, however it is cut, and no more is held than what lies ahead."""
        whole, window, read = b"".join(pieces), Window(), b""
        window.forget(start)
        written = 0
        for piece in pieces:
            window.write(piece)
            written += len(piece)
            position = start + len(read)
            read += window.read(position, data.draw(st.integers(1, 60)))
            assert window.held == max(0, written - start - len(read))
            assert sum(map(len, window._pieces)) == window.held
        while more := window.read(start + len(read), 7):
            read += more
        assert read == whole[start:]

    def test_what_was_let_go_of_is_gone(self):
        window = Window()
        window.write(b"0123456789")
        assert window.read(5, 2) == b"56"
        assert window.read(0, 10) == b""
