"""Gems of another source through the registry: what is passed on, what is not, and how old it may be."""

from __future__ import annotations

import gzip
import hashlib
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from tests.daemon_fixtures import Account
from tests.engines.rubygems.gems import gem
from tests.engines.rubygems.mirror.conftest import COOLDOWN_DAYS, Registry
from tests.engines.rubygems.mirror.fake_source import ROOT, FakeGem, FakeSource, fresh_name
from tests.engines.rubygems.store import Store
from tests.mirror.fake_upstream import Answer, FakeUpstream


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def until(condition) -> None:
    """Wait for what happens in the background."""
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends, "it does not happen"
        time.sleep(0.02)


class TestOneGem:
    def test_its_document_is_upstreams_to_the_byte(self, lib: FakeGem, registry: Registry):
        """So its MD5 is that in the list of versions."""
        answer = registry.get(f"info/{lib.name}")
        assert answer.body == lib.info()
        assert answer.headers["ETag"] == f'"{md5(lib.info())}"'
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert registry.versions() == [f"{lib.name} 1.0.0 {md5(answer.body)}"]

    def test_its_file_is_fetched_once(self, lib: FakeGem, registry: Registry, upstream: FakeUpstream):
        for _ in range(3):
            answer = registry.gem(lib.name)
            assert (answer.status, answer.body) == (200, lib.contents["1.0.0"])
        assert len(upstream.requests(lib.path("1.0.0"))) == 1
        part = registry.gem(lib.name, Range="bytes=10-19")
        assert (part.status, part.body) == (206, lib.contents["1.0.0"][10:20])

    def test_its_specification(self, lib: FakeGem, registry: Registry, upstream: FakeUpstream):
        path = f"{ROOT}/quick/Marshal.4.8/{lib.name}-1.0.0.gemspec.rz"
        answer = registry.quick(lib.name)
        assert (answer.status, answer.body) == (200, upstream.answers[path].body)
        assert registry.quick(lib.name, "9.9.9").status == 404
        assert not upstream.requests(path.replace("1.0.0", "9.9.9"))

    def test_dashes_everywhere(self, source: FakeSource, registry: Registry):
        """Which gem a file is of does not follow from its name alone."""
        first = FakeGem(source)
        first.add("1-universal-darwin-9")
        first.add("1-2")
        second = FakeGem(source, f"{first.name}-1")
        second.add("2.5")
        for each in (first, second):
            each.publish()
            for label, content in each.contents.items():
                assert registry.gem(each.name, label).body == content

    def test_what_upstream_does_not_have(self, registry: Registry, source: FakeSource, upstream: FakeUpstream):
        name = fresh_name()
        assert registry.info(name) == 404
        assert registry.gem(name).status == 404
        assert len(upstream.requests(f"{ROOT}/info/{name}")) == 1
        for path in ("info/..%2f..%2fsecret", "info/a%20b", "gems/x.gem", "gems/-1.gem", "quick/Marshal.4.8/x-1.rz"):
            assert registry.get(path).status == 404
        assert not [seen for seen in upstream.seen if "secret" in seen.path]

    def test_a_head_request_fetches_the_document_only(self, lib: FakeGem, registry: Registry):
        answer = registry.get(f"info/{lib.name}", method="HEAD")
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(lib.info())))


