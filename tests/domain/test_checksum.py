"""Checksums in whatever spelling a build tool prints them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.checksum import ALGORITHMS, base64_of, infer, matches

ANY_ALGORITHM = st.sampled_from(sorted(ALGORITHMS.values()))


def spellings(digest: bytes) -> dict[str, str]:
    standard, url = base64.b64encode(digest).decode(), base64.urlsafe_b64encode(digest).decode()
    return {
        "hex": digest.hex(),
        "HEX": digest.hex().upper(),
        "padded": standard,
        "unpadded": standard.rstrip("="),
        "url": url,
        "url unpadded": url.rstrip("="),
        "line": f" {standard}\n",
    }


@given(ANY_ALGORITHM, st.binary())
def test_every_spelling_of_every_algorithm(algorithm, content):
    digest = hashlib.new(algorithm, content).digest()
    for name, text in spellings(digest).items():
        found = infer(text)
        assert found is not None, name
        assert (found.algorithm, found.hex) == (algorithm, digest.hex())
        assert found.encoding == ("hex" if name.lower() == "hex" else "base64")
        assert found.base64 == base64.b64encode(digest).decode()


def test_the_command_line_tool_sends_unpadded_base64_of_sha512():
    digest = hashlib.sha512(b"kestrel").digest()
    text = base64.b64encode(digest).decode().rstrip("=")
    assert len(text) == 86
    assert infer(text).algorithm == "sha512"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "abc",
        "abcd",
        "0x" + "a" * 64,
        "sha256:" + "a" * 64,
        "a" * 63,
        "zz" * 31,
        "a" * 5000,
        "é" * 64,
        "٣" * 64,
        "A" * 43 + "==",
        "A" * 42 + "=",
        "====",
        "A" * 41,
    ],
)
def test_what_is_no_checksum_we_know(text):
    assert infer(text) is None


@given(st.one_of(st.text(), st.text("0123456789abcdefABCDEF+/=-_", max_size=130)))
def test_any_text_is_judged_without_failing(text):
    found = infer(text)
    if found is not None:
        assert len(bytes.fromhex(found.hex)) == {name: size for size, name in ALGORITHMS.items()}[found.algorithm]


@given(ANY_ALGORITHM, st.binary(), st.binary())
def test_matching_tells_right_from_wrong_bytes(algorithm, content, other):
    checksum = infer(hashlib.new(algorithm, content).hexdigest())
    computed = {algorithm: hashlib.new(algorithm, other).hexdigest().upper()}
    assert matches(checksum, computed) is (content == other)
    assert matches(checksum, {}) is None


def test_base64_of_a_digest():
    assert base64_of("00ff") == "AP8="
    with pytest.raises(ValueError):
        base64_of("xyz")
