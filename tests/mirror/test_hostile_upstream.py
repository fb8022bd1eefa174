"""Upstreams that fail, lie or attack: the client gets a clean error or the right file, never a wrong one."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from tests.daemon_fixtures import Answer as Got
from tests.mirror.conftest import Index
from tests.mirror.fake_index import JSON, FakeProject
from tests.mirror.fake_upstream import Answer, FakeUpstream, content, large_content

MIB = 1024 * 1024
LARGE = 3 * MIB


@pytest.fixture(autouse=True)
def circuit_closed(index: Index, upstream: FakeUpstream) -> None:
    """What the test before did to the upstream's circuit is over."""
    healthy = FakeProject(upstream)
    healthy.add("1.0", b"x")
    healthy.publish()
    deadline = time.monotonic() + 30
    while index.page(healthy.name).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def fetched(index: Index, url: str) -> tuple[int, bytes, bool]:
    """Status, what came of the body, and whether it ended as it should."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request("GET", parts.path, headers={"Authorization": index.api.authorization})
        response = connection.getresponse()
        received = b""
        try:
            while piece := response.read(65536):
                received += piece
        except (http.client.IncompleteRead, ConnectionError) as error:
            received += getattr(error, "partial", b"")
            return response.status, received, False
        whole = len(received) == int(response.headers["Content-Length"])
        return response.status, received, whole
    finally:
        connection.close()


class TestFiles:
    def test_killed_in_the_middle_and_then_whole(self, index: Index, project: FakeProject):
        """The download breaks off; the next one is right."""
        body = content(LARGE)
        filename = project.add("1.0", Answer(body, cut=2 * MIB))
        project.publish()
        url = index.url(project.name, filename)
        status, received, whole = fetched(index, url)
        assert not (status == 200 and whole)
        assert status != 200 or body.startswith(received)
        project.upstream.put(project.file_path(filename), Answer(body))
        assert fetched(index, url) == (200, body, True)

    def test_small_file_cut_off_is_an_error(self, index: Index, project: FakeProject):
        filename = project.add("1.0", Answer(content(5000), cut=256 * 1024, stated=9000), size=9000)
        project.publish()
        answer = index.file(project.name, filename)
        assert answer.status in (502, 503)

    @pytest.mark.parametrize("size", [5000, MIB - 1, MIB, LARGE], ids=str)
    def test_wrong_hash_is_never_delivered(self, index: Index, project: FakeProject, size: int):
        """Small files are refused; of large ones the end never comes."""
        filename = project.add("1.0", Answer(content(size)), hashes={"sha256": "0" * 64})
        project.publish()
        url = index.url(project.name, filename)
        for _ in range(2):
            status, received, whole = fetched(index, url)
            assert status == 502 or (status == 200 and not whole and len(received) <= size - 64 * 1024)
        assert not index.account.sql("SELECT 1 FROM mirrored_files WHERE name = %s", project.name)

    def test_other_hashes_count_too(self, index: Index, project: FakeProject):
        filename = project.add("1.0", Answer(content(5000)), hashes={"md5": "0" * 32, "sha512": "1" * 128})
        project.publish()
        assert index.file(project.name, filename).status == 502

    def test_length_other_than_listed_is_refused(self, index: Index, project: FakeProject):
        filename = project.add("1.0", Answer(content(LARGE)), size=LARGE - 1)
        project.publish()
        assert index.file(project.name, filename).status == 502

    @pytest.mark.parametrize("size", [5000, LARGE])
    def test_more_than_was_announced_is_refused(self, index: Index, project: FakeProject, size: int):
        """In chunks, without a length of its own, against the list's size."""
        filename = project.add("1.0", Answer(content(size), stated=""), size=size - 10)
        project.publish()
        status, _, whole = fetched(index, index.url(project.name, filename))
        assert not (status == 200 and whole)

    def test_without_length_but_with_a_hash_it_is_passed_on(self, index: Index, project: FakeProject):
        body = content(LARGE)
        filename = project.add("1.0", Answer(body, stated=""), size=None)
        project.publish()
        assert fetched(index, index.url(project.name, filename)) == (200, body, True)

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_server_that_just_closes(self, index: Index, project: FakeProject, whole: bool):
        """HTTP/1.0 without a length: the hash tells whether the end was the end."""
        body = content(LARGE)

        def old(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + (body if whole else body[:-1]))
            handler.close_connection = True

        filename = project.add("1.0", Answer(body), size=None)
        project.publish()
        project.upstream.put(project.file_path(filename), old)
        answer = index.file(project.name, filename)
        assert (answer.status, answer.body == body) == ((200, True) if whole else (502, False))

    def test_without_hash_a_length_is_enough(self, index: Index, project: FakeProject):
        body = content(LARGE)
        filename = project.add("1.0", Answer(body), hashes={}, size=None)
        project.publish()
        url = index.url(project.name, filename)
        assert "/-/" in url
        assert fetched(index, url) == (200, body, True)
        assert fetched(index, url) == (200, body, True)
        assert len(project.upstream.requests(project.file_path(filename))) == 1

    def test_without_hash_and_length_it_is_refused(self, index: Index, project: FakeProject):
        filename = project.add("1.0", Answer(content(5000), stated=""), hashes={}, size=None)
        project.publish()
        assert index.file(project.name, filename).status == 503

    def test_dying_slowly_ends_in_an_error(self, index: Index, project: FakeProject):
        """An upstream that stops sending does not hold the client for ever."""
        never = threading.Event()
        filename = project.add("1.0", Answer(content(LARGE), gate=never, gate_at=2 * MIB))
        project.publish()
        try:
            status, _, whole = fetched(index, index.url(project.name, filename))
        finally:
            never.set()
        assert not (status == 200 and whole)

    def test_encoded_files_are_refused(self, index: Index, project: FakeProject):
        """Nobody asked for a coding, and decoding would change what the hash is of."""
        filename = project.add("1.0", Answer(content(5000), headers={"Content-Encoding": "gzip"}))
        project.publish()
        assert index.file(project.name, filename).status == 503

    @pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
    def test_listed_but_not_given_is_no_404(self, index: Index, project: FakeProject, status: int):
        """What is missing for a moment must not look as if it did not exist."""
        filename = project.add("1.0", Answer(content(5000)))
        project.publish()
        project.upstream.put(project.file_path(filename), Answer(b"no", status))
        assert index.file(project.name, filename).status in (502, 503)


