"""The answer of last resort: a failure as a JSON:API error document, for what fails before or outside any engine."""

from __future__ import annotations

import json

from keygenreg.domain.failures import Failure, NotAllowed, TooMany, Unavailable
from keygenreg.web.reply import Reply

CONTENT_TYPE = "application/vnd.api+json"


def document(*, incident: str, title: str, detail: str, code: str | None = None) -> bytes:
    """An error document with one error; ``incident`` is the request's id (api.md, section 2.5)."""
    error = {"title": title, "detail": detail}
    if code is not None:
        error["code"] = code
    return json.dumps({"meta": {"id": incident}, "errors": [error]}).encode()


def refusal(failure: Failure, incident: str) -> Reply:
    """A failure of the client's or a bound of ours, in the management interface's form."""
    headers = [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-transform, no-store, max-age=0")]
    if isinstance(failure, NotAllowed):
        headers.append(("Allow", ", ".join(failure.allow)))
    if isinstance(failure, TooMany | Unavailable):
        headers.append(("Retry-After", str(failure.retry_after)))
    if failure.status == 401:
        headers.append(("WWW-Authenticate", 'Bearer realm="keygen"'))
    body = document(incident=incident, title=failure.title, detail=failure.detail, code=failure.code)
    return Reply(failure.status, body, tuple(headers))


def incident(incident: str) -> Reply:
    """What the client sees of a fault of ours: the id under which the log has the rest."""
    detail = f"Something went wrong on our side. The log has it as incident {incident}."
    body = document(incident=incident, title="Internal server error", detail=detail)
    return Reply(500, body, (("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")))
