"""api.md 4.4, row by row: who may see a release and an artifact of it, in the database and in the model.

Rows 15, 19, 27 and 33 fail when signing in, before any record is looked for: they are in ``test_authentication``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import field, frozen

from tests.access.loading import load
from tests.access.model import views
from tests.access.records import Entitlement, Product, Viewer
from tests.access.scenes import Scene, hours
from tests.access.worlds import STAFF

STRATEGIES = ("OPEN", "LICENSED", "CLOSED")
ARTIFACT_STATUSES = ("WAITING", "PROCESSING", "FAILED", "UPLOADED")


@frozen
class Setting:
    """Product P of a row, and the entitlement that its constrained releases need."""

    scene: Scene
    product: Product
    entitlement: Entitlement


Who = Callable[[Setting], Viewer]


def anonymous(setting: Setting) -> Viewer:
    return setting.scene.viewer()


def environment(setting: Setting) -> Viewer:
    selected = setting.scene.make_environment(shared=True)
    return setting.scene.viewer(selected, selected)


def owning_product(setting: Setting) -> Viewer:
    return setting.scene.viewer(setting.product)


def other_product(setting: Setting) -> Viewer:
    return setting.scene.viewer(setting.scene.product("OPEN"))


def license_of_other_product(setting: Setting) -> Viewer:
    return setting.scene.viewer(setting.scene.license(setting.scene.product(), holds=[setting.entitlement]))


def user_without_license(setting: Setting) -> Viewer:
    return setting.scene.viewer(setting.scene.user())


def staff(role: str) -> Who:
    def who(setting: Setting) -> Viewer:
        return setting.scene.viewer(setting.scene.user(role))

    who.__name__ = role
    return who


def license_of_product(name: str = "license", **facts) -> Who:
    def who(setting: Setting) -> Viewer:
        return setting.scene.viewer(setting.scene.license(setting.product, **_facts(setting, facts)))

    who.__name__ = name
    return who


def user_with(name: str, *licenses: dict, attached: bool = False) -> Who:
    """A user that owns, or is attached to, a license for each of the facts."""

    def who(setting: Setting) -> Viewer:
        user = setting.scene.user()
        link = {"users": [user]} if attached else {"owner": user}
        for facts in licenses:
            setting.scene.license(setting.product, **_facts(setting, facts), **link)
        return setting.scene.viewer(user)

    who.__name__ = name
    return who


def _facts(setting: Setting, facts: dict) -> dict:
    """``holds="E"`` stands for the entitlement of the row's product."""
    return {key: [setting.entitlement] if value == "E" else value for key, value in facts.items()}


@frozen
class Row:
    """A row: what it is about, who look, and the answer to all of them; ``artifact`` where it is another."""

    number: int
    strategies: tuple[str, ...]
    status: str
    who: tuple[Who, ...]
    release: int
    artifact: int | None = None
    facts: dict = field(factory=dict)
    artifacts: tuple[str, ...] = ("UPLOADED",)


VENDOR = (*(staff(role) for role in STAFF), environment, owning_product)
ENTITLED = license_of_product("entitled", holds="E")
CUSTOMERS = (ENTITLED, user_with("owner", {"holds": "E"}), user_with("attached", {"holds": "E"}, attached=True))
EXPIRED = hours(-1)
CONSTRAINED = {"needs": "E"}
AFTER_EXPIRY = {"created": hours(-0.5)}
BACKDATED_BEFORE_EXPIRY = {"created": hours(-0.5), "backdated": hours(-2)}


def expired(strategy: str) -> Who:
    return license_of_product(f"expired {strategy}", expiration=strategy, expiry=EXPIRED)


def expired_users(strategy: str) -> Who:
    return user_with(f"user of expired {strategy}", {"expiration": strategy, "expiry": EXPIRED})


KEEPERS = tuple(who(s) for who in (expired, expired_users) for s in ("RESTRICT_ACCESS", "MAINTAIN_ACCESS"))
SUSPENDED = {"suspended": True}
OPEN, LICENSED, CLOSED = ("OPEN",), ("LICENSED",), ("CLOSED",)

