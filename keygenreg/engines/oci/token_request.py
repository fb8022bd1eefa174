"""Requests to the token endpoint, by GET and by POST, and its answers.

Sources: Distribution Registry, Token Authentication Specification and OAuth 2.0 Token Authentication.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import orjson
from attrs import field, frozen

from keygenreg.domain.failures import BadRequest
from keygenreg.engines.oci.names import repositories_of
from keygenreg.formats.authorization import Credential, TokenCredential, read_credentials
from keygenreg.formats.jsonapi_query import QueryParameters


@frozen
class TokenRequest:
    """Repositories that the token is for, and the credentials that came along; ``None`` for anonymous."""

    repositories: tuple[str, ...] = ()
    credential: Credential | None = field(default=None, repr=False)


def by_query(query: QueryParameters, authorization: bytes | None) -> TokenRequest:
    """The GET form: ``?service=...&scope=...``, credentials in the header; ``account`` says nothing new."""
    return TokenRequest(_repositories(query), read_credentials(authorization))


def by_form(body: bytes, authorization: bytes | None) -> TokenRequest:
    """
    The POST form: ``grant_type`` is ``password``, or ``refresh_token`` with an API token as the refresh token.

    :raises BadRequest: no form, or a grant type that is not known.
    """
    form = QueryParameters.parse(body)
    kind = form.text("grant_type")
    if kind == "password":
        pair = f"{form.text('username') or ''}:{form.text('password') or ''}"
        credential = read_credentials(b"Basic " + base64.b64encode(pair.encode()))
    elif kind == "refresh_token" and form.text("refresh_token"):
        credential = TokenCredential(form.text("refresh_token"))
    elif kind is None and authorization:
        credential = read_credentials(authorization)
    else:
        raise BadRequest("The grant_type must be password or refresh_token, with what belongs to it.", "UNSUPPORTED")
    return TokenRequest(_repositories(form), credential)


def _repositories(query: QueryParameters) -> tuple[str, ...]:
    return tuple(repositories_of([value for name, value in query.pairs if name == "scope"]))


def answer(token: str, *, seconds: int, issued: datetime, repositories: tuple[str, ...]) -> bytes:
    """The endpoint's document: the token under both names that clients look for."""
    return orjson.dumps(
        {
            "token": token,
            "access_token": token,
            "expires_in": seconds,
            "issued_at": issued.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "scope": " ".join(f"repository:{name}:pull" for name in repositories),
        }
    )
