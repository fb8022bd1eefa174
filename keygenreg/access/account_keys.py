"""The keys of an account: what signs its answers and digests its tokens."""

from __future__ import annotations

import re
import secrets

from attrs import field, frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_SECRET_BYTES = 64
_ED25519_SEED_BYTES = 32
_RSA_BITS = 2048
_RSA_EXPONENT = 65537


@frozen
class AccountKeys:
    """
    Private keys as they are stored and dumped (dump.md, accounts).

    ``secret_key`` is text (128 hex digits when generated), ``ed25519_private_key`` the seed as 64 hex digits, the other
    two are PEM (PKCS 8). None of them shows in ``repr``.
    """

    secret_key: str = field(repr=False)
    ed25519_private_key: str = field(repr=False)
    rsa_private_key: str = field(repr=False)
    ecdsa_private_key: str = field(repr=False)


def generate_account_keys() -> AccountKeys:
    """New keys of all kinds. Takes about a tenth of a second: never call it in the reactor."""
    return AccountKeys(
        secret_key=generate_secret_key(),
        ed25519_private_key=generate_ed25519_seed(),
        rsa_private_key=generate_rsa_key(),
        ecdsa_private_key=generate_ecdsa_key(),
    )


def generate_secret_key() -> str:
    """64 random bytes as hex: the HMAC key of the account's token digests (api.md 1.2)."""
    return secrets.token_hex(_SECRET_BYTES)


def generate_ed25519_seed() -> str:
    """A new Ed25519 private key: its 32-byte seed (RFC 8032, 5.1.5) as hex."""
    return secrets.token_hex(_ED25519_SEED_BYTES)


def generate_rsa_key() -> str:
    """A new 2048-bit RSA private key as PEM. Slow: it looks for primes."""
    return _pem(rsa.generate_private_key(public_exponent=_RSA_EXPONENT, key_size=_RSA_BITS))


def generate_ecdsa_key() -> str:
    """A new private key on the curve P-256 as PEM."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def is_ed25519_seed(text: str) -> bool:
    """Whether a text is a seed in hex."""
    return re.fullmatch(r"[0-9a-fA-F]{64}", text, re.ASCII) is not None


def is_rsa_key(text: str) -> bool:
    """Whether a text is an RSA private key in PEM, of whatever size, without passphrase."""
    return isinstance(_loaded(text), rsa.RSAPrivateKey)


def is_ecdsa_key(text: str) -> bool:
    """Whether a text is a private key on P-256 in PEM, without passphrase."""
    key = _loaded(text)
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)


def _loaded(pem: str) -> object:
    try:
        return load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
