"""Registry tokens as values: what is believed and what is not."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.oci.registry_token import Claims, TokenExpired, TokenInvalid, TokenSigner, looks_like_token

HOST = "localhost:8080"
NOW = 1_800_000_000.0
DAY = 24 * 3600
SIGNER = TokenSigner(b"k" * 32)
CLAIMS = Claims(("acme/app",), UUID(int=1), UUID(int=2), None, "proof")


def signed(now: float = NOW) -> str:
    return SIGNER.sign(CLAIMS, audience=HOST, now=now)


def key_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def rebuilt(token: str, **header: object) -> str:
    """The same token with another header, its signature kept."""
    parts = token.split(".")
    text = json.dumps({**jwt.get_unverified_header(token), **header}).encode()
    return ".".join([base64.urlsafe_b64encode(text).rstrip(b"=").decode(), *parts[1:]])


@pytest.mark.parametrize("claims", [CLAIMS, Claims(), Claims(("a", "b/c")), Claims((), UUID(int=1), None, UUID(int=3))])
def test_round_trip(claims: Claims):
    token = SIGNER.sign(claims, audience=HOST, now=NOW)
    assert looks_like_token(token)
    assert SIGNER.verify(token, audience=HOST, now=NOW) == claims


@pytest.mark.parametrize("text", ["admin-0123v3", "eyJ", "a.b.c", "eyJ.x", "", "key/eyJhIjoxfQ.x"])
def test_other_bearers_do_not_look_like_it(text: str):
    assert not looks_like_token(text)


@pytest.mark.parametrize("later", [0, 1, 1800, 1804])
def test_good_until_its_end(later: int):
    assert SIGNER.verify(signed(), audience=HOST, now=NOW + later) == CLAIMS


@pytest.mark.parametrize("later", [1806, 3600, DAY, 30 * DAY])
def test_expired(later: int):
    with pytest.raises(TokenExpired):
        SIGNER.verify(signed(), audience=HOST, now=NOW + later)


def test_clock_of_the_maker_ahead():
    assert SIGNER.verify(signed(), audience=HOST, now=NOW - 9) == CLAIMS
    with pytest.raises(TokenInvalid):
        SIGNER.verify(signed(), audience=HOST, now=NOW - 60)


def test_key_changes_daily_and_yesterdays_is_known():
    midnight = (NOW // DAY + 1) * DAY
    before, after = signed(midnight - 10), signed(midnight + 10)
    assert key_of(before) != key_of(after)
    assert SIGNER.verify(before, audience=HOST, now=midnight + 60) == CLAIMS


def test_other_audience_or_installation():
    with pytest.raises(TokenInvalid):
        SIGNER.verify(signed(), audience="other:8080", now=NOW)
    with pytest.raises(TokenInvalid):
        TokenSigner(b"x" * 32).verify(signed(), audience=HOST, now=NOW)


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS256"}, {"alg": "ES256"}, {"kid": "../../etc/passwd"}, {"kid": None}, {"kid": 7},
     {"jku": "https://evil.example/keys"}, {"x5c": ["x"]}, {"typ": "x"}, {"crit": ["x"]}, {"kid": "-1"}],
)  # fmt: skip
def test_changed_header(header: dict):
    with pytest.raises(TokenInvalid):
        SIGNER.verify(rebuilt(signed(), **header), audience=HOST, now=NOW)


def payload_of(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def test_unsigned():
    forged = jwt.encode(payload_of(signed()), None, algorithm="none", headers={"kid": key_of(signed())})
    with pytest.raises(TokenInvalid):
        SIGNER.verify(forged, audience=HOST, now=NOW)


def test_own_key_in_the_header():
    """A key that comes along is no reason to believe anything (CVE-2025-24976)."""
    mine = Ed25519PrivateKey.generate()
    raw = mine.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}
    headers = {"kid": key_of(signed()), "jwk": jwk}
    forged = jwt.encode(payload_of(signed()), mine, algorithm="EdDSA", headers=headers)
    with pytest.raises(TokenInvalid):
        SIGNER.verify(forged, audience=HOST, now=NOW)


def test_public_key_as_a_shared_secret():
    """CVE-2022-29217."""
    from keygenreg.engines.oci import registry_token

    public = registry_token._key(b"k" * 32, int(NOW) // DAY).public_key()
    secret = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    forged = jwt.encode(payload_of(signed()), secret, algorithm="HS256", headers={"kid": key_of(signed())})
    with pytest.raises(TokenInvalid):
        SIGNER.verify(forged, audience=HOST, now=NOW)


def test_every_truncation_and_other_spellings():
    """CVE-2026-27840."""
    token = signed()
    spellings = [token[:end] for end in range(len(token))]
    spellings += [token + more for more in ("=", "==", ".", " ", "A", "\n")]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spellings += [token[:-1] + letter for letter in alphabet if letter != token[-1]]
    for spelling in spellings:
        with pytest.raises(TokenInvalid):
            SIGNER.verify(spelling, audience=HOST, now=NOW)


@given(st.text() | st.text(alphabet="eyJ.abc-_0=", max_size=60).map("eyJ{}".format))
def test_arbitrary_text(text: str):
    with pytest.raises(TokenInvalid):
        SIGNER.verify(text, audience=HOST, now=NOW)


@given(st.binary(max_size=64))
def test_arbitrary_parts(data: bytes):
    """Well-formed Base64 of anything, as header and as payload."""
    part = base64.urlsafe_b64encode(data).rstrip(b"=").decode() or "e30"
    _, payload, signature = signed().split(".")
    for text in (f"{part}.{payload}.{signature}", f"{signed().split('.')[0]}.{part}.{signature}"):
        with pytest.raises(TokenInvalid):
            SIGNER.verify(text, audience=HOST, now=NOW)


def test_repr_hides_the_secret():
    assert "kkkk" not in repr(SIGNER)
