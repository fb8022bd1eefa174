"""Who sees which release, and the filters of release lists (api.md 7.8)."""

from __future__ import annotations

from uuid import UUID

import pytest

from keygenreg.domain.derived import derived_id
from tests.daemon_fixtures import Account, Api
from tests.management.customers import License, days, entitlement, ids, product_api, staff, token_of, user


def status(api: Api, release: dict) -> int:
    return api.get(f"/releases/{release['id']}").status


def constrained(account: Account, release: dict, *entitlements: dict) -> dict:
    """The release, after it demands entitlements."""
    data = [
        {"type": "constraints", "relationships": {"entitlement": {"data": {"type": "entitlements", "id": one["id"]}}}}
        for one in entitlements
    ]
    assert account.admin.post(f"/releases/{release['id']}/constraints", {"data": data}).status == 200
    return release


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


@pytest.fixture
def release(account: Account, product: dict) -> dict:
    return account.admin.make_release(product)


def test_RDR_01_open_to_all(account):
    opened = account.admin.make_release(account.admin.make_product("OPEN"))
    anonymous = account.admin.as_()
    assert status(anonymous, opened) == 200
    assert ids(anonymous.get("/releases")) == {opened["id"]}


@pytest.mark.parametrize("strategy", ["LICENSED", "CLOSED"])
def test_RDR_02_hidden_from_strangers(account, strategy):
    hidden = account.admin.make_release(account.admin.make_product(strategy))
    anonymous = account.admin.as_()
    assert status(anonymous, hidden) == 404
    assert ids(anonymous.get("/releases")) == set()


def test_RDR_03_open_but_not_free(account):
    product = account.admin.make_product("OPEN")
    demanding = constrained(account, account.admin.make_release(product, "1.0.0"), entitlement(account, "A"))
    draft = account.admin.make_release(product, "2.0.0", status="DRAFT")
    yanked = account.admin.make_release(product, "3.0.0")
    account.admin.post(f"/releases/{yanked['id']}/actions/yank")
    assert [status(account.admin.as_(), row) for row in (demanding, draft, yanked)] == [404, 404, 404]


def test_RDR_04_license_of_one_product(account, product, release):
    other = account.admin.make_release(account.admin.make_product())
    opened = account.admin.make_release(account.admin.make_product("OPEN"))
    license = License(account, product)
    for api in (license.token, license.key):
        assert [status(api, row) for row in (release, other, opened)] == [200, 404, 200]
        assert ids(api.get("/releases")) == {release["id"], opened["id"]}


def test_RDR_05_closed_product(account):
    closed = account.admin.make_product("CLOSED")
    assert status(License(account, closed).token, account.admin.make_release(closed)) == 404


def test_RDR_06_product_sees_its_own_in_any_state(account, product):
    api = product_api(account, product)
    draft = account.admin.make_release(product, "2.0.0", status="DRAFT")
    yanked = account.admin.make_release(product, "3.0.0")
    account.admin.post(f"/releases/{yanked['id']}/actions/yank")
    foreign = account.admin.make_release(account.admin.make_product("OPEN"))
    assert [status(api, row) for row in (draft, yanked, foreign)] == [200, 200, 404]


@pytest.mark.parametrize("role", ["admin", "developer", "sales-agent", "support-agent", "read-only"])
def test_RDR_07_staff_sees_everything(account, product, role):
    draft = account.admin.make_release(product, status="DRAFT")
    closed = account.admin.make_release(account.admin.make_product("CLOSED"))
    api = staff(account, role)
    assert [status(api, row) for row in (draft, closed)] == [200, 200]


def test_RDR_08_users(account, product, release):
    opened = account.admin.make_release(account.admin.make_product("OPEN"))
    owner, attached, nobody = user(account), user(account), user(account)
    License(account, product, owner=owner, users=(attached,))
    for identifier, seen in ((owner, 200), (attached, 200), (nobody, 404)):
        api = token_of(account, "users", identifier)
        assert (status(api, release), status(api, opened)) == (seen, 200)


def test_RDR_09_10_entitlements(account, product):
    first, second = entitlement(account, "A"), entitlement(account, "B")
    demanding = constrained(account, account.admin.make_release(product), first, second)
    both = License(account, product, entitlements=(first,), policy_entitlements=(second,))
    assert status(both.token, demanding) == 200
    assert status(License(account, product, entitlements=(first,)).token, demanding) == 404
    assert status(License(account, product).token, account.admin.make_release(product, "2.0.0")) == 200
    account.sql("DELETE FROM policy_entitlements WHERE policy_id = %s", both.policy)
    assert status(both.token, demanding) == 404


