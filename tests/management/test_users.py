"""Users (api.md 1.12, 2.9, 7.16)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api, basic
from tests.management.customers import License, codes, days, ids, product_api, staff, token_of, user


def document(**attributes) -> dict:
    return {"data": {"type": "users", "attributes": attributes}}


def post(api: Api, **attributes) -> Answer:
    return api.post("/users", document(**{"email": f"{uuid4()}@example.com", **attributes}))


def administrator(account: Account) -> str:
    return account.admin.get("/me").data["id"]


class TestCreate:
    def test_USR_01_email(self, account: Account) -> None:
        answer = post(account.admin, email=" Bob.Smith+Test@Example.COM ", firstName="Bob", lastName="Smith")
        assert answer.status == 201
        assert answer.headers["Location"] == f"{account.admin.base}/users/{answer.data['id']}"
        shown = answer.data["attributes"]
        assert shown["email"] == "bob.smith+test@example.com"
        assert (shown["fullName"], shown["firstName"], shown["lastName"]) == ("Bob Smith", "Bob", "Smith")
        assert (shown["role"], shown["status"], shown["metadata"]) == ("user", "INACTIVE", {})
        pointer = "/data/attributes/email"
        for email, status, code in (
            ("BOB.SMITH+test@example.com", 422, "EMAIL_TAKEN"),
            ("not an address", 422, "EMAIL_INVALID"),
            ("bob@", 422, "EMAIL_INVALID"),
            (f"{'x' * 250}@example.com", 422, "EMAIL_TOO_LONG"),
            ("", 400, None),
            (None, 400, None),
        ):
            answer = post(account.admin, email=email)
            assert (answer.status, codes(answer)) == (status, {(code, pointer)}), email

    def test_USR_02_password(self, account: Account) -> None:
        pointer = "/data/attributes/password"
        for password, code in (("12345", "PASSWORD_TOO_SHORT"), ("\N{SNOWMAN}" * 25, "PASSWORD_TOO_LONG"),
                               ("x" * 73, "PASSWORD_TOO_LONG")):  # fmt: skip
            answer = post(account.admin, password=password)
            assert (answer.status, codes(answer)) == (422, {(code, pointer)})
        assert post(account.admin, password=None).status == 201
        made = post(account.admin, password="secret of 72 bytes".ljust(72, "!"))
        assert made.status == 201
        assert b"password" not in made.body and b"argon2" not in account.admin.get("/users").body

    def test_USR_03_role(self, account: Account) -> None:
        assert post(account.admin, role="sales-agent").data["attributes"]["role"] == "sales-agent"
        assert codes(post(account.admin, role="king")) == {(None, "/data/attributes/role")}
        product = account.admin.make_product()
        for api in (staff(account, "developer"), product_api(account, product), staff(account, "sales-agent")):
            refused = post(api, role="user")
            assert (refused.status, codes(refused)) == (400, {(None, "/data/attributes/role")})
            assert post(api).status == 201
        for role in ("support-agent", "read-only"):
            assert post(staff(account, role)).status == 403

    def test_USR_08_sign_up(self, account: Account) -> None:
        anonymous = account.admin.as_()
        assert post(anonymous, password="a good one").status == 403
        account.admin.patch("", {"data": {"type": "accounts", "attributes": {"protected": False}}})
        email = f"{uuid4()}@example.com"
        assert post(anonymous, email=email, password="a good one").status == 201
        assert Api(account.daemon.url, account.id, basic(email, "a good one")).post("/tokens").status == 201
        for name, value in (("role", "admin"), ("permissions", ["*"])):
            refused = post(anonymous, **{name: value})
            assert (refused.status, codes(refused)) == (400, {(None, f"/data/attributes/{name}")})
        license = License(account, account.admin.make_product())
        assert post(license.token).status == 403


class TestRead:
    def test_USR_04_roles(self, account: Account) -> None:
        plain, sales = user(account), user(account, "sales-agent")
        admin = administrator(account)
        assert ids(account.admin.get("/users")) == {plain}
        assert ids(account.admin.get("/users?roles[]=admin")) == {admin}
        assert ids(account.admin.get("/users?roles[]=admin&roles[]=sales-agent&roles[]=user")) == {plain, sales, admin}

    def test_USR_06_by_email(self, account: Account) -> None:
        made = post(account.admin, email="first.last+tag@mail.example.com").data
        for path in ("first.last+tag@mail.example.com", "First.Last%2Btag%40mail.example.com", made["id"]):
            assert account.admin.get(f"/users/{path}").data["id"] == made["id"]
        assert account.admin.get("/users/nobody@example.com").status == 404

    def test_users_see_themselves(self, account: Account) -> None:
        me, other = user(account), user(account)
        api = token_of(account, "users", me)
        assert ids(api.get("/users")) == {me}
        assert api.get(f"/users/{me}").status == 200
        assert api.get(f"/users/{other}").status == 404
        assert api.get(f"/users/{administrator(account)}").status == 404
        assert account.admin.as_().get(f"/users/{me}").status == 401
        license = License(account, account.admin.make_product(), owner=me)
        assert license.token.get(f"/users/{me}").status == 403
        assert account.admin.get(f"/users/{me}/products").data[0]["type"] == "products"

    def test_filters(self, account: Account) -> None:
        product = account.admin.make_product(code="kestrel")
        owner, attached = user(account), user(account)
        idle = post(account.admin, metadata={"crmId": "7"}).data["id"]
        license = License(account, product, owner=owner, users=(attached,))
        for query, expected in (
            (f"product={product['id']}", {owner, attached}),
            ("product=kestrel", {owner, attached}),
            (f"license={license.id}", {owner, attached}),
            (f"license={license.secret}", {owner, attached}),
            ("status=inactive", {idle}),
            ("status=ACTIVE", {owner, attached}),
            ("metadata[crm_id]=7", {idle}),
        ):
            assert ids(account.admin.get(f"/users?{query}")) == expected, query

    def test_status(self, account: Account) -> None:
        me = user(account)
        license = License(account, account.admin.make_product(), users=(me,))

        def status() -> str:
            shown = account.admin.get(f"/users/{me}").data["attributes"]["status"]
            assert ids(account.admin.get(f"/users?status={shown}")) == {me}
            return shown

        assert status() == "ACTIVE"
        account.sql("UPDATE licenses SET created = now() - interval '91 days' WHERE id = %s", license.id)
        assert status() == "INACTIVE"
        license.set(last_check_in=days(-1))
        assert status() == "ACTIVE"
        account.admin.post(f"/users/{me}/actions/ban")
        assert status() == "BANNED"


class TestAdministrators:
    def test_USR_05_the_last_one_stays(self, account: Account) -> None:
        path = f"/users/{administrator(account)}"
        refusal = {("ACCOUNT_ADMINS_REQUIRED", "/data/relationships/account")}
        for answer in (
            account.admin.delete(path),
            account.admin.patch(path, document(role="developer")),
            account.admin.patch(path, document(permissions=["user.read"])),
        ):
            assert (answer.status, codes(answer)) == (422, refusal)
        # One with fewer rights is no replacement; one with all is.
        post(account.admin, role="admin", permissions=["user.read"])
        assert codes(account.admin.delete(path)) == refusal
        post(account.admin, role="admin")
        assert account.admin.delete(path).status == 204
        assert account.admin.get("/me").status == 401

    def test_USR_05_two_at_once(self, account: Account) -> None:
        """Two administrators who remove each other at the same moment do not both succeed."""
        other = user(account, "admin")
        api = token_of(account, "users", other)
        with ThreadPoolExecutor(2) as pool:
            answers = [
                pool.submit(account.admin.delete, f"/users/{other}"),
                pool.submit(api.delete, f"/users/{administrator(account)}"),
            ]
        assert sorted(answer.result().status for answer in answers)[0] == 204
        left = account.sql("SELECT count(*) FROM users WHERE account_id = %s AND role = 'admin'", account.id)
        assert left == [(1,)]

    def test_rank(self, account: Account) -> None:
        """Nobody acts on somebody above; only administrators and developers on staff at all."""
        developer = staff(account, "developer")
        admin, colleague = administrator(account), user(account, "support-agent")
        change = document(firstName="x")
        assert developer.patch(f"/users/{admin}", change).status == 403
        assert developer.delete(f"/users/{admin}").status == 403
        assert developer.patch(f"/users/{colleague}", change).status == 200
        sales = staff(account, "sales-agent")
        assert sales.patch(f"/users/{colleague}", change).status == 403
        assert sales.patch(f"/users/{user(account)}", change).status == 200
        assert sales.delete(f"/users/{user(account)}").status == 403
        assert developer.delete(f"/users/{colleague}").status == 204

    def test_limited_administrator_does_not_make_a_better_one(self, account: Account) -> None:
        limited = post(
            account.admin, role="admin", permissions=["admin.create", "admin.update", "admin.read", "user.update"]
        ).data["id"]
        api = token_of(account, "users", limited)
        assert post(api, role="admin").status == 403
        assert post(api, role="admin", permissions=["admin.create"]).status == 201
        assert api.patch(f"/users/{limited}", document(permissions=["*"])).status == 403
        assert api.patch(f"/users/{limited}", document(permissions=None)).status == 403


class TestUpdate:
    def test_users_update_themselves(self, account: Account) -> None:
        me = user(account)
        api = token_of(account, "users", me)
        email = f"new-{uuid4()}@example.com"
        answer = api.patch(f"/users/{me}", document(firstName="Ann", lastName=None, email=email))
        assert answer.status == 200
        assert answer.data["attributes"]["fullName"] == "Ann"
        for name, value in (("role", "admin"), ("permissions", ["*"]), ("password", "other one"), ("metadata", {})):
            refused = api.patch(f"/users/{me}", document(**{name: value}))
            assert (refused.status, codes(refused)) == (400, {(None, f"/data/attributes/{name}")})
        assert codes(api.patch(f"/users/{me}", document(firstName="x" * 256))) == {
            ("FIRST_NAME_TOO_LONG", "/data/attributes/firstName")
        }

    def test_administrators_set_passwords(self, account: Account) -> None:
        email = f"{uuid4()}@example.com"
        made = post(account.admin, email=email).data["id"]
        assert account.admin.patch(f"/users/{made}", document(password="brand new")).status == 200
        assert Api(account.daemon.url, account.id, basic(email, "brand new")).post("/tokens").status == 201

    def test_USR_10_product(self, account: Account) -> None:
        mine, other = account.admin.make_product(), account.admin.make_product()
        api = product_api(account, mine)
        customer, shared, stranger = user(account), user(account), user(account)
        License(account, mine, owner=customer)
        License(account, mine, users=(shared,))
        License(account, other, owner=shared)
        made = post(api)
        assert made.status == 201
        assert api.patch(f"/users/{made.data['id']}", document(firstName="x")).status == 200
        # Products share users, so none resets the password of another's.
        assert api.patch(f"/users/{customer}", document(password="brand new")).status == 400
        admin = administrator(account)
        for method in ("GET", "PATCH", "DELETE"):
            assert api.request(method, f"/users/{admin}", document(firstName="x")).status == 404
        assert api.delete(f"/users/{shared}").status == 403
        assert api.delete(f"/users/{stranger}").status == 403
        assert api.delete(f"/users/{customer}").status == 204

    def test_USR_11_delete(self, account: Account) -> None:
        me = user(account)
        owned = License(account, account.admin.make_product(), owner=me)
        attached = License(account, account.admin.make_product(), users=(me,))
        api = token_of(account, "users", me)
        assert account.admin.delete(f"/users/{me}").status == 204
        assert account.admin.get(f"/licenses/{owned.id}").status == 404
        assert account.admin.get(f"/licenses/{attached.id}").status == 200
        assert ids(account.admin.get(f"/licenses/{attached.id}/users")) == set()
        assert api.get("/me").status == 401


class TestActions:
    def test_USR_07_ban(self, account: Account) -> None:
        me = user(account)
        api = token_of(account, "users", me)
        banned = account.admin.post(f"/users/{me}/actions/ban")
        assert banned.status == 200 and banned.data["attributes"]["status"] == "BANNED"
        assert account.admin.post(f"/users/{me}/actions/ban").status == 200
        answer = api.get("/me")
        assert (answer.status, answer.error["code"]) == (403, "USER_BANNED")
        freed = account.admin.post(f"/users/{me}/actions/unban")
        assert freed.status == 200 and freed.data["attributes"]["status"] != "BANNED"
        assert api.get("/me").status == 200
        for target in (administrator(account), user(account, "read-only")):
            assert account.admin.post(f"/users/{target}/actions/ban").status == 403

    @pytest.mark.parametrize(
        ("role", "status"), [("support-agent", 200), ("sales-agent", 200), ("developer", 200), ("read-only", 403)]
    )
    def test_USR_07_who_bans(self, account: Account, role: str, status: int) -> None:
        assert staff(account, role).post(f"/users/{user(account)}/actions/ban").status == status

    def test_USR_09_update_password(self, account: Account) -> None:
        email = f"{uuid4()}@example.com"
        me = post(account.admin, email=email, password="the old one").data["id"]
        api, other = token_of(account, "users", me), token_of(account, "users", me)
        path = f"/users/{me}/actions/update-password"

        def change(old: object, new: object, by: Api = api) -> Answer:
            return by.post(path, {"meta": {"oldPassword": old, "new_password": new}})

        wrong = change("not it", "the new one")
        assert (wrong.status, codes(wrong)) == (401, {(None, "/meta/oldPassword")})
        short = change("the old one", "short")
        assert (short.status, codes(short)) == (422, {("PASSWORD_TOO_SHORT", "/meta/newPassword")})
        assert change("the old one", "the new one", account.admin).status == 403
        assert change("the old one", "the new one").status == 200
        assert api.get("/me").status == 200
        assert other.get("/me").status == 401
        assert Api(account.daemon.url, account.id, basic(email, "the new one")).post("/tokens").status == 201

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/meta"),
            ([], "/meta"),
            ({"meta": {}}, "/meta/oldPassword"),
            ({"meta": {"oldPassword": "x"}}, "/meta/newPassword"),
            ({"meta": {"oldPassword": 5, "newPassword": "x"}}, "/meta/oldPassword"),
            ({"meta": {"oldPassword": "x", "newPassword": "y", "otp": "1"}}, "/meta/otp"),
        ],
    )
    def test_USR_09_malformed(self, account: Account, body: object, pointer: str) -> None:
        me = user(account)
        answer = token_of(account, "users", me).post(f"/users/{me}/actions/update-password", body)
        assert (answer.status, codes(answer)) == (400, {(None, pointer)})

    def test_USR_09_guesses_are_limited(self, account: Account) -> None:
        """A stolen token is no oracle for the password."""
        me = user(account)
        api = token_of(account, "users", me)
        body = {"meta": {"oldPassword": "guess", "newPassword": "the new one"}}
        statuses = [api.post(f"/users/{me}/actions/update-password", body).status for _ in range(6)]
        assert statuses == [401] * 5 + [429]
