"""Documents of other registries, read and put together again, without any network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import Denied, NotFound
from keygenreg.engines.npm import mirrored
from keygenreg.engines.npm.documents import INSTALL_V1
from keygenreg.engines.npm.integrity import read_integrity, write_integrity
from keygenreg.engines.npm.packument import tags_of
from keygenreg.engines.npm.paths import Tarball, is_public_name, read_path
from keygenreg.engines.npm.upstream import FULL, SHORT, NpmUpstream
from keygenreg.formats.media_types import JSON
from keygenreg.mirror.adapter import Listing, Unusable
from keygenreg.mirror.policy import Policy, policy_of
from keygenreg.upstream_settings import Npm, Upstream

ADAPTER = NpmUpstream()
PAGE = "https://registry.example/lib"
POLICY = policy_of(Upstream(npm=Npm(mode="mirror")), ADAPTER)

BYTES = b"a tarball"
SHA1 = hashlib.sha1(BYTES).hexdigest()
SHA512 = hashlib.sha512(BYTES).hexdigest()
INTEGRITY = "sha512-" + base64.b64encode(bytes.fromhex(SHA512)).decode()


def manifest(version: str = "1.0.0", name: str = "lib", **members: Any) -> dict[str, Any]:
    tarball = f"https://registry.example/{name}/-/{name}-{version}.tgz"
    dist = {"tarball": tarball, "shasum": SHA1, "integrity": INTEGRITY}
    return {"name": name, "version": version, "dist": dist} | members


def packument(*manifests: dict[str, Any], **members: Any) -> dict[str, Any]:
    versions = {each["version"]: each for each in manifests or [manifest()]}
    latest = list(versions)[-1]
    return {"name": "lib", "dist-tags": {"latest": latest}, "versions": versions} | members


def read(document: Any, *, variant: str = FULL, name: str = "lib", url: str = PAGE) -> Listing:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return ADAPTER.read(body, headers={}, url=url, name=name, variant=variant)


def address(name: str = "lib") -> Callable[[str], str]:
    return lambda version: f"https://ours.example/{name}/-/{version}"


def shown(document: Any, media_type: str = JSON, policy: Policy = POLICY) -> dict[str, Any]:
    """Our document of upstream's."""
    variant = SHORT if media_type == INSTALL_V1 and not policy.cooldown else FULL
    found = mirrored.shown(read(document, variant=variant), policy)
    return json.loads(mirrored.package_document(found, media_type, address()).body)


def waiting(days: float, *exempt: str) -> Policy:
    return evolve(POLICY, cooldown=timedelta(days=days), exempt=type(POLICY.exempt).of(exempt))


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


