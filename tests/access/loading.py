"""Puts a world of records into a database."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

from keygenreg.domain.token import digest_of
from tests.access.records import Environment, License, Product, User, World


def slug_of(account: UUID) -> str:
    return f"account-{account}"


def code_of(environment: Environment) -> str:
    return f"Code-{environment.id}"


def _rows(records, *values) -> list[tuple]:
    """The columns that every table has (:data:`_OWN`), then those that the functions give."""
    return [
        (r.id, r.account, r.environment.id if r.environment else None, *(value(r) for value in values))
        for r in records
    ]


def _links(records, others) -> list[tuple]:
    return [
        (uuid4(), record.account, record.environment.id if record.environment else None, record.id, other.id)
        for record in records
        for other in others(record)
    ]


#: The secret key of every account: what tells two of them apart must never be this alone.
ACCOUNT_SECRET = "secret"
_OWN = "id, account_id, environment_id"
_BEARER_COLUMNS = {
    "bearer_product_id": Product,
    "bearer_license_id": License,
    "bearer_user_id": User,
    "bearer_environment_id": Environment,
}


def load(world: World, cursor: Cursor) -> None:
    """Insert all records, with the world's clock set to the database's ``now()`` of the running transaction."""
    cursor.execute("SELECT now()")
    shift = cursor.fetchone()[0] - world.now

    def at(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment + shift

    def put(table: str, columns: str, rows: list[tuple]) -> None:
        if rows:
            execute_values(cursor, f"INSERT INTO {table} ({columns}) VALUES %s", rows, page_size=1000)

    put(
        "accounts",
        "id, slug, settings, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key",
        [(each, slug_of(each), Json(world.settings), ACCOUNT_SECRET, "key", "key", "key") for each in world.accounts],
    )
    put(
        "environments",
        "id, account_id, code, name, isolation_strategy",
        [(e.id, e.account, code_of(e), "", "SHARED" if e.shared else "ISOLATED") for e in world.environments],
    )
    put("entitlements", f"{_OWN}, code, name", _rows(world.entitlements, lambda e: str(e.id), lambda e: ""))
    put(
        "products",
        f"{_OWN}, name, distribution_strategy, permissions",
        _rows(world.products, lambda p: "", lambda p: p.strategy, lambda p: p.permissions),
    )
    put(
        "users",
        f"{_OWN}, email, role, banned, permissions, password_hash",
        _rows(
            world.users,
            lambda u: u.email,
            lambda u: u.role,
            lambda u: at(world.now) if u.banned else None,
            lambda u: u.permissions,
            lambda u: u.password_hash,
        ),
    )
    put(
        "policies",
        f"{_OWN}, product_id, name, expiration_strategy, authentication_strategy",
        _rows(
            world.policies,
            lambda p: p.product.id,
            lambda p: "",
            lambda p: p.expiration,
            lambda p: p.authentication,
        ),
    )
    put(
        "licenses",
        f"{_OWN}, policy_id, owner_id, key, expiry, suspended, permissions",
        _rows(
            world.licenses,
            lambda each: each.policy.id,
            lambda each: each.owner.id if each.owner else None,
            lambda each: each.key,
            lambda each: at(each.expiry),
            lambda each: each.suspended,
            lambda each: each.permissions,
        ),
    )
    put("license_users", f"{_OWN}, license_id, user_id", _links(world.licenses, lambda each: each.users))
    put(
        "license_entitlements",
        f"{_OWN}, license_id, entitlement_id",
        _links(world.licenses, lambda each: each.entitlements),
    )
    put(
        "policy_entitlements",
        f"{_OWN}, policy_id, entitlement_id",
        _links(world.policies, lambda each: each.entitlements),
    )
    put(
        "packages",
        f"{_OWN}, product_id, key, name",
        _rows(world.packages, lambda p: p.product.id, lambda p: str(p.id), lambda p: ""),
    )
    put(
        "releases",
        f"{_OWN}, product_id, package_id, version, version_key, channel, status, created, backdated",
        _rows(
            world.releases,
            lambda r: r.product.id,
            lambda r: r.package.id if r.package else None,
            lambda r: str(r.id),
            lambda r: str(r.id),
            lambda r: "stable",
            lambda r: r.status,
            lambda r: at(r.created),
            lambda r: at(r.backdated),
        ),
    )
    put(
        "artifacts",
        f"{_OWN}, release_id, filename, status",
        _rows(world.artifacts, lambda a: a.release.id, lambda a: str(a.id), lambda a: a.status),
    )
    put(
        "constraints",
        f"{_OWN}, release_id, entitlement_id",
        _rows(world.constraints, lambda c: c.release.id, lambda c: c.entitlement.id),
    )
    for column, kind in _BEARER_COLUMNS.items():
        put(
            "tokens",
            f"{_OWN}, {column}, digest, expiry, permissions",
            _rows(
                [token for token in world.tokens if isinstance(token.bearer, kind)],
                lambda t: t.bearer.id,
                lambda t: digest_of(ACCOUNT_SECRET, t.secret),
                lambda t: at(t.expiry),
                lambda t: t.permissions,
            ),
        )
