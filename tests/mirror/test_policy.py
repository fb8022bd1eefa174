"""What the operator says about names, ages and callers, for everybody and for single accounts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.daemon_fixtures import Account, Daemon, fetch
from tests.mirror.conftest import Index, mirror_settings
from tests.mirror.fake_index import FakeProject, new_name
from tests.mirror.fake_upstream import Answer, FakeUpstream, content

KEY = "Basic b3VyczpzZWNyZXQ="


@pytest.fixture(scope="module")
def closed_upstream() -> Iterator[FakeUpstream]:
    """One that wants credentials."""
    fake = FakeUpstream().start()
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream, closed_upstream: FakeUpstream
) -> Iterator[Daemon]:
    """Everybody may have all but ``denied-*``; accounts of some slugs have rules of their own."""
    accounts = {
        "redirecting": {"mode": "redirect"},
        "denying": {"mode": "deny"},
        "choosing": {"allow": ["Chosen_*", "exact"], "deny": ["chosen-but-not"]},
        "reserving": {"reserved": ["Acme.*", "*-internal"]},
        "open": {"anonymous": True},
        "patient": {"cooldown_days": 7.0, "cooldown_exempt": ["exempt-*"]},
        "elsewhere": {
            "url": f"{closed_upstream.url}simple/",
            "authorization": KEY,
            "file_hosts": [f"127.0.0.1:{upstream.port}"],
        },
        "public": {"private_addresses": False},
        "frugal": {"cache_bytes": 10_000},
        "small": {"file_bytes": 1000},
        "crowded": {"free_bytes": 2**50},
    }
    env = mirror_settings(upstream, deny="denied-*") | {
        "KEYGENREG_UPSTREAM_ACCOUNTS": json.dumps({slug: {"pypi": own} for slug, own in accounts.items()}),
    }
    running = Daemon(tmp_path_factory.mktemp("policy") / "data", "--mode", "multiplayer", env=env).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def daemon_connection(daemon: Daemon):
    connection = daemon.connect()
    yield connection
    connection.close()


Become = Callable[[str], None]


@pytest.fixture
def become(account: Account) -> Become:
    """Give the test's account a slug that has rules of its own."""

    def rename(slug: str) -> None:
        account.sql("UPDATE accounts SET slug = id::text WHERE slug = %s", slug)
        account.sql("UPDATE accounts SET slug = %s WHERE id = %s", slug, account.id)
        account.slug = slug

    return rename


def published(upstream: FakeUpstream, name: str, **stated) -> FakeProject:
    project = FakeProject(upstream, name)
    project.add("1.0", content(5000), **stated)
    return project.publish()


class TestNames:
    def test_denied(self, index: Index, upstream: FakeUpstream):
        """403 with the reason, in both forms; upstream is not asked."""
        project = published(upstream, "denied-thing")
        for accept in ("text/html", "application/vnd.pypi.simple.v1+json"):
            answer = index.page("Denied_Thing", Accept=accept)
            assert answer.status == 403 and b"does not pass" in answer.body
        assert not upstream.requests(project.page_path)

    def test_only_what_is_allowed(self, index: Index, upstream: FakeUpstream, become: Become):
        become("choosing")
        for name, status in {
            "chosen-one": 200, "exact": 200, "chosen-but-not": 403, "exact-not": 403, "denied-thing": 403
        }.items():  # fmt: skip
            published(upstream, name)
            assert index.page(name).status == status, name

    def test_reserved_names_are_never_looked_up(self, index: Index, upstream: FakeUpstream, become: Become):
        """However they are spelt, and though nothing exists under them."""
        become("reserving")
        for name in ("acme-secret", "tool-internal", "denied-internal"):
            project = published(upstream, name)
            for spelling in (name, name.upper(), name.replace("-", "_"), name.replace("-", ".-_")):
                answer = index.page(spelling)
                assert answer.status == 404 and "reserved" in answer.json["message"]
            assert not upstream.requests(project.page_path)

    def test_reserved_names_have_no_files_either(self, index: Index, upstream: FakeUpstream, become: Become):
        """A file that was fetched before the name was reserved is not given out."""
        project = published(upstream, "acme-late")
        url = index.url(project.name, project.files[0]["filename"])
        assert index.api.get(url).status == 200
        become("reserving")
        assert index.api.get(url).status == 404

    def test_denied_names_have_no_files_either(self, index: Index, account: Account):
        url = f"/engines/pypi/files/denied-thing/{'0' * 64}/denied_thing-1.0-py3-none-any.whl"
        assert index.api.get(url).status == 403


class TestModes:
    def test_redirect(self, index: Index, upstream: FakeUpstream, become: Become):
        """307 to the normalised name, never remembered, without anybody's credentials."""
        become("redirecting")
        answer = index.page("Some_Thing")
        assert answer.status == 307
        assert answer.headers["Location"] == f"{upstream.url}simple/some-thing/"
        assert answer.headers["Cache-Control"] == "no-store"
        assert index.page("denied-thing").status == 403

    def test_deny(self, index: Index, upstream: FakeUpstream, become: Become):
        become("denying")
        project = published(upstream, new_name())
        assert index.page(project.name).status == 404
        assert not upstream.requests(project.page_path)


