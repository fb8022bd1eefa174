"""Which release an installed version is offered (UPG-01 to UPG-12, and updaters' ranges)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.failures import BadRequest
from keygenreg.domain.upgrade import Constraint, parse_constraint, parse_range, upgrades
from keygenreg.domain.version import parse_version


def offered(current: str, candidates: str, constraint: Constraint | None = None) -> list[str]:
    versions = [parse_version(text) for text in candidates.split()]
    return [str(v) for v in upgrades(parse_version(current), versions, lambda version: version, constraint)]


def best(current: str, candidates: str, constraint: str | None = None) -> str | None:
    found = offered(current, candidates, parse_constraint(constraint) if constraint else None)
    return found[0] if found else None


@pytest.mark.parametrize(
    ("constraint", "answer"),
    [
        (None, "2.0.0"),
        ("1", "1.1.0"),
        ("1.0", "1.1.0"),
        ("1.0.0", "1.0.1"),
        ("1.0.9", None),
        (">=1.0", "1.1.0"),
        ("~> 1.0.0", "1.0.1"),
        ("<1", "1.1.0"),
        ("3", None),
        (" 2 ", "2.0.0"),
    ],
)
def test_constraints_of_the_api(constraint, answer):
    assert best("1.0.0", "1.0.1 1.1.0 2.0.0", constraint) == answer


@pytest.mark.parametrize(
    ("current", "candidates", "answer"),
    [
        ("1.0.0", "1.0.0 0.9.0", None),
        ("1.0.0", "", None),
        ("1.0.0-beta.2", "1.0.0-beta.10 1.0.0-beta.3", "1.0.0-beta.10"),
        ("1.0.0-alpha.9", "1.0.0-beta.1", "1.0.0-beta.1"),
        ("1.0.0-rc.1", "1.0.0", "1.0.0"),
        ("1.0.0", "1.0.0-rc.1", None),
        ("1.0.0-beta.1+1", "1.0.0-beta.1+2", "1.0.0-beta.1+2"),
        ("1.0.0", "1.0.0+2", "1.0.0+2"),
        ("1.0.0+2", "1.0.0", None),
    ],
)
def test_what_is_newer(current, candidates, answer):
    assert best(current, candidates) == answer


@pytest.mark.parametrize(
    ("constraint", "answer"),
    [
        ("1-beta", "1.2.0-beta.3"),
        ("1-beta.2", "1.1.0-beta.2"),
        ("1+p1", "1.1.0+p1"),
        ("1+p1.7", None),
        ("1", "1.3.0-rc.1"),
    ],
)
def test_words_given_in_a_constraint_must_be_equal(constraint, answer):
    assert best("1.0.0", "1.1.0-beta.2 1.2.0-beta.3 1.3.0-rc.1 1.1.0+p1", constraint) == answer


def test_a_constraint_holds_back_the_next_major():
    assert best("3.0.0-beta.2", "3.0.4-beta.1 4.0.0-beta.1", "3.0") == "3.0.4-beta.1"


def test_all_upgrades_come_best_first():
    """An updater for a platform that the best release lacks takes the next."""
    assert offered("1.0.0", "1.1.0 1.10.0 1.2.0 0.1.0") == ["1.10.0", "1.2.0", "1.1.0"]


RANGES = [
    ("2", "2.0.0 2.9.1", "1.9.9 3.0.0"),
    ("2.3", "2.3.0 2.9.0", "2.2.9 3.0.0"),
    ("2.3.4", "2.3.4 2.3.9", "2.3.3 2.4.0"),
    ("=1.2", "1.2.0 1.2.9 1.2.0-beta", "1.3.0 1.1.9"),
    ("=1.2.3", "1.2.3 1.2.3+5", "1.2.4 1.2.3-beta"),
    ("== 1.2.3+5", "1.2.3+5", "1.2.3 1.2.3+6"),
    (">=1.0 <2.0", "1.0.0 1.9.9 1.5.0-beta", "0.9.0 2.0.0 2.0.0-beta.1 1.0.0-rc.1"),
    (">=1.0,<2.0", "1.0.0", "2.0.0"),
    (">=1.0<2.0", "1.0.0", "2.0.0"),
    (">= 1.0 , < 2.0", "1.0.0", "2.0.0"),
    (">1.2", "1.3.0 2.0.0", "1.2.0 1.2.9"),
    (">1.2.3", "1.2.4 1.3.0-beta", "1.2.3 1.2.3-rc.1 1.2.3+5"),
    (">1.2.3+5", "1.2.3+6", "1.2.3+5 1.2.3"),
    (">=1.2.3+5", "1.2.3+5 1.2.4", "1.2.3+4 1.2.3"),
    ("<=1.2", "1.2.9 1.0.0", "1.3.0"),
    ("<=1.2.3", "1.2.3 1.2.3+1 1.2.3-rc.1", "1.2.4"),
    ("<2.0.0-beta.2", "2.0.0-beta.1 1.9.9", "2.0.0-beta.2 2.0.0"),
    ("~> 2.3", "2.3.0 2.9.9", "2.2.9 3.0.0"),
    ("~>2.3.4", "2.3.4 2.3.9", "2.4.0 2.3.3"),
    ("~>2", "2.0.0 2.9.9", "1.0.0 3.0.0"),
    ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
    ("~1.2", "1.2.0 1.2.9", "1.3.0"),
    ("~1", "1.0.0 1.9.0", "2.0.0"),
    ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
    ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
    ("^0.0.3", "0.0.3", "0.0.4"),
    ("^0.0", "0.0.0 0.0.9", "0.1.0"),
    ("^0", "0.0.1 0.9.0", "1.0.0"),
    ("^1.0.0-beta.2", "1.0.0-beta.2 1.0.0 1.5.0", "1.0.0-beta.1 2.0.0"),
    ("^1.2.3 || >=3 <4", "1.5.0 3.1.0", "2.0.0 4.0.0"),
]


@pytest.mark.parametrize(("constraint", "inside", "outside"), RANGES)
def test_ranges_of_updaters(constraint, inside, outside):
    rule = parse_range(constraint)
    assert [text for text in inside.split() if not rule.allows(parse_version(text))] == []
    assert [text for text in outside.split() if rule.allows(parse_version(text))] == []


@pytest.mark.parametrize(
    "text", ["", " ", "abc", "v1", "1.2.3.4", ">=", "1.x", "*", ">>1", "1..2", "1-", "1 edge", "1" * 300]
)
def test_malformed_constraints(text):
    for parse in (parse_constraint, parse_range):
        with pytest.raises(BadRequest) as caught:
            parse(text)
        assert caught.value.code == "CONSTRAINT_INVALID"
        assert caught.value.source.parameter == "constraint"


@pytest.mark.parametrize("text", ["^1", ">=1 <2", "1 || 2", "1,2"])
def test_the_api_takes_no_ranges(text):
    with pytest.raises(BadRequest):
        parse_constraint(text)


@pytest.mark.parametrize("text", ["1,", ",1", "1 ||", "|| 1", "1 | 2", "1" + " 1" * 20, "1\t2"])
def test_malformed_ranges(text):
    with pytest.raises(BadRequest):
        parse_range(text)


VERSIONS = st.from_regex(r"[0-3]\.[0-3]\.[0-3](-(beta|rc)\.[1-3])?(\+[1-3])?", fullmatch=True).map(parse_version)


@given(st.one_of(st.text(), st.text("0123.-+<>=~^ ,|ab")), VERSIONS)
def test_any_text_is_a_constraint_or_a_bad_request(text, version):
    for parse in (parse_constraint, parse_range):
        try:
            rule = parse(text)
        except BadRequest as failure:
            assert failure.code == "CONSTRAINT_INVALID"
        else:
            rule.allows(version)


@given(st.from_regex(r"[0-3](\.[0-3](\.[0-3])?)?(-beta(\.[1-3])?)?", fullmatch=True), VERSIONS)
def test_a_plain_version_means_the_same_to_both_readers(text, version):
    assert parse_range(text).allows(version) == parse_constraint(text).allows(version)
    assert parse_constraint(f"~> {text}").allows(version) == parse_constraint(text).allows(version)


@given(VERSIONS, VERSIONS)
def test_operators_on_whole_versions_agree_with_the_order(bound, version):
    """Without prereleases and builds the operators are plain comparison."""
    if bound.prerelease or bound.build or version.prerelease or version.build:
        return
    for operator, holds in (
        (">", version > bound),
        (">=", version >= bound),
        ("<", version < bound),
        ("<=", version <= bound),
        ("=", version == bound),
    ):
        assert parse_range(f"{operator}{bound}").allows(version) == holds


@given(VERSIONS, st.lists(VERSIONS))
def test_only_greater_versions_in_falling_order(current, candidates):
    found = upgrades(current, candidates, lambda version: version)
    assert found == sorted((v for v in candidates if v > current), reverse=True)
