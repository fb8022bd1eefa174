"""Documents as clients read them: every version, the right tags, digests, deprecations and times."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.engines.npm import documents, search
from keygenreg.engines.npm.documents import INSTALL_V1, Package, package_document, version_document
from keygenreg.engines.npm.entries import Place, entry, first_of_each
from keygenreg.engines.npm.queries import OF_VERSION
from keygenreg.engines.npm.versions import Tagged, dist_tags, package_version
from keygenreg.formats.jsonapi_query import QueryParameters
from tests.engines.npm.test_package_json import json_values, packages
from tests.engines.npm.test_paths import versions as version_texts

JSON = "application/json"
_START = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
_BYTES = b"the tarball"


def row(version="1.0.0", **given_members):
    """A row of the query ``VERSIONS``."""
    stored = {
        "release_version": version,
        "release_tag": None,
        "release_status": "PUBLISHED",
        "channel": "beta" if "-" in version else "stable",
        "created": "2031-05-06T07:08:09.123456+00:00",
        "updated": "2031-05-06T07:08:10.123456+00:00",
        "checksum": None,
        "metadata": {},
        "release_metadata": {},
        "package_metadata": {},
        "sha512": hashlib.sha512(_BYTES).hexdigest(),
        "sha256": hashlib.sha256(_BYTES).hexdigest(),
        "sha1": hashlib.sha1(_BYTES).hexdigest(),
        "content": json.dumps({"name": "acme", "version": version}),
        "facts": {},
    }
    stored |= given_members
    return {"of_version": json.dumps([stored[name] for name in OF_VERSION])}


def made(*rows, media_type=JSON, name="acme"):
    """The package's document."""
    place = Place(name, "https://r.test", media_type)
    entries = [found for row in rows if (found := entry(row, place)) is not None]
    return package_document(Package(name, _START, first_of_each(entries)), media_type)


def shown(*rows, media_type=JSON, name="acme"):
    """The package's document, parsed."""
    return json.loads(made(*rows, media_type=media_type, name=name).body)


class TestPackageDocuments:
    def test_the_whole_document(self):
        """Of an unscoped package with two versions."""
        document = shown(
            row("2.0.0", release_tag="next", content='{"name":"acme","version":"2.0.0","description":"New"}'),
            row("1.0.0", content='{"name":"acme","version":"1.0.0","dist":{"tarball":"evil"},"main":"x.js"}'),
        )
        dist = {
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(_BYTES).digest()).decode(),
            "shasum": hashlib.sha1(_BYTES).hexdigest(),
        }
        assert document == {
            "_id": "acme",
            "name": "acme",
            "description": "New",
            "dist-tags": {"latest": "2.0.0", "next": "2.0.0"},
            "versions": {
                "2.0.0": {
                    "name": "acme", "version": "2.0.0", "_id": "acme@2.0.0", "description": "New",
                    "dist": {"tarball": "https://r.test/acme/-/acme-2.0.0.tgz", **dist},
                },
                "1.0.0": {
                    "name": "acme", "version": "1.0.0", "_id": "acme@1.0.0", "main": "x.js",
                    "dist": {"tarball": "https://r.test/acme/-/acme-1.0.0.tgz", **dist},
                },
            },
            "time": {
                "created": "2031-05-06T07:08:09.123Z",
                "modified": "2031-05-06T07:08:10.123Z",
                "2.0.0": "2031-05-06T07:08:09.123Z",
                "1.0.0": "2031-05-06T07:08:09.123Z",
            },
        }  # fmt: skip
        assert list(document["versions"]) == ["2.0.0", "1.0.0"]

    def test_the_abbreviated_document(self):
        content = json.dumps(
            {"name": "acme", "version": "1.0.0", "description": "x", "scripts": {"install": "x"}, "bin": "cli.js",
             "dependencies": {"a": "1"}, "libc": ["musl"], "readme": "long", "engines": {"node": ">=20"}}
        )  # fmt: skip
        document = shown(row(content=content, facts={"has_install_script": True}), media_type=INSTALL_V1)
        assert set(document) == {"name", "modified", "dist-tags", "versions", "time"}
        version = document["versions"]["1.0.0"]
        assert set(version) == {"name", "version", "bin", "dependencies", "libc", "engines", "dist", "hasInstallScript"}
        assert document["time"]["1.0.0"] == "2031-05-06T07:08:09.123Z"

    @settings(max_examples=40)
    @given(st.lists(st.tuples(version_texts, packages), min_size=1, max_size=4))
    def test_every_member_of_package_json_survives(self, given_versions):
        """But those that are the registry's to say."""
        rows = [row(version, content=json.dumps(package)) for version, package in given_versions]
        document = shown(*rows, name="@acme/lib")
        ours = {"name", "version", "dist", "_id", "deprecated"}
        for version, package in reversed(given_versions):
            first = next(each for known, each in given_versions if known == version)
            found = document["versions"][version]
            assert (found["name"], found["version"]) == ("@acme/lib", version)
            if first is package:
                assert {key: value for key, value in found.items() if key not in ours} == {
                    key: value for key, value in package.items() if key not in ours
                }
        assert set(document["time"]) == {"created", "modified", *document["versions"]}
        assert document["dist-tags"]["latest"] in document["versions"]

    @given(json_values, packages)
    def test_imported_facts_and_metadata_of_any_kind_never_fail(self, value, facts):
        stored = row(metadata={"deprecated": value}, facts=facts | {"file_count": value, "has_shrinkwrap": value})
        version = shown(stored)["versions"]["1.0.0"]
        assert isinstance(version.get("deprecated", ""), str)
        assert version.get("_hasShrinkwrap") in (None, True)

    @pytest.mark.parametrize("content", ["", "[]", "{", "null", "NaN"])
    def test_imported_manifests_that_are_no_object_are_left_out(self, content):
        assert list(shown(row("2.0.0", content=content), row("1.0.0"))["versions"]) == ["1.0.0"]

    def test_of_two_tarballs_of_a_version_the_first_counts(self):
        document = shown(row(content='{"description":"older"}'), row(content='{"description":"newer"}'))
        assert document["versions"]["1.0.0"]["description"] == "older"

    def test_representations_have_tags_of_their_own(self):
        """Clients that asked for one form must not take the other for it."""
        version = package_version(row()["of_version"], "acme", str)
        found = {
            made(row()).etag,
            made(row(), media_type=INSTALL_V1).etag,
            version_document(version, JSON).etag,
            version_document(version, INSTALL_V1).etag,
        }
        assert len(found) == 4
        assert all(etag.startswith('"') for etag in found)
        assert made(row()) == made(row())

    def test_content_types(self):
        """pnpm takes only the plain type for an abbreviated document."""
        assert made(row(), media_type=INSTALL_V1).content_type == INSTALL_V1
        assert made(row()).content_type == "application/json; charset=utf-8"


