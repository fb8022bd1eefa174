"""Rules of RFC 9110 and 9112 for the head of a request as a whole, beyond what twisted.web checks line by line."""

from __future__ import annotations

import re

from twisted.web.http_headers import Headers

from keygenreg.domain.failures import BadRequest, Failure

_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(/[^#]*|\?[^#]*)?\Z", re.IGNORECASE)
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(:\d{0,5})?\Z")


def fault_of_head(version: bytes, target: bytes, headers: Headers) -> Failure | None:
    """
    What is wrong with a head whose lines are well-formed, if anything.

    Source: RFC 9112, sections 3.2 (Host and target) and 6.1 (transfer codings under HTTP/1.0).
    """
    if version == b"HTTP/1.0" and headers.hasHeader(b"Transfer-Encoding"):
        return BadRequest("Transfer codings do not exist in HTTP/1.0.")
    hosts = headers.getRawHeaders(b"Host", [])
    if len(hosts) > 1 or (not hosts and version != b"HTTP/1.0"):
        return BadRequest("A request has exactly one Host field.")
    if hosts and _HOST.match(hosts[0]) is None:
        return BadRequest("The Host field is not a host with an optional port.")
    if absolute := _ABSOLUTE.match(target):
        return None if _HOST.match(absolute[1]) else BadRequest("The request target names no host.")
    if not target.startswith(b"/") and target != b"*":
        return BadRequest("The request target is no path.")
    return None


def origin_form(target: bytes, headers: Headers) -> bytes:
    """The path and query of a target without fault; the host of an absolute one replaces that of ``headers``."""
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    headers.setRawHeaders(b"Host", [absolute[1]])
    rest = absolute[2] or b"/"
    return rest if rest.startswith(b"/") else b"/" + rest


def is_persistent(version: bytes, headers: Headers) -> bool:
    """Whether the client lets the connection go on after the answer (RFC 9112, section 9.3); not under HTTP/1.0."""
    fields = headers.getRawHeaders(b"Connection", [])
    options = {option.strip(b" \t").lower() for field in fields for option in field.split(b",")}
    return version == b"HTTP/1.1" and b"close" not in options
