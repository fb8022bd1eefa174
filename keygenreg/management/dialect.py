"""Older versions of the API: what their documents, errors and headers call differently (api.md 2.3)."""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from keygenreg.domain.failures import BadRequest, Failure, Invalid, Problem
from keygenreg.formats.metadata_keys import stored_key
from keygenreg.management.body import LONGEST_MEMBER
from keygenreg.web.reply import BlobReply, Reply

CURRENT = (1, 8)
SUPPORTED = tuple(f"1.{minor}" for minor in range(CURRENT[1] + 1))

#: Up to 1.7 a login by password does not say what about it is wrong.
_PASSWORD_CODES = frozenset(
    {"EMAIL_REQUIRED", "EMAIL_INVALID", "PASSWORD_NOT_SUPPORTED", "PASSWORD_REQUIRED", "PASSWORD_INVALID"}
)
_OWNER = "/data/relationships/owner"
_USER = "/data/relationships/user"
_OLD_ID_HEADERS = {
    "Keygen-Account": "Keygen-Account-Id",
    "Keygen-Bearer": "Keygen-Bearer-Id",
    "Keygen-Token": "Keygen-Token-Id",
}


@frozen
class Dialect:
    """The document dialect of one API version, such as ``(1, 5)``. Version 1.0 is treated as 1.1."""

    version: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    def request(self, document: Any) -> Any:
        """A request's document, in today's words; whatever is not of the expected shape is left to the schema check."""
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, dict):
            return document
        if self.version <= (1, 6) and data.get("type") in ("policies", "policy"):
            return document | {"data": _renamed(data, "attributes", "leasing_strategy", "processLeasingStrategy")}
        if self.version <= (1, 5) and data.get("type") in ("licenses", "license"):
            return document | {"data": _renamed(data, "relationships", "user", "owner")}
        return document

    def resource(self, resource: dict) -> dict:
        """A resource object of today, in this version's words."""
        attributes, relationships = resource["attributes"], resource["relationships"]
        if self.version <= (1, 6) and resource["type"] == "policies":
            attributes["leasingStrategy"] = attributes.pop("processLeasingStrategy")
        if self.version <= (1, 5) and resource["type"] == "licenses":
            relationships["user"] = relationships.pop("owner")
        if self.version <= (1, 4) and attributes.get("metadata"):
            attributes["metadata"] = {key: _snake_below(value) for key, value in attributes["metadata"].items()}
        return resource

    def failure(self, failure: Failure) -> Failure:
        """A failure, with this version's codes and pointers."""
        if self.version <= (1, 7) and failure.code in _PASSWORD_CODES and failure.status == 401:
            return evolve(failure, code="CREDENTIALS_INVALID", detail="The e-mail address or the password is wrong.")
        if self.version <= (1, 5) and isinstance(failure, Invalid):
            return evolve(failure, problems=tuple(_of_user(problem) for problem in failure.problems))
        return failure

    def headers(self, reply: Reply | BlobReply) -> Reply | BlobReply:
        """A complete reply with the version's header, and the ids under this version's names."""
        headers = reply.headers
        if self.version <= (1, 3):
            headers = tuple((_OLD_ID_HEADERS.get(name, name), value) for name, value in headers)
        return evolve(reply, headers=(*headers, ("Keygen-Version", str(self))))


def _renamed(data: dict, member: str, old: str, new: str) -> dict:
    members = data.get(member)
    if not isinstance(members, dict):
        return data

    def today(name: str) -> str:
        return new if len(name) <= LONGEST_MEMBER and stored_key(name) == old else name

    return data | {member: {today(name): value for name, value in members.items()}}


def _of_user(problem: Problem) -> Problem:
    if problem.pointer != _OWNER:
        return problem
    return evolve(problem, pointer=_USER, code=problem.code.replace("OWNER_", "USER_", 1))


def _snake_below(value: Any) -> Any:
    if isinstance(value, dict):
        return {stored_key(key): _snake_below(member) for key, member in value.items()}
    return [_snake_below(item) for item in value] if isinstance(value, list) else value


def read_dialect(header: str | None, account_default: str | None) -> Dialect:
    """
    The dialect of a request: its ``Keygen-Version`` header, else the account's version, else the current one.

    :raises BadRequest: the header names a version that is none of ours (400 ``INVALID_API_VERSION``).
    """
    asked = (header or "").strip()
    if not asked:
        return Dialect(_minor(account_default) if account_default in SUPPORTED else CURRENT)
    version = asked.removeprefix("v")
    if version not in SUPPORTED:
        raise BadRequest(f"There is no API version {asked[:16]!r}; the current one is 1.8.", "INVALID_API_VERSION")
    return Dialect(_minor(version))


def answering_dialect(header: str | None, account_default: str | None) -> Dialect:
    """As :func:`read_dialect` for the answer to any request: the account's where the header makes no sense."""
    try:
        return read_dialect(header, account_default)
    except BadRequest:
        return read_dialect(None, account_default)


def _minor(version: str) -> tuple[int, int]:
    return (1, int(version.partition(".")[2]))
