"""Failures as updaters log them."""

from __future__ import annotations

from keygenreg.domain.failures import Failure
from keygenreg.formats.accept import json_answer
from keygenreg.formats.jsonapi_document import render
from keygenreg.formats.jsonapi_errors import error_document
from keygenreg.formats.media_types import JSON, JSON_API
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Reply

VARY = ("Vary", "Accept, Authorization")


def as_reply(exchange: Exchange, failure: Failure) -> Reply:
    """JSON with the errors of the API (engines.md 1.8)."""
    media_type = json_answer(exchange.header("Accept"), default=JSON)
    if failure.code == "MIME_TYPE_INVALID":
        media_type = JSON_API
    body = render(error_document(failure, exchange.request_id))
    return Reply(failure.status, body, (("Content-Type", f"{media_type}; charset=utf-8"), VARY))