class TestRedirects:
    """Each hop is judged anew."""

    def redirected(self, index: Index, project: FakeProject, location: str) -> Got:
        filename = project.add("1.0", Answer(content(5000)))
        project.publish()
        project.upstream.put(project.file_path(filename), Answer(b"", 302, {"Location": location}))
        return index.file(project.name, filename)

    def test_to_an_allowed_place(self, index: Index, project: FakeProject):
        project.upstream.put(f"/elsewhere/{project.name}", Answer(content(5000)))
        answer = self.redirected(index, project, f"../../elsewhere/{project.name}")
        assert (answer.status, answer.body) == (200, content(5000))

    def test_without_end(self, index: Index, project: FakeProject):
        project.upstream.put(f"/loop/{project.name}", Answer(b"", 301, {"Location": f"/loop/{project.name}"}))
        assert self.redirected(index, project, f"/loop/{project.name}").status == 502
        assert len(project.upstream.requests(f"/loop/{project.name}")) < 10

    @pytest.mark.parametrize(
        "location",
        [
            "http://localhost:{other}/secret",
            "http://127.0.0.1:{other}/secret",
            "http://[::1]:{other}/secret",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/secret",
            "gopher://127.0.0.1:{other}/_secret",
            "http://user:password@127.0.0.1:{other}/secret",
            "//127.0.0.1:{other}/secret",
            "",
            "http://",
        ],
    )
    def test_to_where_we_must_not_go(self, index: Index, project: FakeProject, location: str):
        """Other hosts, ports and schemes are never asked, whoever sends us there."""
        other = FakeUpstream().start()
        try:
            other.put("/secret", Answer(content(5000)))
            assert self.redirected(index, project, location.format(other=other.port)).status in (502, 503)
            assert not other.seen
        finally:
            other.stop()

    def test_listed_on_another_host(self, index: Index, project: FakeProject):
        """A page cannot send us there either."""
        other = FakeUpstream().start()
        try:
            other.put("/secret.whl", Answer(content(5000)))
            filename = project.add("1.0", Answer(content(5000)), url=f"{other.url}secret.whl")
            project.publish()
            assert index.file(project.name, filename).status == 502
            assert not other.seen
        finally:
            other.stop()


