"""The indexes over real HTTP: documents, entity tags, ranges, digests (engines.md 10.6, packages.md 3)."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from base64 import b64encode
from datetime import datetime

import pytest

from keygenreg.engines.rubygems.ruby_marshal import UserMarshal
from keygenreg.engines.rubygems.ruby_unmarshal import loads
from tests.daemon_fixtures import Account, Answer, fetch
from tests.engines.rubygems.gems import gem
from tests.engines.rubygems.store import Store

TEXTS = ("versions", "names", "info/kestrel")
SPECS = ("specs.4.8.gz", "latest_specs.4.8.gz", "prerelease_specs.4.8.gz")
QUICK = "quick/Marshal.4.8/kestrel-1.0.0.gemspec.rz"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class TestCompactIndex:
    def test_versions(self, aviary: Store):
        body = aviary.get("versions").body.decode()
        created, separator, *lines = body.splitlines()
        datetime.strptime(created, "created_at: %Y-%m-%dT%H:%M:%SZ")
        assert separator == "---"
        digests = {name: md5(aviary.get(f"info/{name}").body) for name in ("kestrel", "hawk.eye")}
        assert lines == [
            f"hawk.eye 1.0.0 {digests['hawk.eye']}",
            f"kestrel 1.0.0,1.9.0-java,1.9.0,1.10.0,2.0.0.pre.beta.1 {digests['kestrel']}",
        ]
        assert body.endswith("\n")

    def test_versions_are_the_same_a_second_later(self, aviary: Store):
        """Nothing in it is of the request's time, or of who asks."""
        tags = {aviary.get("versions", api).headers["ETag"] for api in (aviary.admin, aviary.anonymous)}
        [(founded,)] = aviary.account.sql("SELECT created FROM accounts WHERE id = %s", aviary.account.id)
        assert len(tags) == 1
        assert aviary.get("versions").body.startswith(f"created_at: {founded:%Y-%m-%dT%H:%M:%SZ}\n".encode())

    def test_info(self, aviary: Store):
        """Runtime dependencies only, the lowest version first, hex SHA-256 of the very bytes."""
        sums = {}
        for file in ("1.0.0", "1.9.0-java", "1.9.0", "1.10.0", "2.0.0.pre.beta.1"):
            sums[file] = hashlib.sha256(aviary.get(f"gems/kestrel-{file}.gem").body).hexdigest()
        first, *others = aviary.lines("info/kestrel")
        assert first == f"1.0.0 hawk:< 3&>= 1|checksum:{sums['1.0.0']},ruby:>= 2.7,rubygems:> 1.3.1"
        assert others == [f"{label} |checksum:{sums[label]}" for label in list(sums)[1:]]

    def test_info_by_id_and_with_dots(self, aviary: Store):
        assert aviary.get(f"info/{aviary.package['id']}").body == aviary.get("info/kestrel").body
        assert aviary.lines("info/hawk.eye")[0].startswith("1.0.0 needed-0:>= 0,needed-1:")

    def test_names(self, aviary: Store):
        assert aviary.get("names").body == b"---\nhawk.eye\nkestrel\n"

    @pytest.mark.parametrize("name", ["unknown", "empty", "wheel", "kestrel.txt", "%00", "a%2fb", "x" * 500])
    def test_what_has_no_gems_is_not_found(self, aviary: Store, name: str):
        answer = aviary.get(f"info/{name}")
        assert answer.status == (400 if name == "%00" else 404)
        assert answer.body == b"" or name in ("%00", "a%2fb")

    @pytest.mark.parametrize("path", TEXTS)
    def test_headers(self, aviary: Store, path: str):
        answer = aviary.get(path)
        digest = b64encode(hashlib.sha256(answer.body).digest()).decode()
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["ETag"] == f'"{md5(answer.body)}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Digest"] == f"sha-256={digest}"
        assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
        assert "private" in answer.headers["Cache-Control"]
        assert "Authorization" in answer.headers["Vary"]
        assert "public" in aviary.get(path, aviary.anonymous).headers["Cache-Control"]

    @pytest.mark.parametrize("path", TEXTS)
    def test_html_is_not_to_be_had(self, aviary: Store, path: str):
        answer = aviary.get(path, Accept="text/html")
        assert (answer.status, answer.error["code"]) == (400, "MIME_TYPE_INVALID")
        assert aviary.get(path, Accept="text/plain").status == aviary.get(path, Accept="*/*").status == 200

    def test_an_empty_registry(self, account: Account):
        store = Store(account)
        assert store.lines("versions") == []
        assert store.get("names").body == b"---\n\n"
        assert store.specs() == []


