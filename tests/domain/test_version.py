"""Versions of releases: what is one, and which is newer."""

from __future__ import annotations

from functools import cmp_to_key

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keygenreg.domain.channel import CHANNELS, included, of_prerelease
from keygenreg.domain.version import (
    MAX_LENGTH,
    Version,
    Words,
    channel_disagreement,
    parse_new_version,
    parse_version,
    words_of,
)

PARTS = st.one_of(
    st.none(),
    st.from_regex(r"[0-9A-Za-z.-]{1,12}", fullmatch=True),
    st.from_regex(r"(beta|rc|alpha|a-b|a)(\.[0-9]{1,25}|-?[0-9]){0,2}", fullmatch=True),
    st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,2}){0,2}", fullmatch=True),
)
NUMBERS = st.one_of(st.integers(0, 12), st.integers(0, 10**60))
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS, PARTS, PARTS)
# Few numbers, so that the parts decide.
CLOSE = st.builds(Version, st.integers(0, 1), st.integers(9, 10), st.just(0), PARTS, PARTS)


def _compare(left, right) -> int:
    return (left > right) - (left < right)


def _compare_identifiers(left: str, right: str) -> int:
    """Semantic Versioning 2.0.0, rules 11.4.1 to 11.4.3, written down as they read."""
    if left.isdigit() and right.isdigit():
        return _compare(int(left), int(right))
    if left.isdigit() != right.isdigit():
        return -1 if left.isdigit() else 1
    return _compare(left.encode("ascii"), right.encode("ascii"))


def _compare_parts(left: str, right: str) -> int:
    ours, theirs = left.split("."), right.split(".")
    for one, other in zip(ours, theirs, strict=False):
        if decided := _compare_identifiers(one, other):
            return decided
    return _compare(len(ours), len(theirs))


def compare(left: Version, right: Version) -> int:
    """The order of versions without any sort key: semver precedence, then the build part."""
    if decided := _compare((left.major, left.minor, left.patch), (right.major, right.minor, right.patch)):
        return decided
    if (left.prerelease is None) != (right.prerelease is None):
        return 1 if left.prerelease is None else -1
    if left.prerelease is not None and (decided := _compare_parts(left.prerelease, right.prerelease)):
        return decided
    if (left.build is None) != (right.build is None):
        return -1 if left.build is None else 1
    return _compare_parts(left.build, right.build) if left.build is not None else 0


@given(st.one_of(st.tuples(VERSIONS, VERSIONS), st.tuples(CLOSE, CLOSE)))
@example((Version(1, 0, 0, "a"), Version(1, 0, 0, "a-b")))
@example((Version(1, 0, 0, "a.b"), Version(1, 0, 0, "a-b")))
@example((Version(1, 0, 0, "a."), Version(1, 0, 0, "a.-")))
@example((Version(1, 0, 0, "01"), Version(1, 0, 0, "1")))
@example((Version(9), Version(10**9)))
def test_sort_keys_order_bytewise_like_an_independent_comparison(pair):
    """What ``COLLATE "C"`` sorts by is the order of versions, whatever the size of their numbers."""
    left, right = pair
    expected = compare(left, right)
    found = _compare(left.sort_key.encode("ascii"), right.sort_key.encode("ascii"))
    if expected:
        assert found == expected
        assert (left < right) == (expected < 0)
        assert (left >= right) == (expected > 0)
    else:
        assert (found == 0) == (left == right)


@given(st.lists(CLOSE, max_size=8))
def test_sorting_by_key_and_by_comparison_agree(versions):
    by_comparison = sorted(versions, key=cmp_to_key(compare))
    by_key = sorted(versions, key=lambda version: version.sort_key)
    assert all(compare(one, other) == 0 for one, other in zip(by_comparison, by_key, strict=True))
    assert sorted(versions) == by_key


@given(CLOSE, CLOSE)
def test_precedence_ignores_the_build(left, right):
    plain = [Version(v.major, v.minor, v.patch, v.prerelease) for v in (left, right)]
    assert _compare(left.precedence_key, right.precedence_key) == compare(*plain)


def test_the_example_of_the_semver_specification():
    names = ["alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11", "rc.1"]
    order = [f"1.0.0-{name}" for name in names]
    order += ["1.0.0", "1.0.0+1", "1.0.0+2", "1.0.0+10", "1.0.0+p", "1.0.1", "1.2.0", "1.10.0", f"{10**20}.0.0"]
    versions = [parse_version(text) for text in order]
    assert sorted(reversed(versions)) == versions


