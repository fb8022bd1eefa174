"""Signed values in URLs cannot be forged, reused for something else, or used too late."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.formats.signed_token import Expired, sign, verify

KEY = b"k" * 32
PAYLOADS = st.dictionaries(
    st.text(max_size=8), st.text(max_size=20) | st.integers(-(2**53), 2**53) | st.none(), max_size=4
)


@given(PAYLOADS, st.text(max_size=8), st.integers(0, 2**40))
def test_what_was_signed_is_read_back(payload, purpose, expires):
    text = sign(KEY, purpose, payload, expires)
    assert re.fullmatch(r"[0-9A-Za-z_-]+", text)
    assert verify(KEY, purpose, text, expires) == payload


def test_too_late():
    text = sign(KEY, "upload", {"a": 1}, 1000)
    assert verify(KEY, "upload", text, 1000.0) == {"a": 1}
    with pytest.raises(Expired):
        verify(KEY, "upload", text, 1000.5)


@given(st.text(max_size=8), st.text(max_size=8))
def test_one_purpose_never_passes_for_another(ours, theirs):
    text = sign(KEY, ours, {}, 1000)
    if ours == theirs:
        assert verify(KEY, theirs, text, 0) == {}
    else:
        with pytest.raises(ValueError):
            verify(KEY, theirs, text, 0)


def test_another_key_does_not_verify():
    with pytest.raises(ValueError):
        verify(b"x" * 32, "upload", sign(KEY, "upload", {}, 1000), 0)


@given(st.data())
def test_every_changed_character_is_noticed(data):
    text = sign(KEY, "upload", {"artifact": "5b0e"}, 1000)
    index = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_").filter(
            lambda c: c != text[index]
        )
    )
    with pytest.raises(ValueError) as caught:
        verify(KEY, "upload", text[:index] + other + text[index + 1 :], 0)
    assert not isinstance(caught.value, Expired)


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="))))
def test_any_text_is_refused_with_a_value_error(text):
    with pytest.raises(ValueError):
        verify(KEY, "upload", text, 0)


def test_padding_and_line_ends_are_refused():
    text = sign(KEY, "upload", {}, 1000)
    for changed in (text + "=", text + "\n", " " + text, text + "A"):
        with pytest.raises(ValueError):
            verify(KEY, "upload", changed, 0)


def test_a_large_payload_is_refused_at_once():
    with pytest.raises(ValueError):
        sign(KEY, "upload", {"a": "x" * 4000}, 1000)
