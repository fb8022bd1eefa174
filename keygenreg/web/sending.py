"""Replies onto the wire: lengths, HEAD, 204 and 304, conditional requests and compression, in one place."""

from __future__ import annotations

from keygenreg.formats.conditional import Outcome, evaluate, named_form, parse_http_date, with_coding
from keygenreg.web.compression import LARGEST, SMALLEST, accepts_gzip, compress, compress_aside, is_textual
from keygenreg.web.files.blob_stream import stream
from keygenreg.web.files.sending_body import send_body
from keygenreg.web.files.slices import SLICE
from keygenreg.web.reply import BlobReply, Reply
from keygenreg.web.response_head import add_vary, is_gone, set_head, without_content

_BODILESS = (204, 304)
#: Bodies that are encoded already, parts of one, or that clients check against a digest byte by byte.
_AS_IT_IS = (b"Content-Encoding", b"Content-Range", b"Docker-Content-Digest")
#: Bytes that are compressed in the reactor: in a millisecond or two.
_AT_ONCE = 32 * 1024


async def compress_first(request, reply: Reply | BlobReply) -> None:
    """
    Compress, in a thread, what :func:`send` will have to compress and would hold up the reactor with: it then finds
    that done. To guess wrong costs time and nothing else.
    """
    if not isinstance(reply, Reply) or reply.packed is not None or is_gone(request):
        return
    if not _AT_ONCE < len(reply.body) <= LARGEST:
        return
    fields = {name.lower(): value for name, value in reply.headers}
    if any(name.decode().lower() in fields for name in _AS_IT_IS) or not is_textual(fields.get("content-type", "")):
        return
    if accepts_gzip(request.header("Accept-Encoding")) and _preconditioned(request, reply) is reply:
        await compress_aside(request.channel.site.reactor, reply.body)


def send(request, reply: Reply | BlobReply) -> None:
    """
    Answer ``request`` and finish it, now or as the client takes the bytes. Does nothing but let go of ``reply`` when
    the client has left. Header fields already on the request stay unless the reply has them too.

    A 200 with an ETag or Last-Modified becomes 304 or 412 as the request's preconditions say, so handlers need not look
    at them unless they can save work by it.
    """
    if isinstance(reply, BlobReply):
        stream(request, reply)
        return
    if is_gone(request):
        return
    reply = _preconditioned(request, reply)
    set_head(request, reply.status, reply.headers, None)
    body = b"" if reply.status in _BODILESS else _encoded(request, reply)
    if reply.status in _BODILESS:
        if (etag := request.responseHeaders.getRawHeaders("ETag")) is not None:
            request.responseHeaders.setRawHeaders("ETag", [named_form(request.header("If-None-Match"), etag[0])])
            add_vary(request, "Accept-Encoding")
    else:
        request.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % len(body)])
    if request.keeping is not None and request.whole_head is not None and request.channel.persistent:
        _remember(request, reply, body)
    if request.method == b"HEAD" or len(body) <= SLICE:
        request.write(body)
        request.finish()
    else:
        send_body(request, [body])


def _remember(request, reply: Reply, body: bytes) -> None:
    """Keep the answer for requests like this one, unless it tells the request's id where that cannot be replaced."""
    if body is reply.body or not body or request.request_id.encode("ascii") not in reply.body:
        site = request.channel.site
        site.ready.remember(request.whole_head, request, request.keeping, body, site.reactor.seconds())


def _preconditioned(request, reply: Reply) -> Reply:
    if reply.status != 200 or request.method not in (b"GET", b"HEAD"):
        return reply
    fields = {name.lower(): value for name, value in reply.headers}
    etag, modified = fields.get("etag"), parse_http_date(fields.get("last-modified", ""))
    if etag is None and modified is None:
        return reply
    outcome = evaluate(request.header, method=request.method.decode(), etag=etag, last_modified=modified)
    if outcome is Outcome.NOT_MODIFIED:
        return Reply(304, b"", without_content(reply.headers))
    if outcome is Outcome.PRECONDITION_FAILED:
        return Reply(412, b"", without_content(reply.headers))
    return reply


def _encoded(request, reply: Reply) -> bytes:
    headers, body = request.responseHeaders, reply.body
    content_type = (headers.getRawHeaders("Content-Type") or [""])[0]
    worth_it = reply.packed is not None or SMALLEST < len(body) <= LARGEST
    if any(map(headers.hasHeader, _AS_IT_IS)) or not worth_it or not is_textual(content_type):
        return body
    add_vary(request, "Accept-Encoding")
    if not accepts_gzip(request.header("Accept-Encoding")):
        return body
    headers.setRawHeaders(b"Content-Encoding", [b"gzip"])
    if (etags := headers.getRawHeaders("ETag")) is not None:
        headers.setRawHeaders("ETag", [with_coding(etags[0])])
    return compress(body) if reply.packed is None else reply.packed