class TestCallers:
    def test_without_credentials_there_is_nothing(self, account: Account, index: Index, upstream: FakeUpstream):
        """Installers look for credentials after a 401 only."""
        project = published(upstream, new_name())
        url = index.url(project.name, project.files[0]["filename"])
        for place in (url, f"{account.admin.base}/engines/pypi/simple/{project.name}/"):
            answer = fetch("GET", place)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")

    def test_unless_the_operator_says_so(self, account: Account, index: Index, upstream: FakeUpstream, become: Become):
        become("open")
        project = published(upstream, new_name())
        page = fetch("GET", f"{account.admin.base}/engines/pypi/simple/{project.name}/")
        assert page.status == 200
        assert fetch("GET", index.url(project.name, project.files[0]["filename"])).body == content(5000)

    def test_wrong_credentials_are_wrong_here_too(self, index: Index, upstream: FakeUpstream):
        project = published(upstream, new_name())
        url = index.url(project.name, project.files[0]["filename"])
        for headers in ({"Authorization": f"Bearer {'0' * 64}"}, {"Authorization": "License WRONG-KEY"}):
            assert fetch("GET", url, headers=headers).status == 401


class TestCooldown:
    def test_young_files_are_hidden(self, index: Index, upstream: FakeUpstream, become: Become):
        become("patient")
        young = (datetime.now(UTC) - timedelta(days=6)).isoformat()
        project = FakeProject(upstream)
        old = project.add("1.0", content(5000))
        new = project.add("2.0", content(5000, 2), upload_time=young)
        unknown = project.add("3.0", content(5000, 3), upload_time=None)
        project.publish()
        listed = [file["filename"] for file in index.page(project.name).json["files"]]
        assert listed == [old]
        place = f"/engines/pypi/files/{project.name}/"
        for filename in (new, unknown):
            (digest,) = [file["hashes"]["sha256"] for file in project.files if file["filename"] == filename]
            answer = index.api.get(f"{place}{digest}/{filename}")
            assert answer.status == 403 and b"too young" in answer.body
            assert not upstream.requests(project.file_path(filename))

    def test_even_those_that_we_have(self, index: Index, upstream: FakeUpstream, become: Become):
        """A file that was fetched before there was a cooldown waits like the others."""
        project = published(upstream, new_name(), upload_time=datetime.now(UTC).isoformat())
        url = index.url(project.name, project.files[0]["filename"])
        assert index.api.get(url).status == 200
        become("patient")
        assert index.api.get(url).status == 403

    def test_exceptions(self, index: Index, upstream: FakeUpstream, become: Become):
        become("patient")
        project = published(upstream, "exempt-thing", upload_time=datetime.now(UTC).isoformat())
        assert index.file(project.name, project.files[0]["filename"]).status == 200


class TestUpstreams:
    def test_our_credentials_go_to_their_origin_only(
        self, index: Index, upstream: FakeUpstream, closed_upstream: FakeUpstream, become: Become
    ):
        """Not to a file host, and not after a redirect."""
        become("elsewhere")
        project = FakeProject(closed_upstream)
        near = project.add("1.0", content(5000))
        far = project.add("2.0", content(5000, 2))
        moved = project.add("3.0", content(5000, 3))
        project.files[1]["url"] = f"{upstream.url}far/{far}"
        upstream.put(f"/far/{far}", Answer(content(5000, 2)))
        closed_upstream.put(project.file_path(moved), Answer(b"", 302, {"Location": f"{upstream.url}moved/{moved}"}))
        upstream.put(f"/moved/{moved}", Answer(content(5000, 3)))
        project.publish()
        assert [index.file(project.name, name).status for name in (near, far, moved)] == [200, 200, 200]
        for path in (project.page_path, project.file_path(near), project.file_path(moved)):
            assert {seen.headers.get("authorization") for seen in closed_upstream.requests(path)} == {KEY}
        for path in (f"/far/{far}", f"/moved/{moved}"):
            assert {seen.headers.get("authorization") for seen in upstream.requests(path)} == {None}

    def test_another_upstream_has_other_files(
        self, account: Account, index: Index, upstream: FakeUpstream, closed_upstream: FakeUpstream, become: Become
    ):
        """What came from one index is not served as the other's."""
        name = new_name()
        published(upstream, name)
        before = index.url(name, f"{name}-1.0-py3-none-any.whl")
        assert index.api.get(before).status == 200
        become("elsewhere")
        assert index.page(name).status == 404
        assert index.api.get(before).status == 404

    def test_private_addresses_are_refused(self, index: Index, upstream: FakeUpstream, become: Become):
        become("public")
        project = published(upstream, new_name())
        assert index.page(project.name).status == 502
        assert not upstream.requests(project.page_path)

    def test_files_beyond_the_bound(self, index: Index, upstream: FakeUpstream, become: Become):
        become("small")
        project = published(upstream, new_name())
        assert index.file(project.name, project.files[0]["filename"]).status == 502

    def test_the_disk_is_not_filled(self, index: Index, upstream: FakeUpstream, become: Become):
        """Uploads and the database need room, too: files go on without being kept."""
        become("crowded")
        project = published(upstream, new_name())
        answer = index.file(project.name, project.files[0]["filename"])
        assert answer.status == 200
        assert index.account.sql("SELECT 1 FROM mirrored_files WHERE name = %s", project.name) == []
