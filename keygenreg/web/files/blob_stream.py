"""Stored bytes as an answer: preconditions, ranges, and the choice of sender."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from attrs import frozen

from keygenreg.formats.byte_range import (
    MAX_RANGES,
    Unsatisfiable,
    content_range,
    parse_ranges,
    unsatisfied_content_range,
)
from keygenreg.formats.conditional import Outcome, evaluate, format_http_date, range_applies
from keygenreg.web.files.acceleration import SMALLEST
from keygenreg.web.files.growing import GrowingBlob, send_growing
from keygenreg.web.files.sending_body import send_body
from keygenreg.web.refusals import CONTENT_TYPE, document
from keygenreg.web.reply import BlobReply, Headers
from keygenreg.web.response_head import is_gone, set_head, without_content


@frozen
class Plan:
    """What to send: ``parts`` are literal bytes and spans of the blob; ``length`` their sum, in bytes, or None."""

    status: int
    headers: Headers
    parts: tuple[bytes | range, ...] = ()
    length: int | None = None


def plan(
    reply: BlobReply, *, method: str, header: Callable[[str], str | None], incident: str, max_ranges: int = MAX_RANGES
) -> Plan:
    """
    Work out the answer to ``method`` for a blob.

    :param header: gives a request field by name, or None.
    :param incident: the request's id, for the body of an error.

    Source: RFC 9110, sections 13.2.2 (order of preconditions), 14.2 (Range is for GET only), 15.3.7 and 15.5.17.
    """
    size = reply.blob.size
    headers = (*reply.headers, ("ETag", reply.etag), ("Accept-Ranges", "bytes"))
    if reply.last_modified is not None:
        headers += (("Last-Modified", format_http_date(reply.last_modified)),)
    validators = {"etag": reply.etag, "last_modified": reply.last_modified}
    outcome = evaluate(header, method=method, **validators)
    if outcome is Outcome.NOT_MODIFIED:
        return Plan(304, without_content(headers))
    if outcome is Outcome.PRECONDITION_FAILED:
        return _error(412, "Precondition failed", "The file is not the one that was asked for.", headers, incident)
    asked = header("Range") if method == "GET" and range_applies(header("If-Range"), **validators) else None
    try:
        spans = None if asked is None else parse_ranges(asked, size, max_ranges=max_ranges)
    except Unsatisfiable:
        headers += (("Content-Range", unsatisfied_content_range(size)),)
        return _error(416, "Range not satisfiable", f"The file has {size} bytes.", headers, incident)
    if spans is None:
        return Plan(200, headers, (range(size),), size)
    if len(spans) == 1:
        headers += (("Content-Range", content_range(spans[0], size)),)
        return Plan(206, headers, (spans[0],), len(spans[0]))
    return _multipart(spans, headers, size)


def _error(status: int, title: str, detail: str, headers: Headers, incident: str) -> Plan:
    body = document(incident=incident, title=title, detail=detail)
    kept = tuple(pair for pair in headers if pair[0] == "Content-Range") + without_content(headers)
    return Plan(status, (*kept, ("Content-Type", CONTENT_TYPE)), (body,), len(body))


def _multipart(spans: list[range], headers: Headers, size: int) -> Plan:
    """Several spans as multipart/byteranges (RFC 9110, section 14.6)."""
    boundary = uuid4().hex
    content_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    typed = f"Content-Type: {content_type}\r\n" if content_type else ""
    parts: list[bytes | range] = []
    for span in spans:
        parts.append(f"\r\n--{boundary}\r\n{typed}Content-Range: {content_range(span, size)}\r\n\r\n".encode())
        parts.append(span)
    parts.append(f"\r\n--{boundary}--\r\n".encode())
    headers = tuple(pair for pair in headers if pair[0].lower() != "content-type")
    headers += (("Content-Type", f"multipart/byteranges; boundary={boundary}"),)
    return Plan(206, headers, tuple(parts), sum(map(len, parts)))


def _planned(request, reply: BlobReply, header: Callable[[str], str | None]) -> Plan:
    return plan(reply, method=request.method.decode("latin-1"), header=header, incident=request.request_id)


def _accelerated(request, reply: BlobReply) -> Plan | None:
    """The answer by which a web server in front sends the file; ``None`` where that is not to be."""
    acceleration = request.channel.site.acceleration
    field = None if acceleration is None else acceleration.field_for(request, reply.blob)
    if field is None:
        return None
    # Ranges are applied by the one who sends.
    answer = _planned(request, reply, lambda name: None if name == "Range" else request.header(name))
    return Plan(200, (*answer.headers, field), (), 0) if answer.status == 200 else answer


def _remember(request, reply: BlobReply) -> None:
    """Keep the answer for requests like this one, where a web server in front does not send the file."""
    site = request.channel.site
    if request.keeping is None or request.whole_head is None or site.files is None or not request.channel.persistent:
        return
    if site.acceleration is None or reply.blob.size < SMALLEST:
        site.files.remember(request, reply, site.reactor.seconds())


def stream(request, reply: BlobReply) -> None:
    """Answer ``request`` with a blob and finish it as the client takes the bytes; the blob is closed on every path."""
    if is_gone(request):
        reply.blob.close()
        return
    try:
        _remember(request, reply)
        answer = _accelerated(request, reply) or _planned(request, reply, request.header)
        set_head(request, answer.status, answer.headers, answer.length)
        fd = reply.blob.fileno()
    except BaseException:
        reply.blob.close()
        raise
    if request.method == b"HEAD" or not answer.parts:
        reply.blob.close()
        request.write(b"")
        request.finish()
        return
    if isinstance(reply.blob, GrowingBlob):
        send_growing(request, answer.parts, reply.blob)
    else:
        send_body(request, answer.parts, fd=fd, on_close=reply.blob.close)
