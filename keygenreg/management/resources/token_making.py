"""The making of a token: its bearer, what a body may say of it, and its secret (api.md 1.13, 3.2, 3.8)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import frozen

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import BadRequest, Denied, Source
from keygenreg.domain.token import default_expiry, digest_of, kind_of, new_secret
from keygenreg.formats.metadata_keys import shown_key
from keygenreg.management.call import Call
from keygenreg.management.changes import insert
from keygenreg.management.resources.token_records import BEARER_COLUMNS
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Parsed, Relationship, Schema

_COUNTERS = ("max_activations", "max_deactivations")
_ATTRIBUTES = {
    "name": Attribute(nullable=True),
    "expiry": Attribute("time", nullable=True),
    "permissions": Attribute("strings", nullable=True),
    **{name: Attribute("integer", nullable=True) for name in _COUNTERS},
}
_ENVIRONMENT = {"environment": Relationship(("environments",), nullable=True)}
#: Below a bearer, which the path names.
NESTED = Schema("tokens", _ATTRIBUTES, _ENVIRONMENT)
WITH_BEARER = Schema("tokens", _ATTRIBUTES, {"bearer": Relationship(tuple(BEARER_COLUMNS)), **_ENVIRONMENT})

_BEARERS = {
    "users": """SELECT t.id, t.role, t.banned, t.environment_id, NULL::uuid AS product_id, now() AS now
        FROM visible_users t WHERE t.id = %(id)s""",
    "licenses": """SELECT t.id, 'license' AS role, o.banned, t.environment_id, p.product_id, now() AS now
        FROM visible_licenses t JOIN policies p ON p.id = t.policy_id LEFT JOIN users o ON o.id = t.owner_id
        WHERE t.id = %(id)s""",
    "products": """SELECT t.id, 'product' AS role, NULL::timestamptz AS banned, t.environment_id, t.id AS product_id,
        now() AS now FROM visible_products t WHERE t.id = %(id)s""",
}
QUERIES = {type: Query(f"bearer of a token: {type}", sql) for type, sql in _BEARERS.items()} | {
    "environments": Query(
        "bearer of a token: environments",
        """SELECT id, 'environment' AS role, NULL::timestamptz AS banned, id AS environment_id,
        NULL::uuid AS product_id, now() AS now FROM environments
        WHERE id = %(id)s AND account_id = %(scope_account)s""",
        unscoped="an environment is in no environment",
    )
}
LIMIT = Query(
    "permissions of the token in use",
    "SELECT permissions FROM tokens WHERE id = %(id)s",
    unscoped="it is the caller's own",
)
IS_SHARED = Query(
    "shared environment by id",
    "SELECT 1 AS found FROM environments WHERE id = %(id)s AND account_id = %(account)s"
    " AND isolation_strategy = 'SHARED'",
    unscoped="an environment is in no environment",
)


@frozen
class Holder:
    """The bearer that a token is for. ``banned``: it, or the owner of the license that it is, is banned."""

    type: str
    id: UUID
    role: str
    environment_id: UUID | None
    product_id: UUID | None
    banned: bool
    now: datetime


async def holder(call: Call, type: str, identifier: UUID) -> Holder | None:
    """A bearer anywhere in the account, in the selected environment; the caller itself wherever it is."""
    own = (call.grant.bearer.type, call.grant.bearer.id) == (type, identifier)
    scope = call.own_scope if own else call.account_scope
    row = await call.database.maybe(QUERIES[type], scope=scope, id=identifier)
    if row is None:
        return None
    banned = row.pop("banned") is not None
    return Holder(type=type, banned=banned, **row)


def is_own(call: Call, bearer: Holder) -> bool:
    """Whether a bearer is the caller."""
    return (call.grant.bearer.type, call.grant.bearer.id) == (bearer.type, bearer.id)


async def own_limit(call: Call) -> list[str] | None:
    """The permissions that the token in use is limited to; ``None`` for no limit."""
    if call.grant.token_id is None:
        return None
    row = await call.database.maybe(LIMIT, id=call.grant.token_id)
    permissions = row and row["permissions"]
    return None if permissions is None or "*" in permissions else permissions


def require_within(limit: list[str] | None, permissions: Iterable[str] | None) -> None:
    """
    A limited token gives nobody a secret that can do more than it can itself.

    :raises Denied: the permissions go beyond the limit.
    """
    if limit is not None and (permissions is None or not set(permissions) <= set(limit)):
        raise Denied("Your token is limited; it cannot give out a token with more permissions.")


async def make(call: Call, bearer: Holder, body: Parsed) -> tuple[dict, str]:
    """
    Store a new token.

    :return: its row (as of :mod:`token_records`), and its secret: nobody can see that again.
    """
    given = dict(body.attributes)
    for name in _COUNTERS:
        if name in given and bearer.type != "licenses":
            raise BadRequest("is unpermitted", source=Source(pointer=f"/data/attributes/{shown_key(name)}"))
    problems = Problems()
    problems.longest(given, {"name": LONGEST_NAME})
    problems.between(given, _COUNTERS, 0)
    problems.permissions(given, bearer.role)
    problems.raise_any()
    limit = await own_limit(call)
    if limit is not None and is_own(call, bearer):
        given.setdefault("permissions", limit)
        require_within(limit, given["permissions"])
    kind = kind_of(bearer.type, bearer.role)
    secret = new_secret(kind, secrets.token_hex)
    values: dict[str, Any] = {
        "account_id": call.account_id,
        "environment_id": await _environment(call, bearer, body),
        BEARER_COLUMNS[bearer.type]: bearer.id,
        "expiry": default_expiry(kind, bearer.now),
        "digest": digest_of(call.grant.account.secret_key, secret),
    } | given

    async def work(transaction: Transaction) -> dict:
        return await insert(transaction, "tokens", values)

    row = await call.database.transact(work)
    role = bearer.role if bearer.type == "users" else None
    return row | {"bearer_type": bearer.type, "bearer_id": bearer.id, "user_role": role}, secret


async def _environment(call: Call, bearer: Holder, body: Parsed) -> UUID | None:
    """
    Where a token is good: its bearer's environment, else the selected one.

    An administrator of the whole account may also name a shared one for a bearer of the whole account (api.md 3.8).
    :raises Denied: another environment is named.
    """
    natural = bearer.environment_id or call.grant.environment_id
    if "environment" not in body.relationships or body.reference("environment") == natural:
        return natural
    named = body.reference("environment")
    everywhere = natural is None and call.grant.role == "admin"
    if everywhere and await call.database.maybe(IS_SHARED, id=named, account=call.account_id):
        return named
    raise Denied("A token can only be made in its bearer's environment.")
