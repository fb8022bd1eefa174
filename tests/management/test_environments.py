"""Environments: parts of an account that do not see each other (api.md 1.14, 3.8, 7.17)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api, basic
from tests.management.customers import codes, entitlement, ids, product_api, staff, token_of, user


class Within:
    """The API of a bearer in an environment."""

    def __init__(self, api: Api, environment: str) -> None:
        self.api, self.environment = api, environment

    def request(self, method: str, path: str, document: object = None, **headers: str) -> Answer:
        return self.api.request(method, path, document, Keygen_Environment=self.environment, **headers)

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def make(self, path: str, type: str, attributes: dict, **related: tuple[str, str]) -> Answer:
        linked = {name: {"data": {"type": kind, "id": each}} for name, (kind, each) in related.items()}
        return self.request(
            "POST", path, {"data": {"type": type, "attributes": attributes, "relationships": linked}}
        )


def environment_of(resource: dict) -> str | None:
    data = resource["relationships"]["environment"]["data"]
    return data and data["id"]


class World:
    """An isolated and a shared environment, and a product in each and outside of both."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.isolated = self._environment("isolated", "ISOLATED")
        self.shared = self._environment("shared", "SHARED")
        self.in_isolated = Within(self._token(self.isolated), "isolated")
        self.in_shared = Within(self._token(self.shared), "shared")
        self.product = {
            "global": account.admin.make_product()["id"],
            "isolated": self.in_isolated.make("/products", "products", {"name": "Isolated"}).data["id"],
            "shared": self.in_shared.make("/products", "products", {"name": "Shared"}).data["id"],
        }

    def _environment(self, code: str, strategy: str) -> dict:
        given = {"name": code, "code": code, "isolationStrategy": strategy}
        return self.account.admin.make("/environments", "environments", given)

    def _token(self, environment: dict) -> Api:
        made = self.account.admin.post(f"/environments/{environment['id']}/tokens")
        assert made.status == 200, made
        return self.account.admin.as_(made.data["attributes"]["token"])


@pytest.fixture
def world(account: Account) -> World:
    return World(account)


def test_ENV_01_unknown(account: Account) -> None:
    for selector in ("nothing", str(uuid4())):
        answer = account.admin.get("/products", Keygen_Environment=selector)
        assert (answer.status, answer.error["code"]) == (400, "ENVIRONMENT_INVALID")
        assert answer.error["source"] == {"header": "Keygen-Environment"}
    answer = account.admin.get("/products?environment=nothing")
    assert answer.error["source"] == {"parameter": "environment"}
    assert account.admin.get("/products", Keygen_Environment="").status == 200


def test_ENV_02_who_sees_what(account: Account, world: World) -> None:
    product = world.product
    assert ids(account.admin.get("/products")) == {product["global"]}
    assert ids(world.in_isolated.get("/products")) == {product["isolated"]}
    assert ids(world.in_shared.get("/products")) == {product["shared"], product["global"]}
    # Administrators of the whole account enter shared environments with their token.
    answer = account.admin.get("/products", Keygen_Environment=world.shared["id"])
    assert ids(answer) == {product["shared"], product["global"]}
    assert answer.headers["Keygen-Environment"] == "shared"
    assert ids(account.admin.get("/products?environment=SHARED")) == {product["shared"], product["global"]}
    for hidden in ("isolated", "shared"):
        assert account.admin.get(f"/products/{product[hidden]}").status == 404
    assert world.in_isolated.get(f"/products/{product['global']}").status == 404


def test_ENV_02_isolated_only_by_password(account: Account, world: World) -> None:
    refused = account.admin.get("/products", Keygen_Environment="isolated")
    assert (refused.status, refused.error["code"]) == (401, "TOKEN_INVALID")
    login = Api(account.daemon.url, account.id, basic(account.email, account.password))
    made = login.post("/tokens", Keygen_Environment="isolated")
    assert made.status == 201
    assert environment_of(made.data) == world.isolated["id"]
    inside = Within(account.admin.as_(made.data["attributes"]["token"]), "isolated")
    assert ids(inside.get("/products")) == {world.product["isolated"]}
    # That token is good in there only.
    assert inside.api.get("/products").error["code"] == "TOKEN_INVALID"
    assert inside.get("/me").data["attributes"]["role"] == "admin"


def test_ENV_03_records_adopt_the_environment(account: Account, world: World) -> None:
    """What is made in an environment belongs to it, down to the artifacts."""
    for within, name, environment in (
        (world.in_shared, "shared", world.shared["id"]),
        (world.in_isolated, "isolated", world.isolated["id"]),
    ):
        product = ("products", world.product[name])
        package = within.make("/packages", "packages", {"name": "p", "key": f"p-{name}"}, product=product)
        policy = within.make("/policies", "policies", {"name": "p"}, product=product)
        license = within.make("/licenses", "licenses", {}, policy=("policies", policy.data["id"]))
        release = within.make(
            "/releases", "releases", {"version": "1.0.0", "channel": "stable"}, product=product,
            package=("packages", package.data["id"]),
        )  # fmt: skip
        held = within.make("/entitlements", "entitlements", {"name": "e", "code": f"e-{name}"})
        person = within.make("/users", "users", {"email": f"{uuid4()}@example.com"})
        token = within.request("POST", f"/licenses/{license.data['id']}/tokens")
        for answer in (package, policy, license, release, held, person, token):
            assert answer.status in (200, 201), answer
            assert environment_of(answer.data) == environment
            path = answer.data["links"].get("self") or answer.data["links"]["related"]
            assert account.admin.get(account.daemon.url + path).status == 404
            assert within.get(account.daemon.url + path).status == 200


