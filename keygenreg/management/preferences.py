"""What a caller prefers about redirects: the Prefer header, or the query parameter for clients that cannot set one."""

from __future__ import annotations

from keygenreg.web.exchange import Exchange

NO_REDIRECT = "no-redirect"
NO_DOWNLOAD = "no-download"


def preferences(exchange: Exchange) -> frozenset[str]:
    """
    The preferences by name, in lower case, without their values. A header, even an empty one, hides the parameter.

    Source: api.md 5.2; RFC 7240, section 2.
    """
    header = exchange.header("Prefer")
    text = exchange.query.text("prefer") if header is None else header
    names = (part.partition(";")[0].partition("=")[0].strip().lower() for part in (text or "").split(","))
    return frozenset(name for name in names if name)
