"""Environments: parts of an account that do not see each other (api.md 1.14, 2.9, 3.8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Denied
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.management.body import read_resource
from keygenreg.management.call import Call
from keygenreg.management.changes import delete, insert, update
from keygenreg.management.listing import Listing
from keygenreg.management.resources import bearer_tokens, token_records
from keygenreg.management.router import Route
from keygenreg.management.rules import LONGEST_NAME, Problems
from keygenreg.management.schema import Attribute, Schema
from keygenreg.web.reply import Reply

STRATEGIES = ("ISOLATED", "SHARED")
_WHY = "environments are in no environment; who may ask for them is decided here"

# From within an environment only that one is seen.
_SELECT = """SELECT t.* FROM environments t WHERE t.account_id = %(scope_account)s
AND (%(scope_environment)s::uuid IS NULL OR t.id = %(scope_environment)s)"""
ENVIRONMENTS = Listing("environments", _SELECT, "environments", "t", _WHY)
ENVIRONMENT = Query(
    "environment by id or code",
    f"""{_SELECT} AND (t.id = %(id)s OR lower(t.code) = lower(%(code)s)) ORDER BY t.created, t.ordinal LIMIT 1""",
    _WHY,
)
CODE_TAKEN = Query(
    "environment code in use",
    """SELECT 1 AS taken FROM environments WHERE account_id = %(account)s AND lower(code) = lower(%(code)s)
    AND id IS DISTINCT FROM %(id)s LIMIT 1""",
    _WHY,
)

CREATE = Schema(
    "environments",
    {
        "name": Attribute(required=True, blank=False),
        "code": Attribute(required=True, blank=False),
        "isolation_strategy": Attribute(),
    },
)
UPDATE = Schema("environments", {"name": Attribute(blank=False), "code": Attribute(blank=False)})


def document(call: Call, row: dict) -> dict:
    """One environment as a resource object."""
    shown = {"name": row["name"], "code": row["code"], "isolationStrategy": row["isolation_strategy"]}
    tokens = {"tokens": call.related(f"/environments/{row['id']}/tokens")}
    made = call.resource("environments", row, shown, tokens)
    del made["relationships"]["environment"]
    return made


async def find(call: Call, identifier: str) -> dict:
    """The environment with an id or code, as far as the caller sees it. :raises NotFound: there is none."""
    row = await call.database.maybe(ENVIRONMENT, scope=call.scope, id=parse_uuid(identifier), code=identifier)
    itself = call.grant.role == "environment" and row is not None and row["id"] == call.grant.bearer.id
    if row is None or not (call.grant.staff or itself):
        raise call.not_found("environment", identifier)
    return row


def _require_manager(call: Call, permission: str) -> None:
    call.grant.require(permission)
    if call.grant.role not in ("admin", "developer"):
        raise Denied("Only administrators and developers may do this.")
    if call.grant.environment is not None:
        raise Denied("Environments are managed from outside of any: leave out Keygen-Environment.")


async def index(call: Call) -> Reply:
    call.grant.require("environment.read")
    if not call.grant.staff:
        raise Denied("Your role does not permit this.")
    return await ENVIRONMENTS.reply(call, "/environments", document)


async def show(call: Call, environment: str) -> Reply:
    row = await find(call, environment)
    call.grant.require("environment.read")
    return call.ok(document(call, row))


async def create(call: Call) -> Reply:
    values = read_resource(CREATE, call.body).attributes
    _require_manager(call, "environment.create")

    async def work(transaction: Transaction) -> dict:
        await _check(call, transaction, values, None)
        return await insert(transaction, "environments", {"account_id": call.account_id} | values)

    return call.created(document(call, await call.database.transact(work)))


async def change(call: Call, environment: str) -> Reply:
    row = await find(call, environment)
    _require_manager(call, "environment.update")
    values = read_resource(UPDATE, call.body).attributes

    async def work(transaction: Transaction) -> dict | None:
        await _check(call, transaction, values, row["id"])
        return await update(transaction, "environments", row["id"], values)

    changed = await call.database.transact(work)
    if changed is None:
        raise call.not_found("environment", environment)
    return call.ok(document(call, changed))


async def remove(call: Call, environment: str) -> Reply:
    """Everything in it goes too."""
    row = await find(call, environment)
    _require_manager(call, "environment.delete")
    await call.database.transact(lambda transaction: delete(transaction, "environments", row["id"]))
    return call.no_content()


async def _check(call: Call, transaction: Transaction, values: dict[str, Any], identifier: UUID | None) -> None:
    problems = Problems()
    problems.longest(values, {"name": LONGEST_NAME, "code": LONGEST_NAME})
    problems.alias(values, "code")
    problems.among(values, "isolation_strategy", STRATEGIES)
    code = values.get("code")
    if code and await transaction.maybe(CODE_TAKEN, account=call.account_id, code=code, id=identifier):
        problems.add("code", "TAKEN", "has already been taken")
    problems.raise_any()


async def index_tokens(call: Call, environment: str) -> Reply:
    row = await find(call, environment)
    call.grant.require("token.read")
    if call.grant.role not in ("admin", "developer", "environment"):
        raise Denied("Your role does not permit this.")
    return await token_records.TOKENS_OF_ENVIRONMENT.reply(
        call, f"/environments/{row['id']}/tokens", token_records.document, environment=row["id"]
    )


async def create_token(call: Call, environment: str) -> Reply:
    row = await find(call, environment)
    call.grant.require("environment.tokens.generate")
    if call.grant.role not in ("admin", "developer"):
        raise Denied("Only administrators and developers may do this.")
    return await bearer_tokens.created(call, "environments", row)


ROUTES = (
    Route("GET", "/environments", index),
    Route("POST", "/environments", create),
    Route("GET", "/environments/{environment*}", show),
    Route("PATCH", "/environments/{environment*}", change),
    Route("DELETE", "/environments/{environment*}", remove),
    Route("GET", "/environments/{environment*}/tokens", index_tokens),
    Route("POST", "/environments/{environment*}/tokens", create_token),
)
