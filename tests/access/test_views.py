"""Bearers whose views have equal keys see the same, now and until the views say otherwise, in random worlds."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from math import inf
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extras import RealDictCursor

from keygenreg.access.views import LICENSES, NEWEST, SKEW, View, view_of
from keygenreg.database.visibility import with_scope
from keygenreg.domain.grant import Grant
from tests.access import model
from tests.access.loading import load
from tests.access.records import License, Viewer, World
from tests.access.scenes import Scene, hours
from tests.access.sight import grant_of
from tests.access.worlds import viewers, worlds

EXAMPLES = settings().max_examples // 2
#: What a reply can be made of: what engines read.
SEEN = ("visible_releases", "visible_artifacts", "visible_packages", "visible_products")


def view(cursor: Any, grant: Grant, now: datetime) -> View:
    """As :class:`keygenreg.access.views.Views` makes it, in a transaction of ours."""
    if grant.scope.kind not in ("license", "user"):
        return view_of(grant, [], None, now.timestamp())
    sql, values = with_scope(LICENSES, grant.scope)
    cursor.execute(sql, values)
    licenses = [row | {"holds": row["holds"] or []} for row in cursor.fetchall()]
    cursor.execute(NEWEST.sql, {"account": grant.account.id})
    return view_of(grant, licenses, cursor.fetchone()["newest"], now.timestamp())


def seen(world: World, viewer: Viewer) -> dict[str, dict[UUID, bool]]:
    found = model.views(world, viewer)
    return {name: found[name] for name in SEEN}


def views_of(connection: Any, world: World, those: list[Viewer], later: timedelta = timedelta()) -> list[View]:
    """The views of several in a world, as seen some time after the world's now; times are the world's."""
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        try:
            load(world, connection.cursor())
            cursor.execute("SELECT now() AS now")
            now = cursor.fetchone()["now"]
            shift = (now - world.now).total_seconds()
            found = [view(cursor, grant_of(viewer), now + later) for viewer in those]
            return [evolve(one, until=one.until - shift) for one in found]
        finally:
            connection.rollback()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(), wait=st.sampled_from((0.0, 1.0, 29 * 60, 61 * 60, 3 * 3600)), before=st.integers(-3, 2))
def test_equal_views_see_the_same_as_long_as_they_last(connection, world, wait, before):
    """
    What one bearer was shown at any moment is right for every other with an equal key, then and later, until the
    ``until`` of both. Keys are taken at two moments, as answers outlive the moment that they were made in.
    """
    those = viewers(world)
    taken = []
    for offset in (timedelta(hours=before, seconds=30), timedelta(hours=before, seconds=30 + wait)):
        for viewer, found in zip(those, views_of(connection, world, those, offset), strict=True):
            if found.key is not None:
                taken.append((world.now + offset, viewer, found))
    alike = defaultdict(list)
    for moment, viewer, found in taken:
        alike[found.key].append((moment, viewer, found))
    for group in alike.values():
        sights = []
        for moment, viewer, found in group:
            ends = min(found.until, (world.now + timedelta(days=365)).timestamp())
            for at in (moment, datetime.fromtimestamp(max(moment.timestamp(), ends - 0.001), moment.tzinfo)):
                if at.timestamp() < found.until:
                    sights.append(seen(evolve(world, now=at), viewer))
        assert all(one == sights[0] for one in sights)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds())
def test_views_agree_with_what_the_database_shows(connection, sight, world):
    """The same, judged by the SQL itself at the moment of asking."""
    those = viewers(world)
    with connection.cursor(cursor_factory=RealDictCursor) as rows, connection.cursor() as plain:
        try:
            load(world, connection.cursor())
            rows.execute("SELECT now() AS now")
            now = rows.fetchone()["now"]
            shown: dict[Any, Any] = {}
            for viewer in those:
                found = view(rows, grant_of(viewer), now)
                if found.key is None:
                    continue
                everything = sight.of(plain, viewer)
                visible = {name: everything[name] for name in SEEN}
                assert shown.setdefault(found.key, visible) == visible
        finally:
            connection.rollback()


# Examples with a name


@pytest.fixture
def of(connection):
    """The views of some bearers of a scene, some hours after its now."""

    def at(scene: Scene, *bearers: Any, later: float = 0) -> list[View]:
        those = [bearer if isinstance(bearer, Viewer) else scene.viewer(bearer) for bearer in bearers]
        return views_of(connection, scene.world, those, timedelta(hours=later))

    return at


def test_a_million_licenses_of_one_kind_have_one_view(of):
    """Other keys, other owners, other ends after the newest release: the same rights."""
    scene = Scene()
    product, extra = scene.product(), scene.entitlement()
    scene.release(product)
    many = [
        scene.license(product, holds=[extra], expiry=expiry, owner=owner)
        for expiry in (None, hours(-1), hours(5), hours(9))
        for owner in (None, scene.user())
    ]
    inherited = scene.license(product, inherits=[extra])
    views = of(scene, *many, inherited)
    assert len({one.key for one in views}) == 1 and views[0].key is not None
    assert {one.until for one in views} == {inf}


def test_a_users_several_licenses_are_its_view(of):
    """What they hold is not put together, and counts whether owned or shared."""
    scene = Scene()
    product, one, two = scene.product(), scene.entitlement(), scene.entitlement()
    first, second, third = scene.user(), scene.user(), scene.user()
    for user in (first, second):
        scene.license(product, holds=[one], owner=user if user is first else None, users=[user])
        scene.license(product, holds=[two], owner=user)
    scene.license(product, holds=[one, two], owner=third)
    a, b, both = of(scene, first, second, third)
    assert a.key == b.key != both.key


@pytest.mark.parametrize("change", [
    {"suspended": True}, {"owner": "banned"}, {"holds": True}, {"expiry": hours(-5)}, {"product": True},
    {"expiration": "REVOKE_ACCESS", "expiry": hours(-5)},
])  # fmt: skip
def test_what_changes_rights_changes_the_view(of, change):
    scene = Scene()
    product, other, extra = scene.product(), scene.product(), scene.entitlement()
    scene.release(product)
    scene.release(product, created=hours(-9))
    facts = dict(change)
    if "owner" in facts:
        facts["owner"] = scene.user(banned=True)
    if "holds" in facts:
        facts["holds"] = [extra]
    kind = other if facts.pop("product", None) else product
    plain, changed = scene.license(product, owner=scene.user()), scene.license(kind, **facts)
    a, b = of(scene, plain, changed)
    assert a.key != b.key


def test_windows_between_releases_count(of):
    """An end before the newest release matters, one that equals it does not; a backdated date is the date."""
    scene = Scene()
    product = scene.product()
    scene.release(product, created=hours(-9))
    scene.release(product, created=hours(-1), backdated=hours(4))
    before, at, after = (scene.license(product, expiry=hours(end)) for end in (3, 4, 5))
    a, b, c = of(scene, before, at, after)
    assert a.key != b.key == c.key


def test_revoking_comes_at_its_time(of):
    """Well before: shared, and good until then; about then: with nobody; well after: like others that have ended."""
    scene = Scene()
    product = scene.product()
    scene.release(product)
    ending = scene.license(product, expiration="REVOKE_ACCESS", expiry=hours(2))
    ended = scene.license(product, expiration="REVOKE_ACCESS", expiry=hours(-2))
    for_ever = scene.license(product, expiration="REVOKE_ACCESS")
    now, past, unlimited = of(scene, ending, ended, for_ever)
    assert now.key == unlimited.key != past.key
    assert now.until == pytest.approx(hours(2).timestamp() - SKEW) and unlimited.until == past.until == inf
    (then,) = of(scene, ending, later=3)
    assert then.key == past.key
    for near in (-SKEW / 2, -0.1, 0, 0.1, SKEW / 2):
        (about,) = of(scene, ending, later=2 + near / 3600)
        assert about.key is None and about.until <= hours(2).timestamp() + near


def test_whose_clock_does_not_run_yet_shares_nothing(connection):
    """A first download would start the time of its license: it must not be answered from memory."""
    scene = Scene()
    product = scene.product()
    license, other = scene.license(product), scene.license(product)
    with connection.cursor(cursor_factory=RealDictCursor) as cursor:
        try:
            load(scene.world, connection.cursor())
            cursor.execute(
                "UPDATE policies SET expiration_basis = 'FROM_FIRST_DOWNLOAD', duration = 60 WHERE id = %s",
                (license.policy.id,),
            )
            cursor.execute("SELECT now() AS now")
            now = cursor.fetchone()["now"]
            assert view(cursor, grant_of(scene.viewer(license)), now).key is None
            assert view(cursor, grant_of(scene.viewer(other)), now).key is not None
            cursor.execute("UPDATE licenses SET expiry = now() + interval '1 hour' WHERE id = %s", (license.id,))
            assert view(cursor, grant_of(scene.viewer(license)), now).key is not None
        finally:
            connection.rollback()


def test_who_asks_is_part_of_the_view(of):
    """Anonymous callers, staff, products, environments: their own views, and environments are kept apart."""
    scene = Scene()
    shared, isolated = scene.make_environment(shared=True), scene.make_environment()
    one, other = scene.product(), scene.product()
    license, user = scene.license(one), scene.user()
    scene.license(one, owner=user)
    those: list[Any] = [None, scene.user("admin"), one, other, license]
    those += [scene.viewer(None, shared), scene.viewer(None, isolated), scene.viewer(isolated, isolated)]
    keys = [found.key for found in of(scene, *those)]
    assert None not in keys and len(set(keys)) == len(keys)
    by_license, by_user = of(scene, license, user)
    assert by_license.key != by_user.key, "roles are told apart, whose permissions differ"


def test_what_a_bearer_may_do_is_part_of_its_view():
    """A token that may read less is not answered like one that may read all, nor a bearer like an anonymous caller."""
    scene = Scene()
    grant = grant_of(scene.viewer(scene.license(scene.product())))
    narrowed = evolve(grant, bearer=evolve(grant.bearer, permissions=frozenset({"release.read"})))
    keys = {view_of(one, [], None, 0).key for one in (grant, narrowed, evolve(grant, bearer=None))}
    assert len(keys) == 3


def test_accounts_are_kept_apart():
    """Two with the same facts, of different accounts."""
    scene, other = Scene(), Scene()
    other.world.accounts[0] = UUID(int=99)
    a, b = (view_of(grant_of(one.viewer()), [], None, 0) for one in (scene, other))
    assert a.key != b.key


def row(**facts: Any) -> dict[str, Any]:
    return {"product_id": UUID(int=5), "expiry": None, "expiration_strategy": "RESTRICT_ACCESS", "sound": True,
            "holds": [], "untimed": False, **facts}  # fmt: skip


def test_a_bearer_with_very_much_to_its_name_shares_nothing():
    """The key would be large: sixty-four licenses, and a thousand entitlements, are the most."""
    scene = Scene()
    grant = grant_of(scene.viewer(scene.user()))
    assert view_of(grant, [row(product_id=UUID(int=n)) for n in range(64)], None, 0).key is not None
    assert view_of(grant, [row(product_id=UUID(int=n)) for n in range(65)], None, 0).key is None
    holds = [UUID(int=n) for n in range(1001)]
    assert view_of(grant, [row(holds=holds[:1000])], None, 0).key is not None
    assert view_of(grant, [row(holds=holds)], None, 0).key is None


def test_licenses_are_found_by_owner_and_by_share(of):
    """A user without any sees by none."""
    scene = Scene()
    product = scene.product()
    owner, sharer, stranger = scene.user(), scene.user(), scene.user()
    license: License = scene.license(product, owner=owner, users=[sharer])
    assert license.belongs_to(owner)
    a, b, c = of(scene, owner, sharer, stranger)
    assert a.key == b.key != c.key