class TestList:
    def test_is_upstreams_after_the_callers_own(self, lib: FakeGem, registry: Registry, store: Store):
        store.publish()
        answer = registry.get("versions")
        own, others = answer.body.decode().splitlines()[2:]
        assert own == f"kestrel 1.0.0 {md5(registry.get('info/kestrel').body)}"
        assert others == lib.source.lines[0]
        assert answer.body.startswith(b"created_at: 2026-01-02T03:04:05Z\n---\n")
        assert registry.get("names").body.decode().splitlines() == ["---", *sorted(["kestrel", lib.name])]

    def test_its_tag_and_digest_are_those_of_the_whole(self, lib: FakeGem, registry: Registry):
        """Compressed or not, and of a part; nothing is sent to who has it."""
        whole = registry.get("versions")
        assert whole.headers["ETag"] == f'"{md5(whole.body)}"'
        packed = registry.get("versions", Accept_Encoding="gzip")
        assert gzip.decompress(packed.body) == whole.body
        assert packed.headers["ETag"] == f'W/"{md5(whole.body)}"'
        part = registry.get("versions", Range="bytes=5-", Accept_Encoding="gzip")
        assert (part.status, part.body) == (206, whole.body[5:])
        digest = b64encode(hashlib.sha256(whole.body).digest()).decode()
        for answer in (whole, packed, part):
            assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
            assert answer.headers["Vary"] == "Accept, Authorization, Accept-Encoding"
            assert "private" in answer.headers["Cache-Control"]
        assert registry.get("versions", If_None_Match=whole.headers["ETag"]).status == 304
        assert registry.get("versions", Range=f"bytes={len(whole.body)}-").status == 416
        head = registry.get("versions", method="HEAD")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole.body)))

    def test_what_upstream_appends_comes_last(self, lib: FakeGem, registry: Registry, store: Store):
        """So clients fetch that alone."""
        store.publish()
        before = registry.get("versions").body
        lib.add("1.1.0")
        lib.publish()
        registry.grow_old(2 * 3600)
        after = registry.get("versions").body
        assert after.startswith(before)
        assert after != before
        more = registry.get("versions", Range=f"bytes={len(before) - 1}-", If_None_Match=f'"{md5(before)}"')
        assert (more.status, before + more.body[1:]) == (206, after)
        assert more.headers["ETag"] == f'"{md5(after)}"'

    def test_is_asked_for_once(self, lib: FakeGem, registry: Registry, upstream: FakeUpstream):
        path = f"{ROOT}/versions"
        before = len(upstream.requests(path))
        for _ in range(3):
            registry.get("versions")
            registry.get("names")
        assert len(upstream.requests(path)) == before + 1

    def test_follows_the_vendor_at_once(self, lib: FakeGem, registry: Registry, store: Store):
        assert registry.versions() == lib.source.lines
        store.publish("1.0.0")
        assert [line.split(" ")[:2] for line in registry.versions()] == [["kestrel", "1.0.0"], [lib.name, "1.0.0"]]
        store.publish("1.1.0")
        assert registry.versions()[0].startswith("kestrel 1.0.0,1.1.0 ")
        store.set_status("1.1.0", "YANKED")
        assert registry.versions()[0].startswith("kestrel 1.0.0 ")

    def test_callers_see_their_own(self, lib: FakeGem, registry: Registry, store: Store, account: Account):
        """Each with upstream's; somebody without access sees upstream's alone."""
        store.publish()
        admin = account.admin
        licensed = admin.make_license(admin.make_policy(store.product))
        stranger = admin.make_license(admin.make_policy(admin.make_product("LICENSED")))
        names = {}
        for license in (licensed, stranger):
            caller = Registry(account, admin.as_(key=license['attributes']['key']))
            names[license["id"]] = [line.split(" ")[0] for line in caller.versions()]
            assert caller.gem(lib.name).status == 200
        assert names == {licensed["id"]: ["kestrel", lib.name], stranger["id"]: [lib.name]}

    def test_lines_without_sense_are_left_out(self, lib: FakeGem, registry: Registry):
        lib.source.lines += ["broken", "b 1", f"b 1 {'0' * 31}", f"{'b' * 300} 1 {'0' * 32}", f"b\t1 {'0' * 32}",
                             f"ü 1 {'0' * 32}", "x" * 2_000_000]  # fmt: skip
        last = f"{lib.name} -1.0.0 {'0' * 32}"
        lib.source.lines.append(last)
        lib.source.list()
        assert registry.versions() == [lib.source.lines[0], last]
        assert registry.get("names").body == b"---\n\n"


