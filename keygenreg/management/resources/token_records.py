"""Tokens as rows and documents, and the bearers they are made for (api.md 1.13, 2.6, 3.2)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.domain.token import LICENSE, kind_of
from keygenreg.management.call import Call
from keygenreg.management.listing import Listing
from keygenreg.management.ownership import shown_permissions
from keygenreg.web.reply import Reply

BEARER_COLUMNS = {
    "users": "bearer_user_id",
    "licenses": "bearer_license_id",
    "products": "bearer_product_id",
    "environments": "bearer_environment_id",
}
_FROM = " LEFT JOIN users u ON u.id = t.bearer_user_id "
_TYPE = """CASE WHEN t.bearer_user_id IS NOT NULL THEN 'users' WHEN t.bearer_license_id IS NOT NULL THEN 'licenses'
    WHEN t.bearer_product_id IS NOT NULL THEN 'products' ELSE 'environments' END"""
_BEARER = "coalesce(t.bearer_user_id, t.bearer_license_id, t.bearer_product_id, t.bearer_environment_id)"
_ROLE = f"coalesce(u.role, rtrim({_TYPE}, 's'))"
_SELECT = f"""SELECT t.*, {_TYPE} AS bearer_type, {_BEARER} AS bearer_id, u.role AS user_role, now() AS now FROM """

TOKENS = Listing(
    "tokens",
    f"""{_SELECT} visible_tokens t {_FROM}
    WHERE (%(type)s::text IS NULL OR {_TYPE} = %(type)s)
    AND (%(bearer)s::text IS NULL OR {_BEARER} = %(bearer_id)s)
    AND (%(role)s::text IS NULL OR {_ROLE} = %(role)s)""",
    "tokens",
    "t",
)
# Environments' tokens live in their environment; whoever manages environments reaches them from outside too.
_OF_ENVIRONMENTS = """SELECT e.* FROM tokens e
    WHERE e.account_id = %(scope_account)s AND e.bearer_environment_id IS NOT NULL"""
TOKEN = Query("token by id", f"{_SELECT} visible_tokens t {_FROM} WHERE t.id = %(id)s")
TOKEN_OF_ENVIRONMENT = Query(
    "environment's token by id",
    f"{_SELECT} ({_OF_ENVIRONMENTS}) t {_FROM} WHERE t.id = %(id)s",
    unscoped="only asked by those who manage environments",
)
TOKENS_OF_ENVIRONMENT = Listing(
    "tokens of an environment",
    f"{_SELECT} ({_OF_ENVIRONMENTS}) t {_FROM} WHERE t.bearer_environment_id = %(environment)s",
    "tokens",
    "t",
    unscoped="of an environment that the caller may see",
)


def document(call: Call, row: dict, secret: str | None = None) -> dict:
    """One token as a resource object; ``secret`` only when it has just been made."""
    kind = kind_of(row["bearer_type"], row["user_role"])
    attributes: dict[str, Any] = {"kind": kind.name}
    if secret is not None:
        attributes["token"] = secret
    attributes |= {"expiry": row["expiry"], "name": row["name"], **shown_permissions(row)}
    if kind is LICENSE:
        attributes |= {
            "maxActivations": row["max_activations"],
            "activations": row["activations"],
            "maxDeactivations": row["max_deactivations"],
            "deactivations": row["deactivations"],
        }
    type, identifier = row["bearer_type"], row["bearer_id"]
    return call.resource("tokens", row, attributes, {"bearer": call.one(f"/{type}/{identifier}", type, identifier)})


def manages_environments(call: Call) -> bool:
    """Whether the caller deals with environments as such: administrators and developers, outside of any."""
    return call.grant.role in ("admin", "developer") and call.grant.environment is None


async def find(call: Call, identifier: str) -> dict:
    """The token with an id, in the caller's scope. :raises NotFound: there is none."""
    wanted = parse_uuid(identifier)
    row = await call.database.maybe(TOKEN, scope=call.scope, id=wanted)
    if row is None and manages_environments(call):
        row = await call.database.maybe(TOKEN_OF_ENVIRONMENT, scope=call.scope, id=wanted)
    if row is None:
        raise call.not_found("token", identifier)
    return row


def _singular_or_plural(type: str | None) -> str | None:
    return type if type is None or type.endswith("s") else f"{type}s"


async def listed(call: Call, path: str, *, type: str | None = None, bearer: UUID | None = None) -> Reply:
    """Tokens under the list's own path: of one bearer, or filtered as the query says."""
    call.grant.require("token.read")
    wanted = call.query.members("bearer")
    text = str(bearer) if bearer else wanted.get("id")
    return await TOKENS.reply(
        call,
        path,
        document,
        type=type or _singular_or_plural(wanted.get("type")),
        bearer=text,
        bearer_id=parse_uuid(text),
        role=wanted.get("role"),
    )