class TestOlderIndexes:
    def test_specs(self, aviary: Store):
        """By name, version, platform; no prereleases."""
        assert aviary.specs() == [
            ("hawk.eye", "1.0.0", "ruby"), ("kestrel", "1.0.0", "ruby"), ("kestrel", "1.9.0", "java"),
            ("kestrel", "1.9.0", "ruby"), ("kestrel", "1.10.0", "ruby"),
        ]  # fmt: skip

    def test_latest_specs(self, aviary: Store):
        assert aviary.specs("latest_specs.4.8.gz") == [
            ("hawk.eye", "1.0.0", "ruby"), ("kestrel", "1.9.0", "java"), ("kestrel", "1.10.0", "ruby"),
        ]  # fmt: skip

    def test_prerelease_specs(self, aviary: Store):
        assert aviary.specs("prerelease_specs.4.8.gz") == [("kestrel", "2.0.0.pre.beta.1", "ruby")]

    def test_quick(self, aviary: Store):
        answer = aviary.get(QUICK)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="kestrel-1.0.0.gemspec.rz"'
        members = loads(loads(zlib.decompress(answer.body)).data)
        assert members[2:4] == ["kestrel", UserMarshal("Gem::Version", ["1.0.0"])]
        assert [each.variables["@name"] for each in members[9]] == ["hawk", "rake"]
        assert members[13] == "More than\none line"
        assert aviary.get("quick/Marshal.4.8/kestrel-1.9.0-java.gemspec.rz").status == 200

    @pytest.mark.parametrize("path", SPECS)
    def test_headers(self, aviary: Store, path: str):
        answer = aviary.get(path, Accept="text/html")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert "Content-Encoding" not in answer.headers
        assert "Last-Modified" not in answer.headers
        assert gzip.decompress(answer.body)[:2] == b"\x04\x08"

    @pytest.mark.parametrize(
        "path",
        ["quick/Marshal.4.8/kestrel-9.gemspec.rz", "quick/Marshal.4.8/kestrel-1.0.0.gemspec",
         "quick/Marshal.4.8/.gemspec.rz", "gems/kestrel-9.gem",
         "gems/kestrel.gem", "gems/kestrel-1.0.0", "gems/.gem", "gems/kestrel-1.9.0-java-x.gem",
         "quick/kestrel-1.0.0.gemspec.rz", "nothing", "api/v1/dependencies?gems=kestrel", "api/v1/gems/kestrel.json"],
    )  # fmt: skip
    def test_what_is_not_there(self, aviary: Store, path: str):
        answer = aviary.get(path)
        assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
        assert answer.headers["Content-Type"] == "application/vnd.api+json; charset=utf-8"