class TestOlderIndexes:
    def test_have_the_callers_own_and_upstreams(self, source: FakeSource, registry: Registry, store: Store):
        lib = FakeGem(source)
        for version in ("1.0.0", "1.10.0", "1.9.0", "2.0.0.pre.1"):
            lib.add(version)
        lib.publish()
        source.lines.append(f"{lib.name} -1.10.0,1.9.0-java {'0' * 32}")
        other = FakeGem(source, "kestrel")
        other.add("9.9.9")
        other.publish()
        store.publish("1.0.0")
        store.publish("2.0.0-rc.1")
        own, gem = "kestrel", lib.name
        assert store.specs("specs.4.8.gz") == [
            (own, "1.0.0", "ruby"), (gem, "1.0.0", "ruby"), (gem, "1.9.0", "ruby"), (gem, "1.9.0", "java")
        ]  # fmt: skip
        assert store.specs("latest_specs.4.8.gz") == [
            (own, "1.0.0", "ruby"), (gem, "1.9.0", "ruby"), (gem, "1.9.0", "java")
        ]  # fmt: skip
        assert store.specs("prerelease_specs.4.8.gz") == [(own, "2.0.0.pre.rc.1", "ruby"), (gem, "2.0.0.pre.1", "ruby")]
        answer = registry.get("specs.4.8.gz", Accept_Encoding="gzip")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "Content-Encoding" not in answer.headers
        assert registry.get("specs.4.8.gz", If_None_Match=answer.headers["ETag"]).status == 304


class TestClaims:
    def test_upstreams_lines_of_a_name_of_ours_vanish(self, source: FakeSource, registry: Registry, store: Store):
        """In every spelling, and though ours has no version that anybody sees."""
        for name in ("kestrel", "Kestrel", "kestrel-nest"):
            made = FakeGem(source, name)
            made.add("9.9.9")
            made.publish()
        assert [line.split(" ")[0] for line in registry.versions()] == ["kestrel-nest"]
        for name in ("kestrel", "Kestrel"):
            assert registry.info(name) == 404
            assert registry.gem(name, "9.9.9").status == 404
            assert registry.quick(name, "9.9.9").status == 404
        assert registry.gem("kestrel-nest", "9.9.9").status == 200
        assert registry.get("names").body == b"---\nkestrel-nest\n"

    def test_a_claim_ends_what_was_passed_on(self, lib: FakeGem, registry: Registry, account: Account):
        assert registry.gem(lib.name).status == registry.quick(lib.name).status == 200
        assert registry.versions() == lib.source.lines
        package = account.admin.make_package(account.admin.make_product("LICENSED"), lib.name, "rubygems")
        for _ in range(2):
            assert registry.versions() == []
            assert registry.info(lib.name) == registry.gem(lib.name).status == registry.quick(lib.name).status == 404
            kept = "SELECT count(*) FROM mirrored_files WHERE account_id = %s AND name = %s"
            assert account.sql(kept, account.id, lib.name) == [(0,)]
            if package:
                assert account.admin.delete(f"/packages/{package['id']}").status == 204
                package = None

    def test_versions_are_never_mixed(self, source: FakeSource, registry: Registry, store: Store):
        """Neither in the gem's document, nor as files."""
        other = FakeGem(source, "kestrel")
        other.add("1.0.0")
        other.add("2.0.0")
        other.publish()
        own = gem("kestrel", "1.0.0", more="# ours\n")
        store.publish("1.0.0", own)
        assert [line.split(" ")[0] for line in registry.info("kestrel")] == ["1.0.0"]
        assert registry.gem("kestrel", "2.0.0").status == 404
        assert registry.gem("kestrel").body == own
        assert [line.split(" ")[:2] for line in registry.versions()] == [["kestrel", "1.0.0"]]