class TestRewriting:
    def test_everything_a_vendor_says_stays_but_the_address(self):
        stated = manifest(scripts={"test": "x"}, bin={"lib": "cli.js"}, weird=[1, {"a": None}], _npmUser={"name": "a"})
        about = {"readme": "# lib", "description": "about", "maintainers": [{"name": "a"}], "license": "MIT"}
        ours = shown(packument(stated, **about))
        theirs = stated | {"_id": "lib@1.0.0", "dist": stated["dist"] | {"tarball": address()("1.0.0")}}
        assert ours == {"_id": "lib", **packument(theirs, **about)}

    def test_what_upstream_keeps_for_itself_goes(self):
        stated = manifest(_npmOperationalInternal={"host": "x"}, _resolved="/home/a", _from=".")
        stated["dist"] |= {"npm-signature": "-----BEGIN PGP", "elsewhere": 1}
        more = {"_rev": "1-a", "_attachments": {"x": {}}, "_distfiles": {}, "_uplinks": {}, "users": {"a": True}}
        ours = shown(packument(stated, **more))
        assert set(ours) == {"_id", "name", "dist-tags", "versions"}
        assert set(ours["versions"]["1.0.0"]) == {"name", "version", "_id", "dist"}
        assert set(ours["versions"]["1.0.0"]["dist"]) == {"tarball", "shasum", "integrity"}

    def test_signatures_and_attestations_stay(self):
        """They are over name, version and integrity, which stay too."""
        more = {"signatures": [{"keyid": "k", "sig": "s"}], "attestations": {"url": "https://registry.example/a"}}
        stated = manifest()
        stated["dist"] |= more | {"fileCount": 3, "unpackedSize": 99}
        dist = shown(packument(stated))["versions"]["1.0.0"]["dist"]
        assert dist == stated["dist"] | {"tarball": address()("1.0.0")}

    def test_abbreviated_from_a_full_document(self):
        """Registries are known to answer in full whatever is asked for."""
        stated = manifest(dependencies={"a": "^1"}, libc=["glibc"], scripts={"install": "x"}, readme="long", main="a")
        time = {"created": "2020-01-01T00:00:00Z", "modified": "2021-01-01T00:00:00.5Z", "1.0.0": "2021-01-01"}
        ours = shown(packument(stated, time=time, readme="long"), INSTALL_V1)
        assert set(ours) == {"name", "dist-tags", "versions", "modified", "time"}
        assert ours["modified"] == ours["time"]["modified"] == "2021-01-01T00:00:00.500Z"
        version = ours["versions"]["1.0.0"]
        assert set(version) == {"name", "version", "dist", "dependencies", "libc", "hasInstallScript"}
        assert version["hasInstallScript"] is True

    def test_abbreviated_from_an_abbreviated_document(self):
        stated = packument(manifest(hasInstallScript=True, deprecated="use ours"), modified="2021-01-01T00:00:00.000Z")
        ours = shown(stated, INSTALL_V1)
        assert set(ours) == {"name", "dist-tags", "versions", "modified"}
        assert ours["versions"]["1.0.0"]["deprecated"] == "use ours"
        assert ours["versions"]["1.0.0"]["hasInstallScript"] is True

    def test_abbreviated_says_only_what_installers_need(self):
        full, short = (read(packument(manifest(readme="r" * 5000)), variant=each) for each in (FULL, SHORT))
        assert len(short.document.pieces["1.0.0"].short) < 500 and not short.document.pieces["1.0.0"].full
        assert full.document.pieces["1.0.0"].short == short.document.pieces["1.0.0"].short

    def test_times_of_versions_that_are_not_shown_are_left_out(self):
        ours = shown(packument(time={"1.0.0": "2021-01-01T00:00:00Z", "0.9.0": "2020-01-01T00:00:00Z", "x": 1}))
        assert ours["time"] == {"1.0.0": "2021-01-01T00:00:00.000Z"}

    def test_one_version_by_itself_and_by_tag(self):
        tags = {"latest": "1.0.0", "b": "2.0.0-beta"}
        stated = packument(manifest("1.0.0"), manifest("2.0.0-beta"), **{"dist-tags": tags})
        found = mirrored.shown(read(stated), POLICY)
        for selector, version in {"1.0.0": "1.0.0", "latest": "1.0.0", "b": "2.0.0-beta"}.items():
            ours = json.loads(mirrored.version_document(found, selector, JSON, address()).body)
            assert ours["version"] == version and ours["dist"]["tarball"] == address()(version)
        for selector in ("3.0.0", "^1.0.0", ""):
            with pytest.raises(NotFound):
                mirrored.version_document(found, selector, JSON, address())

    def test_etags_tell_representations_apart(self):
        found = mirrored.shown(read(packument()), POLICY)
        elsewhere = mirrored.package_document(found, JSON, address("other"))
        ours = [mirrored.package_document(found, each, address()) for each in (JSON, INSTALL_V1)]
        assert len({elsewhere.etag, *(each.etag for each in ours)}) == 3
        assert ours[0] == mirrored.package_document(mirrored.shown(read(packument()), POLICY), JSON, address())


