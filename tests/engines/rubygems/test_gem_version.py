"""Versions of gems: grammar, order, and which release they belong to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.rubygems.gem_version import LONGEST, GemVersion, is_of_release, parse_gem_version
from tests.engines.rubygems.strategies import gem_versions

#: In order; several in one text are equal.
ASCENDING = (
    "0.a", "0 0.0", "0.0.1", "1.a 1.0.a 1.0.0.a", "1.a.0.1", "1.a.1 1.0.a1", "1.0.0.alpha", "1.0.0.beta.1 1.0.0.beta1",
    "1.0.0.beta.2", "1.0.0.beta.10", "1.0.0.pre.beta.1 1.0.0-beta.1", "1.0.0.rc", "1 1.0 1.0.0", "1.0.1.a", "1.0.1",
    "1.9", "1.10.a", "1.10", "2.0.0.a1", "2", "10",
)  # fmt: skip


class TestOrder:
    def test_numbers_count_as_numbers_and_words_come_before_them(self):
        for less, more in pairwise(ASCENDING):
            for a in less.split():
                for b in more.split():
                    assert parse_gem_version(a) < parse_gem_version(b), (a, b)

    @pytest.mark.parametrize("texts", [texts for texts in ASCENDING if " " in texts])
    def test_zeros_that_say_nothing(self, texts: str):
        assert len({parse_gem_version(text) for text in texts.split()}) == 1

    @given(gem_versions(), gem_versions(), gem_versions())
    def test_it_is_an_order(self, a: GemVersion, b: GemVersion, c: GemVersion):
        assert (a < b) + (b < a) + (a == b) == 1
        assert (a == b) <= (hash(a) == hash(b))
        if a <= b <= c:
            assert a <= c

    @given(gem_versions())
    def test_a_zero_at_the_end_changes_nothing(self, version: GemVersion):
        assert parse_gem_version(f"{version.text}.0") == version


class TestGrammar:
    def test_dashes_become_pre(self):
        assert parse_gem_version(" 1.0.0-beta.1-x\n").text == "1.0.0.pre.beta.1.pre.x"
        assert parse_gem_version("").text == "0"

    @pytest.mark.parametrize("text", ["v1", "1.", ".1", "1..2", "1_0", "1+2", "a", "-1", "1-", "1 2", "١", "1\n2"])
    def test_what_is_none(self, text: str):
        with pytest.raises(ValueError, match="not a version"):
            parse_gem_version(text)

    def test_long_ones(self):
        parse_gem_version("1" * LONGEST)
        with pytest.raises(ValueError, match="at most"):
            parse_gem_version("1." * 50_000 + "1")

    @given(st.text())
    def test_any_text_is_a_version_or_is_refused(self, text: str):
        try:
            version = parse_gem_version(text)
        except ValueError:
            return
        assert parse_gem_version(version.text) == version

    def test_prereleases_have_a_letter(self):
        assert parse_gem_version("1.0.b").prerelease
        assert not parse_gem_version("1.0.2").prerelease


class TestReleases:
    @pytest.mark.parametrize(
        ("gem", "release"),
        [
            ("1.0.0.pre.beta.1", "1.0.0-beta.1"), ("1.0.0.beta.1", "1.0.0-beta.1"), ("1.0.0-beta.1", "1.0.0-beta.1"),
            ("1.0.0.beta1", "1.0.0-beta1"), ("1.0", "1.0.0"), ("1", "1.0.0"), ("1.2.3", "1.2.3+4"),
            ("1.2.3.4", "1.2.3+4"), ("1.2.3.rc.1.4", "1.2.3-rc.1+4"), ("1.0.0.pre.rc.1.pre.x", "1.0.0-rc.1-x"),
            ("1.0.0.rc.1.x", "1.0.0-rc.1-x"),
        ],
    )  # fmt: skip
    def test_same(self, gem: str, release: str):
        assert is_of_release(parse_gem_version(gem), release)

    @pytest.mark.parametrize(
        ("gem", "release"),
        [
            ("1.0.1", "1.0.0"), ("1.0.0", "1.0.0-beta.1"), ("1.0.0.beta.1", "1.0.0"), ("1.0.0.beta.2", "1.0.0-beta.1"),
            ("1.2.3.5", "1.2.3+4"), ("1.0", "garbage"), ("1.2.3.4", "1.2.3"),
        ],
    )  # fmt: skip
    def test_another(self, gem: str, release: str):
        assert not is_of_release(parse_gem_version(gem), release)

    @given(st.text())
    def test_any_text_as_release(self, text: str):
        assert isinstance(is_of_release(parse_gem_version("1"), text), bool)