def test_ENV_03_in_a_shared_one_below_a_global_parent(world: World) -> None:
    made = world.in_shared.make("/policies", "policies", {"name": "p"}, product=("products", world.product["global"]))
    assert made.status == 201 and environment_of(made.data) == world.shared["id"]


def test_ENV_04_global_records_are_read_only(account: Account, world: World) -> None:
    global_ = world.product["global"]
    change = {"data": {"type": "products", "attributes": {"name": "x"}}}
    for within in (world.in_shared, Within(account.admin, "shared")):
        assert within.get(f"/products/{global_}").status == 200
        assert within.request("PATCH", f"/products/{global_}", change).status == 403
        assert within.request("DELETE", f"/products/{global_}").status == 403
        assert within.request("POST", f"/products/{global_}/tokens").status == 403
        assert within.request("PATCH", f"/products/{world.product['shared']}", change).status == 200


def test_ENV_04_another_environment_is_refused(account: Account, world: World) -> None:
    shared = ("environments", world.shared["id"])
    isolated = ("environments", world.isolated["id"])
    attributes = {"name": "x"}
    assert world.in_shared.make("/products", "products", attributes, environment=shared).status == 201
    assert world.in_shared.make("/products", "products", attributes, environment=isolated).status == 403
    outside = {"data": {"type": "products", "attributes": attributes,
                        "relationships": {"environment": {"data": {"type": "environments", "id": shared[1]}}}}}
    assert account.admin.post("/products", outside).status == 403
    outside["data"]["relationships"]["environment"]["data"] = None
    assert account.admin.post("/products", outside).status == 201
    assert world.in_shared.request("POST", "/products", outside).status == 403
    unknown = account.admin.patch(f"/products/{world.product['global']}", outside)
    assert (unknown.status, codes(unknown)) == (400, {(None, "/data/relationships/environment")})


def test_ENV_04_attaching(account: Account, world: World) -> None:
    """A global entitlement goes with a record of a shared environment, not the other way round."""
    global_ = entitlement(account, "GLOBAL")["id"]
    inside = world.in_shared.make("/entitlements", "entitlements", {"name": "e", "code": "INSIDE"}).data["id"]
    policy = world.in_shared.make(
        "/policies", "policies", {"name": "p"}, product=("products", world.product["shared"])
    ).data["id"]
    both = {"data": [{"type": "entitlements", "id": each} for each in (global_, inside)]}
    assert world.in_shared.request("POST", f"/policies/{policy}/entitlements", both).status == 200
    outside = account.admin.make_policy({"id": world.product["global"]})["id"]
    assert codes(account.admin.post(f"/policies/{outside}/entitlements", both)) == {
        ("ENTITLEMENT_NOT_FOUND", "/data/relationships/entitlement")
    }
    assert world.in_shared.request("POST", f"/policies/{outside}/entitlements", both).status == 403


def test_ENV_05_without_the_header(world: World) -> None:
    for within in (world.in_shared, world.in_isolated):
        answer = within.api.get("/products")
        assert (answer.status, answer.error["code"]) == (401, "TOKEN_INVALID")
    answer = Within(world.in_shared.api, "isolated").get("/products")
    assert answer.error["code"] == "TOKEN_INVALID"


def test_ENV_06_publishing(world: World) -> None:
    """A release made and published in an environment is there, and nowhere else."""
    made = world.in_isolated.make(
        "/releases", "releases", {"version": "1.0.0", "channel": "stable"},
        product=("products", world.product["isolated"]),
    )  # fmt: skip
    path = f"/releases/{made.data['id']}"
    published = world.in_isolated.request("POST", f"{path}/actions/publish")
    assert published.status == 200 and published.data["attributes"]["status"] == "PUBLISHED"
    assert world.in_isolated.get("/releases/1.0.0").data["id"] == made.data["id"]
    assert world.account.admin.get(path).status == world.in_shared.get(path).status == 404


def test_token_for_a_shared_environment(account: Account, world: World) -> None:
    """An administrator of the whole account makes a token that is good in one shared environment only."""

    def body(environment: dict) -> dict:
        related = {"environment": {"data": {"type": "environments", "id": environment["id"]}}}
        return {"data": {"type": "tokens", "relationships": related}}

    made = account.admin.post("/tokens", body(world.shared))
    assert made.status == 201 and environment_of(made.data) == world.shared["id"]
    api = account.admin.as_(made.data["attributes"]["token"])
    assert api.get("/me").status == 401
    assert Within(api, "shared").get("/me").status == 200
    assert account.admin.post("/tokens", body(world.isolated)).status == 403
    assert staff(account, "developer").post("/tokens", body(world.shared)).status == 403