def test_RDR_11_entitlements_of_two_licenses_do_not_add_up(account, product):
    first, second = entitlement(account, "A"), entitlement(account, "B")
    demanding = constrained(account, account.admin.make_release(product), first, second)
    owner = user(account)
    License(account, product, owner=owner, entitlements=(first,))
    License(account, product, owner=owner, entitlements=(second,))
    assert status(token_of(account, "users", owner), demanding) == 404


@pytest.mark.parametrize("strategy", ["RESTRICT_ACCESS", "MAINTAIN_ACCESS"])
def test_RDR_12_13_expired_keeps_what_was_before(account, product, strategy):
    license = License(account, product, expiry=days(-10), expiration_strategy=strategy)
    after = account.admin.make_release(product, "2.0.0")
    before = account.admin.make_release(product, "1.0.0", backdated=days(-20).isoformat())
    assert (status(license.token, before), status(license.token, after)) == (200, 404)


def test_RDR_13_allow_and_revoke(account, product, release):
    opened = account.admin.make_release(account.admin.make_product("OPEN"))
    allowing = License(account, product, expiry=days(-10), expiration_strategy="ALLOW_ACCESS")
    assert status(allowing.token, release) == 200
    revoking = License(account, product, expiry=days(-10), expiration_strategy="REVOKE_ACCESS")
    assert (status(revoking.token, release), status(revoking.token, opened)) == (404, 200)
    refused = revoking.key.get(f"/releases/{opened['id']}")
    assert (refused.status, refused.error["code"]) == (403, "LICENSE_EXPIRED")


def test_RDR_14_not_yet_expired(account, product, release):
    license = License(account, product, expiry=days(10), expiration_strategy="REVOKE_ACCESS")
    assert status(license.token, release) == 200


def test_RDR_15_17_suspended(account, product, release):
    opened = account.admin.make_release(account.admin.make_product("OPEN"))
    license = License(account, product, suspended=True)
    assert (status(license.token, release), status(license.token, opened)) == (403, 200)
    assert license.token.get("/releases").status == 403
    assert ids(license.token.get(f"/releases?product={opened['relationships']['product']['data']['id']}")) == {
        opened["id"]
    }
    assert license.key.get("/releases").error["code"] == "LICENSE_SUSPENDED"
    license.set(suspended=False)
    assert status(license.token, release) == 200


def test_RDR_16_user_with_suspended_licenses(account, product, release):
    owner = user(account)
    api = token_of(account, "users", owner)
    License(account, product, owner=owner, suspended=True)
    assert status(api, release) == 403
    License(account, product, owner=owner)
    assert status(api, release) == 200


class TestFilters:
    """RDR-18: every filter narrows the list to what it says."""

    @pytest.fixture
    def shelf(self, account: Account) -> dict[str, dict]:
        """Releases of two products, in packages and without, on several channels."""
        admin = account.admin
        one, two = admin.make_product(code="one"), admin.make_product(code="two")
        python = admin.make_package(one, "tool", "pypi")
        plain = admin.make_package(one, "plain")
        made = {
            "python": admin.make_release(one, "1.0.0", package=python),
            "plain": admin.make_release(one, "1.1.0", package=plain, status="DRAFT"),
            "bare": admin.make_release(one, "1.2.0-rc.1", channel="rc"),
            "other": admin.make_release(two, "2.0.0-dev.1", channel="dev"),
        }
        admin.post(f"/releases/{made['other']['id']}/actions/yank")
        return made | {"package": python, "product": one}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("product=one", {"python", "plain", "bare"}),
            ("package=tool", {"python"}),
            ("package=", {"bare", "other"}),
            ("engine=pypi", {"python"}),
            ("engine=", {"plain", "bare", "other"}),
            ("engine=npm", set()),
            ("channel=stable", {"python", "plain"}),
            ("channel=rc", {"python", "plain", "bare"}),
            ("channel=dev", {"other"}),
            ("channel=nope", set()),
            ("status=draft", {"plain"}),
            ("status=PUBLISHED", {"python", "bare"}),
            ("status=what", set()),
            ("yanked=true", {"other"}),
            ("yanked=false", {"python", "plain", "bare"}),
            ("product=one&channel=rc&package=", {"bare"}),
            ("nonsense=1&product=", {"python", "plain", "bare", "other"}),
            ("engine[]=pypi", {"python", "plain", "bare", "other"}),
        ],
    )
    def test_RDR_18_19(self, account, shelf, query, found):
        assert ids(account.admin.get(f"/releases?{query}")) == {shelf[name]["id"] for name in found}

    def test_RDR_18_by_ids(self, account, shelf):
        get = account.admin.get
        assert ids(get(f"/releases?package={shelf['package']['id']}")) == {shelf["python"]["id"]}
        assert len(ids(get(f"/releases?product={shelf['product']['id']}"))) == 3
        engine = derived_id(UUID(account.id), "engines", "pypi")
        assert ids(get(f"/releases?engine={engine}")) == {shelf["python"]["id"]}
        channel = derived_id(UUID(account.id), "channels", "dev")
        assert ids(get(f"/releases?channel={channel}")) == {shelf["other"]["id"]}

    def test_RDR_18_entitlements(self, account, shelf):
        first, second = entitlement(account, "A"), entitlement(account, "B")
        constrained(account, shelf["python"], first)
        constrained(account, shelf["plain"], first, second)
        free = {shelf["bare"]["id"], shelf["other"]["id"]}
        get = account.admin.get
        assert ids(get("/releases?entitlements[]=A")) == free | {shelf["python"]["id"]}
        assert ids(get("/releases?constraints[]=A&constraints[]=B")) == free | {
            shelf["python"]["id"], shelf["plain"]["id"],
        }  # fmt: skip
        assert ids(get("/releases?entitlements[]=Z")) == free

    def test_RDR_20_filters_apply_to_show(self, account, shelf):
        get = account.admin.get
        assert get("/releases/1.0.0?product=two").status == 404
        assert get("/releases/1.0.0?product=one&package=tool").data["id"] == shelf["python"]["id"]
        assert get(f"/releases/{shelf['python']['id']}?channel=dev").status == 404

    def test_oldest_package_of_a_key(self, account, shelf):
        """A key that several engines use means the oldest package, unless the engine is named."""
        npm = account.admin.make_package(shelf["product"], "tool", "npm")
        release = account.admin.make_release(shelf["product"], "5.0.0", package=npm)
        assert ids(account.admin.get("/releases?package=tool")) == {shelf["python"]["id"]}
        assert ids(account.admin.get("/releases?package=tool&engine=npm")) == {release["id"]}

    def test_nested_in_a_product(self, account, shelf):
        path = f"/products/{shelf['product']['id']}/releases"
        assert len(ids(account.admin.get(path))) == 3
        assert account.admin.get(f"{path}/1.0.0").data["id"] == shelf["python"]["id"]
        assert account.admin.get(f"{path}/{shelf['other']['id']}").status == 404
        assert account.admin.as_().get(path).status == 401


