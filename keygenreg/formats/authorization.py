"""Credentials as requests carry them: the Authorization header and the query parameters ``token`` and ``auth``."""

from __future__ import annotations

import base64
import binascii
import re

from attrs import field, frozen

from keygenreg.formats.jsonapi_query import QueryParameters

#: User names of Basic that say what the password is. ``__token__`` is what Python packaging tools are used to.
_KEY_USERS = frozenset({"license"})
_TOKEN_USERS = frozenset({"token", "__token__"})

_SCHEME = re.compile(r"[ \t]*([^ \t]+)(?:[ \t]+(.*))?", re.DOTALL)


@frozen
class TokenCredential:
    """An API token, as sent. ``repr`` never shows it."""

    token: str = field(repr=False)


@frozen
class LicenseKeyCredential:
    """A license key, as sent. ``repr`` never shows it."""

    key: str = field(repr=False)


@frozen
class PasswordCredential:
    """An e-mail address (not yet checked) and a password (possibly empty). ``repr`` shows neither."""

    email: str = field(repr=False)
    password: str = field(repr=False)


Credential = TokenCredential | LicenseKeyCredential | PasswordCredential

#: Stands for credentials that cannot be read (bad Base64, not UTF-8): no token has this text, so the look-up fails
#: like that of any wrong token, and nobody becomes anonymous by sending garbage.
MALFORMED = TokenCredential("\N{REPLACEMENT CHARACTER} malformed credentials")


def scheme_of(header: bytes | None) -> str | None:
    """The scheme of an Authorization header in lower case, if we know it: basic, bearer, license or token."""
    if not header:
        return None
    scheme = header.split(None, 1)[:1]
    name = scheme[0].decode("ascii", "replace").lower() if scheme else ""
    return name if name in ("basic", "bearer", "license", "token") else None


def read_credentials(
    header: bytes | None, query: QueryParameters | None = None, *, password_login: bool = False
) -> Credential | None:
    """
    The credentials of a request; the first form that is there counts.

    :param header: the Authorization header's value as received, None without one.
    :param query: the request's query; None where the query may not carry credentials.
    :param password_login: whether Basic with an e-mail address is a log-in by password (only ``POST /tokens``).
    :return: None for an anonymous request. A header of a known scheme is never combined with the query: empty, it
        makes the request anonymous; unreadable, it is :data:`MALFORMED`. Other schemes fall through to the query.

    Source: api.md 3.1, engines.md 1.4.
    """
    scheme = scheme_of(header)
    if scheme is None:
        return _from_query(query) if query is not None else None
    try:
        match = _SCHEME.fullmatch(header.decode("utf-8"))
    except UnicodeDecodeError:
        return MALFORMED
    if match is None:
        return MALFORMED
    value = (match[2] or "").strip(" \t")
    if not value:
        return None
    if "\0" in value:
        return MALFORMED
    if scheme == "basic":
        return _from_basic(value, password_login)
    return LicenseKeyCredential(value) if scheme == "license" else TokenCredential(value)


def _from_basic(value: str, password_login: bool) -> Credential | None:
    try:
        # Padding is often forgotten by hand-made clients and changes nothing about the meaning.
        text = base64.b64decode(value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return MALFORMED
    user, _, password = text.partition(":")
    if "\0" in text:
        return MALFORMED
    if not user:
        return MALFORMED if password else None
    name = user.lower()
    if name in _KEY_USERS:
        return LicenseKeyCredential(password) if password else None
    if name in _TOKEN_USERS:
        return TokenCredential(password) if password else None
    if password_login and "@" in user:
        return PasswordCredential(user, password)
    return TokenCredential(user)


def _from_query(query: QueryParameters) -> Credential | None:
    value = query.text("token") or query.text("auth")
    if not value:
        return None
    kind, colon, rest = value.partition(":")
    if colon and kind.lower() == "license":
        return LicenseKeyCredential(rest) if rest else None
    if colon and kind.lower() == "token":
        return TokenCredential(rest) if rest else None
    return TokenCredential(value)
