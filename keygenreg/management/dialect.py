"""Older versions of the API: what their documents and headers call differently (api.md 2.3)."""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from keygenreg.domain.failures import BadRequest
from keygenreg.formats.metadata_keys import stored_key
from keygenreg.web.reply import BlobReply, Reply

CURRENT = (1, 8)
SUPPORTED = tuple(f"1.{minor}" for minor in range(CURRENT[1] + 1))


@frozen
class Dialect:
    """The document dialect of one API version, such as ``(1, 5)``."""

    version: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    def request(self, document: Any) -> Any:
        """A request's document, in today's words."""
        return document

    def resource(self, resource: dict) -> dict:
        """A resource object of today, in this version's words."""
        attributes = resource["attributes"]
        if self.version <= (1, 4) and attributes.get("metadata"):
            attributes["metadata"] = {key: _snake_below(value) for key, value in attributes["metadata"].items()}
        return resource

    def headers(self, reply: Reply | BlobReply) -> Reply | BlobReply:
        """The reply with the version's header."""
        return evolve(reply, headers=reply.headers + (("Keygen-Version", str(self)),))


def _snake_below(value: Any) -> Any:
    if isinstance(value, dict):
        return {stored_key(key): _snake_below(member) for key, member in value.items()}
    return [_snake_below(item) for item in value] if isinstance(value, list) else value


def read_dialect(header: str | None, account_default: str | None) -> Dialect:
    """
    The dialect of a request: its ``Keygen-Version`` header, else the account's version, else the current one.

    :raises BadRequest: a version that is none of ours (400 ``INVALID_API_VERSION``).
    """
    asked = (header or "").strip()
    text = asked or account_default or ""
    if not text:
        return Dialect(CURRENT)
    text = text.removeprefix("v")
    if text not in SUPPORTED:
        raise BadRequest(f"There is no API version {text!r}; the current one is 1.8.", "INVALID_API_VERSION")
    return Dialect((1, int(text.partition(".")[2])))
