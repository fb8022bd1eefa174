"""What is kept, for how long, and what becomes of it when upstream changes, goes away, or loses to a claim."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.daemon_fixtures import Account
from tests.mirror.conftest import Index
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import Answer, content
from tests.mirror.mirroring import is_kept, long_gone

DAY = 24 * 3600


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def kept(index: Index, project: FakeProject) -> str:
    """A file of the project that has been fetched once, and its page."""
    filename = project.add("1.0", content(5000))
    project.headers = {"ETag": '"v1"'}
    project.publish()
    assert index.file(project.name, filename).status == 200
    return filename


def names(index: Index, project: FakeProject) -> list[str]:
    return [file["filename"] for file in index.page(project.name).json["files"]]


class TestFreshness:
    def test_fresh_pages_ask_nobody(self, index: Index, project: FakeProject, kept: str):
        for _ in range(3):
            assert names(index, project) == [kept]
        assert len(project.upstream.requests(project.page_path)) == 1

    def test_stale_pages_are_used_while_they_are_asked_for(self, index: Index, project: FakeProject, kept: str):
        newer = project.add("2.0", b"newer")
        project.headers = {"ETag": '"v2"'}
        project.publish()
        index.grow_old(project.name, 5)
        answer = index.page(project.name)
        assert [file["filename"] for file in answer.json["files"]] == [kept]
        assert answer.headers["Warning"].startswith("110") and int(answer.headers["Age"]) >= 0
        until(lambda: names(index, project) == [kept, newer])
        assert "Warning" not in index.page(project.name).headers

    def test_nothing_new_is_not_sent_again(self, index: Index, project: FakeProject, kept: str):
        index.grow_old(project.name, 5)
        index.page(project.name)
        until(lambda: "Warning" not in index.page(project.name).headers)
        first, second = project.upstream.requests(project.page_path)
        assert "if-none-match" not in first.headers and second.headers["if-none-match"] == '"v1"'

    def test_old_pages_are_waited_for(self, index: Index, project: FakeProject, kept: str):
        newer = project.add("2.0", b"newer")
        project.headers = {}
        project.publish()
        index.grow_old(project.name, 2 * 3600)
        assert names(index, project) == [kept, newer]

    def test_upstream_says_how_long(self, index: Index, project: FakeProject):
        project.add("1.0", b"x")
        project.headers = {"Cache-Control": "max-age=100, public", "Age": "40"}
        project.publish()
        index.page(project.name)
        ((left,),) = index.account.sql(
            "SELECT extract(epoch FROM fresh_until - now()) FROM mirrored_documents WHERE name = %s", project.name
        )
        assert 30 < left <= 60


class TestUpstreamAway:
    @pytest.fixture(autouse=True)
    def back_again(self, project: FakeProject):
        yield
        project.upstream.come_back()

    @pytest.mark.parametrize("age", [5, 2 * 3600, 6 * DAY])
    def test_what_was_kept_still_installs(self, index: Index, project: FakeProject, kept: str, age: float):
        url = index.url(project.name, kept)
        index.grow_old(project.name, age)
        project.upstream.go_down()
        assert names(index, project) == [kept]
        assert index.api.get(url).body == content(5000)
        assert index.file(project.name, kept, Range="bytes=10-19").body == content(5000)[10:20]

    def test_not_for_ever(self, index: Index, project: FakeProject, kept: str):
        url = index.url(project.name, kept)
        index.grow_old(project.name, 8 * DAY)
        project.upstream.go_down()
        assert index.page(project.name).status == 503
        assert index.api.get(url).status == 503

    @pytest.mark.parametrize(
        "answer", [Answer(b"", 500), Answer(b"<html>sign in</html>"), Answer(b"", 403), Answer(b"{}", stated=100)]
    )
    def test_nor_is_it_replaced_by_garbage(self, index: Index, project: FakeProject, kept: str, answer: Answer):
        index.grow_old(project.name, 2 * 3600)
        project.upstream.put(project.page_path, answer)
        assert names(index, project) == [kept]

    def test_a_lagging_node_does_not_take_files_away(self, index: Index, project: FakeProject):
        first = project.add("1.0", b"1")
        project.headers = {"X-PyPI-Last-Serial": "100"}
        project.publish()
        assert names(index, project) == [first]
        project.files.clear()
        project.headers = {"X-PyPI-Last-Serial": "99"}
        project.publish()
        index.grow_old(project.name, 2 * 3600)
        assert names(index, project) == [first]
        project.headers = {"X-PyPI-Last-Serial": "101"}
        project.publish()
        index.grow_old(project.name, 2 * 3600)
        assert names(index, project) == []


class TestRemoval:
    """What upstream takes away is not served from our copies."""

    def refreshed(self, index: Index, project: FakeProject) -> None:
        project.headers = {}
        project.publish()
        index.grow_old(project.name, 2 * 3600)

    def test_of_a_file(self, index: Index, project: FakeProject, kept: str):
        url = index.url(project.name, kept)
        project.files.clear()
        self.refreshed(index, project)
        assert names(index, project) == []
        assert index.api.get(url).status == 404

    def test_of_a_file_that_is_asked_for_only(self, index: Index, project: FakeProject, kept: str):
        """Lock files ask for files, never for pages."""
        url = index.url(project.name, kept)
        project.files.clear()
        self.refreshed(index, project)
        assert index.api.get(url).status == 404

    def test_soon_enough_while_stale(self, index: Index, project: FakeProject, kept: str):
        url = index.url(project.name, kept)
        project.files.clear()
        self.refreshed(index, project)
        index.grow_old(project.name, 5)
        index.api.get(url)
        until(lambda: index.api.get(url).status == 404)

    def test_of_the_project(self, index: Index, project: FakeProject, kept: str):
        url = index.url(project.name, kept)
        project.upstream.put(project.page_path, Answer(b"", 404))
        index.grow_old(project.name, 2 * 3600)
        for _ in range(2):
            assert index.page(project.name).status == 404
            assert index.api.get(url).status == 404
            long_gone(index.account, project.name)
        assert not is_kept(index.account, project.name)

    def test_is_no_hiccup_of_upstream(self, index: Index, project: FakeProject, kept: str):
        """What was kept of a project that is there again is used again."""
        url = index.url(project.name, kept)
        project.upstream.put(project.page_path, Answer(b"", 404))
        index.grow_old(project.name, 2 * 3600)
        assert index.page(project.name).status == index.api.get(url).status == 404
        project.publish()
        index.grow_old(project.name, 1)
        assert names(index, project) == [kept]
        assert index.api.get(url).body == content(5000)
        assert len(project.upstream.requests(project.file_path(kept))) == 1
        assert project.upstream.requests(project.page_path)[-1].headers["if-none-match"] == '"v1"'

    def test_a_second_look_soon_is_no_confirmation(self, index: Index, project: FakeProject, kept: str):
        project.upstream.put(project.page_path, Answer(b"", 404))
        for _ in range(3):
            index.grow_old(project.name, 2 * 3600)
            assert index.page(project.name).status == 404
        assert is_kept(index.account, project.name)

    def test_is_believed_for_a_while(self, index: Index, project: FakeProject, kept: str):
        """Not asking upstream each time, in whichever process."""
        project.upstream.put(project.page_path, Answer(b"", 404))
        index.grow_old(project.name, 2 * 3600)
        assert index.page(project.name).status == 404
        index.grow_old(project.name, -60)
        asked = len(project.upstream.requests(project.page_path))
        assert index.page(project.name).status == index.page(project.name).status == 404
        assert len(project.upstream.requests(project.page_path)) == asked

    def test_counts_while_upstream_is_away(self, index: Index, project: FakeProject, kept: str):
        """What it said last was that there is no such project."""
        url = index.url(project.name, kept)
        project.upstream.put(project.page_path, Answer(b"", 404))
        index.grow_old(project.name, 2 * 3600)
        assert index.page(project.name).status == 404
        project.upstream.put(project.page_path, Answer(b"", 500))
        index.grow_old(project.name, 1)
        assert index.page(project.name).status == index.api.get(url).status == 503

    def test_while_stale(self, index: Index, project: FakeProject, kept: str):
        url = index.url(project.name, kept)
        project.upstream.put(project.page_path, Answer(b"", 410))
        index.grow_old(project.name, 5)
        until(lambda: index.page(project.name).status == 404)
        assert index.api.get(url).status == 404

    def test_by_quarantine(self, index: Index, project: FakeProject, kept: str):
        url = index.url(project.name, kept)
        project.more = {"project-status": {"status": "quarantined", "reason": "malware"}}
        self.refreshed(index, project)
        page = index.page(project.name).json
        assert page["files"] == [] and page["project-status"] == {"status": "quarantined", "reason": "malware"}
        assert index.api.get(url).status == 404

    def test_another_file_under_the_same_name(self, index: Index, project: FakeProject, kept: str):
        url = index.url(project.name, kept)
        project.files.clear()
        project.add("1.0", content(5000, seed=2))
        self.refreshed(index, project)
        assert index.file(project.name, kept).body == content(5000, seed=2)
        assert index.api.get(url).status == 404

    def test_yanks_show(self, index: Index, project: FakeProject, kept: str):
        project.files[0]["yanked"] = "broken"
        self.refreshed(index, project)
        assert index.page(project.name).json["files"][0]["yanked"] == "broken"


class TestClaims:
    """A name that is made here is ours from then on, whatever upstream has."""

    def test_a_claim_takes_the_place_of_upstream_at_once(self, account: Account, index: Index, project, kept: str):
        url = index.url(project.name, kept)
        product = account.admin.make_product("OPEN")
        made = account.admin.make_package(product, project.name.upper(), "pypi")
        assert names(index, project) == []
        assert index.api.get(url).status == 404
        assert not account.sql(
            "SELECT 1 FROM mirrored_files WHERE name = %s UNION SELECT 1 FROM mirrored_documents WHERE name = %s",
            project.name, project.name,
        )  # fmt: skip
        asked = len(project.upstream.seen)
        account.admin.delete(f"/packages/{made['id']}")
        assert index.page(project.name).status == 404
        assert index.api.get(url).status == 404
        assert len(project.upstream.seen) == asked

    @pytest.mark.parametrize("what", ["page", "file"])
    def test_a_claim_during_a_fetch_wins(self, account: Account, index: Index, project: FakeProject, what: str):
        """What comes in afterwards is not served and not kept."""
        gate = threading.Event()
        filename = project.add("1.0", Answer(content(5000), gate=gate if what == "file" else None))
        project.publish()
        path = project.file_path(filename) if what == "file" else project.page_path
        if what == "page":
            project.upstream.answers[path].gate = gate
        url = index.url(project.name, filename) if what == "file" else None
        with ThreadPoolExecutor(1) as pool:
            fetching = pool.submit(index.api.get, url) if url else pool.submit(index.page, project.name)
            until(lambda: bool(project.upstream.requests(path)))
            account.admin.make_package(account.admin.make_product("OPEN"), project.name, "pypi")
            gate.set()
            assert fetching.result().status == 404
        assert not account.sql(
            "SELECT 1 FROM mirrored_files WHERE name = %s UNION SELECT 1 FROM mirrored_documents WHERE name = %s",
            project.name, project.name,
        )  # fmt: skip
        assert names(index, project) == []

    def test_a_claim_is_written_down(self, account: Account, project: FakeProject):
        product = account.admin.make_product("OPEN")
        account.admin.make_package(product, project.name, "pypi")
        log = account.daemon.log.read_text()
        (line,) = [line for line in log.splitlines() if project.name in line and "claim" in line]
        assert account.slug in line and "user" in line

    def test_claims_of_others_do_not_count(self, account: Account, index: Index, project: FakeProject, kept: str):
        """Each account has names of its own."""
        other = str(account.sql("SELECT id FROM accounts WHERE id <> %s LIMIT 1", account.id)[0][0])
        account.sql("INSERT INTO claimed_names (account_id, engine, name) VALUES (%s, 'pypi', %s)", other, project.name)
        assert names(index, project) == [kept]


class TestBlobs:
    def test_the_collector_leaves_what_is_kept(self, account: Account, index: Index, project: FakeProject, kept: str):
        """Files are referred to like a vendor's own, once for each account."""
        ((count,),) = account.sql(
            "SELECT reference_count FROM blobs b JOIN mirrored_files f ON f.blob_sha256 = b.sha256 WHERE f.name = %s",
            project.name,
        )
        assert count >= 1

    def test_a_lost_blob_is_fetched_again(self, account: Account, index: Index, project: FakeProject):
        filename = project.add("1.0", content(6000, seed=77))
        project.publish()
        url = index.url(project.name, filename)
        assert index.api.get(url).status == 200
        ((digest,),) = account.sql("SELECT blob_sha256 FROM mirrored_files WHERE name = %s", project.name)
        (account.daemon.data_dir / "blobs" / "sha256" / digest[:2] / digest).unlink()
        assert index.api.get(url).body == content(6000, seed=77)

    def test_lock_files_work_after_eviction(self, account: Account, index: Index, project: FakeProject, kept: str):
        """A file's URL is enough to fetch it again, with nothing of it left here."""
        url = index.url(project.name, kept)
        account.sql("DELETE FROM mirrored_files WHERE name = %s", project.name)
        account.sql("DELETE FROM mirrored_documents WHERE name = %s", project.name)
        assert index.api.get(url).body == content(5000)
