"""What is appended to a document: put to what we have only where the whole is then what upstream says it is."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.mirror.documents.growing import first_byte, grown
from keygenreg.upstream.client import Document

MOST = 10_000


def answered(whole: bytes, start: int, **headers: str) -> Document:
    stated = {"content-range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Document(206, "http://u.test/versions", stated | given, whole[start:])


def sha256(whole: bytes) -> str:
    return b64encode(hashlib.sha256(whole).digest()).decode()


def sha512(whole: bytes) -> str:
    return b64encode(hashlib.sha512(whole).digest()).decode()


def md5(whole: bytes) -> str:
    return hashlib.md5(whole, usedforsecurity=False).hexdigest()


@given(st.binary(min_size=1), st.binary())
def test_a_part_that_fits(known: bytes, more: bytes):
    whole = known + more
    for headers in (
        {"repr_digest": f"sha-256=:{sha256(whole)}:"},
        {"repr_digest": f"md5=:AAAA:, sha-256=:{sha256(whole)}:"},
        {"repr_digest": f"sha-512=:{sha512(whole)}:, sha-256=:{sha256(whole)}:"},
        {"digest": f"SHA-256={sha256(whole)}"},
        {"etag": f'"{md5(whole)}"'},
        {"etag": f'W/"{md5(whole)}"'},
        {"etag": '"anything"', "digest": f"sha-256={sha256(whole)}"},
    ):
        assert grown(known, answered(whole, first_byte(len(known)), **headers), MOST) == whole


@given(st.binary(min_size=1), st.binary(), st.text(), st.text(), st.text(), st.integers(-3, 3))
def test_never_makes_what_upstream_does_not_have(
    known: bytes, whole: bytes, content_range: str, digest: str, etag: str, shift: int
):
    """Whatever an answer states."""
    start = max(0, first_byte(len(known)) + shift)
    headers = {"digest": digest, "etag": etag, "repr_digest": f"sha-256=:{sha256(whole)}:"}
    for more in ({}, {"content_range": content_range}):
        assert grown(known, answered(whole, start, **headers, **more), MOST) in (None, whole)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"etag": '"v1"'},
        {"etag": f'"{"0" * 32}"'},
        {"repr_digest": f"sha-256=:{sha256(b'other')}:", "etag": f'"{md5(b"abcd")}"'},
        {"repr_digest": f"sha-256=:{sha256(b'abcd')}:, sha-512=:{sha512(b'other')}:"},
        {"repr_digest": f"sha-256=:{sha256(b'abcd')}:", "content_range": "bytes 2-3/*"},
        {"repr_digest": f"sha-256=:{sha256(b'abcd')}:", "content_range": "bytes 2-2/4"},
        {"repr_digest": f"sha-256=:{sha256(b'abcd')}:", "content_range": "bytes 1-3/4"},
    ],
)
def test_a_part_that_is_not_vouched_for(headers: dict[str, str]):
    assert grown(b"abc", answered(b"abcd", 2, **headers), MOST) is None


def test_bounds():
    digest = {"repr_digest": f"sha-256=:{sha256(b'abcd')}:"}
    assert grown(b"abc", answered(b"abcd", 2, **digest), 4) == b"abcd"
    assert grown(b"abc", answered(b"abcd", 2, **digest), 3) is None
    assert first_byte(0) == first_byte(1) == 0