def test_uniqueness_is_the_accounts(account: Account, world: World) -> None:
    entitlement(account, "GLOBAL")
    answer = world.in_isolated.make("/entitlements", "entitlements", {"name": "e", "code": "global"})
    assert codes(answer) == {("CODE_TAKEN", "/data/attributes/code")}


class TestResource:
    @staticmethod
    def post(api: Api, code: object = "staging", **attributes) -> Answer:
        given = {"name": "Staging", "code": code, **attributes}
        return api.post("/environments", {"data": {"type": "environments", "attributes": given}})

    def test_crud(self, account: Account) -> None:
        made = self.post(account.admin)
        assert made.status == 201
        shown = made.data["attributes"]
        assert (shown["code"], shown["isolationStrategy"]) == ("staging", "ISOLATED")
        assert made.headers["Location"] == f"{account.admin.base}/environments/{made.data['id']}"
        path = f"/environments/{made.data['id']}"
        assert account.admin.get("/environments/staging").data == account.admin.get(path).data
        assert ids(account.admin.get("/environments")) == {made.data["id"]}
        change = {"data": {"type": "environments", "attributes": {"name": "New", "code": "new"}}}
        assert account.admin.patch(path, change).data["attributes"]["code"] == "new"
        fixed = {"data": {"type": "environments", "attributes": {"isolationStrategy": "SHARED"}}}
        assert account.admin.patch(path, fixed).status == 400
        assert account.admin.delete(path).status == 204
        assert account.admin.get(path).status == 404

    @pytest.mark.parametrize(
        ("code", "status", "word"),
        [("STAGING", 422, "CODE_TAKEN"), (str(uuid4()), 422, "CODE_INVALID"), ("actions", 422, "CODE_NOT_ALLOWED"),
         ("", 400, None), (5, 400, None)],
    )  # fmt: skip
    def test_codes(self, account: Account, code: object, status: int, word: str | None) -> None:
        self.post(account.admin)
        answer = self.post(account.admin, code)
        assert (answer.status, codes(answer)) == (status, {(word, "/data/attributes/code")})

    def test_strategy(self, account: Account) -> None:
        pointer = "/data/attributes/isolationStrategy"
        answer = self.post(account.admin, isolationStrategy="OPEN")
        assert (answer.status, codes(answer)) == (422, {("ISOLATION_STRATEGY_NOT_ALLOWED", pointer)})

    def test_delete_takes_everything_along(self, account: Account, world: World) -> None:
        token = world.in_isolated.api
        assert account.admin.delete("/environments/isolated").status == 204
        assert account.sql("SELECT 1 FROM products WHERE id = %s", world.product["isolated"]) == []
        assert token.get("/products").status == 401
        assert account.admin.get(f"/products/{world.product['global']}").status == 200

    def test_tokens(self, account: Account, world: World) -> None:
        listed = account.admin.get("/environments/shared/tokens")
        assert len(ids(listed)) == 1
        [token] = listed.data
        assert token["attributes"]["kind"] == "environment-token"
        assert "token" not in token["attributes"]
        assert environment_of(token) == world.shared["id"]
        assert ids(world.in_shared.get("/environments/shared/tokens")) == {token["id"]}
        renewed = account.admin.put(f"/tokens/{token['id']}")
        assert renewed.status == 200 and renewed.data["attributes"]["token"].startswith("env-")
        assert account.admin.delete(f"/tokens/{token['id']}").status == 204
        assert world.in_shared.get("/products").status == 401

    def test_who_may(self, account: Account, world: World) -> None:
        product = product_api(account, {"id": world.product["global"]})
        person = token_of(account, "users", user(account))
        for api in (product, person):
            assert api.get("/environments").status == 403
            assert api.get("/environments/shared").status == 404
            assert self.post(api).status == 403
        assert staff(account, "read-only").get("/environments/shared").status == 200
        assert self.post(staff(account, "sales-agent")).status == 403
        assert self.post(staff(account, "developer")).status == 201
        assert world.in_shared.get("/environments/shared").data["id"] == world.shared["id"]
        assert world.in_shared.get("/environments/isolated").status == 404
        assert world.in_shared.get("/environments").status == 403
        assert world.in_shared.request("POST", "/environments/shared/tokens").status == 403
        assert Within(account.admin, "shared").request("DELETE", "/environments/shared").status == 403
        assert account.admin.as_().get("/environments").status == 401

    def test_what_environments_do_not_reach(self, account: Account, world: World) -> None:
        """Staff of the whole account is not theirs to see or make."""
        admin = account.admin.get("/me").data["id"]
        assert world.in_shared.get(f"/users/{admin}").status == 404
        refused = world.in_shared.make("/users", "users", {"email": f"{uuid4()}@example.com", "role": "admin"})
        assert (refused.status, codes(refused)) == (400, {(None, "/data/attributes/role")})
        assert world.in_shared.request("PATCH", "", {"data": {"type": "accounts", "attributes": {}}}).status == 403