class TestRules:
    def test_names_that_are_not_passed_on(self, source: FakeSource, registry: Registry, upstream: FakeUpstream):
        for name in ("denied-lib", "ours-lib"):
            made = FakeGem(source, name)
            made.add()
            made.publish()
        assert (registry.info("denied-lib"), registry.gem("denied-lib").status) == (403, 403)
        assert (registry.info("ours-lib"), registry.gem("ours-lib").status) == (404, 404)
        assert registry.versions() == []
        assert not [seen for seen in upstream.seen if "ours-lib" in seen.path or "denied-lib" in seen.path]

    def test_nothing_without_credentials(self, lib: FakeGem, account: Account):
        anonymous = Registry(account, account.admin.as_())
        paths = ["versions", "specs.4.8.gz", f"info/{lib.name}", f"gems/{lib.name}-1.0.0.gem",
                 f"quick/Marshal.4.8/{lib.name}-1.0.0.gemspec.rz"]  # fmt: skip
        for path in paths:
            answer = anonymous.get(path)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="keygen"')

    def test_open_gems_still_need_none(self, lib: FakeGem, account: Account):
        """Others are not in their list."""
        Store(account, "OPEN").publish()
        anonymous = Registry(account, account.admin.as_())
        assert [line.split(" ")[0] for line in anonymous.versions()] == ["kestrel"]
        assert anonymous.gem("kestrel").status == 200

    def test_young_versions_are_hidden(self, source: FakeSource, registry: Registry, upstream: FakeUpstream):
        """As are those of unknown age; the list of versions names them all the same, which does no harm."""
        old = datetime.now(UTC) - timedelta(days=COOLDOWN_DAYS, hours=1)
        young = old + timedelta(hours=2)
        made = FakeGem(source, fresh_name("waiting"))
        made.add("1.0.0", uploaded=f"{old:%Y-%m-%dT%H:%M:%SZ}")
        made.add("1.1.0", uploaded=f"{young:%Y-%m-%dT%H:%M:%SZ}")
        made.add("1.2.0")
        made.publish()
        assert registry.info(made.name) == [made.lines["1.0.0"]]
        assert registry.gem(made.name, "1.0.0").status == registry.quick(made.name, "1.0.0").status == 200
        for version in ("1.1.0", "1.2.0"):
            assert registry.gem(made.name, version).status == 403
            assert registry.quick(made.name, version).status == 404
            assert not upstream.requests(made.path(version))


class TestUpstreamAway:
    def test_what_is_kept_is_served(self, lib: FakeGem, registry: Registry, away: FakeUpstream):
        for path in ("versions", f"info/{lib.name}"):
            assert registry.get(path).status == 200
        assert registry.gem(lib.name).status == registry.quick(lib.name).status == 200
        registry.grow_old(24 * 3600)
        registry.grow_old(24 * 3600, lib.name)
        away.go_down()
        for path in ("versions", "names", f"info/{lib.name}", f"quick/Marshal.4.8/{lib.name}-1.0.0.gemspec.rz"):
            answer = registry.get(path)
            assert answer.status == 200
            assert answer.headers["Warning"] == '110 - "Response is stale"'
        assert registry.gem(lib.name).body == lib.contents["1.0.0"]

    def test_what_is_not_is_no_404(self, lib: FakeGem, registry: Registry, away: FakeUpstream, store: Store):
        """Clients would choose something else; what is the vendor's is served."""
        store.publish()
        away.go_down()
        for path in ("versions", "names", f"info/{lib.name}", f"gems/{lib.name}-1.0.0.gem"):
            answer = registry.get(path)
            assert (answer.status, "Retry-After" in answer.headers) == (503, True)
        assert registry.gem("kestrel").status == 200
        assert len(registry.info("kestrel")) == 1

    def test_a_stale_list_is_renewed_behind_the_scenes(self, lib: FakeGem, registry: Registry):
        before = registry.versions()
        lib.add("1.1.0")
        lib.publish()
        registry.grow_old(10)
        assert registry.versions() == before
        until(lambda: registry.versions() == lib.source.lines)

    def test_yanked_versions_go_here_too(self, lib: FakeGem, registry: Registry):
        assert registry.gem(lib.name).status == 200
        del lib.lines["1.0.0"]
        lib.lines["1.1.0"] = "1.1.0 |checksum:" + "0" * 64
        lib.put_info()
        registry.grow_old(2 * 3600, lib.name)
        assert [line.split(" ")[0] for line in registry.info(lib.name)] == ["1.1.0"]
        assert registry.gem(lib.name).status == 404


@pytest.mark.parametrize("path", ["info/{}", "gems/{}-1.0.0.gem"])
def test_upstream_never_gets_the_callers_credentials(
    path: str, lib: FakeGem, registry: Registry, upstream: FakeUpstream
):
    assert registry.get(path.format(lib.name)).status == 200
    seen = [each for each in upstream.seen if lib.name in each.path]
    assert seen
    assert not [each for each in seen if "authorization" in each.headers or "cookie" in each.headers]


def test_a_source_without_the_compact_index(registry: Registry, upstream: FakeUpstream):
    upstream.put(f"{ROOT}/versions", Answer(b"", 404))
    assert registry.get("versions").status == 502
