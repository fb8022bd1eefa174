"""Reading JSON member by member."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats.json_reader import JsonReader

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
).filter(lambda value: "Infinity" not in json.dumps(value))


def read(body: bytes) -> Any:
    """Two levels by members, everything below as values."""
    reader = JsonReader(body)
    found = {}
    if not reader.at_object():
        found = reader.value()
    else:
        for outer in reader.members():
            if reader.at_object():
                found[outer] = {inner: reader.value() for inner in reader.members()}
            else:
                found[outer] = reader.value()
    reader.end()
    return found


@given(VALUES, st.sampled_from([None, 0, 2, "\t \r"]), st.booleans())
def test_like_any_other_reader(value: Any, indent: Any, escaped: bool):
    body = json.dumps(value, indent=indent, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    assert read(b" \n" + body + b"\r\t ") == json.loads(body)


@given(st.one_of(st.binary(), st.text(alphabet='{}[]":, \\\ntrue0123.eE-Infinity').map(str.encode)))
def test_agrees_with_another_reader_about_what_is_json(body: bytes):
    try:
        found = read(body)
    except ValueError:
        with pytest.raises(ValueError):
            orjson.loads(body)
        return
    try:
        assert found == orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Numbers beyond what a float holds, and halves of characters, are all that it takes more of.
        if not any(word in str(error) for word in ("infinity", "surrogate")):
            raise


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b'{"a" 1}', b"{1:1}", b'{"a":1 "b":2}',
     b"{,}", b'{"a":1}}', b'{"a":1} x', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":"\xff"}', b'{"a":"\n"}',
     b"\xef\xbb\xbf{}",
     b'{"a":' + b"[" * 100_000, b'{"a":' * 100_000],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_is_no_json(body: bytes):
    with pytest.raises(ValueError):
        read(body)


def test_of_equal_members_each_is_read():
    reader = JsonReader(b'{"a": 1, "a": {"b": 2}}')
    assert [(name, reader.value()) for name in reader.members()] == [("a", 1), ("a", {"b": 2})]
