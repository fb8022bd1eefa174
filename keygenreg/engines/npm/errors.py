"""Failures as people meet them in npm, pnpm, yarn and bun."""

from __future__ import annotations

from keygenreg.domain.failures import Failure, Unauthenticated
from keygenreg.formats.accept import json_answer
from keygenreg.formats.jsonapi_document import render
from keygenreg.formats.jsonapi_errors import error_document
from keygenreg.formats.media_types import JSON, JSON_API
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import Reply

VARY = ("Vary", "Accept, Authorization")
#: Code of the failure of those who try to log in.
NO_LOG_IN = "LOG_IN_NOT_SUPPORTED"
_LONGEST_NOTICE = 500


def as_reply(exchange: Exchange, failure: Failure) -> Reply:
    """
    JSON with the sentence where npm (``error``) and others (``message``) look for it, and the errors of the API.

    Of a 401, npm shows the challenge and a guess at what it means, and of a refused log-in nothing before it asks for
    a password; so those sentences go along as a notice, which it prints.
    """
    document = {"error": failure.detail, "message": failure.detail} | error_document(failure, exchange.request_id)
    media_type = json_answer(exchange.header("Accept"), default=JSON)
    if failure.code == "MIME_TYPE_INVALID":
        media_type = JSON_API  # the API's own (engines.md 1.9)
    headers = [("Content-Type", f"{media_type}; charset=utf-8"), VARY]
    if isinstance(failure, Unauthenticated) or failure.code == NO_LOG_IN:
        headers.append(("npm-notice", _one_line(failure.detail)))
    return Reply(failure.status, render(document), headers)


def _one_line(text: str) -> str:
    """Text as a header's value: printable ASCII, of bounded length."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:_LONGEST_NOTICE])
