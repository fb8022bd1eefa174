"""Entitlements (api.md 1.9, 7.13)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api
from tests.management.customers import License, codes, entitlement, ids, product_api, staff, token_of, user


def document(**attributes) -> dict:
    return {"data": {"type": "entitlements", "attributes": attributes}}


def post(api: Api, code: object = "EARLY", **attributes) -> Answer:
    return api.post("/entitlements", document(name="Early access", code=code, **attributes))


def test_ENT_01_create(account: Account) -> None:
    answer = post(account.admin, metadata={"a": 1})
    assert answer.status == 201
    assert answer.headers["Location"] == f"{account.admin.base}/entitlements/{answer.data['id']}"
    assert {name: answer.data["attributes"][name] for name in ("name", "code", "metadata")} == {
        "name": "Early access", "code": "EARLY", "metadata": {"a": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("early", 422, "CODE_TAKEN"),
        (str(uuid4()), 422, "CODE_INVALID"),
        ("action", 422, "CODE_NOT_ALLOWED"),
        ("x" * 256, 422, "CODE_TOO_LONG"),
        (" ", 400, None),
        (None, 400, None),
    ],
)
def test_ENT_01_bad_codes(account: Account, code: object, status: int, word: str | None) -> None:
    post(account.admin)
    answer = post(account.admin, code)
    assert (answer.status, codes(answer)) == (status, {(word, "/data/attributes/code")})


def test_ENT_02_who_reads_and_writes(account: Account) -> None:
    made = post(account.admin).data
    product = account.admin.make_product()
    others = (product_api(account, product), staff(account, "sales-agent"), staff(account, "read-only"))
    for api in (account.admin, *others):
        for path in ("EARLY", made["id"]):
            assert api.get(f"/entitlements/{path}").data["id"] == made["id"]
        # Codes are matched exactly.
        assert api.get("/entitlements/early").status == 404
        if api is not account.admin:
            assert post(api, "OTHER").status == 403
            assert api.patch("/entitlements/EARLY", document(name="x")).status == 403
            assert api.delete("/entitlements/EARLY").status == 403
    assert post(staff(account, "developer"), "OTHER").status == 201


def test_ENT_03_only_what_is_held(account: Account) -> None:
    own, inherited, foreign = (entitlement(account, code) for code in ("OWN", "INHERITED", "FOREIGN"))
    person_id = user(account)
    license = License(
        account, account.admin.make_product(), owner=person_id, entitlements=(own,), policy_entitlements=(inherited,)
    )
    person = token_of(account, "users", person_id)
    for api in (license.token, license.key, person):
        assert ids(api.get("/entitlements")) == {own["id"], inherited["id"]}
        assert api.get("/entitlements/OWN").status == 200
        for path in ("FOREIGN", foreign["id"]):
            assert api.get(f"/entitlements/{path}").status == 404
        assert post(api, "MINE").status == 403
        assert api.delete("/entitlements/OWN").status == 403
    for path in ("/entitlements", "/entitlements/OWN"):
        assert account.admin.as_().get(path).status == 401


def test_ENT_04_delete(account: Account) -> None:
    held = entitlement(account, "HELD")
    product = account.admin.make_product("OPEN")
    license = License(account, product, entitlements=(held,), policy_entitlements=(held,))
    constraint = {
        "type": "constraints",
        "relationships": {"entitlement": {"data": {"type": "entitlements", "id": held["id"]}}},
    }
    release = account.admin.make_release(product)
    assert account.admin.post(f"/releases/{release['id']}/constraints", {"data": [constraint]}).status == 200
    anonymous = account.admin.as_()
    assert anonymous.get(f"/releases/{release['id']}").status == 404
    assert account.admin.delete("/entitlements/HELD").status == 204
    assert anonymous.get(f"/releases/{release['id']}").status == 200
    assert ids(account.admin.get(f"/licenses/{license.id}/entitlements")) == set()
    assert ids(account.admin.get(f"/policies/{license.policy}/entitlements")) == set()
    assert account.admin.get(f"/releases/{release['id']}/constraints").data == []


def test_ENT_05_new_code_keeps_access(account: Account) -> None:
    held = entitlement(account, "OLD")
    license = License(account, account.admin.make_product(), entitlements=(held,))
    changed = account.admin.patch("/entitlements/OLD", document(code="NEW", name="New"))
    assert changed.data["attributes"]["code"] == "NEW"
    assert ids(license.token.get("/entitlements")) == {held["id"]}
    assert license.token.get("/entitlements/NEW").status == 200
    assert account.admin.get("/entitlements/OLD").status == 404