class TestPages:
    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"", "text/html"),
            (b"<html><body><h1>Please sign in</h1><a href='/login'>here</a></body></html>", "text/html"),
            (b"<html", "text/html"),
            (b"{", JSON),
            (b'{"meta": {"api-version": "2.0"}, "files": []}', JSON),
            (b'{"meta": {"api-version": "1.0"}}', JSON),
            (b'{"meta": {"api-version": "1.0"}, "name": "another", "files": []}', JSON),
            (b"[" * 100_000, JSON),
            (b"\xff\xfe" * 1000, "text/html"),
            (b"\x1f\x8b garbage", JSON),
        ],
    )
    def test_garbage_is_no_empty_project(self, index: Index, project: FakeProject, body: bytes, content_type: str):
        project.upstream.put(project.page_path, Answer(body, 200, {"Content-Type": content_type}))
        answer = index.page(project.name)
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0

    def test_a_bomb_is_refused(self, index: Index, project: FakeProject):
        """A page that is small on the wire and huge in memory."""
        bomb = gzip.compress(b"{" + b" " * 64 * MIB)
        headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
        project.upstream.put(project.page_path, Answer(bomb, 200, headers))
        assert index.page(project.name).status == 502

    def test_an_endless_page_is_refused(self, index: Index, project: FakeProject):
        endless = Answer(large_content(1), 200, {"Content-Type": JSON}, size=64 * MIB)
        project.upstream.put(project.page_path, endless)
        assert index.page(project.name).status == 502

    @pytest.mark.parametrize(
        "piece", [b"X-More: " + b"a" * 1000 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n" * 500]
    )
    def test_an_endless_head_is_refused(self, index: Index, project: FakeProject, piece: bytes):
        """Fields or interim answers without end are not gathered in memory."""
        sent = []

        def endless(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"X") else b"")
            while sum(sent) < 64 * MIB:
                handler.wfile.write(piece * 50)
                sent.append(len(piece) * 50)

        project.upstream.put(project.page_path, endless)
        assert index.page(project.name).status == 503
        assert sum(sent) < 32 * MIB

    def test_compressed_pages_are_read(self, index: Index, project: FakeProject):
        project.add("1.0", b"x")
        project.publish()
        page = project.upstream.answers[project.page_path]
        packed = Answer(gzip.compress(page.body), 200, {"Content-Type": JSON, "Content-Encoding": "gzip"})
        project.upstream.put(project.page_path, packed)
        assert index.page(project.name).status == 200

    def test_a_page_cut_off_is_no_page(self, index: Index, project: FakeProject):
        """HTML without its end would be a project with fewer files."""
        project.add("1.0", b"x")
        project.publish_html()
        page = project.upstream.answers[project.page_path]
        project.upstream.put(project.page_path, Answer(page.body, 200, page.headers, stated=len(page.body) + 100))
        assert index.page(project.name).status == 503

    @pytest.mark.parametrize("piece", [4096, 1])
    def test_a_page_that_dies_slowly_is_no_page(self, index: Index, project: FakeProject, piece: int):
        """Whether nothing more comes or a byte now and then."""
        project.add("1.0", b"x")
        project.publish()
        page = project.upstream.answers[project.page_path]
        never = threading.Event()
        page.piece, page.pause, page.gate, page.gate_at = piece, 0.2, never, 100 if piece == 1 else 0
        try:
            assert index.page(project.name).status == 503
        finally:
            never.set()

    @pytest.mark.parametrize("status", [301, 401, 403, 407, 429, 500, 502, 503, 504, 204])
    def test_errors_are_not_absence(self, index: Index, project: FakeProject, status: int):
        project.upstream.put(project.page_path, Answer(b"", status))
        assert index.page(project.name).status in (502, 503)

    def test_a_busy_upstream_says_when_to_come_back(self, index: Index, project: FakeProject):
        project.upstream.put(project.page_path, Answer(b"", 429, {"Retry-After": "2"}))
        assert index.page(project.name).headers["Retry-After"] == "2"

    def test_hostile_names_do_no_harm(self, index: Index, project: FakeProject):
        """Names and reasons are data, in JSON and in HTML."""
        filename = project.add("1.0", b"x", yanked='"><script>alert(1)</script>\r\nX: y')
        project.files.append(project.files[0] | {"filename": "../../etc/passwd"})
        project.files.append(project.files[0] | {"filename": f"{project.name}-2.0-py3-none-any.whl\r\nSet-Cookie: a=b"})
        project.more = {"project-status": {"status": "archived", "reason": "<b>no</b>"}}
        project.publish()
        page = index.page(project.name)
        assert [file["filename"] for file in page.json["files"]] == [filename]
        html = index.page(project.name, Accept="text/html")
        assert b"<script>" not in html.body and b"<b>" not in html.body and "Set-Cookie" not in html.headers

    def test_absent_and_then_there(self, index: Index, project: FakeProject):
        """Absence is believed for a moment only."""
        assert index.page(project.name).status == 404
        asked = len(project.upstream.requests(project.page_path))
        assert index.page(project.name).status == 404
        assert len(project.upstream.requests(project.page_path)) == asked
        project.add("1.0", b"x")
        project.publish()
        while (answer := index.page(project.name)).status == 404:
            pass
        assert answer.status == 200


