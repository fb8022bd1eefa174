"""The WWW-Authenticate header of a 401 (api.md 2.4, engines.md 1.4)."""

from __future__ import annotations

from keygenreg.formats.authorization import scheme_of

REALM = "keygen"


def challenge(authorization: bytes | None, *, default: str = "Bearer") -> str:
    """
    The challenge for a request: the scheme it used itself, capitalised, so that tools ask for that kind again.

    :param authorization: the request's Authorization header, None without one.
    :param default: the scheme to ask for when the request used none that we know; ``Basic`` where tools need it.
    """
    scheme = scheme_of(authorization)
    return f'{scheme.capitalize() if scheme else default} realm="{REALM}"'