class TestConditions:
    @pytest.mark.parametrize("path", [*TEXTS, *SPECS, QUICK])
    def test_entity_tags(self, aviary: Store, path: str):
        tag = aviary.get(path).headers["ETag"]
        for value in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            same = aviary.get(path, **{"If-None-Match": value})
            assert (same.status, same.body) == (304, b"")
            assert same.headers["ETag"].removeprefix("W/") == tag
        assert aviary.get(path, **{"If-None-Match": '"x"'}).status == 200

    @pytest.mark.parametrize("path", [*TEXTS, *SPECS, QUICK, "gems/kestrel-1.0.0.gem"])
    def test_head(self, aviary: Store, path: str):
        got, head = aviary.get(path), aviary.get(path, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(got.body))
        assert head.headers["ETag"] == got.headers["ETag"]

    @pytest.mark.parametrize("path", [*TEXTS, *SPECS, QUICK, "gems/kestrel-1.0.0.gem"])
    def test_ranges(self, aviary: Store, path: str):
        whole = aviary.get(path)
        size = len(whole.body)
        for asked, part in (("bytes=3-", slice(3, None)), ("bytes=2-4", slice(2, 5)), ("bytes=-5", slice(-5, None)),
                            (f"bytes={size - 1}-", slice(-1, None))):  # fmt: skip
            answer = aviary.get(path, Range=asked, **{"Accept-Encoding": "gzip"})
            assert (answer.status, answer.body) == (206, whole.body[part])
            start = size - len(whole.body[part]) if part.stop is None else part.start
            assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(answer.body) - 1}/{size}"
            for name in ("ETag", "Repr-Digest", "Digest"):
                assert answer.headers[name] == whole.headers[name]
            assert "Content-Encoding" not in answer.headers

    @pytest.mark.parametrize("path", [*TEXTS, *SPECS])
    def test_ranges_beyond_the_end(self, aviary: Store, path: str):
        size = len(aviary.get(path).body)
        answer = aviary.get(path, Range=f"bytes={size}-")
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
        assert answer.body == b""

    @pytest.mark.parametrize("value", ["bytes=1-2,4-5", "lines=1-", "bytes=5-2", "bytes", "bytes=a-"])
    def test_other_ranges_get_everything(self, aviary: Store, value: str):
        assert aviary.get("versions", Range=value).body == aviary.get("versions").body

    def test_if_range(self, aviary: Store):
        tag = aviary.get("info/kestrel").headers["ETag"]
        assert aviary.get("info/kestrel", Range="bytes=3-", **{"If-Range": tag}).status == 206
        assert aviary.get("info/kestrel", Range="bytes=3-", **{"If-Range": '"other"'}).status == 200

    def test_compressed_the_tag_stays_that_of_the_document(self, aviary: Store):
        """Bundler compares it with the MD5 of what it has unpacked."""
        plain = aviary.get("info/hawk.eye")
        packed = aviary.get("info/hawk.eye", **{"Accept-Encoding": "gzip;q=1.0,deflate"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["ETag"] == f'W/"{md5(plain.body)}"'
        assert packed.headers["Repr-Digest"] == plain.headers["Repr-Digest"]
        assert aviary.get("info/hawk.eye", **{"If-None-Match": packed.headers["ETag"]}).status == 304


class TestGoingOn:
    def ask(self, store: Store, path: str, kept: bytes, **more: str) -> Answer:
        """As Bundler asks for what came since."""
        return store.get(path, Range=f"bytes={len(kept) - 1}-", **{"If-None-Match": f'"{md5(kept)}"'}, **more)

    def test_an_index_grows_at_its_end(self, account: Account):
        store = Store(account)
        store.publish("1.0.0")
        Store(account, name="zebra").publish("1.0.0")
        kept = {path: store.get(path).body for path in ("versions", "info/kestrel")}
        for version in ("1.1.0", "1.2.0"):
            store.publish(version)
            for path, body in kept.items():
                more = self.ask(store, path, body)
                assert more.status == 206
                assert more.body[:1] == body[-1:]
                kept[path] = body + more.body[1:]
                assert more.headers["ETag"] == f'"{md5(kept[path])}"'
                digest = b64encode(hashlib.sha256(kept[path]).digest()).decode()
                assert more.headers["Repr-Digest"] == f"sha-256=:{digest}:"
                assert self.ask(store, path, kept[path]).status == 304
            assert kept["info/kestrel"] == store.get("info/kestrel").body
            last = kept["versions"].decode().splitlines()[-1]
            assert last == f"kestrel {version} {md5(kept['info/kestrel'])}"

    def test_withdrawn_versions_are_taken_back(self, account: Account):
        store = Store(account)
        for version in ("1.0.0", "1.1.0"):
            store.publish(version)
        kept = store.get("versions").body
        store.set_status("1.1.0", "YANKED")
        more = self.ask(store, "versions", kept)
        assert more.status == 206
        assert more.body.decode() == f"\nkestrel -1.1.0 {md5(store.get('info/kestrel').body)}\n"


class TestPlaces:
    def test_the_root(self, aviary: Store):
        """HEAD says that there is an index; GET is the engine as the API shows it."""
        assert aviary.get("", aviary.anonymous, method="HEAD").status == 200
        assert aviary.get("").data["type"] == "engines"

    @pytest.mark.parametrize("path", ["", "ping"])
    def test_on_a_host_of_its_own(self, aviary: Store, path: str):
        for method in ("GET", "HEAD"):
            assert self.on_host(aviary, path, method=method).status == 200

    def on_host(self, store: Store, path: str, **more: str) -> Answer:
        url = f"{store.account.daemon.url}/{store.account.slug}/{path}"
        return fetch(more.pop("method", "GET"), url, headers={"Host": "rubygems.pkg.registry.test", **more})

    @pytest.mark.parametrize("path", [*TEXTS, *SPECS, QUICK, "gems/kestrel-1.0.0.gem"])
    def test_every_file_on_a_host_of_its_own(self, aviary: Store, path: str):
        answer = self.on_host(aviary, path)
        assert (answer.status, answer.body) == (200, aviary.get(path).body)

    def test_trailing_slashes(self, aviary: Store):
        assert aviary.get("versions/").body == aviary.get("versions").body

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "api/v1/gems"), ("DELETE", "api/v1/gems/yank"), ("PUT", "x"), ("POST", "versions"), ("POST", ""),
         ("PATCH", "info/kestrel")],
    )  # fmt: skip
    def test_writing_is_explained(self, aviary: Store, method: str, path: str):
        answer = fetch(method, f"{aviary.account.daemon.url}/{aviary.account.slug}/{path}", b"x",
                       {"Host": "rubygems.pkg.registry.test"})  # fmt: skip
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert b"keygenreg publish FILE" in answer.body
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