class TestCredentials:
    def test_nothing_of_the_client_goes_upstream(self, index: Index, project: FakeProject):
        filename = project.add("1.0", content(5000))
        project.headers = {"Set-Cookie": "tracked=yes; Path=/"}
        project.publish()
        sent = {"Cookie": "session=secret", "X_Secret": "1", "Referer": "http://inside.example/", "User_Agent": "pip"}
        assert index.page(project.name, **sent).status == 200
        assert index.file(project.name, filename, **sent).status == 200
        for path in (project.page_path, project.file_path(filename)):
            (seen,) = project.upstream.requests(path)
            assert set(seen.headers) <= {"host", "connection", "accept", "accept-encoding", "user-agent"}
            assert seen.headers["user-agent"].startswith("keygenreg/")

    def test_its_answers_show_nothing_of_upstream(self, index: Index, project: FakeProject):
        project.add("1.0", b"x")
        project.headers = {"Set-Cookie": "a=b", "X-Internal": "1", "Server": "secret", "WWW-Authenticate": "Basic"}
        project.publish()
        answer = index.page(project.name)
        assert answer.headers["Server"] == "keygenreg"
        assert not {"Set-Cookie", "X-Internal", "WWW-Authenticate"} & set(answer.headers)
        assert f":{project.upstream.port}" not in json.dumps(answer.json)


def test_names_that_are_none_are_not_asked_for(index: Index, upstream: FakeUpstream):
    before = len(upstream.seen)
    for name in ("..", "-", "a%2Fb", "%00", "a%20b", "%C3%A9", "a" * 300):
        assert index.api.get(f"/engines/pypi/simple/{name}/").status in (400, 404)
    assert len(upstream.seen) == before
