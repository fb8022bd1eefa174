"""The upgrade endpoint (api.md 7.9)."""

from __future__ import annotations

import pytest

from tests.daemon_fixtures import Account, Api
from tests.management.customers import License, days, entitlement, staff
from tests.management.test_releases_read import constrained


def offered(api: Api, release: str, query: str = "") -> str | int:
    """The version that is offered, or the status of the refusal."""
    answer = api.get(f"/releases/{release}/upgrade?{query}")
    if answer.status != 200:
        return answer.status
    assert answer.json["meta"]["next"] == answer.data["attributes"]["version"]
    return answer.json["meta"]["next"]


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


def shelf(account: Account, product: dict, *versions: str, **more) -> None:
    """Published releases; the channel is what the version says."""
    for version in versions:
        word = version.partition("-")[2]
        channel = next((name for name in ("rc", "beta", "alpha", "dev") if word.startswith(name)), "stable")
        account.admin.make_release(product, version, channel=channel, **more)


def test_UPG_01_highest(account, product):
    shelf(account, product, "1.0.0", "1.0.1", "1.1.0", "2.0.0")
    answer = account.admin.get("/releases/1.0.0/upgrade")
    assert answer.json["meta"] == {"current": "1.0.0", "next": "2.0.0"}
    assert answer.data["type"] == "releases"


@pytest.mark.parametrize(
    ("constraint", "found"),
    [("1", "1.1.0"), ("1.0", "1.1.0"), ("1.0.0", "1.0.1"), ("1.0.9", 404), ("2", "2.0.0"), ("3", 404)],
)
def test_UPG_02_constraints(account, product, constraint, found):
    shelf(account, product, "1.0.0", "1.0.1", "1.1.0", "2.0.0")
    assert offered(account.admin, "1.0.0", f"constraint={constraint}") == found


def test_UPG_03_nothing_newer(account, product):
    shelf(account, product, "1.0.0", "0.9.0")
    answer = account.admin.get("/releases/1.0.0/upgrade")
    assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
    assert offered(account.admin, "3.0.0") == 404


def test_UPG_04_malformed_constraint(account, product):
    shelf(account, product, "1.0.0", "1.1.0")
    answer = account.admin.get("/releases/1.0.0/upgrade?constraint=abc")
    assert (answer.status, answer.error["code"], answer.error["source"]) == (
        400, "CONSTRAINT_INVALID", {"parameter": "constraint"},
    )  # fmt: skip
    assert offered(account.admin, "1.0.0", "constraint=%3E%3D1.0") == "1.1.0"


def test_UPG_05_channels(account, product):
    shelf(account, product, "1.0.0", "1.0.0-rc.1", "1.1.0-beta.1")
    assert offered(account.admin, "1.0.0") == 404
    assert offered(account.admin, "1.0.0", "channel=beta") == "1.1.0-beta.1"
    assert offered(account.admin, "1.0.0-rc.1") == "1.0.0"
    assert offered(account.admin, "1.0.0", "channel=nope") == 404


def test_UPG_06_prereleases(account, product):
    shelf(account, product, "1.0.0-alpha.9", "1.0.0-beta.2")
    assert offered(account.admin, "1.0.0-alpha.9") == "1.0.0-beta.2"
    shelf(account, product, "1.0.0-beta.10", "1.0.0-rc.1", "1.0.0")
    assert offered(account.admin, "1.0.0-beta.2", "constraint=1-beta") == "1.0.0-beta.10"
    assert offered(account.admin, "1.0.0-rc.1") == "1.0.0"


def test_UPG_07_only_published(account, product):
    shelf(account, product, "1.0.0", "3.0.0")
    account.admin.make_release(product, "2.0.0", status="DRAFT")
    account.admin.post("/releases/3.0.0/actions/yank")
    for role in ("developer", "sales-agent", "read-only"):
        assert offered(staff(account, role), "1.0.0") == 404


def test_UPG_08_packages(account, product):
    one, two = account.admin.make_package(product, "one"), account.admin.make_package(product, "two")
    shelf(account, product, "1.0.0", "2.0.0", package=one)
    shelf(account, product, "3.0.0", package=two)
    shelf(account, product, "1.0.0", "4.0.0")
    current = account.admin.get("/releases/1.0.0?package=one").data["id"]
    assert offered(account.admin, current) == "2.0.0"
    assert offered(account.admin, current, "package=two") == "3.0.0"
    assert offered(account.admin, current, "package=nope") == 404
    assert offered(account.admin, "1.0.0", "package=") == "4.0.0"
    assert offered(account.admin, "1.0.0", "package=one") == "2.0.0"
    assert offered(account.admin, "1.0.0", "package=two") == 404


def test_UPG_09_what_the_license_may_read(account, product):
    shelf(account, product, "1.0.0", "1.1.0", "1.2.0", backdated=days(-30).isoformat())
    shelf(account, product, "3.0.0")
    constrained(account, account.admin.get("/releases/1.2.0").data, entitlement(account, "A"))
    license = License(account, product, expiry=days(-10))
    assert offered(license.token, "1.0.0") == "1.1.0"


def test_UPG_10_who_may_ask(account, product):
    shelf(account, product, "1.0.0", "2.0.0")
    opened = account.admin.make_product("OPEN")
    shelf(account, opened, "5.0.0", "6.0.0")
    assert offered(License(account, product, suspended=True).token, "1.0.0") == 403
    assert offered(account.admin.as_(), "5.0.0") == "6.0.0"
    assert offered(License(account, account.admin.make_product()).token, "1.0.0") == 404
    assert offered(account.admin.as_(), "1.0.0") == 404


def test_UPG_11_by_alias(account, product):
    other = account.admin.make_product()
    shelf(account, product, "1.0.0", tag="running")
    shelf(account, product, "1.5.0")
    shelf(account, other, "1.0.0", "2.0.0")
    assert offered(account.admin, "running") == "1.5.0"
    assert offered(account.admin, "1.0.0", f"product={product['id']}") == "1.5.0"
    assert offered(account.admin, "1.0.0", f"product={other['id']}") == "2.0.0"


def test_UPG_12_builds(account, product):
    shelf(account, product, "1.0.0-beta.1+1", "1.0.0-beta.1+2")
    assert offered(account.admin, "1.0.0-beta.1+1") == "1.0.0-beta.1+2"
    shelf(account, product, "1.0.0", "1.1.0+p1", "1.2.0+p2")
    assert offered(account.admin, "1.0.0", "constraint=1%2Bp1") == "1.1.0+p1"


def test_UPG_12_many_candidates(account, product):
    """A constraint that only an old release meets is found below hundreds of newer ones."""
    account.sql(
        """INSERT INTO releases (id, account_id, product_id, version, version_key, channel, status)
        SELECT gen_random_uuid(), %s, %s, '2.' || n || '.0', 'A12A' || length(n::text) || n || 'A10~!', 'stable',
               'PUBLISHED' FROM generate_series(1, 450) n""",
        account.id, product["id"],
    )  # fmt: skip
    shelf(account, product, "1.0.0", "1.0.1")
    assert offered(account.admin, "1.0.0", "constraint=1") == "1.0.1"
    assert offered(account.admin, "1.0.0") == "2.450.0"


def test_UPG_13_starts_the_clock(account, product):
    shelf(account, product, "1.0.0")
    license = License(account, product, expiration_basis="FROM_FIRST_DOWNLOAD", duration=86_400)
    assert offered(license.token, "1.0.0") == 404
    assert license.expiry is None
    shelf(account, product, "2.0.0")
    assert offered(license.token, "1.0.0") == "2.0.0"
    assert license.expiry is not None