class TestFiles:
    def test_hashes_are_those_that_upstream_states(self):
        (file,) = read(packument()).files.values()
        assert (file.key, file.hashes) == ("lib-1.0.0.tgz", {"sha512": SHA512, "sha1": SHA1})
        assert file.digest == f"sha512-{SHA512}"

    def test_scoped_names_call_files_without_the_scope(self):
        stated = {"name": "@a/lib", "versions": {"1.0.0": manifest()}}
        assert list(read(stated, name="@a/lib").files) == ["lib-1.0.0.tgz"]

    @pytest.mark.parametrize(
        ("dist", "hashes"),
        [
            ({"integrity": None}, {"sha1": SHA1}),
            ({"shasum": None}, {"sha512": SHA512}),
            ({"integrity": None, "shasum": None}, {}),
            ({"integrity": "", "shasum": ""}, {}),
            ({"integrity": "sha512-rubbish"}, {"sha1": SHA1}),
            ({"shasum": SHA1.upper()}, {"sha512": SHA512, "sha1": SHA1}),
        ],
    )
    def test_missing_and_odd_hashes(self, dist: dict, hashes: dict):
        stated = manifest()
        stated["dist"] = {name: value for name, value in (stated["dist"] | dist).items() if value is not None}
        (file,) = read(packument(stated)).files.values()
        assert file.hashes == hashes

    @pytest.mark.parametrize(
        "dist",
        [
            {"integrity": "sha512-rubbish", "shasum": "x"},
            {"integrity": 5, "shasum": []},
            {"integrity": "sha1-" + base64.b64encode(bytes(20)).decode()},
            {"tarball": None},
            {"tarball": ["https://registry.example/a.tgz"]},
            {"tarball": ""},
            {"tarball": "https://registry.example/\ud800.tgz"},
            {"tarball": "https://registry.example/a.tgz\r\nX: y"},
            {"tarball": "https://registry.example/" + "a" * 5000},
        ],
        ids=str,
    )
    def test_what_cannot_be_installed_safely_is_left_out(self, dist: dict):
        """Hashes that nobody can check, hashes that contradict each other, no address."""
        stated = manifest("1.1.0")
        stated["dist"] |= dist
        listing = read(packument(manifest("1.0.0"), stated))
        assert list(listing.document.pieces) == ["1.0.0"] and list(listing.files) == ["lib-1.0.0.tgz"]

    @pytest.mark.parametrize("version", ["", "-1", "../x", "a b", "1/2", "__proto__", "1" * 300, 'a"b', "1.0.0\n"])
    def test_versions_that_are_none_are_left_out(self, version: str):
        stated = packument(manifest("1.0.0"))
        stated["versions"][version] = manifest("1.0.0")
        assert list(read(stated).document.pieces) == ["1.0.0"]

    def test_addresses_may_be_relative_and_may_forget_encryption(self):
        wanted = "https://registry.example/lib/-/lib-1.0.0.tgz"
        for stated in ("lib/-/lib-1.0.0.tgz", "//registry.example/lib/-/lib-1.0.0.tgz", wanted, "http" + wanted[5:]):
            document = manifest()
            document["dist"]["tarball"] = stated
            (file,) = read(packument(document)).files.values()
            assert file.url == wanted

    def test_other_hosts_keep_their_scheme(self):
        """So that the rules about hosts and encryption see what upstream says."""
        document = manifest()
        document["dist"]["tarball"] = "http://files.example/lib-1.0.0.tgz"
        (file,) = read(packument(document)).files.values()
        assert file.url == "http://files.example/lib-1.0.0.tgz"


