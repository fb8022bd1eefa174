"""Policies and their entitlements (api.md 1.10, 2.9, 7.14)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api
from tests.management.customers import License, codes, entitlement, ids, product_api, staff


def document(product: dict | None = None, **attributes) -> dict:
    data = {"type": "policies", "attributes": attributes}
    if product is not None:
        data["relationships"] = {"product": {"data": {"type": "products", "id": product["id"]}}}
    return {"data": data}


def post(api: Api, product: dict, **attributes) -> Answer:
    return api.post("/policies", document(product, name="Floating", **attributes))


def linked(*entitlements: dict) -> dict:
    return {"data": [{"type": "entitlements", "id": each["id"]} for each in entitlements]}


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


DEFAULTS = {
    "duration": None, "expirationStrategy": "RESTRICT_ACCESS", "expirationBasis": "FROM_CREATION",
    "renewalBasis": "FROM_EXPIRY", "transferStrategy": "KEEP_EXPIRY", "authenticationStrategy": "TOKEN",
    "protected": True, "scheme": None, "encrypted": False, "usePool": False, "strict": False, "floating": False,
    "maxMachines": 1, "maxProcesses": None, "maxUsers": None, "maxCores": None, "maxMemory": None, "maxDisk": None,
    "maxUses": None, "machineUniquenessStrategy": "UNIQUE_PER_LICENSE", "machineMatchingStrategy": "MATCH_ANY",
    "componentUniquenessStrategy": "UNIQUE_PER_MACHINE", "componentMatchingStrategy": "MATCH_ANY",
    "machineLeasingStrategy": "PER_LICENSE", "processLeasingStrategy": "PER_MACHINE",
    "overageStrategy": "NO_OVERAGE", "requireProductScope": False, "requireCheckIn": False, "checkInInterval": None,
    "checkInIntervalCount": None, "requireHeartbeat": False, "heartbeatDuration": None,
    "heartbeatCullStrategy": "DEACTIVATE_DEAD", "heartbeatResurrectionStrategy": "NO_REVIVE",
    "heartbeatBasis": "FROM_FIRST_PING", "metadata": {},
}  # fmt: skip


def test_POL_01_defaults(account: Account, product: dict) -> None:
    answer = post(account.admin, product)
    assert answer.status == 201
    assert {name: answer.data["attributes"][name] for name in DEFAULTS} == DEFAULTS
    assert answer.data["relationships"]["product"]["data"]["id"] == product["id"]
    assert post(account.admin, product, floating=True).data["attributes"]["maxMachines"] is None
    account.admin.patch("", {"data": {"type": "accounts", "attributes": {"protected": False}}})
    assert post(account.admin, product).data["attributes"]["protected"] is False
    assert post(account.admin, product, protected=True).data["attributes"]["protected"] is True


def test_everything_is_stored_and_shown(account: Account, product: dict) -> None:
    """What has no effect on distribution is kept all the same."""
    given = {
        "maxCores": 4, "maxUses": 0, "floating": True, "maxMachines": 5, "strict": True, "checkInInterval": "week",
        "checkInIntervalCount": 2, "requireCheckIn": True, "heartbeatDuration": 600, "overageStrategy":
        "ALLOW_1_5X_OVERAGE", "requireVersionScope": True, "machineLeasingStrategy": "PER_USER",
        "heartbeatResurrectionStrategy": "5_MINUTE_REVIVE", "metadata": {"tier": "gold"},
    }  # fmt: skip
    made = post(account.admin, product, **given).data
    assert {name: made["attributes"][name] for name in given} == given
    shown = account.admin.get(f"/policies/{made['id']}").data
    assert shown["attributes"] == made["attributes"]
    cleared = account.admin.patch(f"/policies/{made['id']}", document(maxCores=None, checkInInterval=None))
    assert cleared.data["attributes"]["maxCores"] is None
    assert cleared.data["attributes"]["checkInInterval"] is None


@pytest.mark.parametrize("duration", [86399, 0, -1, 2**31, 2**63, 10**30 // 10**11])
def test_POL_02_bad_duration(account: Account, product: dict, duration: int) -> None:
    answer = post(account.admin, product, duration=duration)
    assert (answer.status, codes(answer)) == (422, {("DURATION_INVALID", "/data/attributes/duration")})


def test_POL_02_duration(account: Account, product: dict) -> None:
    for duration in (None, 86400, 31536000):
        assert post(account.admin, product, duration=duration).data["attributes"]["duration"] == duration
    assert post(account.admin, product, duration=86400.5).status == 400
    assert post(account.admin, product, duration="86400").status == 400


@pytest.mark.parametrize("name", [name for name, value in DEFAULTS.items() if isinstance(value, str)])
def test_POL_03_strategies(account: Account, product: dict, name: str) -> None:
    answer = post(account.admin, product, **{name: "NOT_ONE"})
    code = "".join(f"_{letter}" if letter.isupper() else letter for letter in name).upper() + "_NOT_ALLOWED"
    assert (answer.status, codes(answer)) == (422, {(code, f"/data/attributes/{name}")})
    assert post(account.admin, product, **{name: None}).data["attributes"][name] == DEFAULTS[name]


@pytest.mark.parametrize(("name", "value"), [("scheme", "ED25519_SIGN"), ("encrypted", True), ("usePool", True)])
def test_not_supported(account: Account, product: dict, name: str, value: object) -> None:
    answer = post(account.admin, product, **{name: value})
    word = {"scheme": "SCHEME", "encrypted": "ENCRYPTED", "usePool": "USE_POOL"}[name]
    assert (answer.status, codes(answer)) == (422, {(f"{word}_NOT_SUPPORTED", f"/data/attributes/{name}")})


def test_POL_04_product_token(account: Account, product: dict) -> None:
    other = account.admin.make_product()
    foreign = post(account.admin, other).data
    api = product_api(account, product)
    mine = post(api, product)
    assert mine.status == 201
    assert post(api, other).status == 403
    path = f"/policies/{foreign['id']}"
    assert api.get(path).status == api.patch(path, document(name="x")).status == api.delete(path).status == 404
    assert ids(api.get("/policies")) == {mine.data["id"]}
    assert api.delete(f"/policies/{mine.data['id']}").status == 204


def test_unknown_product(account: Account) -> None:
    answer = post(account.admin, {"id": str(uuid4())}, expirationBasis="x")
    assert codes(answer) == {
        ("PRODUCT_NOT_FOUND", "/data/relationships/product"),
        ("EXPIRATION_BASIS_NOT_ALLOWED", "/data/attributes/expirationBasis"),
    }


def test_product_cannot_change(account: Account, product: dict) -> None:
    made = post(account.admin, product).data
    answer = account.admin.patch(f"/policies/{made['id']}", document(account.admin.make_product()))
    assert (answer.status, codes(answer)) == (400, {(None, "/data/relationships/product")})


def test_POL_05_entitlements(account: Account, product: dict) -> None:
    one, two, three = (entitlement(account, code) for code in ("ONE", "TWO", "THREE"))
    policy = post(account.admin, product).data
    path = f"/policies/{policy['id']}/entitlements"
    answer = account.admin.post(path, linked(two, one))
    assert answer.status == 200
    assert [each["type"] for each in answer.data] == ["policy-entitlements"] * 2
    sides = [each["relationships"] for each in answer.data]
    assert [side["entitlement"]["data"]["id"] for side in sides] == [two["id"], one["id"]]
    assert {side["policy"]["data"]["id"] for side in sides} == {policy["id"]}
    assert ids(account.admin.get(path)) == {one["id"], two["id"]}
    assert account.admin.get(f"{path}/ONE").data["id"] == one["id"]
    assert account.admin.get(f"{path}/THREE").status == 404

    pointer = "/data/relationships/entitlement"
    for bad, code in (
        (linked(three, one), "ENTITLEMENT_TAKEN"),
        (linked(three, three), "ENTITLEMENT_TAKEN"),
        (linked(three, {"id": str(uuid4())}), "ENTITLEMENT_NOT_FOUND"),
    ):
        refused = account.admin.post(path, bad)
        assert (refused.status, codes(refused)) == (422, {(code, pointer)})
    assert ids(account.admin.get(path)) == {one["id"], two["id"]}

    unknown = account.admin.delete(path, linked(one, three))
    assert (unknown.status, codes(unknown)) == (422, {(None, "/data/1")})
    assert ids(account.admin.get(path)) == {one["id"], two["id"]}
    assert account.admin.delete(path, linked(one, two)).status == 204
    assert ids(account.admin.get(path)) == set()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"data": []}, "/data"),
        ({"data": {}}, "/data"),
        ({"data": [{"type": "users", "id": str(uuid4())}]}, "/data/0/type"),
        ({"data": [{"type": "entitlements", "id": "x"}]}, "/data/0/id"),
        ({"data": [7]}, "/data/0"),
        ({"data": [{"type": "entitlements", "id": str(uuid4())}] * 101}, "/data"),
        ({}, "/data"),
        ([], ""),
    ],
)
def test_POL_05_malformed_lists(account: Account, product: dict, body: object, pointer: str) -> None:
    path = f"/policies/{post(account.admin, product).data['id']}/entitlements"
    for method in ("POST", "DELETE"):
        answer = account.admin.request(method, path, body)
        assert (answer.status, codes(answer)) == (400, {(None, pointer)})


def test_POL_06_login_changes_at_once(account: Account, product: dict) -> None:
    license = License(account, product, authentication_strategy="TOKEN")
    assert license.token.get("/me").status == 200
    assert license.key.get("/me").status == 403
    account.admin.patch(f"/policies/{license.policy}", document(authenticationStrategy="LICENSE"))
    assert license.token.get("/me").error["code"] == "TOKEN_NOT_ALLOWED"
    assert license.key.get("/me").status == 200


def test_POL_07_delete(account: Account, product: dict) -> None:
    license = License(account, product)
    assert account.admin.get(f"/policies/{license.policy}/licenses").data[0]["id"] == license.id
    assert account.admin.delete(f"/policies/{license.policy}").status == 204
    assert account.admin.get(f"/licenses/{license.id}").status == 404
    assert license.key.get("/releases").status == 401


@pytest.mark.parametrize(
    ("role", "write", "remove"),
    [
        ("developer", True, True),
        ("sales-agent", True, False),
        ("support-agent", False, False),
        ("read-only", False, False),
    ],
)
def test_POL_08_staff(account: Account, product: dict, role: str, write: bool, remove: bool) -> None:
    policy = post(account.admin, product).data
    held = entitlement(account, "HELD")
    api = staff(account, role)
    path = f"/policies/{policy['id']}"
    assert api.get(path).status == 200
    assert post(api, product).status == (201 if write else 403)
    assert api.patch(path, document(name="x")).status == (200 if write else 403)
    assert api.post(f"{path}/entitlements", linked(held)).status == (200 if write else 403)
    assert api.delete(path).status == (204 if remove else 403)


def test_POL_09_leasing_strategy(account: Account, product: dict) -> None:
    """Up to 1.6 the leasing of processes has the shorter name, in both directions."""
    body = document(product, name="Old", leasingStrategy="PER_LICENSE")
    answer = account.admin.post("/policies", body, Keygen_Version="1.6")
    assert answer.data["attributes"]["leasingStrategy"] == "PER_LICENSE"
    assert "processLeasingStrategy" not in answer.data["attributes"]
    shown = account.admin.get(f"/policies/{answer.data['id']}").data["attributes"]
    assert shown["processLeasingStrategy"] == "PER_LICENSE" and "leasingStrategy" not in shown
    assert account.admin.post("/policies", body).status == 400
    listed = account.admin.get("/policies", Keygen_Version="1.6").data
    assert listed[0]["attributes"]["leasingStrategy"] == "PER_LICENSE"


def test_licenses_and_users_do_not_read_policies(account: Account, product: dict) -> None:
    license = License(account, product)
    for path in ("/policies", f"/policies/{license.policy}", f"/policies/{license.policy}/entitlements"):
        assert license.token.get(path).status == 403
        assert account.admin.as_().get(path).status == 401
    account.sql("UPDATE licenses SET permissions = '{policy.read,product.read}' WHERE id = %s", license.id)
    other = post(account.admin, product).data
    assert ids(license.token.get("/policies")) == {license.policy}
    assert license.token.get(f"/policies/{other['id']}").status == 404
    assert license.token.get(f"/policies/{license.policy}/product").data["id"] == product["id"]


def test_filter_by_product(account: Account, product: dict) -> None:
    mine = post(account.admin, product).data["id"]
    other = post(account.admin, account.admin.make_product(code="other")).data["id"]
    assert ids(account.admin.get(f"/policies?product={product['id']}")) == {mine}
    assert ids(account.admin.get("/policies?product=other")) == {other}
    assert ids(account.admin.get("/policies?product=none")) == set()
