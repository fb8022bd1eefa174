"""package.json of strangers: read as npm reads it, or refused with a sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.reading import IngestError
from keygenreg.engines.npm.package_json import DEEPEST, LONGEST, check_identity, parse, runs_scripts

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
packages = st.dictionaries(st.text(max_size=8), json_values, max_size=6)


class TestParse:
    @given(packages, st.booleans())
    def test_what_was_written_is_read(self, package, marked):
        """With or without the byte order mark that editors on Windows put in front."""
        written = json.dumps(package, ensure_ascii=False).encode("utf-8-sig" if marked else "utf-8")
        assert parse(written) == package

    @given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
    def test_anything_else_is_refused_with_a_sentence(self, data):
        try:
            assert isinstance(parse(data), dict)
        except IngestError as error:
            assert str(error).startswith("package.json")

    @pytest.mark.parametrize(
        "document",
        [b"", b"[]", b"null", b'"text"', b"{", b'{"a":NaN}', b'{"a":1,}', b"// no\n{}", b'{"a":"\\ud800"}',
         b"\xff\xfe{\x00}", b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 100_000 + b"}"],
        ids=lambda document: repr(document[:20]),
    )  # fmt: skip
    def test_what_is_no_json_object(self, document):
        with pytest.raises(IngestError):
            parse(document)

    def test_depth_is_bounded(self):
        def nested(levels: int) -> bytes:
            return b'{"a":' * levels + b"1" + b"}" * levels

        assert parse(nested(DEEPEST))
        with pytest.raises(IngestError, match="levels deep"):
            parse(nested(DEEPEST + 1))

    def test_size_is_bounded(self):
        assert parse(b'{"a":"' + b"x" * (LONGEST - 8) + b'"}')
        with pytest.raises(IngestError, match="larger than 1024 KiB"):
            parse(b'{"a":"' + b"x" * (LONGEST - 7) + b'"}')

    def test_of_equal_keys_the_last_counts(self):
        """As for JSON.parse, so that we and installers read the same."""
        assert parse(b'{"name":"a","name":"b"}') == {"name": "b"}

    def test_large_numbers_do_not_fail(self):
        assert parse(b'{"a":123456789012345678901234567890}')["a"] == pytest.approx(1.2345678901234568e29)


class TestIdentity:
    @pytest.mark.parametrize("stated", ["1.2.0", "v1.2.0", "=1.2.0", " = v1.2.0 "])
    def test_versions_as_npm_takes_them(self, stated):
        check_identity({"name": "acme", "version": stated}, key="acme", version="1.2.0")

    @pytest.mark.parametrize(
        ("package", "sentence"),
        [
            ({"version": "1.2.0"}, "has no name"),
            ({"name": 7, "version": "1.2.0"}, "has no name"),
            ({"name": "other", "version": "1.2.0"}, "names the package 'other', but this is the package '@acme/lib'"),
            ({"name": "@Acme/lib", "version": "1.2.0"}, "names the package"),
            ({"name": "@acme/lib"}, "has no version"),
            ({"name": "@acme/lib", "version": None}, "has no version"),
            ({"name": "@acme/lib", "version": "1.2.1"}, "states version '1.2.1', but this is release '1.2.0'"),
            ({"name": "@acme/lib", "version": "1.2.0-beta.1"}, "states version"),
            ({"name": "@acme/lib", "version": "latest"}, "states version"),
            ({"name": "@acme/lib", "version": "1" * 100_000}, "states version"),
            ({"name": "n" * 100_000, "version": "1.2.0"}, "names the package"),
        ],
    )
    def test_another_package_or_version_is_refused(self, package, sentence):
        with pytest.raises(IngestError, match=sentence) as caught:
            check_identity(package, key="@acme/lib", version="1.2.0")
        assert len(str(caught.value)) < 500

    @given(st.dictionaries(st.sampled_from(["name", "version"]), json_values))
    def test_nothing_but_a_sentence(self, package):
        with pytest.raises(IngestError):
            check_identity(package, key="no such \x00 name", version="1.2.0")


class TestScripts:
    @pytest.mark.parametrize(
        ("package", "gyp", "expected"),
        [
            ({}, False, False),
            ({"scripts": {"test": "x"}}, False, False),
            ({"scripts": {"postinstall": "x"}}, False, True),
            ({"scripts": {"install": ""}}, False, False),
            ({"scripts": "install"}, False, False),
            ({}, True, True),
            ({"gypfile": False}, True, False),
        ],
    )
    def test_what_runs_at_installing(self, package, gyp, expected):
        assert runs_scripts(package, has_binding_gyp=gyp) is expected
