"""Secrets of tokens and what is stored of them."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain import token

NOW = datetime(2031, 5, 6, tzinfo=UTC)
BEARERS = [
    ("environments", None, "environment-token", "env-", 64),
    ("products", None, "product-token", "prod-", 64),
    ("licenses", None, "activation-token", "activ-", 32),
    ("users", "admin", "admin-token", "admin-", 64),
    ("users", "developer", "developer-token", "dev-", 64),
    ("users", "sales-agent", "sales-token", "sales-", 64),
    ("users", "support-agent", "support-token", "spprt-", 64),
    ("users", "read-only", "read-only-token", "read-", 64),
    ("users", "user", "user-token", "user-", 64),
    ("users", None, "user-token", "user-", 64),
]


@pytest.mark.parametrize(("bearer", "role", "name", "prefix", "digits"), BEARERS)
def test_a_secret_tells_its_kind(bearer, role, name, prefix, digits):
    kind = token.kind_of(bearer, role)
    assert kind.name == name
    assert re.fullmatch(rf"{prefix}[0-9a-f]{{{digits}}}v3", token.new_secret(kind, secrets.token_hex))


@pytest.mark.parametrize(("bearer", "role"), [("machines", None), ("users", "root")])
def test_unknown_bearers_have_no_kind(bearer, role):
    with pytest.raises(KeyError):
        token.kind_of(bearer, role)


def _hmac_by_hand(key: bytes, message: bytes) -> str:
    """RFC 2104 spelled out, independent of the hmac module."""
    key = hashlib.sha256(key).digest() if len(key) > 64 else key
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).hexdigest()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_digest_is_a_keyed_hash(key, raw):
    assert token.digest_of(key, raw) == _hmac_by_hand(key.encode(), raw.encode())


@given(st.text())
def test_any_text_has_a_digest(raw):
    assert len(token.digest_of("key", raw)) == 64


def test_only_plain_users_tokens_end_by_default():
    assert token.default_expiry(token.kind_of("users", "user"), NOW) == NOW + timedelta(days=14)
    for bearer, role, *_ in BEARERS[:-2]:
        assert token.default_expiry(token.kind_of(bearer, role), NOW) is None


def test_a_new_secret_moves_an_expiry_but_makes_none():
    assert token.regenerated_expiry(None, NOW) is None
    assert token.regenerated_expiry(NOW - timedelta(days=1), NOW) == NOW + timedelta(days=14)
