"""What customers get of another npm registry when nothing is wrong, and what they do not get on purpose."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account
from tests.engines.npm.mirror.conftest import COOLDOWN_DAYS, Registry
from tests.engines.npm.mirror.fake_registry import FakePackage
from tests.engines.npm.store import JSON, NPM
from tests.engines.npm.tarballs import package as tarball_of
from tests.mirror.fake_index import new_name
from tests.mirror.fake_upstream import Answer, FakeUpstream

ABBREVIATED = "application/vnd.npm.install-v1+json"


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


class TestDocuments:
    def test_all_that_is_asked_of_a_package(self, registry: Registry, upstream: FakeUpstream):
        lib = FakePackage(upstream)
        lib.add("1.0.0", dependencies={"a": "^1"}, main="x.js")
        lib.add("2.0.0-beta.1")
        lib.tags |= {"latest": "1.0.0", "next": "2.0.0-beta.1"}
        lib.more = {"readme": "# lib", "users": {"a": True}}
        lib.publish()
        full = registry.document(lib.name, accept=JSON)
        assert full.headers["Content-Type"] == "application/json; charset=utf-8"
        assert set(full.json) == {"_id", "name", "dist-tags", "versions", "time", "readme"}
        assert full.json["versions"]["1.0.0"]["dist"] == lib.versions["1.0.0"]["dist"] | {
            "tarball": registry.conventional(lib.name, "1.0.0")
        }
        short = registry.document(lib.name)
        assert short.headers["Content-Type"] == ABBREVIATED
        assert short.json["versions"]["1.0.0"].keys() == {"name", "version", "dist", "dependencies"}
        assert short.json["time"] == full.json["time"]
        assert registry.get(f"{lib.name}/next").json["version"] == "2.0.0-beta.1"
        assert registry.get(f"{lib.name}/1.0.0").json["main"] == "x.js"
        assert "main" not in registry.get(f"{lib.name}/1.0.0", accept=NPM).json
        assert registry.get(f"{lib.name}/3.0.0").status == 404
        tags = registry.get(f"-/package/{lib.name}/dist-tags").json
        assert tags == {"latest": "1.0.0", "next": "2.0.0-beta.1"}
        assert lib.asked == 1
        assert upstream.requests(lib.path)[0].headers["accept"] == "application/json"

    def test_the_smaller_document_is_asked_for_where_it_is_enough(self, registry: Registry, lib: FakePackage):
        assert registry.document(lib.name).json["versions"]["1.0.0"]["dist"]
        assert registry.get(f"-/package/{lib.name}/dist-tags").json == {"latest": "1.0.0"}
        assert registry.tarball(lib.name, "1.0.0").status == 200
        assert registry.document(lib.name, accept=JSON).json["_id"] == lib.name
        short, full = lib.upstream.requests(lib.path)
        assert short.headers["accept"].startswith(ABBREVIATED) and full.headers["accept"] == "application/json"

    @pytest.mark.parametrize("accept", [JSON, NPM, "*/*"])
    def test_conditional_requests(self, registry: Registry, lib: FakePackage, accept: str):
        first = registry.document(lib.name, accept=accept)
        assert first.headers["Cache-Control"] == "private, max-age=0, must-revalidate, no-transform"
        again = registry.document(lib.name, accept=accept, If_None_Match=first.headers["ETag"])
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        lib.add("1.1.0")
        lib.publish()
        registry.grow_old(lib.name, 2 * 3600)
        assert registry.document(lib.name, accept=accept, If_None_Match=first.headers["ETag"]).status == 200

    def test_the_same_content_is_the_same_for_clients(self, registry: Registry, lib: FakePackage):
        """Whether upstream knows about conditional requests or not."""
        first = registry.document(lib.name)
        registry.grow_old(lib.name, 2 * 3600)
        assert registry.document(lib.name, If_None_Match=first.headers["ETag"]).status == 304
        assert lib.asked == 2

    def test_head_and_compression(self, registry: Registry, lib: FakePackage):
        got = registry.get(lib.name, accept=NPM)
        head = registry.get(lib.name, accept=NPM, method="HEAD")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(got.body)))
        assert registry.get(lib.name, accept=NPM, Accept_Encoding="gzip").headers["Content-Encoding"] == "gzip"

    def test_unknown_names(self, registry: Registry, upstream: FakeUpstream):
        name = new_name()
        for path in (name, f"{name}/1.0.0", f"-/package/{name}/dist-tags", f"{name}/-/{name}-1.0.0.tgz"):
            answer = registry.get(path)
            assert answer.status == 404 and answer.json["error"]
        assert len(upstream.requests(f"/npm/{name}")) <= 4

    @pytest.mark.parametrize("path", ["_x", "..%2fx", "a%20b", "%C3%A9", "@a%2f..", "a%00", "a" * 300, ".a"])
    def test_names_that_are_none_are_not_asked_for(self, registry: Registry, upstream: FakeUpstream, path: str):
        before = len(upstream.seen)
        assert registry.get(path).status in (400, 404)
        assert len(upstream.seen) == before

    def test_capitals_tell_packages_apart(self, registry: Registry, upstream: FakeUpstream):
        lower = FakePackage(upstream, f"p{uuid4().hex[:8]}x")
        upper = FakePackage(upstream, lower.name.upper())
        for package, version in ((lower, "1.0.0"), (upper, "2.0.0")):
            package.add(version)
            package.publish()
        assert registry.versions(lower.name) == ["1.0.0"]
        assert registry.versions(upper.name) == ["2.0.0"]


class TestScopes:
    @pytest.mark.parametrize("spelling", ["@{}/lib", "@{}%2flib", "@{}%2Flib", "%40{}%2flib", "%40{}/lib"])
    def test_every_spelling(self, registry: Registry, upstream: FakeUpstream, spelling: str):
        scope = new_name()
        lib = FakePackage(upstream, f"@{scope}/lib")
        body = lib.add("1.0.0")
        lib.publish()
        path = spelling.format(scope)
        assert registry.versions(path) == ["1.0.0"]
        assert registry.get(f"{path}/1.0.0").json["name"] == lib.name
        assert registry.get(f"-/package/{path}/dist-tags").json == {"latest": "1.0.0"}
        tarball = registry.document(path).json["versions"]["1.0.0"]["dist"]["tarball"]
        assert tarball == registry.conventional(lib.name, "1.0.0")
        for file in ("lib-1.0.0.tgz", f"@{scope}/lib-1.0.0.tgz"):
            assert registry.get(f"{path}/-/{file}").body == body
        assert (lib.asked, lib.fetched("1.0.0")) == (2, 1)


class TestTarballs:
    def test_fetched_once_and_kept(self, registry: Registry, lib: FakePackage):
        for _ in range(2):
            answer = registry.tarball(lib.name, "1.0.0")
            assert (answer.status, answer.body) == (200, tarball_of(lib.name, "1.0.0"))
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{lib.name}-1.0.0.tgz"'
        assert lib.fetched("1.0.0") == 1
        part = registry.get(registry.conventional(lib.name, "1.0.0"), Range="bytes=2-5")
        assert (part.status, part.body) == (206, answer.body[2:6])
        again = registry.get(registry.conventional(lib.name, "1.0.0"), If_None_Match=answer.headers["ETag"])
        assert again.status == 304

    def test_without_any_document_before(self, registry: Registry, lib: FakePackage):
        """Lockfiles ask for files only."""
        assert registry.get(registry.conventional(lib.name, "1.0.0")).body == tarball_of(lib.name, "1.0.0")
        assert registry.get(registry.conventional(lib.name, "2.0.0")).status == 404

    @pytest.mark.parametrize("version", ["1.0.0-rc.1", "1.0.0+build.5", "0.0.1alpha"])
    def test_odd_versions(self, registry: Registry, upstream: FakeUpstream, version: str):
        lib = FakePackage(upstream)
        body = lib.add(version)
        lib.publish()
        assert registry.tarball(lib.name, version).body == body
        for spelled in (version, quote(version, safe="")):
            assert registry.get(registry.conventional(lib.name, spelled)).body == body

    def test_upstream_may_keep_them_anywhere(self, registry: Registry, upstream: FakeUpstream):
        lib = FakePackage(upstream)
        upstream.put(f"/files/{lib.name}?a=1", Answer(b"bytes"))
        lib.add("1.0.0", b"bytes", dist={"tarball": f"../files/{lib.name}?a=1#sha1"})
        lib.publish()
        assert registry.tarball(lib.name, "1.0.0").body == b"bytes"

    def test_whoever_reads_full_documents_needs_no_other(self, registry: Registry, lib: FakePackage):
        document = registry.document(lib.name, accept=JSON).json
        assert registry.get(document["versions"]["1.0.0"]["dist"]["tarball"]).status == 200
        assert registry.versions(lib.name) == ["1.0.0"]
        assert lib.asked == 1
        lib.upstream.go_down()
        registry.grow_old(lib.name, 2 * 3600)
        try:
            assert registry.versions(lib.name) == ["1.0.0"]
        finally:
            lib.upstream.come_back()


class TestAccess:
    def test_only_with_credentials(self, account: Account, lib: FakePackage):
        """And those who have none are told where to put them."""
        anonymous = Registry(account, account.admin.as_())
        tarball = f"{lib.name}/-/{lib.name}-1.0.0.tgz"
        for path in (lib.name, f"{lib.name}/latest", f"-/package/{lib.name}/dist-tags", tarball):
            answer = anonymous.get(path)
            assert answer.status == 401 and ":_auth=" in answer.headers["npm-notice"]
            assert "WWW-Authenticate" in answer.headers
        assert lib.asked == 0

    def test_with_a_license(self, account: Account, lib: FakePackage):
        product = account.admin.make_product("LICENSED")
        license = account.admin.make_license(account.admin.make_policy(product))
        customer = Registry(account, account.admin.as_(key=license["attributes"]["key"]))
        assert customer.versions(lib.name) == ["1.0.0"]
        assert customer.tarball(lib.name, "1.0.0").status == 200

    def test_denied_and_reserved_names(self, registry: Registry, upstream: FakeUpstream):
        for name, status in (("denied-x", 403), ("Denied-X", 403), ("ours-x", 404), ("@ours/x", 404)):
            lib = FakePackage(upstream, name)
            lib.add("1.0.0")
            lib.publish()
            for path in (name, f"{name}/-/{name.rpartition('/')[2]}-1.0.0.tgz"):
                assert registry.get(path).status == status
            assert lib.asked == 0

    def test_the_registrys_own_endpoints_stay(self, registry: Registry, upstream: FakeUpstream, lib: FakePackage):
        """Neither searches, nor names, nor what is installed, nor lists of keys go to anybody else."""
        before = len(upstream.seen)
        assert registry.get("-/ping").json == {}
        assert registry.get("-/whoami").json["username"] == registry.account.email
        assert registry.get(f"-/v1/search?text={lib.name}").json["total"] == 0
        audit = registry.api.post("/engines/npm/-/npm/v1/security/advisories/bulk", {lib.name: ["1.0.0"]})
        assert audit.json == {}
        for path in ("-/npm/v1/keys", f"-/npm/v1/attestations/{lib.name}@1.0.0", "-/all"):
            assert registry.get(path).status == 404
        assert len(upstream.seen) == before


class TestClaims:
    """A name that is made here is ours from then on, whatever upstream has."""

    def vendor(self, account: Account, name: str, version: str | None = None) -> None:
        product = account.admin.make_product("LICENSED")
        package = account.admin.make_package(product, name, "npm")
        if version:
            release = account.admin.make_release(product, version, package=package)
            account.admin.make_artifact(release, "own.tgz", tarball_of(name, version))

    def test_versions_never_mix(self, account: Account, registry: Registry, lib: FakePackage):
        lib.add("9.0.0")
        lib.publish()
        self.vendor(account, lib.name, "1.0.0")
        assert registry.versions(lib.name) == registry.versions(lib.name, accept=JSON) == ["1.0.0"]
        assert registry.get(f"-/package/{lib.name}/dist-tags").json == {"latest": "1.0.0"}
        assert registry.get(f"{lib.name}/9.0.0").status == 404
        assert registry.get(registry.conventional(lib.name, "9.0.0")).status == 404
        assert lib.asked == 0

    def test_a_claim_takes_the_place_of_upstream_at_once(self, account: Account, registry: Registry, lib: FakePackage):
        assert registry.get(lib.name).status == registry.tarball(lib.name, "1.0.0").status == 200
        self.vendor(account, lib.name)
        for path in (lib.name, f"{lib.name}/1.0.0", f"{lib.name}/-/{lib.name}-1.0.0.tgz"):
            assert registry.get(path).status == 404
        left = "SELECT name FROM mirrored_files UNION ALL SELECT name FROM mirrored_documents"
        assert (lib.name,) not in account.sql(left)

    def test_a_claim_counts_in_any_case_and_after_the_package_is_gone(self, account: Account, registry: Registry, lib):
        package = account.admin.make_package(account.admin.make_product(), lib.name.upper(), "npm")
        assert registry.get(lib.name).status == 404
        assert account.admin.delete(f"/packages/{package['id']}").status == 204
        assert registry.get(lib.name).status == registry.get(lib.name.upper()).status == 404
        assert lib.asked == 0

    def test_a_claim_counts_for_those_who_must_not_see_it(self, account: Account, lib: FakePackage):
        self.vendor(account, lib.name, "1.0.0")
        other = account.admin.make_license(account.admin.make_policy(account.admin.make_product()))
        stranger = Registry(account, account.admin.as_(key=other["attributes"]["key"]))
        assert stranger.get(lib.name).status == stranger.get(stranger.conventional(lib.name, "1.0.0")).status == 404
        assert Registry(account, account.admin.as_()).get(lib.name).status == 401
        assert lib.asked == 0


class TestCooldown:
    @pytest.fixture
    def young(self, upstream: FakeUpstream) -> FakePackage:
        """A package of a name that has to wait, with an old version and one of yesterday."""
        package = FakePackage(upstream, f"young-{uuid4().hex[:12]}")
        package.add("1.0.0", published=days_ago(COOLDOWN_DAYS + 1))
        package.add("1.1.0", published=days_ago(1))
        return package.publish()

    def test_young_versions_are_hidden(self, registry: Registry, young: FakePackage):
        for accept in (JSON, NPM):
            document = registry.document(young.name, accept=accept).json
            assert list(document["versions"]) == ["1.0.0"] and "1.1.0" not in document["time"]
            assert document["dist-tags"] == {"latest": "1.0.0"}
        assert registry.get(f"-/package/{young.name}/dist-tags").json == {"latest": "1.0.0"}
        assert registry.get(f"{young.name}/1.1.0").status == 404
        assert registry.get(f"{young.name}/latest").json["version"] == "1.0.0"
        assert young.asked == 1  # times are in the full document only, so that is the one

    def test_nor_are_their_files_given(self, registry: Registry, young: FakePackage):
        """A lockfile from elsewhere knows them."""
        assert registry.get(registry.conventional(young.name, "1.0.0")).status == 200
        answer = registry.get(registry.conventional(young.name, "1.1.0"))
        assert answer.status == 403 and "too young" in answer.json["error"]
        assert young.fetched("1.1.0") == 0

    def test_without_times_nothing_is_old_enough(self, registry: Registry, young: FakePackage):
        young.more = {"time": {}}
        young.publish()
        answer = registry.document(young.name)
        assert answer.status == 403 and "too young" in answer.json["error"]
        assert registry.get(registry.conventional(young.name, "1.0.0")).status == 403

    def test_files_fetched_before_there_was_a_cooldown(self, registry: Registry, young: FakePackage):
        """Nothing is known of their age but from the document."""
        url = registry.conventional(young.name, "1.0.0")
        assert registry.get(url).status == 200
        registry.account.sql("UPDATE mirrored_files SET uploaded = NULL WHERE name = %s", young.name)
        assert registry.get(url).status == 200
        assert young.fetched("1.0.0") == 1

    def test_exempt_names_do_not_wait(self, registry: Registry, upstream: FakeUpstream):
        lib = FakePackage(upstream)
        lib.add("1.0.0", published=days_ago(0))
        lib.publish()
        assert registry.versions(lib.name) == ["1.0.0"]
        assert registry.tarball(lib.name, "1.0.0").status == 200


class TestFreshness:
    def test_fresh_documents_ask_nobody(self, registry: Registry, lib: FakePackage):
        for _ in range(3):
            assert registry.versions(lib.name) == ["1.0.0"]
        assert lib.asked == 1

    def test_stale_documents_are_used_while_they_are_asked_for(self, registry: Registry, lib: FakePackage):
        lib.headers = {"ETag": '"v1"'}
        lib.publish()
        assert registry.versions(lib.name) == ["1.0.0"]
        lib.add("1.1.0")
        lib.headers = {"ETag": '"v2"'}
        lib.publish()
        registry.grow_old(lib.name, 5)
        answer = registry.document(lib.name)
        assert list(answer.json["versions"]) == ["1.0.0"] and answer.headers["Warning"].startswith("110")
        until(lambda: registry.versions(lib.name) == ["1.0.0", "1.1.0"])
        assert lib.upstream.requests(lib.path)[1].headers["if-none-match"] == '"v1"'

    def test_what_is_taken_away_upstream_is_taken_away_here(self, registry: Registry, lib: FakePackage):
        lib.add("1.1.0")
        lib.publish()
        url = registry.conventional(lib.name, "1.1.0")
        assert registry.get(url).status == 200
        del lib.versions["1.1.0"]
        lib.publish()
        registry.grow_old(lib.name, 2 * 3600)
        assert registry.document(lib.name).json["dist-tags"] == {"latest": "1.0.0"}
        assert registry.get(url).status == 404
        lib.answer(b'{"error": "not_found"}', status=404)
        registry.grow_old(lib.name, 2 * 3600)
        assert registry.get(registry.conventional(lib.name, "1.0.0")).status == 404

    def test_a_version_made_again_is_fetched_again(self, registry: Registry, lib: FakePackage):
        assert registry.tarball(lib.name, "1.0.0").status == 200
        lib.add("1.0.0", b"other bytes")
        lib.publish()
        registry.grow_old(lib.name, 2 * 3600)
        assert registry.tarball(lib.name, "1.0.0").body == b"other bytes"

    @pytest.mark.parametrize("age", [5, 2 * 3600, 6 * 24 * 3600])
    def test_what_was_kept_still_installs_without_upstream(self, registry: Registry, lib: FakePackage, age: float):
        assert registry.tarball(lib.name, "1.0.0").status == 200
        registry.grow_old(lib.name, age)
        lib.upstream.go_down()
        try:
            assert registry.versions(lib.name) == ["1.0.0"]
            assert registry.tarball(lib.name, "1.0.0").body == tarball_of(lib.name, "1.0.0")
            assert registry.get(registry.conventional(lib.name, "1.0.0")).status == 200
        finally:
            lib.upstream.come_back()
