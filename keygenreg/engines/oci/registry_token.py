"""Registry tokens: what the token endpoint gives and every other path takes as Bearer, signed and short-lived.

They hold no rights of their own: a token names whose credentials were sent, and those are judged anew at every use. The
key is Ed25519, changes daily, and follows from the installation's signing key, so that all processes and machines have
it without asking each other. Sources: Distribution Registry Token Authentication (JWT), RFC 7519, RFC 8037, RFC 8725.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from functools import lru_cache
from math import inf
from uuid import UUID, uuid4

import jwt
from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keygenreg.domain.identifiers import parse_uuid

_ALGORITHM = "EdDSA"
_PERIOD = 24 * 3600
_LEEWAY = 5
_LONGEST = 8192
_PART = re.compile(r"[0-9A-Za-z_-]+", re.ASCII)
_REQUIRED = ["exp", "nbf", "iat", "aud", "jti"]


class TokenInvalid(ValueError):
    """The token is not one of ours for this host, or was changed."""


class TokenExpired(TokenInvalid):
    """The token is genuine and its time is over."""


@frozen
class Claims:
    """
    What a token says: whose credentials (``account_id`` and a token's or a license's id; none for anonymous callers)
    and for which repositories it was asked; ``proof`` is that of
    :class:`keygenreg.access.authentication.RecognisedCredential`. ``until`` is when a token that was checked ends (Unix
    seconds).
    """

    repositories: tuple[str, ...] = ()
    account_id: UUID | None = None
    token_id: UUID | None = None
    license_id: UUID | None = None
    proof: str = ""
    until: float = field(default=inf, eq=False)

    @property
    def anonymous(self) -> bool:
        return self.token_id is None and self.license_id is None


def looks_like_token(text: str) -> bool:
    """Whether a Bearer value is meant to be a registry token and not an API token: three parts, JSON at first."""
    return text.startswith("eyJ") and text.count(".") == 2


@frozen
class TokenSigner:
    """
    Makes and checks tokens.

    :param secret: the installation's signing key.
    :param seconds: how long a token is good for.
    """

    secret: bytes = field(repr=False)
    seconds: int = 1800

    def sign(self, claims: Claims, *, audience: str, now: float) -> str:
        """:param audience: the host, with its port, at which the token is good."""
        period = int(now) // _PERIOD
        payload = {
            "iss": audience,
            "aud": audience,
            "sub": str(claims.token_id or claims.license_id or ""),
            "iat": int(now),
            "nbf": int(now) - _LEEWAY,
            "exp": int(now) + self.seconds,
            "jti": uuid4().hex,
            "access": [{"type": "repository", "name": name, "actions": ["pull"]} for name in claims.repositories],
            "account": _text(claims.account_id),
            "token": _text(claims.token_id),
            "license": _text(claims.license_id),
            "proof": claims.proof,
        }
        return jwt.encode(payload, _key(self.secret, period), algorithm=_ALGORITHM, headers={"kid": str(period)})

    def verify(self, text: str, *, audience: str, now: float) -> Claims:
        """
        :raises TokenExpired: its time is over.
        :raises TokenInvalid: anything else is wrong with it.
        """
        _require_canonical(text)
        try:
            key_id = jwt.get_unverified_header(text).get("kid")
        except (jwt.PyJWTError, ValueError) as error:
            raise TokenInvalid("malformed") from error
        payload = self._payload(text, self._known_key(key_id, now), audience)
        self._check_time(payload, now)
        return _claims(payload)

    def _known_key(self, key_id: object, now: float) -> Ed25519PrivateKey:
        """A token outlives its day by its own life at most; nothing in the token can name any other key."""
        today = int(now) // _PERIOD
        for period in (today, today - 1, today + 1):
            if key_id == str(period):
                return _key(self.secret, period)
        raise TokenExpired("signed with a key of another day")

    @staticmethod
    def _payload(text: str, key: Ed25519PrivateKey, audience: str) -> dict:
        options = {"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            return jwt.decode(
                text, key.public_key(), algorithms=[_ALGORITHM], audience=audience, issuer=audience, options=options
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise TokenInvalid("not genuine") from error

    def _check_time(self, payload: dict, now: float) -> None:
        starts, ends = payload["nbf"], payload["exp"]
        if not isinstance(starts, int) or not isinstance(ends, int) or now + _LEEWAY < starts:
            raise TokenInvalid("not yet valid")
        if now > ends + _LEEWAY:
            raise TokenExpired("expired")


def _claims(payload: dict) -> Claims:
    return Claims(
        repositories=tuple(entry["name"] for entry in payload["access"]),
        account_id=parse_uuid(payload["account"] or ""),
        token_id=parse_uuid(payload["token"] or ""),
        license_id=parse_uuid(payload["license"] or ""),
        proof=payload["proof"],
        until=payload["exp"],
    )


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)


@lru_cache(maxsize=16)
def _key(secret: bytes, period: int) -> Ed25519PrivateKey:
    seed = hmac.new(secret, f"oci registry token {period}".encode(), hashlib.sha256).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _require_canonical(text: str) -> None:
    """One token has one spelling: padding, other alphabets and unused bits are refused."""
    parts = text.split(".")
    if len(text) > _LONGEST or len(parts) != 3:
        raise TokenInvalid("malformed")
    for part in parts:
        if not _PART.fullmatch(part):
            raise TokenInvalid("malformed")
        try:
            decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except binascii.Error as error:
            raise TokenInvalid("malformed") from error
        if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode("ascii") != part:
            raise TokenInvalid("malformed")