def test_versions_compare_with_versions_only():
    with pytest.raises(TypeError):
        _ = Version(1) < "1.0.0"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("1", "1.0.0"),
        ("1.2", "1.2.0"),
        ("1.2.3", "1.2.3"),
        ("01.002.3", "1.2.3"),
        ("1-beta", "1.0.0-beta"),
        ("1.2-rc.1+b.2", "1.2.0-rc.1+b.2"),
        ("1.0.0+a-b", "1.0.0+a-b"),
        ("1.0.0--", "1.0.0--"),
    ],
)
def test_normal_forms(text, normal):
    assert str(parse_version(text)) == normal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1.0.0",
        "1.2.3.4",
        "1.",
        ".1",
        "1.0.0-",
        "1.0.0+",
        "1.0.0+a+b",
        "1.0.0 ",
        "1.0.0\n",
        "١.0.0",
        "latest",
        "1.0.0-ä",
        "1" * (MAX_LENGTH + 1),
    ],
)
def test_what_is_no_version(text):
    with pytest.raises(ValueError):
        parse_version(text)


@given(st.one_of(st.text(), st.text("0123456789.-+ab", max_size=20)))
def test_any_text_is_a_version_or_a_value_error(text):
    try:
        version = parse_version(text)
    except ValueError:
        return
    assert version.sort_key.isascii()
    assert parse_version(str(version)) == version


@given(VERSIONS)
def test_a_version_reads_back_from_its_text(version):
    text = str(version)
    assume(len(text) <= MAX_LENGTH)
    assert parse_version(text) == version


def test_new_versions_have_numbers_that_clients_can_read():
    assert parse_new_version("9223372036854775807.0") == Version(2**63 - 1)
    with pytest.raises(ValueError):
        parse_new_version("99999999999999999999.0.0")


def test_semver_attribute():
    assert parse_version("3.1-beta.2").semver() == {
        "major": 3,
        "minor": 1,
        "patch": 0,
        "prerelease": "beta.2",
        "build": None,
    }


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (None, Words()),
        ("beta.1", Words("beta", 1)),
        ("alpha", Words("alpha")),
        ("rc.1.2", Words("rc.1", 2)),
        ("beta1", Words("beta1")),
        ("20240105", Words(None, 20240105)),
        ("exp.sha.51f", Words("exp.sha.51f")),
        ("exp-sha", Words("exp.sha")),
        ("..", Words()),
    ],
)
def test_words_and_numbers(part, words):
    assert words_of(part) == words


@given(st.text())
def test_any_part_has_words(part):
    words_of(part)


@pytest.mark.parametrize(
    ("version", "channel", "agrees"),
    [
        ("1.0.0", "stable", True),
        ("1.0.0+5", "stable", True),
        ("1.0.0-beta", "stable", False),
        ("1.0.0-beta.1", "beta", True),
        ("1.0.0-beta1", "beta", True),
        ("1.0.0", "beta", False),
        ("1.0.0-alpha", "beta", False),
        ("1.0.0-foo", "beta", False),
        ("1.0.0-foo", "stable", False),
        ("1.0.0-dev.1", "dev", True),
        ("1.0.0-rc", "rc", True),
        ("1.0.0-Beta", "beta", False),
    ],
)
def test_versions_agree_with_their_channel(version, channel, agrees):
    assert (channel_disagreement(parse_version(version), channel) is None) is agrees


@pytest.mark.parametrize(
    ("prerelease", "channel"),
    [
        (None, "stable"),
        ("rc.1", "rc"),
        ("beta", "beta"),
        ("alpha2", "alpha"),
        ("dev", "dev"),
        ("foo", "stable"),
        ("", "stable"),
    ],
)
def test_the_channel_a_prerelease_names(prerelease, channel):
    assert of_prerelease(prerelease) == channel


def test_channels_are_cumulative_but_dev_stands_alone():
    assert included("stable") == {"stable"}
    assert included("rc") == {"stable", "rc"}
    assert included("beta") == {"stable", "rc", "beta"}
    assert included("alpha") == {"stable", "rc", "beta", "alpha"}
    assert included("dev") == {"dev"}
    assert included("nightly") == frozenset()
    assert all(channel in included(channel) for channel in CHANNELS)
