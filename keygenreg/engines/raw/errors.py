"""Failures of the Raw engine: JSON:API documents, which scripts can read and people too."""

from __future__ import annotations

from keygenreg.domain.failures import Failure
from keygenreg.formats.accept import json_answer
from keygenreg.formats.jsonapi_document import render
from keygenreg.formats.jsonapi_errors import error_document
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Reply

VARY = ("Vary", "Accept, Authorization")


def as_reply(exchange: Exchange, failure: Failure) -> Reply:
    """JSON:API, or JSON for those who ask for it by name (engines.md 1.8); no challenge where nothing may be known."""
    media_type = json_answer(exchange.header("Accept"))
    body = render(error_document(failure, exchange.request_id))
    return Reply(failure.status, body, (("Content-Type", f"{media_type}; charset=utf-8"), VARY))
