"""The SQL of visibility agrees with the model for everybody and every record, and cannot be used without a scope."""

from __future__ import annotations

from uuid import UUID

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings

from keygenreg.database.query import Query
from keygenreg.database.visibility import with_scope
from keygenreg.domain.scope import Scope
from tests.access.loading import load
from tests.access.model import views
from tests.access.scenes import Scene, hours
from tests.access.sight import NAMES, scope_of
from tests.access.worlds import viewers, worlds


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds())
def test_everybody_sees_what_the_specification_says(sight, world):
    """For each bearer and environment, each visible_* name holds the model's records and none other."""
    with sight.connection.cursor() as cursor:
        try:
            load(world, cursor)
            for viewer in viewers(world):
                assert sight.of(cursor, viewer) == views(world, viewer)
        finally:
            sight.connection.rollback()


@pytest.fixture
def look(sight):
    """What a viewer of a scene sees."""

    def at(scene: Scene, viewer) -> dict[str, dict[UUID, bool]]:
        with sight.connection.cursor() as cursor:
            try:
                load(scene.world, cursor)
                return sight.of(cursor, viewer)
            finally:
                sight.connection.rollback()

    return at


def test_two_half_entitled_licenses_do_not_add_up(look):
    """RDR-11: a user whose licenses hold one each of two required entitlements does not see the release."""
    scene = Scene()
    product, user, one, two = scene.product(), scene.user(), scene.entitlement(), scene.entitlement()
    scene.license(product, owner=user, holds=[one])
    scene.license(product, owner=user, holds=[two])
    scene.release(product, needs=[one, two])
    either = scene.release(product, needs=[one])
    assert look(scene, scene.viewer(user))["visible_releases"] == {either.id: True}


def test_half_from_the_license_and_half_from_its_policy_do(look):
    """RDR-10: what a license inherits counts like its own."""
    scene = Scene()
    product, one, two = scene.product(), scene.entitlement(), scene.entitlement()
    license = scene.license(product, holds=[one], inherits=[two])
    release = scene.release(product, needs=[one, two])
    assert look(scene, scene.viewer(license))["visible_releases"] == {release.id: True}


def test_a_good_license_does_not_lend_itself_to_what_only_a_suspended_one_reaches(look):
    """Stage 2 asks for one license that is sound and reaches the release, not for one of each."""
    scene = Scene()
    product, user, early = scene.product(), scene.user(), scene.entitlement()
    scene.license(product, owner=user, holds=[early], suspended=True)
    scene.license(product, owner=user)
    constrained, free = scene.release(product, needs=[early]), scene.release(product)
    assert look(scene, scene.viewer(user))["visible_releases"] == {constrained.id: False, free.id: True}


def test_expiry_is_the_last_good_moment(look):
    """win(L, R) is "at or before": a REVOKE_ACCESS license works at its very expiry."""
    scene = Scene()
    product = scene.product()
    license = scene.license(product, expiration="REVOKE_ACCESS", expiry=hours(0))
    release = scene.release(product)
    assert look(scene, scene.viewer(license))["visible_releases"] == {release.id: True}


def test_packages_ask_for_a_license_and_not_for_its_state(look):
    """api.md 4.5: packages of LICENSED products one holds a license for, even suspended or expired, and OPEN ones."""
    scene = Scene()
    mine, open_one, closed, others = (scene.product(s) for s in ("LICENSED", "OPEN", "CLOSED", "LICENSED"))
    packages = [scene.package(product) for product in (mine, open_one, closed, others)]
    license = scene.license(mine, suspended=True, expiration="REVOKE_ACCESS", expiry=hours(-1))
    scene.license(closed, owner=scene.user())
    assert set(look(scene, scene.viewer(license))["visible_packages"]) == {packages[0].id, packages[1].id}
    assert set(look(scene, scene.viewer(license))["visible_products"]) == {mine.id, open_one.id}
    assert set(look(scene, scene.viewer())["visible_packages"]) == {packages[1].id}
    assert set(look(scene, scene.viewer(closed))["visible_packages"]) == {packages[2].id}


def test_a_product_sees_its_own_and_its_customers_tokens(look):
    """TOK-16: own tokens, its licenses' and its users'; not those of staff who happen to hold a license."""
    scene = Scene()
    product, other = scene.product(), scene.product()
    customer, stranger, admin = scene.user(), scene.user(), scene.user("admin")
    license = scene.license(product, owner=admin, users=[customer])
    foreign = scene.license(other, owner=stranger)
    tokens = [scene.token(bearer) for bearer in (product, license, customer, other, foreign, stranger, admin)]
    assert set(look(scene, scene.viewer(product))["visible_tokens"]) == {token.id for token in tokens[:3]}


def test_environments_keep_apart(look):
    """api.md 3.8: global sees global, isolated its own, shared its own and global."""
    scene = Scene()
    isolated, shared = scene.make_environment(), scene.make_environment(shared=True)
    admin = scene.user("admin")
    places = (None, isolated, shared)
    released = {place: scene.release(scene.product(environment=place), environment=place).id for place in places}
    seen = {p: set(look(scene, scene.viewer(admin, p))["visible_releases"]) for p in places}
    assert seen == {
        None: {released[None]},
        isolated: {released[isolated]},
        shared: {released[None], released[shared]},
    }


@pytest.mark.parametrize("name", NAMES)
def test_without_a_scope_a_scoped_query_fails(connection, name):
    """Forgetting the scope is an error in the database, never a leak."""
    with connection.cursor() as cursor:
        try:
            with pytest.raises(psycopg2.errors.UndefinedTable):
                cursor.execute(f"SELECT * FROM {name}")
        finally:
            connection.rollback()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM visible_releases WHERE status LIKE 'PUB%%'",
        "WITH newest AS (SELECT id FROM visible_releases) SELECT id FROM newest",
        "\n  with\nnewest AS (SELECT id FROM visible_releases) SELECT id FROM newest",
        """WITH RECURSIVE few AS (SELECT id, 1 AS n FROM visible_releases UNION ALL SELECT id, n + 1 FROM few
        WHERE n < 3)
        SELECT DISTINCT id FROM few""",
        "UPDATE releases SET tag = 'x' FROM visible_releases v WHERE v.id = releases.id RETURNING v.id",
    ],
)
def test_a_query_may_have_tables_of_its_own(sight, sql):
    """The scope's definitions go before those of a query with WITH or WITH RECURSIVE, and before a write."""
    scene = Scene()
    license = scene.license(scene.product())
    release = scene.release(license.product)
    scene.release(license.product, "DRAFT")
    with sight.connection.cursor() as cursor:
        try:
            load(scene.world, cursor)
            cursor.execute(*with_scope(Query("mine", sql), scope_of(scene.viewer(license))))
            assert [row[0] for row in cursor.fetchall()] == [release.id]
        finally:
            sight.connection.rollback()


def test_a_query_without_scoped_names_stays_as_it_is():
    """Nothing is put before a query that needs nothing."""
    query = Query("accounts", "SELECT slug FROM accounts", unscoped="of all")
    sql, _ = with_scope(query, Scope(UUID(int=1), "anonymous"))
    assert sql == query.sql