class TestUnusable:
    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b"<html>", b"[]", b'"x"', b"null", b"{}", b'{"versions": []}', b'{"error": "not_found"}',
         b'{"name": "other", "versions": {}}', b'{"name": 1, "versions": {}}', b"[" * 100_000,
         b'{"a":' * 2000 + b"1" + b"}" * 2000, b'{"versions": {"\xff": 1}}'],
        ids=lambda body: repr(body[:30]),
    )  # fmt: skip
    def test_is_no_package(self, body: bytes):
        with pytest.raises(Unusable):
            read(body)

    def test_too_many_versions(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("keygenreg.engines.npm.upstream._MOST_VERSIONS", 1)
        with pytest.raises(Unusable):
            read(packument(manifest("1.0.0"), manifest("2.0.0")))

    def test_unpublished_is_a_package_without_versions(self):
        listing = read({"name": "lib", "time": {"unpublished": {"versions": ["1.0.0"]}}})
        assert listing.complete and not listing.files
        with pytest.raises(NotFound):
            mirrored.shown(listing, POLICY)

    def test_of_equal_keys_the_last_counts(self):
        body = b'{"name":"other","name":"lib","versions":{"1.0.0":{},"1.0.0":%b}}' % json.dumps(manifest()).encode()
        assert list(read(body).document.pieces) == ["1.0.0"]

    def test_deep_versions_are_left_out_and_deep_readmes_too(self):
        deep: Any = 1
        for _ in range(400):
            deep = [deep]
        ours = shown(packument(manifest("1.0.0"), manifest("1.1.0", deep=deep), readme=deep, license="MIT"))
        assert list(ours["versions"]) == ["1.0.0"] and ours["license"] == "MIT" and "readme" not in ours


    @pytest.mark.parametrize("odd", ['"\\ud800"', "123456789012345678901234567890", "1e999"])
    def test_what_other_readers_stumble_over_is_left_out_or_made_harmless(self, odd: str):
        """Halves of characters, and numbers that few can hold."""
        good = json.dumps(manifest())
        tags = '{"latest": "1.0.0", "\\udc00": "1.0.0"}'
        versions = '{"1.0.0": %s, "2.0.0": {"a": %s, "dist": {"tarball": "a"}}}' % (good, odd)  # noqa: UP031
        ours = shown(f'{{"versions": {versions}, "dist-tags": {tags}, "readme": {odd}}}'.encode())
        assert ours["dist-tags"] == {"latest": "1.0.0"}
        for found in (ours, ours["versions"].get("2.0.0", {})):
            assert found.get("readme", found.get("a")) is None


class TestTags:
    def test_tags_of_what_is_not_shown_are_left_out(self):
        tags = {"latest": "9.9.9", "next": "8.0.0", "old": "1.0.0", "x": 1, "a b": "1.0.0"}
        assert shown(packument(**{"dist-tags": tags}))["dist-tags"] == {"latest": "1.0.0", "old": "1.0.0"}

    @pytest.mark.parametrize(
        ("versions", "latest", "chosen"),
        [
            ("1.0.0 2.0.0 3.0.0", "2.5.0", "2.0.0"),
            ("1.9.0 1.10.0", "9.0.0", "1.10.0"),
            ("2.0.0 3.0.0", "1.0.0", "3.0.0"),
            ("1.0.0 2.0.0-beta", "2.0.0", "1.0.0"),
            ("1.0.0-alpha 1.0.0-beta", "1.0.0", "1.0.0-beta"),
            ("1.0.0 2.0.0", "no version", "2.0.0"),
            ("odd", None, "odd"),
            ("", "1.0.0", None),
        ],
    )
    def test_latest_is_always_shown(self, versions: str, latest: str | None, chosen: str | None):
        """The highest stable one, but not beyond what upstream calls the latest, where there is a choice."""
        stated = {} if latest is None else {"latest": latest}
        assert tags_of(dict.fromkeys(versions.split()), stated).get("latest") == chosen


class TestCooldown:
    def test_young_versions_are_hidden_with_their_tags_and_times(self):
        time = {"1.0.0": days_ago(30), "1.1.0": days_ago(2), "1.2.0": days_ago(-5)}
        stated = packument(*map(manifest, ("1.0.0", "1.1.0", "1.2.0", "1.3.0")), time=time)
        for media_type in (JSON, INSTALL_V1):
            ours = shown(stated, media_type, waiting(7))
            assert list(ours["versions"]) == list(ours["time"]) == ["1.0.0"]
            assert ours["dist-tags"] == {"latest": "1.0.0"}
        assert list(shown(stated, policy=waiting(1))["versions"]) == ["1.0.0", "1.1.0"]
        assert len(shown(stated, policy=waiting(7, "l*b"))["versions"]) == 4

    def test_all_too_young_is_said(self):
        with pytest.raises(Denied, match="too young") as caught:
            shown(packument(time={"1.0.0": days_ago(1)}), policy=waiting(7))
        assert caught.value.code == "COOLDOWN"


class TestIntegrity:
    @given(st.dictionaries(st.sampled_from(["sha512", "sha384", "sha256", "sha1", "md5"]), st.binary(), min_size=1))
    def test_round_trip(self, contents: Mapping[str, bytes]):
        hashes = {name: hashlib.new(name, content).hexdigest() for name, content in contents.items()}
        assert read_integrity(write_integrity(hashes)) == hashes
        spaced = "\t ".join(f"{word}?option" for word in write_integrity(hashes).split())
        assert read_integrity(spaced) == hashes

    def test_one_of_several_is_no_digest(self):
        other = "sha512-" + base64.b64encode(bytes(64)).decode()
        assert read_integrity(f"{INTEGRITY} {other} {INTEGRITY}") == {}
        assert read_integrity(f"{INTEGRITY} {INTEGRITY}") == {"sha512": SHA512}

    @given(st.one_of(st.text(), st.from_regex(r"sha(1|256|512)-[A-Za-z0-9+/=]{0,90}"), st.integers(), st.none()))
    def test_any_text(self, stated: Any):
        for algorithm, value in read_integrity(stated).items():
            assert len(bytes.fromhex(value)) == hashlib.new(algorithm).digest_size


class TestNames:
    @pytest.mark.parametrize("name", ["lib", "@a/b", "JSONStream", "a.b_c-d~e", "3", "-", "@types/node", "a" * 214])
    def test_asked_for(self, name: str):
        assert is_public_name(name)

    @pytest.mark.parametrize(
        "name",
        ["", ".", "..", "_x", "@a", "@/b", "@a/", "@a/b/c", "a/b", "a%2fb", "a b", "é", "a\n", "@a/../b", "a" * 215],
    )
    def test_not_asked_for(self, name: str):
        assert not is_public_name(name)

    def test_scopes_are_encoded(self):
        assert ADAPTER.url("https://r.example/npm/", "@a/b", FULL) == "https://r.example/npm/@a%2fb"


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
)
MAYBE = st.one_of(JSON_VALUES, st.just("1.0.0"), st.just(SHA1), st.just(INTEGRITY), st.just(days_ago(1)))


