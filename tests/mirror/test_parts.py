"""Small parts of large files that are not here come from upstream by themselves, checked as far as that is possible."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keygenreg.mirror.files.ranges import LARGEST, Asked
from tests.daemon_fixtures import Daemon, fetch
from tests.mirror.conftest import Index, mirror_settings
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import FakeUpstream, digest_of
from tests.mirror.ranged_upstream import MIB, Ranged, send


class Wheel:
    """A wheel of 16 MiB whose whole body upstream holds back until ``file.gate`` is set."""

    def __init__(self, index: Index, project: FakeProject, **stated: Any) -> None:
        self.index, self.project = index, project
        self.file = Ranged()
        self.filename = project.add("1.0", self.file, **stated)
        project.publish()
        self.url = index.url(project.name, self.filename)

    def get(self, asked: str, **headers: str) -> Any:
        return self.index.api.get(self.url, Range=asked, **headers)

    def tail(self, count: int) -> bytes:
        return self.file.part(self.file.size - count, count)

    @property
    def kept(self) -> int:
        account = self.index.account
        return account.sql("SELECT count(*) FROM mirrored_files WHERE account_id = %s", account.id)[0][0]


@pytest.fixture
def wheel(index: Index, project: FakeProject) -> Iterator[Wheel]:
    made = Wheel(index, project)
    yield made
    made.file.gate.set()


def test_the_tail_does_not_wait_for_the_file(wheel: Wheel):
    answer = wheel.get("bytes=-100000")
    assert (answer.status, answer.body) == (206, wheel.tail(100_000))
    size = wheel.file.size
    assert answer.headers["Content-Range"] == f"bytes {size - 100_000}-{size - 1}/{size}"
    assert answer.headers["Content-Length"] == "100000"
    assert wheel.file.whole == 0 and wheel.kept == 0


def test_a_part_looks_like_one_of_the_kept_file(wheel: Wheel):
    """Clients put parts together by their tag: all of them have the one of the file itself."""
    part = wheel.get("bytes=-1000")
    wheel.file.gate.set()
    assert wheel.index.api.get(wheel.url).status == 200
    kept = wheel.get("bytes=-1000")
    assert kept.body == part.body and len(wheel.file.parts) == 1
    for name in ("ETag", "Content-Type", "Content-Range", "Content-Disposition", "Accept-Ranges", "Digest"):
        assert kept.headers[name] == part.headers[name]
    assert part.headers["Cache-Control"] == "private, no-transform, no-store"


def test_what_upstream_is_asked(wheel: Wheel):
    """A range of its own, bytes as they are, our name, and nothing of the client's."""
    wheel.get("bytes=-1000", Cookie="session=1", Accept_Encoding="gzip")
    (seen,) = wheel.project.upstream.requests(wheel.project.file_path(wheel.filename))
    assert seen.headers["range"] == f"bytes={wheel.file.size - 1000}-{wheel.file.size - 1}"
    assert seen.headers["accept-encoding"] == "identity"
    assert not {"authorization", "cookie"} & set(seen.headers)
    assert "keygenreg" in seen.headers["user-agent"]


def test_the_same_part_for_many_is_one_request(wheel: Wheel):
    entered, leave = threading.Event(), threading.Event()

    def slowly(handler: Any, first: int, count: int) -> None:
        entered.set()
        leave.wait(30)
        stated = f"bytes {first}-{first + count - 1}/{wheel.file.size}"
        send(handler, 206, wheel.file.part(first, count), content_range=stated)

    wheel.file.lie = slowly
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(wheel.get, "bytes=-1000") for _ in range(8)]
        assert entered.wait(30)
        # The others are on their way to us; whoever comes after the answer asks upstream again.
        leave.set()
        assert {answer.result().body for answer in answers} == {wheel.tail(1000)}
    assert 1 <= len(wheel.file.parts) <= 8


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-999", "bytes=1000000-1000999", "bytes=0-", f"bytes=-{LARGEST + 1}", "bytes=0-9,-10", "bytes=8000000-"],
    ids=["start", "soon here", "all", "large", "several", "resumed"],
)
def test_other_parts_wait_for_the_file(wheel: Wheel, asked: str):
    """What comes with the file soon, or is most of it, is served from it, verified and kept."""
    wheel.file.gate.set()
    answer = wheel.get(asked)
    assert answer.status == 206
    assert wheel.file.parts == [] and wheel.file.whole == 1