class TestTagsOfEntries:
    """Entity tags are made of the digests of entries."""

    _CHANGES = st.fixed_dictionaries(
        {},
        optional={
            "release_tag": st.sampled_from([None, "latest", "next"]),
            "release_status": st.sampled_from(["PUBLISHED", "YANKED"]),
            "channel": st.sampled_from(["stable", "beta"]),
            "created": st.sampled_from(["2031-05-06T07:08:09+00:00", "2031-05-06T07:08:09.5+00:00"]),
            "updated": st.sampled_from(["2031-05-06T07:08:10+00:00", "2031-05-07T07:08:10.5+00:00"]),
            "checksum": st.sampled_from([None, hashlib.sha1(b"x").hexdigest()]),
            "metadata": st.sampled_from([{}, {"deprecated": "a"}, {"deprecated": True}]),
            "release_metadata": st.sampled_from([{}, {"deprecated": "b"}]),
            "package_metadata": st.sampled_from([{}, {"deprecated": "c"}]),
            "sha512": st.sampled_from([None, "ab" * 64]),
            "sha256": st.sampled_from([None, "cd" * 32]),
            "sha1": st.sampled_from([None, "ef" * 20]),
            "content": st.sampled_from(['{"description":"x"}', '{"description":"y","bin":"c.js"}', "[]"]),
            "facts": st.sampled_from([{}, {"file_count": 3}, {"has_install_script": True}]),
        },
    )
    _ROWS = st.lists(st.builds(lambda text, members: row(text, **members), st.sampled_from("123"), _CHANGES))

    @given(_ROWS, _ROWS)
    def test_tags_differ_exactly_where_documents_do(self, some, others):
        first, second = made(row("0"), *some), made(row("0"), *others)
        assert (first.etag == second.etag) == (first.body == second.body)


class TestDist:
    _SHA512 = hashlib.sha512(b"stated")

    @pytest.mark.parametrize("algorithm", ["sha512", "sha384", "sha256"])
    def test_base64_is_integrity(self, algorithm):
        """Of imported files without bytes, what their vendor stated."""
        text = base64.b64encode(hashlib.new(algorithm, b"stated").digest()).decode()
        dist = self.stated(text)
        assert dist == {"tarball": "https://r.test/acme/-/acme-1.0.0.tgz", "integrity": f"{algorithm}-{text}"}

    def test_hex_sha1_is_shasum(self):
        text = hashlib.sha1(b"stated").hexdigest()
        assert self.stated(text) == {"tarball": "https://r.test/acme/-/acme-1.0.0.tgz", "shasum": text}

    @pytest.mark.parametrize(
        "text",
        [None, "", "garbage", hashlib.sha256(b"x").hexdigest(), base64.b64encode(hashlib.sha1(b"x").digest()).decode()],
    )
    def test_other_statements_give_neither(self, text):
        assert self.stated(text) == {"tarball": "https://r.test/acme/-/acme-1.0.0.tgz"}

    def test_what_we_computed_counts(self):
        """Whatever the vendor stated."""
        dist = shown(row(checksum=self._SHA512.hexdigest()))["versions"]["1.0.0"]["dist"]
        assert dist["integrity"] == "sha512-" + base64.b64encode(hashlib.sha512(_BYTES).digest()).decode()
        assert dist["shasum"] == hashlib.sha1(_BYTES).hexdigest()

    def test_sha256_where_no_more_was_computed(self):
        dist = shown(row(sha512=None, sha1=None))["versions"]["1.0.0"]["dist"]
        assert dist["integrity"] == "sha256-" + base64.b64encode(hashlib.sha256(_BYTES).digest()).decode()

    def test_sizes(self):
        dist = shown(row(facts={"file_count": 3, "unpacked_size": 99}))["versions"]["1.0.0"]["dist"]
        assert (dist["fileCount"], dist["unpackedSize"]) == (3, 99)

    @staticmethod
    def stated(checksum):
        stored = row(checksum=checksum, sha512=None, sha256=None, sha1=None)
        return shown(stored)["versions"]["1.0.0"]["dist"]