ROWS = [
    Row(1, STRATEGIES, "DRAFT", VENDOR, 200),
    Row(2, STRATEGIES, "DRAFT", (*CUSTOMERS, anonymous), 404),
    Row(3, STRATEGIES, "YANKED", VENDOR, 200),
    Row(4, STRATEGIES, "YANKED", (*CUSTOMERS, anonymous), 404),
    Row(5, OPEN, "PUBLISHED", (anonymous, license_of_other_product, user_without_license, *CUSTOMERS), 200),
    Row(5, OPEN, "PUBLISHED", (license_of_product("suspended", **SUSPENDED), expired("REVOKE_ACCESS")), 200),
    Row(6, OPEN, "PUBLISHED", (other_product,), 404),
    Row(7, OPEN, "PUBLISHED", (anonymous, user_without_license), 404, facts=CONSTRAINED),
    Row(8, OPEN, "PUBLISHED", CUSTOMERS, 200, facts=CONSTRAINED),
    Row(8, OPEN, "PUBLISHED", (license_of_product("by policy", inherits="E"),), 200, facts=CONSTRAINED),
    Row(9, OPEN, "PUBLISHED", (license_of_product("lacking"), license_of_other_product), 404, facts=CONSTRAINED),
    Row(10, LICENSED, "PUBLISHED", (anonymous,), 404),
    Row(11, LICENSED, "PUBLISHED", (license_of_product(), license_of_product("open-ended", expiry=None)), 200),
    Row(11, LICENSED, "PUBLISHED", CUSTOMERS, 200, facts=CONSTRAINED),
    Row(11, LICENSED, "PUBLISHED", (license_of_product("unexpired", expiry=hours(1)),), 200),
    Row(12, LICENSED, "PUBLISHED", (license_of_other_product, other_product), 404),
    Row(13, LICENSED, "PUBLISHED", (license_of_product("lacking"),), 404, facts=CONSTRAINED),
    Row(14, LICENSED, "PUBLISHED", (license_of_product("suspended", **SUSPENDED),), 403),
    Row(14, LICENSED, "PUBLISHED", (license_of_product("lacking", **SUSPENDED),), 404, facts=CONSTRAINED),
    Row(16, LICENSED, "PUBLISHED", KEEPERS, 200),
    Row(16, LICENSED, "PUBLISHED", KEEPERS, 200, facts={"created": EXPIRED}),
    Row(17, LICENSED, "PUBLISHED", KEEPERS, 404, facts=AFTER_EXPIRY),
    Row(17, LICENSED, "PUBLISHED", KEEPERS, 404, facts={"backdated": hours(-0.5)}),
    Row(18, LICENSED, "PUBLISHED", (expired("REVOKE_ACCESS"),), 404),
    Row(20, LICENSED, "PUBLISHED", (expired("ALLOW_ACCESS"), expired_users("ALLOW_ACCESS")), 200, facts=AFTER_EXPIRY),
    Row(21, LICENSED, "PUBLISHED", KEEPERS, 200, facts=BACKDATED_BEFORE_EXPIRY),
    Row(22, LICENSED, "PUBLISHED", (user_with("owner", {}), user_with("attached", {}, attached=True)), 200),
    Row(23, LICENSED, "PUBLISHED", (user_with("all suspended", SUSPENDED, SUSPENDED),), 403),
    Row(24, LICENSED, "PUBLISHED", (user_with("one suspended", SUSPENDED, {}),), 200),
    Row(25, LICENSED, "PUBLISHED", (user_without_license,), 404),
    Row(26, LICENSED, "PUBLISHED", (expired_users("REVOKE_ACCESS"),), 404),
    Row(28, CLOSED, "PUBLISHED", (*CUSTOMERS, anonymous), 404),
    Row(29, CLOSED, "PUBLISHED", VENDOR, 200),
    Row(30, STRATEGIES, "PUBLISHED", VENDOR, 200, facts=CONSTRAINED),
    Row(31, STRATEGIES, "PUBLISHED", VENDOR, 200, artifacts=ARTIFACT_STATUSES),
    Row(32, LICENSED, "PUBLISHED", CUSTOMERS, 200, 404, artifacts=("WAITING", "PROCESSING", "FAILED")),
    Row(32, OPEN, "PUBLISHED", (anonymous,), 200, 404, artifacts=("WAITING", "PROCESSING", "FAILED")),
]


def cases():
    for row in ROWS:
        for strategy in row.strategies:
            for who in row.who:
                yield pytest.param(row, strategy, who, id=f"row {row.number}: {strategy}, {row.status}, {who.__name__}")


def answer(seen: dict, record) -> int:
    """Not in scope: 404 and in no list; in scope but not permitted: 403 and the list with it; else found."""
    return (200 if seen[record.id] else 403) if record.id in seen else 404


@pytest.mark.parametrize(("row", "strategy", "who"), list(cases()))
def test_decision_table(sight, row, strategy, who):
    """Release and artifact are found, forbidden or absent as the row says."""
    scene = Scene()
    setting = Setting(scene, scene.product(strategy), scene.entitlement())
    viewer = who(setting)
    release = scene.release(setting.product, row.status, **_facts(setting, row.facts))
    artifacts = [scene.artifact(release, status) for status in row.artifacts]
    with sight.connection.cursor() as cursor:
        try:
            load(scene.world, cursor)
            shown = sight.of(cursor, viewer)
        finally:
            sight.connection.rollback()
    for seen in (shown, views(scene.world, viewer)):
        assert answer(seen["visible_releases"], release) == row.release
        expected = row.artifact or row.release
        assert [answer(seen["visible_artifacts"], artifact) for artifact in artifacts] == [expected] * len(artifacts)