def test_a_file_on_its_way_serves_what_is_within_reach(wheel: Wheel, index: Index, project: FakeProject):
    """The end of a file that is about to end comes from it; a part far ahead does not wait for it."""
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(index.api.get, wheel.url)
        while not wheel.file.whole:
            pass
        assert wheel.get("bytes=-1000").body == wheel.tail(1000)
        assert len(wheel.file.parts) == 1
        wheel.file.gate.set()
        assert whole.result().body == wheel.file.part(0, wheel.file.size)
    assert wheel.file.whole == 1


def _status(status: int):
    return lambda handler, first, count: send(handler, status, b"no")


def _whole(handler: Any, first: int, count: int) -> None:
    send(handler, 200, bytes(16 * MIB))


def _other_part(handler: Any, first: int, count: int) -> None:
    send(handler, 206, bytes(count), content_range=f"bytes 0-{count - 1}/{16 * MIB}")


def _other_size(handler: Any, first: int, count: int) -> None:
    send(handler, 206, bytes(count), content_range=f"bytes {first}-{first + count - 1}/{17 * MIB}")


def _short(handler: Any, first: int, count: int) -> None:
    send(handler, 206, bytes(count - 1), content_range=f"bytes {first}-{first + count - 1}/{16 * MIB}")


def _no_place(handler: Any, first: int, count: int) -> None:
    send(handler, 206, bytes(count))