class TestDeprecation:
    @pytest.mark.parametrize(
        ("members", "expected"),
        [
            ({}, None),
            ({"metadata": {"deprecated": "use 2"}}, "use 2"),
            ({"release_metadata": {"deprecated": "use 3"}}, "use 3"),
            ({"package_metadata": {"deprecated": "end of life"}}, "end of life"),
            ({"metadata": {"deprecated": "use 2"}, "release_metadata": {"deprecated": "use 3"}}, "use 2"),
            ({"metadata": {"deprecated": ""}, "release_metadata": {"deprecated": "use 3"}}, None),
            ({"metadata": {"deprecated": False}, "package_metadata": {"deprecated": "x"}}, None),
            ({"release_metadata": {"deprecated": True}}, "This version is deprecated."),
            ({"release_status": "YANKED"}, "This version was withdrawn by its publisher."),
            ({"release_status": "YANKED", "metadata": {"deprecated": "use 2"}}, "use 2"),
            ({"content": '{"deprecated":"by package.json"}'}, "by package.json"),
            ({"content": '{"deprecated":7}'}, None),
        ],
    )
    def test_the_most_particular_statement_counts(self, members, expected):
        for media_type in (JSON, INSTALL_V1):
            assert shown(row(**members), media_type=media_type)["versions"]["1.0.0"].get("deprecated") == expected


class TestDistTags:
    @pytest.mark.parametrize(
        ("versions", "expected"),
        [
            ([], {}),
            ([("2.0.0", None), ("1.0.0", None)], {"latest": "2.0.0"}),
            ([("2.0.0", None), ("1.0.0", "latest")], {"latest": "1.0.0"}),
            ([("2.0.0-beta.1", None), ("1.9.0", None)], {"latest": "1.9.0"}),
            ([("2.0.0-beta.2", None), ("2.0.0-beta.1", None)], {"latest": "2.0.0-beta.2"}),
            ([("2.0.0-beta.1", "beta"), ("1.9.0", "lts")], {"latest": "1.9.0", "beta": "2.0.0-beta.1", "lts": "1.9.0"}),
            ([("2.0.0-beta.1", "latest"), ("1.9.0", None)], {"latest": "2.0.0-beta.1"}),
        ],
    )
    def test_latest_is_the_highest_stable_one_unless_tagged(self, versions, expected):
        found = dist_tags(Tagged(version, "-" not in version, tag) for version, tag in versions)
        assert found == expected
        assert list(found)[:1] == ["latest"][: len(found)]


class TestSearch:
    @given(st.lists(st.tuples(st.sampled_from(["text", "size", "from"]), st.text(max_size=40)), max_size=5))
    def test_any_question_is_understood_within_bounds(self, pairs):
        wanted = search.parse(QueryParameters(tuple(pairs)))
        assert 0 <= wanted.size <= 250 and 0 <= wanted.start <= 2**31
        assert len(wanted.words) <= 256 and all(wanted.words)

    @pytest.mark.parametrize(
        ("text", "words", "scope"),
        [
            ("Big Lib", ("big", "lib"), None),
            ("keywords:a,b c", ("a", "b", "c"), None),
            ("scope:acme lib", ("lib",), "@acme/"),
            ("scope:@acme", (), "@acme/"),
            ("@acme/lib", ("@acme/lib",), None),
            ("http://x", ("http://x",), None),
        ],
    )
    def test_words_and_qualifiers(self, text, words, scope):
        wanted = search.parse(QueryParameters((("text", text),)))
        assert (wanted.words, wanted.scope) == (words, scope)

    @given(packages | st.builds(dict, keywords=json_values, maintainers=json_values, author=json_values))
    def test_members_that_npm_prints_have_the_types_it_expects(self, package):
        entry = documents.search_entry("@acme/lib", "1.0.0", _START, package)
        assert entry["scope"] == "acme"
        assert isinstance(entry["description"], str)
        assert all(isinstance(each, str) for each in entry["keywords"])
        for person in [entry["publisher"], *entry["maintainers"]]:
            assert all(isinstance(each, str) for each in person.values())

    def test_people(self):
        package = {"author": "Ada L <ada@example.com> (https://x)", "maintainers": [{"name": "Bo"}]}
        entry = documents.search_entry("lib", "1.0.0", _START, package)
        assert entry["publisher"] == {"username": "Ada L", "email": "ada@example.com"}
        assert entry["maintainers"] == [{"username": "Bo", "email": ""}]
