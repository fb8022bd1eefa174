"""Failures as clients of the distribution protocol understand them, and the one challenge of this registry.

Source: OCI Distribution 1.1, Error Codes; decisions 20 and 25.
"""

from __future__ import annotations

from keygenreg.domain.failures import (
    BadRequest,
    Denied,
    Failure,
    NotAllowed,
    NotFound,
    TooMany,
    Unauthenticated,
    Unavailable,
)
from keygenreg.formats.jsonapi_document import render
from keygenreg.formats.jsonapi_errors import error_document
from keygenreg.formats.media_types import JSON_UTF8
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Reply

VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
#: Where tokens are to be had, on every host. No repository's path can end like that.
TOKEN_PATH = "/v2/token"

_CODES: tuple[tuple[type[Failure], str], ...] = (
    (Unauthenticated, "UNAUTHORIZED"),
    (Denied, "DENIED"),
    (NotAllowed, "UNSUPPORTED"),
    (NotFound, "NAME_UNKNOWN"),
    (TooMany, "TOOMANYREQUESTS"),
    (Unavailable, "UNAVAILABLE"),
    (BadRequest, "UNSUPPORTED"),
)
#: Failures of the whole registry have codes that belong to other interfaces.
_FOREIGN = frozenset({"NOT_FOUND", "TOKEN_MISSING", "TOO_MANY_REQUESTS"})
_INVALID_TOKEN = frozenset({"REGISTRY_TOKEN_INVALID", "REGISTRY_TOKEN_EXPIRED"})
INSUFFICIENT = "REGISTRY_TOKEN_INSUFFICIENT"


def as_reply(exchange: Exchange, failure: Failure) -> Reply:
    """An error document that also carries the title and detail of the other interfaces; a 401 with the challenge."""
    document = error_document(failure, exchange.request_id)
    code = code_of(failure)
    for error in document["errors"]:
        error["code"] = code
        error["message"] = failure.detail
    headers = [("Content-Type", JSON_UTF8)]
    if isinstance(failure, Unauthenticated):
        headers.append(("WWW-Authenticate", challenge(exchange, failure)))
    return Reply(failure.status, render(document), tuple(headers))


def code_of(failure: Failure) -> str:
    """The protocol's code, or a more exact one of ours where the protocol has none (upper case, as it demands)."""
    code = failure.code
    if code in _INVALID_TOKEN or code == INSUFFICIENT:
        return "UNAUTHORIZED"
    if code and code not in _FOREIGN:
        return code
    return next((word for kind, word in _CODES if isinstance(failure, kind)), "UNKNOWN")


def challenge(exchange: Exchange, failure: Failure) -> str:
    """
    The one Bearer challenge, with the token endpoint on the host and port that was asked.

    The scope is that of the repository that the request is about, see :func:`remember_repository`.
    """
    origin = exchange.origin
    parts = [f'realm="{origin}{TOKEN_PATH}"', f'service="{origin.authority}"']
    repository = getattr(exchange.request, "oci_repository", None)
    if repository and _QUOTABLE.issuperset(repository):
        parts.append(f'scope="repository:{repository}:pull"')
    if failure.code in _INVALID_TOKEN:
        parts.append('error="invalid_token"')
    elif failure.code == INSUFFICIENT:
        parts.append('error="insufficient_scope"')
    return "Bearer " + ",".join(parts)


_QUOTABLE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/@+~")


def remember_repository(exchange: Exchange, name: str) -> None:
    """Let a challenge to this request name the repository."""
    exchange.request.oci_repository = name
