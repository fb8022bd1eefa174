"""Making, showing, regenerating and revoking tokens (api.md 1.13, 2.10, 3.5, 7.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api, basic
from tests.management.customers import License, codes, ids, product_api, staff, token_of, user

TWO_WEEKS = timedelta(weeks=2)


def for_bearer(type: str, identifier: str, **attributes) -> dict:
    """A document that makes a token for somebody."""
    bearer = {"bearer": {"data": {"type": type, "id": identifier}}}
    return {"data": {"type": "tokens", "attributes": attributes, "relationships": bearer}}


def attributes(**given) -> dict:
    return {"data": {"type": "tokens", "attributes": given}}


def login(account: Account, email: str, password: str, **headers: str) -> Answer:
    return Api(account.daemon.url, account.id, basic(email, password)).post("/tokens", **headers)


def outcome(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.error.get("code")


def person(account: Account, password: str | None, *, email: str | None = None, role: str = "user") -> dict:
    """A new user with a password."""
    given = {"email": email or f"{uuid4()}@example.com", "password": password, "role": role}
    return account.admin.make("/users", "users", given)


def from_now(text: str | None) -> timedelta:
    return datetime.fromisoformat(text) - datetime.now(UTC)


class TestPasswords:
    def test_TOK_01_TOK_02_TOK_07_login(self, account: Account) -> None:
        answer = login(account, account.email.upper(), account.password)
        assert answer.status == 201
        secret = answer.data["attributes"]["token"]
        assert secret.startswith("admin-") and secret.endswith("v3")
        assert answer.headers["Location"] == f"{account.admin.base}/tokens/{answer.data['id']}"
        made = person(account, "a good one")
        plain = login(account, made["attributes"]["email"], "a good one").data["attributes"]
        assert plain["token"].startswith("user-") and plain["kind"] == "user-token"
        # The secret is never shown again.
        shown = account.admin.get(f"/tokens/{answer.data['id']}")
        assert shown.status == 200 and "token" not in shown.data["attributes"]
        assert secret not in account.admin.get("/tokens").body.decode()

    def test_TOK_05_wrong_password(self, account: Account) -> None:
        answer = login(account, account.email, "wrong")
        assert outcome(answer) == (401, "PASSWORD_INVALID")
        assert answer.error["source"] == {"header": "Authorization"}
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="keygen"'
        assert outcome(login(account, account.email, "wrong", Keygen_Version="1.7")) == (401, "CREDENTIALS_INVALID")
        account.sql("UPDATE accounts SET api_version = '1.2' WHERE id = %s", account.id)
        assert outcome(login(account, account.email, "wrong")) == (401, "CREDENTIALS_INVALID")

    def test_TOK_06_other_faults(self, account: Account) -> None:
        managed = person(account, None)
        for email, password, code in (
            ("nobody@example.com", "x", "EMAIL_INVALID"),
            (account.email, "", "PASSWORD_REQUIRED"),
            (managed["attributes"]["email"], "x", "PASSWORD_NOT_SUPPORTED"),
            ("not an address@", "x", "EMAIL_REQUIRED"),
        ):
            assert outcome(login(account, email, password)) == (401, code)
            assert outcome(login(account, email, password, Keygen_Version="1.6"))[1] == "CREDENTIALS_INVALID"

    def test_TOK_10_banned_user(self, account: Account) -> None:
        made = person(account, "a good one")
        account.admin.post(f"/users/{made['id']}/actions/ban")
        assert outcome(login(account, made["attributes"]["email"], "a good one")) == (403, "USER_BANNED")
        assert account.admin.post("/tokens", for_bearer("users", made["id"])).status == 403
        assert account.admin.post(f"/users/{made['id']}/tokens").status == 403

    def test_TOK_19_too_many_attempts(self, account: Account) -> None:
        for _ in range(5):
            assert login(account, "mole@example.com", "x").status == 401
        answer = login(account, "Mole@Example.com", "x")
        assert outcome(answer) == (429, "TOO_MANY_REQUESTS")
        assert int(answer.headers["Retry-After"]) > 0
        assert login(account, account.email, account.password).status == 201


class TestMaking:
    def test_TOK_03_default_expiry(self, account: Account) -> None:
        product = account.admin.make_product()
        license = License(account, product)
        plain = user(account)
        assert account.admin.post("/tokens").data["attributes"]["expiry"] is None
        for path in (f"/products/{product['id']}/tokens", f"/licenses/{license.id}/tokens"):
            assert account.admin.post(path).data["attributes"]["expiry"] is None
        expiry = account.admin.post("/tokens", for_bearer("users", plain)).data["attributes"]["expiry"]
        assert abs(from_now(expiry) - TWO_WEEKS) < timedelta(minutes=5)

    def test_TOK_04_explicit_expiry(self, account: Account) -> None:
        plain = user(account)
        never = account.admin.post("/tokens", for_bearer("users", plain, expiry=None))
        assert never.data["attributes"]["expiry"] is None
        then = account.admin.post("/tokens", for_bearer("users", plain, expiry="2031-01-01T00:00:00Z"))
        assert then.data["attributes"]["expiry"] == "2031-01-01T00:00:00.000Z"
        unix = account.admin.post("/tokens", for_bearer("users", plain, expiry=1924992000))
        assert unix.data["attributes"]["expiry"] == "2031-01-01T00:00:00.000Z"

    def test_TOK_08_who_an_administrator_makes_tokens_for(self, account: Account) -> None:
        product = account.admin.make_product()
        license = License(account, product)
        plain, colleague = user(account), user(account, "developer")
        assert account.admin.post("/tokens", for_bearer("users", plain)).status == 201
        assert account.admin.post("/tokens", for_bearer("users", colleague)).status == 403
        assert account.admin.post("/tokens", for_bearer("products", product["id"])).status == 403
        assert account.admin.post("/tokens", for_bearer("licenses", license.id)).status == 403
        assert account.admin.post("/tokens", for_bearer("users", str(uuid4()))).status == 403
        assert account.admin.post("/tokens", for_bearer("environments", str(uuid4()))).status == 403
        me = account.admin.get("/me").data["id"]
        assert account.admin.post("/tokens", for_bearer("user", me)).status == 201

    @pytest.mark.parametrize("role", ["developer", "sales-agent", "support-agent", "read-only"])
    def test_staff_for_themselves(self, account: Account, role: str) -> None:
        api = staff(account, role)
        prefixes = {"developer": "dev-", "sales-agent": "sales-", "support-agent": "spprt-", "read-only": "read-"}
        made = api.post("/tokens", attributes(name="ci"))
        assert made.status == 201
        assert made.data["attributes"]["token"].startswith(prefixes[role])
        assert made.data["attributes"]["name"] == "ci"
        assert api.post("/tokens", for_bearer("users", user(account))).status == (201 if role == "developer" else 403)

    def test_TOK_09_product(self, account: Account) -> None:
        mine, other = account.admin.make_product(), account.admin.make_product()
        api = product_api(account, mine)
        owner, stranger = user(account), user(account)
        license = License(account, mine, owner=owner)
        foreign = License(account, other)
        assert api.post("/tokens").status == 403
        made = api.post("/tokens", for_bearer("licenses", license.id))
        assert made.status == 201 and made.data["attributes"]["token"].startswith("activ-")
        assert api.post("/tokens", for_bearer("licenses", foreign.id)).status == 403
        assert api.post("/tokens", for_bearer("users", owner)).status == 201
        assert api.post("/tokens", for_bearer("users", stranger)).status == 403
        assert api.post("/tokens", for_bearer("products", other["id"])).status == 403

    def test_TOK_10_licenses_and_users(self, account: Account) -> None:
        license = License(account, account.admin.make_product())
        for api in (license.token, license.key):
            assert api.post("/tokens").status == 403
        me, other = user(account), user(account)
        api = token_of(account, "users", me)
        assert api.post("/tokens").status == 201
        assert api.post("/tokens", for_bearer("users", me)).status == 201
        assert api.post("/tokens", for_bearer("users", other)).status == 403
        assert account.admin.as_().post("/tokens").status == 401

    def test_TOK_11_bearer_null(self, account: Account) -> None:
        document = {"data": {"type": "tokens", "relationships": {"bearer": {"data": None}}}}
        answer = account.admin.post("/tokens", document)
        assert (answer.status, codes(answer)) == (400, {(None, "/data/relationships/bearer/data")})
        document["data"]["relationships"]["bearer"]["data"] = {"type": "releases", "id": str(uuid4())}
        answer = account.admin.post("/tokens", document)
        assert (answer.status, codes(answer)) == (400, {(None, "/data/relationships/bearer/data/type")})

    def test_TOK_12_below_the_bearer(self, account: Account) -> None:
        product = account.admin.make_product()
        license = License(account, product)
        plain = user(account)
        for path, prefix, kind in (
            (f"/products/{product['id']}/tokens", "prod-", "product-token"),
            (f"/licenses/{license.id}/tokens", "activ-", "activation-token"),
            (f"/users/{plain}/tokens", "user-", "user-token"),
        ):
            answer = account.admin.post(path, attributes(name="n"))
            assert answer.status == 200
            shown = answer.data["attributes"]
            assert shown["token"].startswith(prefix) and shown["kind"] == kind and shown["name"] == "n"
            assert account.admin.as_(shown["token"]).get("/me").status == 200
            listed = account.admin.get(path)
            assert answer.data["id"] in ids(listed)
            assert shown["token"] not in listed.body.decode()

    def test_counters_of_activations(self, account: Account) -> None:
        """Only tokens of licenses count activations."""
        product = account.admin.make_product()
        license = License(account, product)
        made = account.admin.post(f"/licenses/{license.id}/tokens", attributes(maxActivations=3)).data["attributes"]
        assert (made["maxActivations"], made["activations"], made["maxDeactivations"]) == (3, 0, None)
        refused = account.admin.post(f"/products/{product['id']}/tokens", attributes(maxActivations=3))
        assert (refused.status, codes(refused)) == (400, {(None, "/data/attributes/maxActivations")})
        assert "activations" not in account.admin.post("/tokens").data["attributes"]

    def test_TOK_13_sales_and_support(self, account: Account) -> None:
        product = account.admin.make_product()
        license = License(account, product)
        expected = {"sales-agent": (403, 200), "support-agent": (403, 403), "read-only": (403, 403)}
        for role, (of_product, of_license) in expected.items():
            api = staff(account, role)
            assert api.post(f"/products/{product['id']}/tokens").status == of_product
            assert api.post(f"/licenses/{license.id}/tokens").status == of_license

    def test_products_make_tokens_below_what_is_theirs(self, account: Account) -> None:
        mine, other = account.admin.make_product(), account.admin.make_product()
        api = product_api(account, mine)
        owner, stranger = user(account), user(account)
        license = License(account, mine, owner=owner)
        assert api.post(f"/products/{mine['id']}/tokens").status == 403
        assert api.post(f"/products/{other['id']}/tokens").status == 404
        assert api.post(f"/licenses/{license.id}/tokens").status == 200
        assert api.post(f"/licenses/{License(account, other).id}/tokens").status == 404
        assert api.post(f"/users/{owner}/tokens").status == 200
        assert api.post(f"/users/{stranger}/tokens").status == 403

    def test_nobody_is_given_a_token_of_staff(self, account: Account) -> None:
        colleague = user(account, "developer")
        assert account.admin.post(f"/users/{colleague}/tokens").status == 403
        me = account.admin.get("/me").data["id"]
        assert account.admin.post(f"/users/{me}/tokens").status == 200

    def test_TOK_18_long_name(self, account: Account) -> None:
        answer = account.admin.post("/tokens", attributes(name="n" * 256))
        assert (answer.status, codes(answer)) == (422, {("NAME_TOO_LONG", "/data/attributes/name")})
        assert account.admin.post("/tokens", attributes(name="n" * 255)).status == 201


class TestLimitedTokens:
    """Permissions of a token are never more than those of whoever made it."""

    def test_narrower_than_the_bearer(self, account: Account) -> None:
        made = account.admin.post("/tokens", attributes(permissions=["product.read", "token.generate"]))
        assert made.data["attributes"]["permissions"] == ["product.read", "token.generate"]
        api = account.admin.as_(made.data["attributes"]["token"])
        assert api.get("/products").status == 200
        assert api.post("/products", {"data": {"type": "products", "attributes": {"name": "x"}}}).status == 403

    def test_does_not_widen_itself(self, account: Account) -> None:
        limit = ["product.read", "token.generate", "token.read", "token.regenerate"]
        made = account.admin.post("/tokens", attributes(permissions=limit)).data
        api = account.admin.as_(made["attributes"]["token"])
        child = api.post("/tokens")
        assert child.status == 201 and child.data["attributes"]["permissions"] == limit
        assert api.post("/tokens", attributes(permissions=["product.read"])).status == 201
        for wider in (["*"], ["product.read", "product.create"], None):
            assert api.post("/tokens", attributes(permissions=wider)).status == 403
        # A new secret of the unlimited token would be as good.
        full = account.admin.get("/profile").json["meta"]["tokenId"]
        assert api.put(f"/tokens/{full}").status == 403
        assert api.put(f"/tokens/{made['id']}").status == 200

    def test_unknown_permission(self, account: Account) -> None:
        answer = account.admin.post("/tokens", attributes(permissions=["product.fly"]))
        assert (answer.status, codes(answer)) == (422, {("PERMISSIONS_NOT_ALLOWED", "/data/attributes/permissions")})
        of_user = account.admin.post("/tokens", for_bearer("users", user(account), permissions=["product.create"]))
        assert of_user.status == 422


class TestCircle:
    def test_TOK_14_regenerate(self, account: Account) -> None:
        made = account.admin.post("/tokens", attributes(expiry="2031-01-01T00:00:00Z")).data
        old = account.admin.as_(made["attributes"]["token"])
        answer = account.admin.put(f"/tokens/{made['id']}")
        assert answer.status == 200 and answer.data["id"] == made["id"]
        fresh = account.admin.as_(answer.data["attributes"]["token"])
        assert old.get("/me").status == 401
        assert fresh.get("/me").status == 200
        assert abs(from_now(answer.data["attributes"]["expiry"]) - TWO_WEEKS) < timedelta(minutes=5)
        # Without an id: the token in use. One that never ends never will.
        current = account.admin.put("/tokens")
        assert current.status == 200 and current.data["attributes"]["expiry"] is None
        assert account.admin.get("/me").status == 401
        assert account.admin.as_(current.data["attributes"]["token"]).get("/me").status == 200

    def test_TOK_14_no_token_in_use(self, account: Account) -> None:
        assert License(account, account.admin.make_product()).key.put("/tokens").status == 404

    def test_TOK_15_revoke(self, account: Account) -> None:
        made = account.admin.post("/tokens").data
        api = account.admin.as_(made["attributes"]["token"])
        assert account.admin.delete(f"/tokens/{made['id']}").status == 204
        assert outcome(api.get("/me")) == (401, "TOKEN_INVALID")
        assert account.admin.get(f"/tokens/{made['id']}").status == 404

    @pytest.mark.parametrize("role", ["user", "read-only", "support-agent"])
    def test_TOK_15_a_token_revokes_itself(self, account: Account, role: str) -> None:
        api = staff(account, role)
        token = api.get("/profile").json["meta"]["tokenId"]
        assert api.delete(f"/tokens/{token}").status == 204
        assert api.get("/me").status == 401

    def test_TOK_16_scope(self, account: Account) -> None:
        mine, other = account.admin.make_product(), account.admin.make_product()
        owner, stranger = user(account), user(account)
        license, foreign = License(account, mine, owner=owner), License(account, other)
        person, other_person = token_of(account, "users", owner), token_of(account, "users", stranger)
        machine = product_api(account, mine)

        def token_id(api: Api) -> str:
            return api.get("/profile").json["meta"]["tokenId"]

        theirs = {token_id(api) for api in (person, machine, license.token)}
        assert ids(person.get("/tokens")) == {token_id(person)}
        assert ids(license.token.get("/tokens")) == {token_id(license.token)}
        assert ids(machine.get("/tokens")) == theirs
        for api in (person, machine, license.token):
            for hidden in (other_person, foreign.token):
                for method in ("GET", "PUT", "DELETE"):
                    assert api.request(method, f"/tokens/{token_id(hidden)}").status == 404
        assert machine.delete(f"/tokens/{token_id(license.token)}").status == 204
        assert machine.put(f"/tokens/{token_id(person)}").status == 200

    def test_staff_leave_each_others_tokens_alone(self, account: Account) -> None:
        colleague = staff(account, "developer")
        token = colleague.get("/profile").json["meta"]["tokenId"]
        assert account.admin.get(f"/tokens/{token}").status == 200
        assert account.admin.put(f"/tokens/{token}").status == 403
        assert account.admin.delete(f"/tokens/{token}").status == 403
        sales = staff(account, "sales-agent")
        plain = token_of(account, "users", user(account)).get("/profile").json["meta"]["tokenId"]
        assert sales.delete(f"/tokens/{plain}").status == 403
        assert account.admin.delete(f"/tokens/{plain}").status == 204

    def test_TOK_17_new_role_revokes(self, account: Account) -> None:
        plain = user(account)
        api = token_of(account, "users", plain)
        document = {"data": {"type": "users", "attributes": {"role": "support-agent"}}}
        assert account.admin.patch(f"/users/{plain}", document).status == 200
        assert outcome(api.get("/me")) == (401, "TOKEN_INVALID")
        again = token_of(account, "users", plain)
        assert account.admin.patch(f"/users/{plain}", document).status == 200
        assert again.get("/me").status == 200

    def test_filters(self, account: Account) -> None:
        product = account.admin.make_product()
        license = License(account, product)
        developer = staff(account, "developer").get("/profile").json["meta"]["tokenId"]
        of_license = license.token.get("/profile").json["meta"]["tokenId"]
        assert ids(account.admin.get("/tokens?bearer[type]=license")) == {of_license}
        assert ids(account.admin.get("/tokens?bearer[type]=licenses")) == {of_license}
        assert ids(account.admin.get(f"/tokens?bearer[id]={license.id}")) == {of_license}
        assert ids(account.admin.get("/tokens?bearer[role]=developer")) == {developer}
        assert ids(account.admin.get("/tokens?bearer[id]=nobody")) == set()