def test_RDR_21_demands_need_credentials(account, product):
    held = entitlement(account, "A")
    release = constrained(account, account.admin.make_release(product), held)
    license = License(account, product, entitlements=(held,))
    for part in ("entitlements", "constraints"):
        path = f"/releases/{release['id']}/{part}"
        assert account.admin.as_().get(path).status == 401
        assert len(license.token.get(path).data) == 1
    assert license.token.get(f"/releases/{release['id']}/entitlements/A").data["id"] == held["id"]


def test_RDR_21_demands_are_for_customers_of_the_product(account, product):
    opened = account.admin.make_release(account.admin.make_product("OPEN"))
    assert License(account, product).token.get(f"/releases/{opened['id']}/constraints").status == 403


def test_RDR_22_product_of_a_release(account, product, release):
    path = f"/releases/{release['id']}/product"
    assert account.admin.get(path).data["id"] == product["id"]
    assert License(account, product).token.get(path).status == 403
    assert account.admin.as_().get(path).status == 401


def test_RDR_23_counts_respect_the_scope(account, product):
    for n in range(3):
        account.admin.make_release(product, f"1.{n}.0")
    account.admin.make_release(product, "2.0.0", status="DRAFT")
    listed = License(account, product).token.get("/releases?page[number]=1&page[size]=2").json
    assert (len(listed["data"]), listed["links"]["meta"]) == (2, {"pages": 2, "count": 3})


def test_RDR_23_keyset_reaches_every_release_once(account, product):
    made = [account.admin.make_release(product, f"1.{n}.0")["id"] for n in range(5)]
    seen, path = [], "/releases?page[cursor]=&page[size]=2"
    while path:
        page = account.admin.get(account.daemon.url + path if path.startswith("/v1") else path).json
        seen += [item["id"] for item in page["data"]]
        path = page["links"]["next"]
    assert seen == made[::-1]


def test_RDR_24_open_product_constrained_release(account):
    product = account.admin.make_product("OPEN")
    held = entitlement(account, "A")
    release = constrained(account, account.admin.make_release(product), held)
    assert status(License(account, product, entitlements=(held,)).token, release) == 200
    assert status(License(account, account.admin.make_product(), entitlements=(held,)).token, release) == 404


def test_permissions_of_a_token_count(account, product, release):
    """A token without ``release.read`` is denied what its bearer could read."""
    license = License(account, product)
    account.sql("UPDATE tokens SET permissions = %s WHERE bearer_license_id = %s", ["artifact.read"], license.id)
    assert status(license.token, release) == 403
