"""Licenses, their users and entitlements, and what is done to them (api.md 1.11, 2.9, 7.15)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api
from tests.management.customers import License, codes, days, entitlement, ids, product_api, staff, token_of, user

DAY = 86400


def document(policy: str | None = None, *, owner: str | None = None, id: str | None = None, **attributes) -> dict:
    data: dict = {"type": "licenses", "attributes": attributes}
    related = {"policy": ("policies", policy), "owner": ("users", owner)}
    linked = {name: {"data": {"type": kind, "id": each}} for name, (kind, each) in related.items() if each}
    if linked:
        data["relationships"] = linked
    if id:
        data["id"] = id
    return {"data": data}


def post(api: Api, policy: dict, **given) -> Answer:
    return api.post("/licenses", document(policy["id"], **given))


def linked(type: str, *identifiers: str) -> dict:
    return {"data": [{"type": type, "id": each} for each in identifiers]}


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


@pytest.fixture
def policy(account: Account, product: dict) -> dict:
    return account.admin.make_policy(product)


class TestCreate:
    def test_LIC_01_key_and_expiry(self, account: Account, product: dict, policy: dict) -> None:
        answer = post(account.admin, policy)
        assert answer.status == 201
        assert answer.headers["Location"] == f"{account.admin.base}/licenses/{answer.data['id']}"
        shown = answer.data["attributes"]
        assert re.fullmatch(r"([0-9A-F]{6}-){5}V3", shown["key"])
        assert (shown["expiry"], shown["status"], shown["suspended"], shown["uses"]) == (None, "ACTIVE", False, 0)
        related = answer.data["relationships"]
        assert related["product"]["data"]["id"] == product["id"]
        assert related["policy"]["data"]["id"] == policy["id"]
        assert related["owner"]["data"] is None and related["group"]["data"] is None
        assert related["users"]["meta"] == {"count": 0}
        assert post(account.admin, policy).data["attributes"]["key"] != shown["key"]

        timed = account.admin.make_policy(product, duration=30 * DAY)
        made = post(account.admin, timed).data["attributes"]
        assert time(made["expiry"]) - time(made["created"]) == timedelta(days=30)
        later = account.admin.make_policy(product, duration=30 * DAY, expirationBasis="FROM_FIRST_DOWNLOAD")
        assert post(account.admin, later).data["attributes"]["expiry"] is None
        assert post(account.admin, timed, expiry=None).data["attributes"]["expiry"] is None
        given = post(account.admin, timed, expiry="2031-01-01").data["attributes"]
        assert given["expiry"] == "2031-01-01T00:00:00.000Z"

    def test_LIC_02_own_key(self, account: Account, policy: dict) -> None:
        made = post(account.admin, policy, key="MY KEY/1:2", name="Harbor Ltd", metadata={"order": "A-117"}).data
        assert made["attributes"]["key"] == "MY KEY/1:2"
        pointer = "/data/attributes/key"
        for key, status, code in (
            ("12345", 422, "KEY_TOO_SHORT"),
            ("x" * 16385, 422, "KEY_TOO_LONG"),
            ("MY KEY/1:2", 422, "KEY_TAKEN"),
            ("action", 422, "KEY_NOT_ALLOWED"),
            (made["id"], 422, "KEY_CONFLICT"),
            ("", 400, None),
        ):
            answer = post(account.admin, policy, key=key)
            assert (answer.status, codes(answer)) == (status, {(code, pointer)})
        assert post(account.admin, policy, key="my key/1:2").status == 201
        assert post(account.admin, policy, key="x" * 16384).status == 201
        changed = account.admin.patch(f"/licenses/{made['id']}", document(key="another"))
        assert (changed.status, codes(changed)) == (400, {(None, pointer)})

    @pytest.mark.parametrize("key", ["plain-key", "a/b/c/d", "a b:c%41", "\N{SNOWMAN} snow", "..key.."])
    def test_LIC_03_by_key(self, account: Account, policy: dict, key: str) -> None:
        made = post(account.admin, policy, key=key).data
        path = f"/licenses/{quote(key, safe='')}"
        assert account.admin.get(path).data["id"] == made["id"]
        assert account.admin.get(f"{path}/policy").data["id"] == policy["id"]
        assert account.admin.post(f"{path}/actions/suspend").status == 200
        assert account.admin.get(path.upper() if path.isascii() else "/licenses/none").status == 404

    def test_own_id(self, account: Account, policy: dict) -> None:
        wanted = str(uuid4())
        assert post(account.admin, policy, id=wanted).data["id"] == wanted
        answer = post(account.admin, policy, id=wanted)
        assert (answer.status, codes(answer)) == (422, {("ID_CONFLICT", "/data/id")})

    def test_unknown_policy_and_owner(self, account: Account) -> None:
        answer = post(account.admin, {"id": str(uuid4())}, owner=str(uuid4()), name="n" * 1025)
        assert answer.status == 422
        assert codes(answer) == {
            ("POLICY_NOT_FOUND", "/data/relationships/policy"),
            ("OWNER_NOT_FOUND", "/data/relationships/owner"),
            ("NAME_TOO_LONG", "/data/attributes/name"),
        }

    def test_limits_follow_the_policy(self, account: Account, product: dict) -> None:
        policy = account.admin.make_policy(product, maxCores=8, maxUses=5)
        made = post(account.admin, policy, maxUses=9).data
        assert (made["attributes"]["maxCores"], made["attributes"]["maxUses"]) == (8, 9)
        changed = account.admin.patch(f"/licenses/{made['id']}", document(maxUses=None, maxCores=0))
        assert (changed.data["attributes"]["maxCores"], changed.data["attributes"]["maxUses"]) == (0, 5)
        bad = account.admin.patch(f"/licenses/{made['id']}", document(maxUses=-1))
        assert codes(bad) == {("MAX_USES_INVALID", "/data/attributes/maxUses")}

    def test_LIC_15_user_instead_of_owner(self, account: Account, policy: dict) -> None:
        """Up to 1.5 the owner is called user, in bodies, documents, paths and errors."""
        person = user(account)
        body = document(policy["id"])
        body["data"]["relationships"]["user"] = {"data": {"type": "users", "id": person}}
        old = account.admin.post("/licenses", body, Keygen_Version="1.5")
        assert old.data["relationships"]["user"]["data"]["id"] == person
        assert "owner" not in old.data["relationships"]
        new = account.admin.get(f"/licenses/{old.data['id']}").data["relationships"]
        assert new["owner"]["data"]["id"] == person and "user" not in new
        assert account.admin.get(f"/licenses/{old.data['id']}/user", Keygen_Version="1.5").data["id"] == person
        body["data"]["relationships"]["user"]["data"]["id"] = str(uuid4())
        unknown = account.admin.post("/licenses", body, Keygen_Version="1.5")
        assert codes(unknown) == {("USER_NOT_FOUND", "/data/relationships/user")}
        # Today it is an alias.
        body["data"]["relationships"]["user"]["data"]["id"] = person
        assert account.admin.post("/licenses", body).data["relationships"]["owner"]["data"]["id"] == person


    @pytest.mark.parametrize(
        ("given", "shown"),
        [("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"), ("9999-12-31T23:59:59.999999Z",
         "9999-12-31T23:59:59.999Z"), ("2031-01-01T00:00:00+14:00", "2030-12-31T10:00:00.000Z"),
         (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.000Z"),
         ("2031-05-06T07:08:09.1239Z", "2031-05-06T07:08:09.123Z")],
    )  # fmt: skip
    def test_times(self, account: Account, product: dict, given: object, shown: str) -> None:
        """All times of the calendar, also at its ends; a renewal does not go beyond."""
        policy = account.admin.make_policy(product, duration=DAY)
        made = post(account.admin, policy, expiry=given)
        assert made.data["attributes"]["expiry"] == shown
        assert account.admin.post(f"/licenses/{made.data['id']}/actions/renew").status == 200

    @pytest.mark.parametrize(
        "given", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "yesterday", "", True, 1.5, 10**18, {},
                  "2031-02-30", "10000-01-01T00:00:00Z"]
    )  # fmt: skip
    def test_what_is_no_time(self, account: Account, policy: dict, given: object) -> None:
        answer = post(account.admin, policy, expiry=given)
        assert (answer.status, codes(answer)) == (400, {(None, "/data/attributes/expiry")})


class TestActions:
    def test_LIC_04_suspend_and_reinstate(self, account: Account, policy: dict) -> None:
        path = f"/licenses/{post(account.admin, policy).data['id']}/actions"
        for action, suspended in (("suspend", True), ("reinstate", False)):
            done = account.admin.post(f"{path}/{action}")
            assert done.status == 200 and done.data["attributes"]["suspended"] is suspended
            again = account.admin.post(f"{path}/{action}")
            assert (again.status, codes(again)) == (422, {(None, "/data/attributes/suspended")})
            assert again.error["title"] == "Unprocessable entity"

    @pytest.mark.parametrize(
        ("basis", "expiry", "from_now"),
        [("FROM_EXPIRY", -2, 8), ("FROM_EXPIRY", 2, 12), ("FROM_NOW", 2, 10), ("FROM_NOW_IF_EXPIRED", -2, 10),
         ("FROM_NOW_IF_EXPIRED", 2, 12)],
    )  # fmt: skip
    def test_LIC_05_renew(self, account: Account, product: dict, basis: str, expiry: int, from_now: int) -> None:
        policy = account.admin.make_policy(product, duration=10 * DAY, renewalBasis=basis)
        license = post(account.admin, policy, expiry=days(expiry).isoformat()).data
        renewed = account.admin.post(f"/licenses/{license['id']}/actions/renew")
        assert renewed.status == 200
        assert abs(time(renewed.data["attributes"]["expiry"]) - days(from_now)) < timedelta(minutes=5)

    def test_LIC_05_nothing_to_renew(self, account: Account, product: dict, policy: dict) -> None:
        endless = post(account.admin, policy, expiry="2031-01-01").data
        timed = account.admin.make_policy(product, duration=DAY, expirationBasis="FROM_FIRST_USE")
        for license in (endless, post(account.admin, timed).data):
            answer = account.admin.post(f"/licenses/{license['id']}/actions/renew")
            assert (answer.status, answer.error["title"]) == (422, "Unprocessable entity")

    def test_LIC_06_revoke_and_delete(self, account: Account, product: dict) -> None:
        one, two = License(account, product), License(account, product)
        assert account.admin.delete(f"/licenses/{one.id}/actions/revoke").status == 204
        assert account.admin.delete(f"/licenses/{two.id}").status == 204
        for license in (one, two):
            assert license.key.get("/releases").error["code"] == "LICENSE_INVALID"
            assert license.token.get("/releases").error["code"] == "TOKEN_INVALID"

    def test_LIC_11_status(self, account: Account, product: dict) -> None:
        owner = user(account)
        license = License(account, product, owner=owner)

        def status() -> str:
            shown = account.admin.get(f"/licenses/{license.id}").data["attributes"]["status"]
            # The filter agrees, whatever its case.
            assert ids(account.admin.get(f"/licenses?status={shown.lower()}")) == {license.id}
            return shown

        assert status() == "ACTIVE"
        account.sql("UPDATE licenses SET created = now() - interval '91 days' WHERE id = %s", license.id)
        assert status() == "INACTIVE"
        license.set(last_validated=days(-1))
        assert status() == "ACTIVE"
        license.set(expiry=days(2))
        assert status() == "EXPIRING"
        license.set(expiry=days(-2))
        assert status() == "EXPIRED"
        license.set(suspended=True)
        assert status() == "SUSPENDED"
        account.sql("UPDATE users SET banned = now() WHERE id = %s", owner)
        assert status() == "BANNED"


class TestOwnerAndUsers:
    def test_LIC_07_owner(self, account: Account, policy: dict) -> None:
        owner, other = user(account), user(account)
        license = post(account.admin, policy, owner=owner).data
        path = f"/licenses/{license['id']}/owner"
        assert account.admin.get(path).data["id"] == owner
        moved = account.admin.put(path, {"data": {"type": "users", "id": other}})
        assert moved.status == 200 and moved.data["id"] == other
        cleared = account.admin.put(path, {"data": None})
        assert cleared.status == 200 and cleared.data is None
        assert account.admin.get(path).data is None
        unknown = {"data": {"type": "users", "id": str(uuid4())}}
        pointer = "/data/relationships/owner"
        assert codes(account.admin.put(path, unknown)) == {("OWNER_NOT_FOUND", pointer)}
        old = account.admin.put(f"/licenses/{license['id']}/user", unknown, Keygen_Version="1.5")
        assert codes(old) == {("USER_NOT_FOUND", "/data/relationships/user")}
        account.admin.post(f"/licenses/{license['id']}/users", linked("users", owner))
        attached = account.admin.put(path, {"data": {"type": "users", "id": owner}})
        assert (attached.status, codes(attached)) == (422, {("OWNER_INVALID", pointer)})

    def test_LIC_08_users(self, account: Account, policy: dict) -> None:
        owner, one, two = user(account), user(account), user(account)
        license = post(account.admin, policy, owner=owner).data["id"]
        path = f"/licenses/{license}/users"
        made = account.admin.post(path, linked("users", one, two))
        assert made.status == 200
        assert [each["type"] for each in made.data] == ["license-users"] * 2
        assert [each["relationships"]["user"]["data"]["id"] for each in made.data] == [one, two]
        assert ids(account.admin.get(path)) == {owner, one, two}
        assert account.admin.get(f"{path}/{one}").data["id"] == one
        assert account.admin.get(f"{path}/{user(account)}").status == 404
        shown = account.admin.get(f"/licenses/{license}").data["relationships"]["users"]
        assert shown["meta"] == {"count": 3}
        pointer = "/data/relationships/user"
        for each, code in ((one, "USER_TAKEN"), (owner, "USER_TAKEN"), (str(uuid4()), "USER_NOT_FOUND")):
            assert codes(account.admin.post(path, linked("users", each))) == {(code, pointer)}

        the_owner = account.admin.delete(path, linked("users", one, owner))
        assert (the_owner.status, codes(the_owner)) == (403, {(None, "/data/1")})
        unknown = account.admin.delete(path, linked("users", one, str(uuid4())))
        assert (unknown.status, codes(unknown)) == (422, {(None, "/data/1")})
        assert ids(account.admin.get(path)) == {owner, one, two}
        assert account.admin.delete(path, linked("users", one)).status == 204
        assert ids(account.admin.get(path)) == {owner, two}

    def test_LIC_08_users_see_the_license(self, account: Account, product: dict) -> None:
        owner, attached = user(account), user(account)
        license = License(account, product, owner=owner, users=(attached,))
        foreign = License(account, product)
        for each in (owner, attached):
            api = token_of(account, "users", each)
            assert ids(api.get("/licenses")) == {license.id}
            assert api.get(f"/licenses/{license.secret}").status == 200
            assert api.get(f"/licenses/{foreign.id}").status == 404


class TestEntitlements:
    def test_LIC_09(self, account: Account, product: dict) -> None:
        own, new, inherited = (entitlement(account, code)["id"] for code in ("OWN", "NEW", "INHERITED"))
        license = License(
            account, product, entitlements=({"id": own},), policy_entitlements=({"id": inherited},)
        )
        path = f"/licenses/{license.id}/entitlements"
        made = account.admin.post(path, linked("entitlements", new))
        assert made.status == 200 and made.data[0]["type"] == "license-entitlements"
        assert ids(account.admin.get(path)) == ids(license.token.get(path)) == {own, new, inherited}
        assert account.admin.get(f"{path}/INHERITED").data["id"] == inherited
        pointer = "/data/relationships/entitlement"
        taken = account.admin.post(path, linked("entitlements", own))
        assert (taken.status, codes(taken)) == (422, {("ENTITLEMENT_TAKEN", pointer)})
        unknown = account.admin.post(path, linked("entitlements", str(uuid4())))
        assert codes(unknown) == {("ENTITLEMENT_NOT_FOUND", pointer)}

        of_policy = account.admin.delete(path, linked("entitlements", own, inherited))
        assert (of_policy.status, codes(of_policy)) == (403, {(None, "/data/1")})
        absent = account.admin.delete(path, linked("entitlements", own, str(uuid4())))
        assert (absent.status, codes(absent)) == (422, {(None, "/data/1")})
        assert account.admin.delete(path, linked("entitlements", own, new)).status == 204
        assert ids(account.admin.get(path)) == {inherited}
        assert license.token.post(path, linked("entitlements", own)).status == 403


class TestPolicyChange:
    def test_LIC_10(self, account: Account, product: dict) -> None:
        other = account.admin.make_product()
        keeps = account.admin.make_policy(product, duration=10 * DAY)
        resets = account.admin.make_policy(other, duration=20 * DAY, transferStrategy="RESET_EXPIRY")
        endless = account.admin.make_policy(product, transferStrategy="RESET_EXPIRY")
        license = post(account.admin, keeps, expiry="2031-01-01").data["id"]

        def moved(policy: dict) -> dict:
            answer = account.admin.put(
                f"/licenses/{license}/policy", {"data": {"type": "policies", "id": policy["id"]}}
            )
            assert answer.status == 200 and answer.data["type"] == "licenses"
            assert answer.data["relationships"]["policy"]["data"]["id"] == policy["id"]
            return answer.data

        assert moved(keeps)["attributes"]["expiry"] == "2031-01-01T00:00:00.000Z"
        shown = moved(resets)
        assert abs(time(shown["attributes"]["expiry"]) - days(20)) < timedelta(minutes=5)
        assert shown["relationships"]["product"]["data"]["id"] == other["id"]
        assert account.admin.get(f"/licenses/{license}/product").data["id"] == other["id"]
        assert moved(endless)["attributes"]["expiry"] is None

    def test_LIC_10_refused(self, account: Account, product: dict, policy: dict) -> None:
        license = post(account.admin, policy).data["id"]
        path = f"/licenses/{license}/policy"
        pointer = "/data/relationships/policy"
        unknown = account.admin.put(path, {"data": {"type": "policies", "id": str(uuid4())}})
        assert (unknown.status, codes(unknown)) == (422, {("POLICY_NOT_FOUND", pointer)})
        other = account.admin.make_policy(product)
        account.sql("UPDATE policies SET encrypted = true WHERE id = %s", other["id"])
        unlike = account.admin.put(path, {"data": {"type": "policies", "id": other["id"]}})
        assert (unlike.status, codes(unlike)) == (422, {("POLICY_NOT_COMPATIBLE", pointer)})
        foreign = account.admin.make_policy(account.admin.make_product())
        api = product_api(account, product)
        assert api.put(path, {"data": {"type": "policies", "id": foreign["id"]}}).status == 403
        assert account.admin.put(path, {"data": None}).status == 400


class TestSelfService:
    @pytest.mark.parametrize("protected", [True, False])
    def test_LIC_12_own_licenses(self, account: Account, product: dict, protected: bool) -> None:
        """Plain users deal with their own licenses where nothing is protected."""
        me, other = user(account), user(account)
        api = token_of(account, "users", me)
        policy = account.admin.make_policy(product, protected=protected, duration=10 * DAY)
        good = 403 if protected else 201
        assert post(api, policy).status == post(api, policy, owner=me, name="mine").status == good
        assert post(api, policy, owner=other).status == 403
        assert post(api, policy, expiry=None).status == 400
        mine = post(account.admin, policy, owner=me).data["id"]
        attached = post(account.admin, policy, owner=other).data["id"]
        account.admin.post(f"/licenses/{attached}/users", linked("users", me))
        okay = 403 if protected else 200
        assert api.patch(f"/licenses/{mine}", document(name="Mine")).status == okay
        assert api.post(f"/licenses/{mine}/actions/renew").status == okay
        assert api.put(f"/licenses/{mine}/policy", {"data": {"type": "policies", "id": policy["id"]}}).status == okay
        if not protected:
            refused = api.patch(f"/licenses/{mine}", document(expiry=None))
            assert (refused.status, codes(refused)) == (400, {(None, "/data/attributes/expiry")})
        for method, path in (("PATCH", ""), ("POST", "/actions/renew"), ("DELETE", "")):
            assert api.request(method, f"/licenses/{attached}{path}", document(name="x")).status == 403
        for method, path in (("POST", "/actions/suspend"), ("POST", "/tokens"), ("PUT", "/owner")):
            assert api.request(method, f"/licenses/{mine}{path}", {"data": None}).status == 403
        # What a user may not do by default: attaching others.
        assert api.post(f"/licenses/{mine}/users", linked("users", other)).status == 403
        assert api.delete(f"/licenses/{mine}").status == (403 if protected else 204)

    def test_LIC_12_a_protected_policy_is_no_target(self, account: Account, product: dict) -> None:
        me = user(account)
        api = token_of(account, "users", me)
        free = account.admin.make_policy(product, protected=False)
        mine = post(account.admin, free, owner=me).data["id"]
        guarded = account.admin.make_policy(product, protected=True)
        assert api.put(f"/licenses/{mine}/policy", {"data": {"type": "policies", "id": guarded["id"]}}).status == 403
        account.admin.patch(f"/licenses/{mine}", document(protected=True))
        assert api.patch(f"/licenses/{mine}", document(name="x")).status == 403

    def test_LIC_13_license_reads_itself(self, account: Account, product: dict) -> None:
        license, other = License(account, product), License(account, product)
        for api in (license.token, license.key):
            assert api.get(f"/licenses/{license.id}").data["id"] == license.id
            assert api.get(f"/licenses/{license.secret}").status == 200
            assert api.get("/licenses").status == 403
            assert api.get(f"/licenses/{other.id}").status == 404
            assert api.patch(f"/licenses/{license.id}", document(name="x")).status == 403
            assert api.get(f"/licenses/{license.id}/policy").status == 403
            assert api.get(f"/licenses/{license.id}/users").status == 403
            assert api.delete(f"/licenses/{license.id}").status == 403
        assert account.admin.as_().get(f"/licenses/{license.id}").status == 401


class TestRoles:
    def test_LIC_14_product(self, account: Account, product: dict, policy: dict) -> None:
        other = account.admin.make_product()
        foreign = post(account.admin, account.admin.make_policy(other)).data
        api = product_api(account, product)
        mine = post(api, policy, expiry=None, maxUses=3)
        assert mine.status == 201
        assert post(api, {"id": foreign["relationships"]["policy"]["data"]["id"]}).status == 403
        assert ids(api.get("/licenses")) == {mine.data["id"]}
        theirs = f"/licenses/{foreign['id']}"
        calls = (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/actions/renew"), ("GET", "/tokens"))
        for method, path in calls:
            assert api.request(method, theirs + path, document(name="x")).status == 404
        assert api.post(f"/licenses/{mine.data['id']}/actions/suspend").status == 200
        assert api.delete(f"/licenses/{mine.data['id']}").status == 204

    @pytest.mark.parametrize(
        ("role", "create", "change", "suspend"),
        [("developer", 201, 200, 200), ("sales-agent", 201, 200, 200), ("support-agent", 403, 200, 200),
         ("read-only", 403, 403, 403)],
    )  # fmt: skip
    def test_staff(self, account: Account, policy: dict, role: str, create: int, change: int, suspend: int) -> None:
        license = post(account.admin, policy).data["id"]
        api = staff(account, role)
        assert api.get(f"/licenses/{license}").status == 200
        assert post(api, policy).status == create
        assert api.patch(f"/licenses/{license}", document(name="x", metadata={"a": 1})).status == change
        assert api.post(f"/licenses/{license}/actions/suspend").status == suspend
        assert api.delete(f"/licenses/{license}").status == (204 if create == 201 else 403)

    def test_permissions(self, account: Account, policy: dict) -> None:
        made = post(account.admin, policy, permissions=["license.read"]).data
        assert made["attributes"]["permissions"] == ["license.read"]
        api = account.admin.as_(key=made["attributes"]["key"])
        assert api.get(f"/licenses/{made['id']}").status == 200
        assert api.get("/releases").status == 403
        bad = post(account.admin, policy, permissions=["product.create"])
        assert codes(bad) == {("PERMISSIONS_NOT_ALLOWED", "/data/attributes/permissions")}
        assert post(staff(account, "sales-agent"), policy, permissions=["license.read"]).status == 400


def test_filters(account: Account, product: dict, policy: dict) -> None:
    owner, attached = user(account), user(account)
    owned = post(account.admin, policy, owner=owner, metadata={"tierName": "gold", "n": 5}).data["id"]
    shared = post(account.admin, policy, expiry=days(2).isoformat()).data["id"]
    account.admin.post(f"/licenses/{shared}/users", linked("users", attached))
    other_product = account.admin.make_product(code="other")
    expired = post(account.admin, account.admin.make_policy(other_product), expiry=days(-2).isoformat()).data["id"]
    account.admin.post(f"/licenses/{expired}/actions/suspend")
    email = account.sql("SELECT email FROM users WHERE id = %s", owner)[0][0]
    for query, expected in (
        (f"product={product['id']}", {owned, shared}),
        ("product=OTHER", {expired}),
        (f"policy={policy['id']}", {owned, shared}),
        ("policy=none", set()),
        (f"owner={owner}", {owned}),
        (f"owner={email.upper()}", {owned}),
        (f"user={attached}", {shared}),
        (f"user={email}", {owned}),
        ("suspended=true", {expired}),
        ("suspended=false", {owned, shared}),
        ("expired=true", {expired}),
        ("expiring=true", {shared}),
        ("assigned=true", {owned, shared}),
        ("unassigned=true", {expired}),
        ("metadata[tierName]=gold", {owned}),
        ("metadata[tier_name]=gold&metadata[n]=5", {owned}),
        ("metadata[tierName]=silver", set()),
        ("suspended=maybe", {owned, shared, expired}),
        ("page[number]=1&status=SUSPENDED", {expired}),
    ):
        assert ids(account.admin.get(f"/licenses?{query}")) == expected, query
    assert ids(account.admin.get(f"/users/{attached}/licenses")) == {shared}
    assert ids(account.admin.get(f"/users/{email}/licenses?suspended=false")) == {owned}
