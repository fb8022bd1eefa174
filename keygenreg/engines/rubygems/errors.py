"""Failures as gem and Bundler want them: nothing but the status for the compact index, a document for all else."""

from __future__ import annotations

from keygenreg.domain.failures import Failure, NotAllowed, Unauthenticated
from keygenreg.formats.accept import json_answer
from keygenreg.formats.authorization import scheme_of
from keygenreg.formats.jsonapi_document import render
from keygenreg.formats.jsonapi_errors import error_document
from keygenreg.formats.media_types import PLAIN, PLAIN_UTF8
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Headers, Reply

VARY = ("Vary", "Accept, Authorization")


def as_index_reply(exchange: Exchange, failure: Failure) -> Reply:
    """For ``versions``, ``info`` and ``names``: an empty body, since clients show their own words (engines.md 1.9)."""
    if failure.code == "MIME_TYPE_INVALID":
        return as_reply(exchange, failure)
    return Reply(failure.status, b"", (("Content-Type", PLAIN), *_headers(exchange, failure)))


def as_reply(exchange: Exchange, failure: Failure) -> Reply:
    """For everything else: the API's document; a mere sentence for ``gem push``, which prints what it gets."""
    headers = _headers(exchange, failure)
    if isinstance(failure, NotAllowed):
        return Reply(failure.status, f"{failure.detail}\n".encode(), (("Content-Type", PLAIN_UTF8), *headers))
    content_type = f"{json_answer(exchange.header('Accept'))}; charset=utf-8"
    document = error_document(failure, exchange.request_id)
    return Reply(failure.status, render(document), (("Content-Type", content_type), *headers))


def _headers(exchange: Exchange, failure: Failure) -> Headers:
    if isinstance(failure, Unauthenticated) and scheme_of(exchange.authorization) is None:
        # The only credentials that these clients can send.
        return (VARY, ("WWW-Authenticate", 'Basic realm="keygen"'))
    return (VARY,)
