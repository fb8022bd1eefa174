"""npm registries that fail, lie or attack: the client gets a clean error or the right tarball, never a wrong one."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

import pytest

from tests.engines.npm.mirror.conftest import Registry
from tests.engines.npm.mirror.fake_registry import FakePackage
from tests.engines.npm.store import JSON, NPM
from tests.mirror.fake_upstream import Answer, FakeUpstream, content

KIB = 1024
OTHER_SHA512 = "sha512-" + base64.b64encode(hashlib.sha512(b"other").digest()).decode()
OTHER_SHA1 = hashlib.sha1(b"other").hexdigest()


@pytest.fixture(autouse=True)
def circuit_closed(registry: Registry, upstream: FakeUpstream) -> None:
    """What the test before did to the upstream's circuit is over."""
    healthy = FakePackage(upstream)
    healthy.add("1.0.0")
    healthy.publish()
    deadline = time.monotonic() + 30
    while registry.versions(healthy.name) != ["1.0.0"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def package(upstream: FakeUpstream) -> FakePackage:
    return FakePackage(upstream)


class TestTarballs:
    @pytest.mark.parametrize(
        "dist",
        [
            {"integrity": OTHER_SHA512},
            {"integrity": OTHER_SHA512, "shasum": None},
            {"shasum": OTHER_SHA1},
            {"shasum": OTHER_SHA1, "integrity": None},
            {"shasum": OTHER_SHA1, "integrity": "sha512-rubbish"},
        ],
        ids=str,
    )
    def test_wrong_hashes_are_refused(self, registry: Registry, package: FakePackage, dist: dict[str, Any]):
        package.add("1.0.0", content(5000), dist=dist)
        package.publish()
        for _ in range(2):
            assert registry.tarball(package.name, "1.0.0").status == 502
        assert not registry.account.sql("SELECT 1 FROM mirrored_files WHERE name = %s", package.name)

    @pytest.mark.parametrize("missing", [["integrity"], ["shasum"], ["integrity", "shasum"]], ids=str)
    def test_missing_hashes(self, registry: Registry, package: FakePackage, missing: list[str]):
        """One is enough; of ancient versions without any, the length counts."""
        package.add("1.0.0", content(5000), dist=dict.fromkeys(missing))
        package.publish()
        assert registry.tarball(package.name, "1.0.0").body == content(5000)

    def test_cut_off(self, registry: Registry, package: FakePackage):
        package.add("1.0.0", Answer(content(5000), stated=9000))
        package.publish()
        assert registry.tarball(package.name, "1.0.0").status in (502, 503)
        package.add("1.0.0", content(5000))
        assert registry.tarball(package.name, "1.0.0").body == content(5000)

    @pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
    def test_listed_but_not_given_is_no_404(self, registry: Registry, package: FakePackage, status: int):
        package.add("1.0.0", content(5000))
        package.publish()
        package.upstream.put(package.tarball_path("1.0.0"), Answer(b"no", status))
        assert registry.tarball(package.name, "1.0.0").status in (502, 503)

    @pytest.mark.parametrize(
        "tarball",
        [
            "http://localhost:{other}/secret.tgz",
            "http://127.0.0.1:{other}/secret.tgz",
            "http://[::1]:{other}/secret.tgz",
            "http://0x7f000001:{other}/secret.tgz",
            "//127.0.0.1:{other}/secret.tgz",
            "http://user:password@127.0.0.1:{other}/secret.tgz",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/secret.tgz",
            "git+ssh://127.0.0.1/secret.git",
            "data:application/octet-stream,x",
            "http://[::1/secret.tgz",
            "http://",
        ],
    )
    def test_listed_where_we_must_not_go(self, registry: Registry, package: FakePackage, tarball: str):
        other = FakeUpstream().start()
        try:
            other.put("/secret.tgz", Answer(content(5000)))
            package.add("1.0.0", content(5000), dist={"tarball": tarball.format(other=other.port)})
            package.publish()
            ours = registry.conventional(package.name, "1.0.0")
            assert registry.document(package.name).json["versions"]["1.0.0"]["dist"]["tarball"] == ours
            assert registry.get(ours).status in (502, 503)
            assert not other.seen
        finally:
            other.stop()


class TestDocuments:
    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"null", b"[]", b"{}", b'"text"', b"<html>Please sign in</html>", b"\x1f\x8b garbage",
            b'{"error": "not_found"}', b'{"name": "another", "versions": {}}', b'{"versions": []}', b"[" * 100_000,
            b'{"versions": ' * 5000, b'{"versions": {"\xff": {}}}',
        ],
        ids=lambda body: repr(body[:30]),
    )  # fmt: skip
    @pytest.mark.parametrize("accept", [JSON, NPM])
    def test_garbage_is_not_absence(self, registry: Registry, package: FakePackage, body: bytes, accept: str):
        """An absent package would make installers choose another one, or none."""
        package.answer(body)
        answer = registry.document(package.name, accept=accept)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0

    def test_cut_off(self, registry: Registry, package: FakePackage):
        package.add("1.0.0")
        body = json.dumps(package.document).encode()
        package.answer(body[:-100])
        assert registry.document(package.name).status == 503
        package.answer(body, stated=len(body) + 100)
        assert registry.document(package.name).status == 503

    def test_too_large(self, registry: Registry, package: FakePackage):
        package.add("1.0.0")
        package.more = {"readme": "r" * (9 * KIB * KIB)}
        package.publish()
        assert registry.document(package.name).status == 502

    def test_thousands_of_versions(self, registry: Registry, package: FakePackage):
        for number in range(3000):
            package.versions[f"1.0.{number}"] = {"dist": {"tarball": f"{number}.tgz", "shasum": OTHER_SHA1}}
        package.publish()
        for accept in (JSON, NPM):
            document = registry.document(package.name, accept=accept).json
            assert len(document["versions"]) == 3000 and document["dist-tags"] == {"latest": "1.0.2999"}

    def test_wrong_types_are_left_out(self, registry: Registry, package: FakePackage):
        package.add("1.0.0")
        good = package.versions["1.0.0"]
        wrong = [None, 1, "x", [], {}, {"dist": None}, {"dist": []}, {"dist": {}}, {"dist": {"tarball": 5}},
                 good | {"dist": good["dist"] | {"tarball": {"url": "x"}}},
                 good | {"dist": good["dist"] | {"integrity": ["x"], "shasum": {}}}]  # fmt: skip
        package.versions |= {f"2.0.{place}": stated for place, stated in enumerate(wrong)}
        package.more = {"dist-tags": ["latest"], "time": "never", "readme": {"a": [1]}, "maintainers": 7}
        package.publish()
        for accept in (JSON, NPM):
            document = registry.document(package.name, accept=accept).json
            assert list(document["versions"]) == ["1.0.0"] and document["dist-tags"] == {"latest": "1.0.0"}

    def test_deep_and_double_members(self, registry: Registry, package: FakePackage):
        package.add("1.0.0")
        good = json.dumps(package.versions["1.0.0"])
        deep = '{"dist": {"tarball": "a.tgz"}, "deep": ' + "[" * 500 + "]" * 500 + "}"
        name = json.dumps(package.name)
        versions = f'{{"1.0.0": 5, "1.0.0": {good}, "2.0.0": {deep}}}'
        package.answer(f'{{"name": "x", "versions": 1, "name": {name}, "versions": {versions}}}'.encode())
        assert registry.versions(package.name, accept=JSON) == ["1.0.0"]
        assert registry.tarball(package.name, "1.0.0").status == 200

    def test_names_and_addresses_are_data(self, registry: Registry, package: FakePackage):
        package.add("1.0.0", description='"}</script>\r\nSet-Cookie: a=b')
        good = package.versions["1.0.0"]
        for version in ("../../etc/passwd", '1.0.0"', "1.0.0\r\nX: y", "__proto__", "1.0.0/-/x", "%2e%2e"):
            package.versions[version] = good
            package.tags[f"t{version}"] = version
        package.publish()
        answer = registry.document(package.name, accept=JSON)
        assert list(answer.json["versions"]) == ["1.0.0"] and answer.json["dist-tags"] == {"latest": "1.0.0"}
        assert answer.json["versions"]["1.0.0"]["description"] == good["description"]
        assert "Set-Cookie" not in answer.headers

    def test_nothing_that_names_upstream_is_left(self, registry: Registry, package: FakePackage):
        package.add("1.0.0")
        package.headers = {"Set-Cookie": "a=b", "X-Internal": "1", "WWW-Authenticate": "Basic"}
        package.publish()
        for accept in (JSON, NPM):
            answer = registry.document(package.name, accept=accept)
            assert not {"Set-Cookie", "X-Internal", "WWW-Authenticate"} & set(answer.headers)
            assert f":{package.upstream.port}".encode() not in answer.body

    @pytest.mark.parametrize("status", [301, 401, 403, 429, 500, 503, 204])
    def test_errors_are_not_absence(self, registry: Registry, package: FakePackage, status: int):
        package.answer(b"", status=status)
        for path in (package.name, f"{package.name}/latest", f"{package.name}/-/{package.name}-1.0.0.tgz"):
            assert registry.get(path).status in (502, 503)

    def test_nor_do_they_replace_what_is_kept(self, registry: Registry, package: FakePackage):
        package.add("1.0.0")
        package.publish()
        assert registry.versions(package.name) == ["1.0.0"]
        for body, status in ((b"{}", 200), (b"", 500), (b"<html>", 200), (b"", 403)):
            registry.grow_old(package.name, 2 * 3600)
            package.answer(body, status=status)
            assert registry.versions(package.name) == ["1.0.0"]


def test_nothing_of_the_client_goes_upstream(registry: Registry, package: FakePackage):
    package.add("1.0.0")
    package.publish()
    sent = {"Cookie": "session=secret", "npm_session": "1", "Referer": "install", "User_Agent": "npm"}
    assert registry.document(package.name, **sent).status == 200
    assert registry.get(registry.conventional(package.name, "1.0.0"), **sent).status == 200
    for path in (package.path, package.tarball_path("1.0.0")):
        (seen,) = package.upstream.requests(path)
        assert set(seen.headers) <= {"host", "connection", "accept", "accept-encoding", "user-agent"}
        assert seen.headers["user-agent"].startswith("keygenreg/")
