"""Signature files, pure; the signatures are made here after minisign's format."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.tauri.signatures import read_signature


def minisign(comment: str = "signature from tauri secret key", algorithm: bytes = b"ED", size: int = 72) -> str:
    """A signature file with random bytes in the right places."""
    signature = base64.b64encode(algorithm + os.urandom(size)).decode()
    whole = base64.b64encode(os.urandom(64)).decode()
    return f"untrusted comment: {comment}\n{signature}\ntrusted comment: timestamp:1\tfile:app\n{whole}\n"


def test_of_the_signer_of_tauri():
    packed = base64.b64encode(minisign("süß").encode()).decode()
    assert read_signature(packed.encode()) == packed
    assert read_signature(f"{packed[:60]}\n{packed[60:]}\n".encode()) == packed


def test_of_minisign_itself():
    for algorithm in (b"Ed", b"ED"):
        text = minisign(algorithm=algorithm)
        assert base64.b64decode(read_signature(text.encode())).decode() == text
        assert base64.b64decode(read_signature(text.replace("\n", "\r\n").encode())).splitlines()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"https://example.com/app.sig",
        b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n",
        base64.b64encode(b"something else"),
        base64.b64encode(b"\xff\xfe"),
        minisign(size=10).encode(),
        minisign(algorithm=b"XX").encode(),
        minisign().encode()[:150],
        b"\x89\x02\x33",
    ],
)
def test_anything_else_is_no_signature(content: bytes):
    assert read_signature(content) is None


@given(st.binary() | st.text(alphabet="abcABC012+/=\n").map(str.encode))
def test_any_bytes(content: bytes):
    assert read_signature(content) is None
