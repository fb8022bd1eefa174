"""Failures as people meet them in pip, uv, twine and browsers."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from keygenreg.domain.failures import Failure, NotAllowed, Unauthenticated
from keygenreg.engines.pypi.negotiation import Representation, choose_representation
from keygenreg.formats.authorization import scheme_of
from keygenreg.formats.jsonapi_document import render
from keygenreg.formats.jsonapi_errors import error_document
from keygenreg.formats.media_types import HTML_UTF8, JSON_UTF8, PLAIN_UTF8
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Reply

VARY = ("Vary", "Accept, Authorization")


def as_reply(exchange: Exchange, failure: Failure) -> Reply:
    """
    HTML with the reason, JSON for clients that read the index as JSON, plain text where an uploader prints the body.

    Anonymous callers are challenged for Basic credentials, the only ones that these clients can send (packages.md 1.8).
    """
    headers = [VARY]
    if isinstance(failure, Unauthenticated) and scheme_of(exchange.authorization) is None:
        headers.append(("WWW-Authenticate", 'Basic realm="keygen"'))
    if isinstance(failure, NotAllowed):
        return Reply(failure.status, f"{failure.detail}\n".encode(), (("Content-Type", PLAIN_UTF8), *headers))
    if _reads_json(exchange):
        document = error_document(failure, exchange.request_id) | {"message": failure.detail}
        return Reply(failure.status, render(document), (("Content-Type", JSON_UTF8), *headers))
    phrase = HTTPStatus(failure.status).phrase
    body = (
        f'<!DOCTYPE html>\n<html lang="en"><head><title>{failure.status} {phrase}</title></head>'
        f"<body><h1>{phrase}</h1><p>{escape(failure.detail)}</p></body></html>\n"
    )
    return Reply(failure.status, body.encode(), (("Content-Type", HTML_UTF8), *headers))


def _reads_json(exchange: Exchange) -> bool:
    try:
        return choose_representation(exchange.header("Accept")) is Representation.JSON_V1
    except Failure:
        return False