def _cut(handler: Any, first: int, count: int) -> None:
    handler.send_response(206)
    handler.send_header("Content-Length", str(count))
    handler.send_header("Content-Range", f"bytes {first}-{first + count - 1}/{16 * MIB}")
    handler.end_headers()
    handler.wfile.write(bytes(count // 2))
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.close()


def _longer(handler: Any, first: int, count: int) -> None:
    handler.send_response(206)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("Content-Range", f"bytes {first}-{first + count - 1}/{16 * MIB}")
    handler.end_headers()
    body = bytes(count + 1)
    handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


def _encoded(handler: Any, first: int, count: int) -> None:
    handler.send_response(206)
    handler.send_header("Content-Length", str(count))
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Range", f"bytes {first}-{first + count - 1}/{16 * MIB}")
    handler.end_headers()
    handler.wfile.write(bytes(count))


@pytest.mark.parametrize(
    "lie",
    [
        _whole, _status(416), _status(404), _status(501), _other_part, _other_size, _short, _no_place, _cut, _longer,
        _encoded,
    ],
    ids=[
        "whole", "416", "404", "501", "other part", "other size", "short", "no place", "cut", "longer", "encoded",
    ],
)  # fmt: skip
def test_an_upstream_that_sends_something_else(wheel: Wheel, lie: Any):
    """Then the file itself is fetched and verified; and for a while nobody tries again."""
    wheel.file.lie = lie
    wheel.file.gate.set()
    assert wheel.get("bytes=-1000").body == wheel.tail(1000)
    assert wheel.get("bytes=-2000").body == wheel.tail(2000)
    # What comes after too much on a connection ends with it, and is asked for again by itself.
    assert wheel.file.whole in ((1, 2) if lie is _longer else (1,)) and len(wheel.file.parts) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_upstream_that_is_away(wheel: Wheel, status: int):
    """Errors are told, never taken for anything else; the file is not fetched for them."""
    wheel.file.lie = _status(status)
    answer = wheel.get("bytes=-1000")
    assert answer.status == 503 and int(answer.headers["Retry-After"]) >= 1
    assert wheel.file.whole == 0
    wheel.file.lie = None


def test_the_file_changes_between_two_parts(wheel: Wheel):
    """Parts of two files are never put together: upstream is asked for more of the first one only."""
    assert wheel.get("bytes=-1000").body == wheel.tail(1000)
    wheel.file.etag, wheel.file.size = '"two"', 17 * MIB
    answer = wheel.get("bytes=-2000")
    assert answer.status in (502, 503)
    seen = wheel.project.upstream.requests(wheel.project.file_path(wheel.filename))
    assert "if-range" not in seen[0].headers and seen[1].headers["if-range"] == '"one"'


def test_if_range_of_the_client(wheel: Wheel):
    """Its tag is ours; with another one it wants the whole file."""
    etag = wheel.get("bytes=-1000").headers["ETag"]
    assert wheel.get("bytes=-1000", If_Range=etag).status == 206
    wheel.file.gate.set()
    other = wheel.get("bytes=-1000", If_Range='"other"')
    assert other.status == 200 and len(other.body) == wheel.file.size
    assert len(wheel.file.parts) == 2


def test_redirects_are_judged_as_for_files(wheel: Wheel):
    """A part is not fetched from where a file is not."""

    def away(handler: Any, first: int, count: int) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://127.0.0.2:1/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    wheel.file.lie = away
    assert wheel.get("bytes=-1000").status == 502
    assert wheel.file.whole == 0


def test_files_that_upstream_took_away(wheel: Wheel):
    wheel.project.files.clear()
    wheel.project.publish()
    wheel.index.grow_old(wheel.project.name, 10 * 24 * 3600)
    assert wheel.get("bytes=-1000").status == 404
    assert wheel.file.parts == []


class TestWithoutASize:
    """Plain HTML says no sizes: the first byte tells it, for HEAD and for ranges from the end."""

    @pytest.fixture
    def wheel(self, index: Index, project: FakeProject) -> Iterator[Wheel]:
        made = Wheel(index, project, size=None)
        yield made
        made.file.gate.set()

    def test_head(self, wheel: Wheel):
        answer = wheel.index.api.request("HEAD", wheel.url)
        assert answer.status == 200 and answer.headers["Content-Length"] == str(wheel.file.size)
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert wheel.file.parts == [(0, 0)] and wheel.file.whole == 0

    def test_the_tail(self, wheel: Wheel):
        for _ in range(2):
            assert wheel.get("bytes=-1000").body == wheel.tail(1000)
        assert [first for first, _ in wheel.file.parts] == [0, *[wheel.file.size - 1000] * 2]
        assert wheel.file.whole == 0

    def test_an_upstream_without_parts(self, wheel: Wheel):
        wheel.file.lie = _status(416)
        wheel.file.gate.set()
        assert wheel.get("bytes=-1000").body == wheel.tail(1000)
        assert wheel.file.whole == 1


def test_without_a_hash_nothing_is_passed(index: Index, project: FakeProject):
    """Nobody could ever tell whether such bytes were right."""
    wheel = Wheel(index, project, hashes={})
    wheel.file.gate.set()
    assert wheel.get("bytes=-1000").body == wheel.tail(1000)
    assert wheel.file.parts == []


def test_an_operator_may_let_clients_wait(tmp_path: Path, upstream: FakeUpstream):
    env = mirror_settings(upstream, anonymous="true", ranges="wait")
    daemon = Daemon(tmp_path / "data", env=env).start()
    try:
        project, file = FakeProject(upstream), Ranged()
        project.add("1.0", file)
        project.publish()
        file.gate.set()
        assert fetch("GET", _url(daemon, project), headers={"Range": "bytes=-1000"}).status == 206
        assert file.parts == [] and file.whole == 1
    finally:
        daemon.stop()


def test_files_that_are_too_young(tmp_path: Path, upstream: FakeUpstream):
    """The cooldown is for parts too."""
    env = mirror_settings(upstream, anonymous="true", cooldown_days="1")
    daemon = Daemon(tmp_path / "data", env=env).start()
    try:
        project, file = FakeProject(upstream), Ranged()
        filename = project.add("1.0", file, upload_time="2999-01-01T00:00:00Z")
        project.publish()
        url = f"{daemon.url}/v1/engines/pypi/files/{project.name}/{digest_of(file)}/{filename}"
        assert fetch("GET", url, headers={"Range": "bytes=-1000"}).status == 403
        assert file.parts == []
    finally:
        daemon.stop()


def _url(daemon: Daemon, project: FakeProject) -> str:
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    (file,) = fetch("GET", f"{daemon.url}/v1/engines/pypi/simple/{project.name}/", headers=accept).json["files"]
    return file["url"]


class TestWhatIsAsked:
    """Requests of any kind are a small part or none, and that part lies in the file."""

    @given(st.text() | st.from_regex(r"bytes=\d{0,9}-\d{0,9}", fullmatch=True), st.integers(1, 10**9))
    def test_any_range(self, ranges: str, size: int):
        span = Asked(ranges).small_part(size, '"tag"')
        assert span is None or (0 <= span.start < span.stop <= size and len(span) <= LARGEST)

    @given(st.integers(1, LARGEST), st.integers(LARGEST, 10**10))
    @settings(suppress_health_check=[HealthCheck.too_slow])
    def test_the_last_bytes(self, count: int, size: int):
        assert Asked(f"bytes=-{count}").small_part(size, '"tag"') == range(size - count, size)

    def test_preconditions_come_first(self):
        fields = {"Range": "bytes=-10", "If-None-Match": '"x"'}
        assert Asked.of(fields.get).small_part(1000, '"tag"') is None
        assert Asked.of({"Range": "bytes=-10"}.get).small_part(1000, '"tag"') == range(990, 1000)
        assert Asked.of({}.get).small_part(1000, '"tag"') is None
