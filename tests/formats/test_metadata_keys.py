"""Metadata keys survive the way from client to store and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats import metadata_keys as keys

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
SNAKE = st.from_regex(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]+)*", fullmatch=True)


@pytest.mark.parametrize(
    "spelling",
    [
        "requires-python",
        "requires_python",
        "requiresPython",
        "Requires Python",
        "REQUIRES_PYTHON",
        "RequiresPython",
        "--requires--python--",
    ],
)
def test_spellings_of_one_key_are_one_key(spelling):
    assert keys.stored_key(spelling) == "requires_python"
    assert keys.shown_key(keys.stored_key(spelling)) == "requiresPython"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("buildURL", "buildUrl"),
        ("HTTPServer", "httpServer"),
        ("a.b c", "aBC"),
        ("k7", "k7"),
        ("Größe", "große"),
        ("名前", "名前"),
        ("!!", "!!"),
    ],
)
def test_what_a_client_gets_back(sent, shown):
    assert keys.shown_key(keys.stored_key(sent)) == shown


def test_dashed_form_for_data_attributes():
    assert keys.dashed_key("requires_python") == "requires-python"


@given(SNAKE)
def test_stored_keys_survive_being_shown_and_sent_again(key):
    """A client may PATCH back what it read."""
    assert keys.stored_key(key) == key
    assert keys.stored_key(keys.shown_key(key)) == key


@given(st.text(st.characters(blacklist_characters="_")))
def test_a_dump_spelling_is_shown_again_exactly(key):
    assert keys.shown_key(keys.stored_key_of_shown(key)) == key


@given(st.text(st.characters(max_codepoint=127)))
def test_normalising_twice_changes_nothing(key):
    assert keys.stored_key(keys.stored_key(key)) == keys.stored_key(key)


@given(OBJECTS)
def test_normalising_never_fails(metadata):
    keys.to_shown(keys.to_stored(metadata))
    keys.from_dump(metadata)


def test_keys_are_renamed_at_every_level():
    sent = {"buildHost": {"coreCount": [{"theId": 1}]}}
    stored = {"build_host": {"core_count": [{"the_id": 1}]}}
    assert keys.to_stored(sent) == stored
    assert keys.to_shown(stored) == sent


def test_endless_nesting_is_a_value_error():
    deep: dict = {}
    for _ in range(5000):
        deep = {"a": deep}
    assert keys.shape_problem(deep) == "too_deep"
    for transform in (keys.to_stored, keys.to_shown, keys.from_dump):
        with pytest.raises(ValueError):
            transform(deep)


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({}, None),
        ({"a": {"b": {"c": 1}}}, None),
        ({"a": {"b": {"c": {}}}}, "too_deep"),
        ({"a": [[1]]}, None),
        ({"a": [[[]]]}, "too_deep"),
        ([], "not_an_object"),
        ("x", "not_an_object"),
        (None, "not_an_object"),
    ],
)
def test_shape(metadata, problem):
    assert keys.shape_problem(metadata) == problem


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({str(n): n for n in range(64)}, None),
        ({str(n): n for n in range(65)}, "too_many_keys"),
        ({"a": "x" * (16384 - 8)}, None),
        ({"a": "x" * (16384 - 7)}, "too_large"),
        ({"a": 2**70}, "too_large"),
        ({"a": "\ud800"}, "too_large"),
    ],
)
def test_size(metadata, problem):
    assert keys.size_problem(metadata) == problem


@given(JSON)
def test_checks_take_anything(value):
    if keys.shape_problem(value) is None:
        assert keys.size_problem(value) in (None, "too_many_keys", "too_large")


@pytest.mark.parametrize("pattern", ["A", "_", "aA", "._", "A_", "Aa"])
def test_long_keys_take_no_long_time(pattern: str) -> None:
    """
    A long run of one kind of letter is renamed in a moment; time that grows as its square would be a minute.
    """
    assert keys.shown_key(keys.stored_key(pattern * 50_000))
