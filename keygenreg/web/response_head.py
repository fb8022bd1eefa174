"""The head of an answer: fields that every answer has, and a reply's own on a twisted.web request."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from twisted.web.http import Request
from twisted.web.http_headers import Headers as HeaderFields

from keygenreg.formats.conditional import format_http_date
from keygenreg.web.reply import Headers, Reply

SERVER = b"keygenreg"


@lru_cache(maxsize=4)
def date_field(second: int) -> bytes:
    """The Date field's value, formatted once a second."""
    return format_http_date(second).encode("ascii")


@lru_cache(maxsize=128)
def reason_phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b"Unknown"


def set_head(request: Request, status: int, headers: Headers, length: int | None) -> None:
    """Put status and fields on ``request``; a reply's field replaces one of the same name that is already there.

    ``length`` is the Content-Length, in bytes; None: the answer has none (204, 304).
    """
    request.setResponseCode(status, reason_phrase(status))
    replace_fields(request.responseHeaders, headers)
    if length is not None:
        request.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % length])


def replace_fields(present: HeaderFields, headers: Iterable[tuple[str, str]]) -> None:
    """Put fields among those that are ``present``, in place of those of the same name."""
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.lower(), []).append(value)
    for name, values in fields.items():
        present.setRawHeaders(name, values)


def without_content(headers: Headers) -> Headers:
    """``headers`` without those that describe a body: for 304 and for errors in place of what they describe."""
    return tuple((name, value) for name, value in headers if not name.lower().startswith("content-"))


def is_gone(request: Request) -> bool:
    """Whether nobody takes an answer any more: the client left, or has had one."""
    return bool(request._disconnected or request.finished)


def add_vary(request: Request, field: str) -> None:
    """Name ``field`` in Vary, once."""
    present = request.responseHeaders.getRawHeaders("Vary", [])
    names = [name.strip() for value in present for name in value.split(",")]
    if field.lower() not in (name.lower() for name in names):
        request.responseHeaders.setRawHeaders("Vary", [", ".join([*names, field])])


def wire_form(reply: Reply, request_id: str, *, now: float, without_body: bool) -> Iterable[bytes]:
    """A whole answer that ends its connection, for where there is no request to send it by."""
    lines = [
        b"HTTP/1.1 %d %s" % (reply.status, reason_phrase(reply.status)),
        b"Server: " + SERVER,
        b"Date: " + date_field(int(now)),
        b"X-Request-Id: " + request_id.encode("ascii"),
        b"Connection: close",
        b"Content-Length: %d" % len(reply.body),
    ]
    lines += [f"{name}: {' '.join(value.splitlines())}".encode() for name, value in reply.headers]
    return [b"\r\n".join(lines), b"\r\n\r\n", b"" if without_body else reply.body]
