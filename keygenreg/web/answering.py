"""Running an asynchronous handler for a request: what it returns or raises becomes the answer, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason
from twisted.web.server import NOT_DONE_YET

from keygenreg.domain.failures import Failure
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.request import EdgeRequest
from keygenreg.web.sending import compress_first, send

_log = Logger()

SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""Methods whose handlers are cancelled when the client leaves. All others run to their end."""

AsReply = Callable[[EdgeRequest, Failure], Reply]


def answer(
    request: EdgeRequest, handler: Coroutine[Deferred[Any], Any, Reply | BlobReply], *, as_reply: AsReply | None = None
) -> int:
    """
    Run ``handler`` and send what it returns; for use as the result of a resource's ``render``.

    A :class:`Failure` it raises goes through ``as_reply`` (an engine's wire form), else through the site's own;
    anything else is logged under the request's id and answered with 500 and that id. An upload that nobody adopted is
    discarded when the handler ends. Nothing is left unhandled.
    """
    running = Deferred.fromCoroutine(_run(request, handler, as_reply))
    if not running.called:
        request.notifyFinish().addErrback(lambda _: _left(request, running))
    running.addErrback(lambda reason: _log.failure("Incident {incident}", failure=reason, incident=request.request_id))
    return NOT_DONE_YET


def _left(request: EdgeRequest, running: Deferred[None]) -> None:
    if request.method in SAFE:
        running.cancel()


async def _run(request: EdgeRequest, handler, as_reply: AsReply | None) -> None:
    try:
        try:
            reply = await handler
        except Failure as failure:
            reply = _failed(request, failure, as_reply)
        await compress_first(request, reply)
        send(request, reply)
    except CancelledError:
        if not request._disconnected:
            request.processingFailed(Reason())  # cancelled by something else than the client's leaving
    except Exception:
        request.processingFailed(Reason())
    finally:
        if request.upload is not None:
            request.upload.discard()


def _failed(request: EdgeRequest, failure: Failure, as_reply: AsReply | None) -> Reply:
    if as_reply is None:
        return request.site.refusal(failure, request.request_id)
    return as_reply(request, failure)
