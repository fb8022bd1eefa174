"""Failures in the wire form of the JSON:API."""

from __future__ import annotations

from keygenreg.domain.failures import Failure
from keygenreg.formats.accept import json_answer
from keygenreg.formats.jsonapi_document import render
from keygenreg.formats.jsonapi_errors import error_document
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Reply


def as_reply(exchange: Exchange, failure: Failure) -> Reply:
    """An error document, in the JSON type that the client prefers."""
    media_type = json_answer(exchange.header("Accept"))
    body = render(error_document(failure, exchange.request_id))
    return Reply(failure.status, body, (("Content-Type", f"{media_type}; charset=utf-8"),))