class TestGems:
    def test_the_bytes_come_from_this_very_address(self, aviary: Store):
        answer = aviary.get("gems/kestrel-1.10.0.gem")
        assert (answer.status, answer.body) == (200, gem(version="1.10.0"))
        assert "Location" not in answer.headers
        assert answer.headers["ETag"] == f'"sha256:{hashlib.sha256(answer.body).hexdigest()}"'

    def test_under_the_name_that_installers_ask_for(self, account: Account):
        """Whatever the vendor called the file."""
        store = Store(account)
        store.publish("1.0.0", filename="dist/renamed.gem")
        assert store.get("gems/kestrel-1.0.0.gem").body == gem()
        assert store.get("quick/Marshal.4.8/kestrel-1.0.0.gemspec.rz").status == 200

    def test_the_package_decides_between_equal_names(self, account: Account):
        """A file of another package that only calls itself so comes second, even if it is older."""
        store = Store(account)
        other = Store(account, name="kestrel-1.0.0-extra")
        release = other.release("1.0.0")
        other.add(release, "1.0.0", gem("kestrel-1.0.0-extra"), "kestrel-1.0.0-extra-1.0.0.gem")
        store.admin.make_artifact(release, "kestrel-1.0.0.gem", gem("kestrel-1.0.0-extra"))
        store.publish("1.0.0")
        assert store.get("gems/kestrel-1.0.0.gem").body == gem()

    def test_bad_uploads_are_in_no_index(self, account: Account):
        store = Store(account)
        store.publish("1.0.0")
        release = store.release("1.1.0")
        failed = store.admin.make_artifact(release, "kestrel-1.1.0.gem", gem("hawk", "1.1.0"))["attributes"]
        assert failed["status"] == "FAILED"
        assert "called hawk, but the package 'kestrel'" in failed["failureReason"]
        assert store.versions() == {"kestrel": "1.0.0"}
        assert store.get("gems/kestrel-1.1.0.gem").status == 404
        store.admin.make_artifact(release, "notes.txt", b"beside gems lie other files")
        assert store.specs() == [("kestrel", "1.0.0", "ruby")]


class TestImported:
    def test_specifications_without_facts_are_read_when_asked_for(self, account: Account):
        """As an import leaves them; one that makes no sense harms no other."""
        store = Store(account)
        store.publish("1.0.0")
        store.publish("1.1.0")
        seen = {path: store.get(path).body for path in ("info/kestrel", "versions", "specs.4.8.gz", QUICK)}
        account.sql("UPDATE manifests SET metadata = '{}', updated = now() WHERE account_id = %s", account.id)
        assert {path: store.get(path).body for path in seen} == seen
        account.sql(
            "UPDATE manifests SET content = '--- !ruby/object:Object {}', updated = now() WHERE account_id = %s "
            "AND content_path = 'kestrel-1.1.0.gem'", account.id,
        )  # fmt: skip
        assert store.versions() == {"kestrel": "1.0.0"}
        assert store.get("quick/Marshal.4.8/kestrel-1.1.0.gemspec.rz").status == 404

    def test_stated_checksums_stand_in_for_bytes_that_are_not_here(self, account: Account):
        store = Store(account)
        store.publish("1.0.0")
        digest = hashlib.sha256(b"elsewhere").digest()
        base64 = b64encode(digest).decode()
        for stated, shown in ((base64, digest.hex()), (digest.hex(), digest.hex()), ("ab", ""), (None, "")):
            account.sql("UPDATE artifacts SET blob_sha256 = NULL, checksum = %s, updated = now() WHERE account_id = %s",
                        stated, account.id)  # fmt: skip
            assert store.lines("info/kestrel") == [f"1.0.0 |checksum:{shown}"]
        assert store.get("gems/kestrel-1.0.0.gem").status == 404
