"""How PostgreSQL reads what a license may see in a registry of 20 000 releases: by index, and each table once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from keygenreg.database.query import Query
from keygenreg.database.visibility import with_scope
from keygenreg.domain.scope import Scope

ACCOUNT = UUID("00000000-0000-4000-8000-000000000000")
# 20 products of 10 packages of 100 releases of 2 artifacts; each second release needs an entitlement; 2000 licenses.
POPULATION = f"""
CREATE FUNCTION pg_temp.id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT (lpad(kind::text, 8, '0') || '-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
INSERT INTO accounts (id, slug, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key)
    VALUES ('{ACCOUNT}', 'large', 's', 'e', 'r', 'c');
INSERT INTO products (id, account_id, name, distribution_strategy)
    SELECT pg_temp.id(1, n), '{ACCOUNT}', '', CASE n % 10 WHEN 0 THEN 'OPEN' WHEN 1 THEN 'CLOSED' ELSE 'LICENSED' END
    FROM generate_series(0, 19) n;
INSERT INTO packages (id, account_id, product_id, key, name, engine)
    SELECT pg_temp.id(2, n), '{ACCOUNT}', pg_temp.id(1, n % 20), 'k' || n, '', 'pypi' FROM generate_series(0, 199) n;
INSERT INTO policies (id, account_id, product_id, name)
    SELECT pg_temp.id(3, n), '{ACCOUNT}', pg_temp.id(1, n), '' FROM generate_series(0, 19) n;
INSERT INTO entitlements (id, account_id, code, name)
    SELECT pg_temp.id(4, n), '{ACCOUNT}', 'E' || n, '' FROM generate_series(0, 199) n;
INSERT INTO users (id, account_id, email)
    SELECT pg_temp.id(8, n), '{ACCOUNT}', n || '@example.com' FROM generate_series(0, 499) n;
INSERT INTO licenses (id, account_id, policy_id, owner_id, key)
    SELECT pg_temp.id(5, n), '{ACCOUNT}', pg_temp.id(3, n % 20), pg_temp.id(8, n % 500), 'key' || n
    FROM generate_series(0, 1999) n;
INSERT INTO license_entitlements (id, account_id, license_id, entitlement_id)
    SELECT gen_random_uuid(), '{ACCOUNT}', pg_temp.id(5, n / 4), pg_temp.id(4, (n * 7) % 200)
    FROM generate_series(0, 7999) n;
INSERT INTO policy_entitlements (id, account_id, policy_id, entitlement_id)
    SELECT gen_random_uuid(), '{ACCOUNT}', pg_temp.id(3, n / 20), pg_temp.id(4, (n * 3) % 200)
    FROM generate_series(0, 399) n;
INSERT INTO releases (id, account_id, product_id, package_id, version, version_key, channel, status)
    SELECT pg_temp.id(6, n), '{ACCOUNT}', pg_temp.id(1, n % 20), pg_temp.id(2, n % 200), n || '.0.0',
           lpad(n::text, 10, '0'), 'stable', 'PUBLISHED' FROM generate_series(0, 19999) n;
INSERT INTO artifacts (id, account_id, release_id, filename, status)
    SELECT pg_temp.id(7, n), '{ACCOUNT}', pg_temp.id(6, n / 2), 'f' || n, 'UPLOADED' FROM generate_series(0, 39999) n;
INSERT INTO constraints (id, account_id, release_id, entitlement_id)
    SELECT gen_random_uuid(), '{ACCOUNT}', pg_temp.id(6, n), pg_temp.id(4, (n * 3) % 200)
    FROM generate_series(0, 19999, 2) n;
ANALYZE;
"""
LARGE = ("releases", "artifacts", "constraints", "licenses", "license_entitlements")

FILES = Query("files", "SELECT id, filename FROM visible_artifacts WHERE package_id = %(package)s AND permitted")
ONE_FILE = Query("a file", "SELECT id, permitted FROM visible_artifacts WHERE id = %(artifact)s")
PAGE = Query("a page", "SELECT id, permitted FROM visible_releases ORDER BY created DESC, ordinal DESC LIMIT 11")


def identifier(kind: int, number: int) -> UUID:
    """The id that the population's function gives."""
    return UUID(f"{kind:08}-0000-4000-8000-{number:012x}")


PACKAGE, ARTIFACT = identifier(2, 5), identifier(7, 10)
LICENSE = Scope(ACCOUNT, "license", identifier(5, 5))
USER = Scope(ACCOUNT, "user", identifier(8, 5))


@pytest.fixture(scope="module")
def cursor(connection) -> Iterator[Any]:
    with connection.cursor() as opened:
        try:
            opened.execute(POPULATION)
            yield opened
        finally:
            connection.rollback()


def nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def plan_of(cursor, query: Query, scope: Scope) -> list[dict]:
    sql, values = with_scope(query, scope)
    cursor.execute("EXPLAIN (FORMAT JSON) " + sql, values | {"package": PACKAGE, "artifact": ARTIFACT})
    return list(nodes(cursor.fetchone()[0][0]["Plan"]))


def reads_of(plan: list[dict], table: str) -> list[str]:
    """How a plan reads a table, without the index part of a bitmap scan."""
    return [node["Node Type"] for node in plan if node.get("Relation Name") == table]


def test_the_example_is_not_empty(cursor):
    """The plans below are those of questions with answers: 200 files, of which a license reads those it should."""
    sql, values = with_scope(FILES, LICENSE)
    cursor.execute(sql, values | {"package": PACKAGE})
    assert len(cursor.fetchall()) == 200


@pytest.mark.parametrize("scope", [LICENSE, USER], ids=lambda scope: scope.kind)
@pytest.mark.parametrize("query", [FILES, ONE_FILE, PAGE], ids=lambda query: query.name)
def test_no_large_table_is_read_from_end_to_end(cursor, query, scope):
    """Every large table is reached by an index, so an answer's cost does not grow with the registry."""
    plan = plan_of(cursor, query, scope)
    assert not [(table, "Seq Scan") for table in LARGE if "Seq Scan" in reads_of(plan, table)]


@pytest.mark.parametrize("scope", [LICENSE, USER], ids=lambda scope: scope.kind)
@pytest.mark.parametrize("query", [FILES, ONE_FILE, PAGE], ids=lambda query: query.name)
def test_one_pass(cursor, query, scope):
    """Releases, constraints and entitlements stand in the plan once: nothing is asked twice for one release."""
    plan = plan_of(cursor, query, scope)
    for table in ("releases", "constraints", "license_entitlements", "policy_entitlements"):
        assert len(reads_of(plan, table)) == 1, table
