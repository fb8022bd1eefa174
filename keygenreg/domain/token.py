"""API tokens: kinds, how a secret looks, and the digest that is stored of it (api.md 3.2)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from attrs import frozen

BearerType = Literal["environments", "products", "licenses", "users"]

#: Default life of a user's token, and of any expiring token after it is regenerated.
SHORT_LIFE = timedelta(weeks=2)
_SUFFIX = "v3"


@frozen
class TokenKind:
    """``name`` as the API shows it, ``prefix`` of the secret (cosmetic), ``size`` of its random part in bytes."""

    name: str
    prefix: str
    size: int = 32


ENVIRONMENT = TokenKind("environment-token", "env-")
PRODUCT = TokenKind("product-token", "prod-")
LICENSE = TokenKind("activation-token", "activ-", 16)
USER = TokenKind("user-token", "user-")

_BY_TYPE = {"environments": ENVIRONMENT, "products": PRODUCT, "licenses": LICENSE}
_BY_ROLE = {
    "admin": TokenKind("admin-token", "admin-"),
    "developer": TokenKind("developer-token", "dev-"),
    "sales-agent": TokenKind("sales-token", "sales-"),
    "support-agent": TokenKind("support-token", "spprt-"),
    "read-only": TokenKind("read-only-token", "read-"),
    "user": USER,
}


def kind_of(bearer_type: str, role: str | None = None) -> TokenKind:
    """The kind of a bearer's tokens; ``role`` counts for users only. ``KeyError`` for an unknown type or role."""
    if bearer_type == "users":
        return _BY_ROLE[role or "user"]
    return _BY_TYPE[bearer_type]


def new_secret(kind: TokenKind, token_hex: Callable[[int], str]) -> str:
    """
    A new secret, such as ``prod-4be1...9cv3``.

    :param token_hex: gives that many random bytes as hex; ``secrets.token_hex`` outside of tests.
    """
    return f"{kind.prefix}{token_hex(kind.size)}{_SUFFIX}"


def digest_of(secret_key: str, raw: str) -> str:
    """What is stored of a token: HMAC-SHA256 of its text with the account's secret key, 64 hex digits."""
    return hmac.new(secret_key.encode(), raw.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def default_expiry(kind: TokenKind, now: datetime) -> datetime | None:
    """When a token ends for which no expiry was given: two weeks for plain users, else never (api.md 1.13)."""
    return now + SHORT_LIFE if kind is USER else None


def regenerated_expiry(expiry: datetime | None, now: datetime) -> datetime | None:
    """When a token with a new secret ends: never if it never did, else in two weeks."""
    return None if expiry is None else now + SHORT_LIFE