def objects(*members: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.one_of(st.sampled_from(members), st.text(max_size=5)), MAYBE, max_size=6)


DISTS = objects("tarball", "shasum", "integrity", "signatures", "attestations", "fileCount")
GOOD_DISTS = DISTS.map(lambda dist: {"tarball": "a.tgz"} | dist)
MANIFESTS = st.builds(
    lambda members, dist: members | ({} if dist is None else {"dist": dist}),
    objects("name", "version", "scripts", "deprecated", "dependencies", "bin", "_id", "gypfile"),
    st.one_of(st.none(), MAYBE, DISTS, GOOD_DISTS),
)
NUMBERS = st.from_regex(r"[0-9]\.[0-9]\.[0-9](-[a-z])?", fullmatch=True)
VERSIONS = st.dictionaries(st.one_of(NUMBERS, st.text()), MANIFESTS)
PACKUMENTS = st.builds(
    lambda members, versions, tags: members | {"versions": versions, "dist-tags": tags},
    objects("time", "readme", "modified", "license", "maintainers", "_rev"),
    st.one_of(VERSIONS, MAYBE),
    st.one_of(objects("latest", "next"), MAYBE),
)


BODIES = st.one_of(st.binary(), JSON_VALUES.map(lambda value: json.dumps(value).encode()))


@given(BODIES, st.sampled_from([FULL, SHORT]))
def test_anything_is_read_or_unusable(body: bytes, variant: str):
    try:
        listing = read(body, variant=variant)
    except Unusable as unusable:
        assert str(unusable)
    else:
        assert listing.document.name == "lib"


@given(PACKUMENTS, st.sampled_from([JSON, INSTALL_V1]), st.sampled_from([POLICY, waiting(0.5)]))
def test_whatever_is_shown_can_be_fetched(document: dict[str, Any], media_type: str, policy: Policy):
    """Ours is JSON, states no hash that is not checked, names no address but ours, and tags only what it lists."""
    try:
        listing = read(document)
        found = mirrored.shown(listing, policy)
    except (Unusable, NotFound, Denied):
        return
    ours = json.loads(mirrored.package_document(found, media_type, address()).body)
    assert "latest" in ours["dist-tags"] and set(ours["dist-tags"].values()) <= set(ours["versions"])
    assert set(ours.get("time", ())) <= {"created", "modified", *ours["versions"]}
    for version, stated in ours["versions"].items():
        dist = stated["dist"]
        file = listing.files[f"lib-{version}.tgz"]
        assert (stated["name"], stated["version"]) == ("lib", version)
        assert dist["tarball"] == address()(version)
        assert read_integrity(dist.get("integrity")).items() <= file.hashes.items()
        assert dist.get("shasum") in (None, file.hashes.get("sha1"))
        assert policy.shows("lib", file)
        assert read_path(f"lib/-/{file.key}") == Tarball("lib", version)


@given(VERSIONS)
def test_reading_ours_again_gives_the_same(versions: dict[str, Any]):
    """Two of our registries in a row are like one."""
    try:
        first = mirrored.shown(read({"versions": versions}), POLICY)
    except NotFound:
        return
    for media_type, variant in ((JSON, FULL), (INSTALL_V1, SHORT)):
        ours = mirrored.package_document(first, media_type, address())
        again = mirrored.shown(read(ours.body, variant=variant), POLICY)
        assert mirrored.package_document(again, media_type, address()) == ours
