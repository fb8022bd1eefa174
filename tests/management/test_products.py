"""Products (api.md 1.3, 7.5)."""

from __future__ import annotations

import hashlib
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api
from tests.management.customers import License, codes, ids, product_api, staff, token_of, user


def document(**attributes) -> dict:
    return {"data": {"type": "products", "attributes": attributes}}


def post(api: Api, **attributes) -> Answer:
    return api.post("/products", document(name="Kestrel", **attributes))


def test_PRD_01_name_only(account: Account) -> None:
    answer = post(account.admin)
    assert answer.status == 201
    assert answer.headers["Location"] == f"{account.admin.base}/products/{answer.data['id']}"
    shown = answer.data["attributes"]
    assert set(shown) == {
        "name", "code", "distributionStrategy", "url", "platforms", "metadata", "created", "updated"
    }  # fmt: skip
    assert (shown["distributionStrategy"], shown["code"], shown["metadata"]) == ("LICENSED", None, {})
    assert shown["created"] == shown["updated"] and shown["created"].endswith("Z") and len(shown["created"]) == 24


def test_PRD_02_strategy(account: Account) -> None:
    for strategy in ("OPEN", "CLOSED", "LICENSED"):
        assert post(account.admin, distributionStrategy=strategy).data["attributes"]["distributionStrategy"] == strategy
    for wrong in ("open", "FREE", ""):
        answer = post(account.admin, distributionStrategy=wrong)
        pointer = "/data/attributes/distributionStrategy"
        assert (answer.status, codes(answer)) == (422, {("DISTRIBUTION_STRATEGY_NOT_ALLOWED", pointer)})
    made = post(account.admin, distributionStrategy="OPEN").data
    changed = account.admin.patch(f"/products/{made['id']}", document(distributionStrategy=None))
    assert changed.data["attributes"]["distributionStrategy"] == "LICENSED"


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("KESTREL", 422, "CODE_TAKEN"),
        ("6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a02", 422, "CODE_INVALID"),
        ("6f0f5c0e6a8e4c8e9d8b2f4d7f6b1a02", 422, "CODE_INVALID"),
        ("actions", 422, "CODE_NOT_ALLOWED"),
        ("x" * 256, 422, "CODE_TOO_LONG"),
        ("", 400, None),
        ("  ", 400, None),
        (5, 400, None),
    ],
)
def test_PRD_03_code(account: Account, code: object, status: int, word: str | None) -> None:
    post(account.admin, code="kestrel")
    answer = post(account.admin, code=code)
    assert (answer.status, codes(answer)) == (status, {(word, "/data/attributes/code")})


def test_PRD_04_by_code(account: Account) -> None:
    made = post(account.admin, code="Kestrel v2/beta").data
    spelled = (made["id"], made["id"].upper(), made["id"].replace("-", ""), "Kestrel%20v2%2Fbeta", "kestrel%20v2/beta")
    for path in spelled:
        assert account.admin.get(f"/products/{path}").data["id"] == made["id"]
    first = account.sql("SELECT id FROM accounts WHERE slug = 'default'")[0][0]
    account.sql("INSERT INTO products (id, account_id, name, code) VALUES (%s, %s, 'x', %s)", str(uuid4()), first,
                f"kestrel-{account.slug}")  # fmt: skip
    assert post(account.admin, code=f"kestrel-{account.slug}").status == 201
    # Keeping one's own code is no conflict.
    assert account.admin.patch(f"/products/{made['id']}", document(code="KESTREL V2/BETA")).status == 200


@pytest.mark.parametrize("url", ["ftp://example.com", "https://", "example.com", "https:///x", "http://" + "x" * 255])
def test_PRD_05_bad_url(account: Account, url: str) -> None:
    answer = post(account.admin, url=url)
    assert (answer.status, codes(answer)) == (422, {("URL_INVALID", "/data/attributes/url")})


def test_PRD_05_url_is_cleared(account: Account) -> None:
    made = post(account.admin, url="https://example.com/kestrel").data
    changed = account.admin.patch(f"/products/{made['id']}", document(url=None))
    assert changed.data["attributes"]["url"] is None


def test_PRD_06_metadata(account: Account) -> None:
    deep = post(account.admin, metadata={"a": {"b": {"c": {"d": 1}}}})
    assert (deep.status, codes(deep)) == (400, {(None, "/data/attributes/metadata")})
    large = post(account.admin, metadata={"text": "x" * 17 * 1024})
    assert (large.status, codes(large)) == (422, {("METADATA_TOO_LONG", "/data/attributes/metadata")})
    many = post(account.admin, metadata={f"k{n}": n for n in range(65)})
    assert many.status == 422
    given = {"requires-python": ">=3", "build_host": {"osName": None}, "buildURL": [1, 2.5, True], "x": "\N{SNOWMAN}"}
    shown = post(account.admin, metadata=given).data["attributes"]["metadata"]
    assert shown == {
        "requiresPython": ">=3", "buildHost": {"osName": None}, "buildUrl": [1, 2.5, True], "x": "\N{SNOWMAN}",
    }  # fmt: skip


def test_PRD_06_metadata_is_replaced(account: Account) -> None:
    made = post(account.admin, metadata={"a": 1, "b": 2}).data

    def patched(metadata: object) -> object:
        answer = account.admin.patch(f"/products/{made['id']}", document(metadata=metadata))
        return answer.data["attributes"]["metadata"]

    assert patched({"c": 3}) == {"c": 3}
    assert patched(None) == {"c": 3}
    assert patched({}) == {}


def test_PRD_07_product_token(account: Account) -> None:
    mine, other = account.admin.make_product(), account.admin.make_product()
    api = product_api(account, mine)
    assert api.get(f"/products/{mine['id']}").status == 200
    assert api.get(f"/products/{other['id']}").status == 404
    assert ids(api.get("/products")) == {mine["id"]}
    assert api.patch(f"/products/{mine['id']}", document(name="Mine")).data["attributes"]["name"] == "Mine"
    assert api.patch(f"/products/{other['id']}", document(name="Mine")).status == 404
    assert api.delete(f"/products/{mine['id']}").status == 403
    assert post(api).status == 403


def test_PRD_08_license_user_anonymous(account: Account) -> None:
    product = account.admin.make_product("OPEN")
    license = License(account, product, owner=user(account))
    person = token_of(account, "users", user(account))
    for api in (license.token, license.key, person):
        assert api.get("/products").status == 403
        assert api.get(f"/products/{product['id']}").status == 403
        assert post(api).status == 403
    for path in ("/products", f"/products/{product['id']}"):
        assert account.admin.as_().get(path).status == 401


def test_PRD_08_license_with_the_permission(account: Account) -> None:
    """A license that may read products sees those it is licensed for and the open ones."""
    strategies = ("LICENSED", "OPEN", "LICENSED", "CLOSED")
    mine, open_, foreign, closed = (account.admin.make_product(each) for each in strategies)
    license = License(account, mine)
    account.sql("UPDATE licenses SET permissions = '{product.read}' WHERE id = %s", license.id)
    assert ids(license.token.get("/products")) == {mine["id"], open_["id"]}
    for hidden in (foreign, closed):
        assert license.token.get(f"/products/{hidden['id']}").status == 404


@pytest.mark.parametrize(
    ("role", "status"), [("developer", 201), ("sales-agent", 403), ("support-agent", 403), ("read-only", 403)]
)
def test_staff(account: Account, role: str, status: int) -> None:
    product = account.admin.make_product()
    api = staff(account, role)
    assert api.get(f"/products/{product['id']}").status == 200
    assert post(api).status == status
    assert api.patch(f"/products/{product['id']}", document(name="x")).status == (200 if status == 201 else 403)
    assert api.delete(f"/products/{product['id']}").status == (204 if status == 201 else 403)


def test_PRD_09_delete(account: Account) -> None:
    product = account.admin.make_product()
    package = account.admin.make_package(product, "tool", "raw")
    release = account.admin.make_release(product, package=package)
    content = account.id.encode()
    artifact = account.admin.make_artifact(release, "tool.bin", content)
    license = License(account, product)
    machine = product_api(account, product)
    assert account.admin.delete(f"/products/{product['id']}").status == 204
    for path in (f"/products/{product['id']}", f"/packages/{package['id']}", f"/releases/{release['id']}",
                 f"/artifacts/{artifact['id']}", f"/licenses/{license.id}", f"/policies/{license.policy}"):  # fmt: skip
        assert account.admin.get(path).status == 404, path
    assert machine.get("/me").status == license.token.get("/me").status == 401
    stored = account.sql("SELECT reference_count FROM blobs WHERE sha256 = %s", hashlib.sha256(content).hexdigest())
    assert stored in ([], [(0,)])


def test_PRD_10_switching_the_strategy(account: Account) -> None:
    product = account.admin.make_product()
    release = account.admin.make_release(product)
    anonymous = account.admin.as_()
    assert ids(anonymous.get("/releases")) == set()
    account.admin.patch(f"/products/{product['id']}", document(distributionStrategy="OPEN"))
    assert ids(anonymous.get("/releases")) == {release["id"]}
    account.admin.patch(f"/products/{product['id']}", document(distributionStrategy="CLOSED"))
    assert ids(anonymous.get("/releases")) == set()


def test_lists_below_a_product(account: Account) -> None:
    product, other = account.admin.make_product(code="kestrel"), account.admin.make_product()
    owner = user(account)
    license, foreign = License(account, product, owner=owner), License(account, other, owner=user(account))
    package = account.admin.make_package(product, "tool")
    account.admin.make_package(other, "other-tool")
    made = account.admin.post(f"/products/{product['id']}/tokens").data
    machine = product_api(account, product)
    for api in (account.admin, machine, staff(account, "read-only")):
        assert ids(api.get("/products/kestrel/policies")) == {license.policy}
        assert ids(api.get("/products/kestrel/licenses")) == {license.id}
        assert ids(api.get("/products/kestrel/users")) == {owner}
        assert ids(api.get("/products/kestrel/packages")) == {package["id"]}
        assert made["id"] in ids(api.get("/products/kestrel/tokens"))
        for part in ("policies", "licenses", "users", "packages", "tokens"):
            assert (api.get(f"/products/{other['id']}/{part}").status == 404) == (api is machine)
    for part in ("policies", "licenses", "users", "tokens"):
        assert foreign.token.get(f"/products/{product['id']}/{part}").status == 403
        assert account.admin.as_().get(f"/products/{product['id']}/{part}").status == 401


def test_permissions(account: Account) -> None:
    """A product's permissions are its role's, or fewer; it cannot give itself more."""
    made = post(account.admin, permissions=["product.read", "product.update", "token.read"]).data
    assert made["attributes"]["permissions"] == ["product.read", "product.update", "token.read"]
    api = product_api(account, made)
    assert api.get("/packages").status == 403
    assert api.patch(f"/products/{made['id']}", document(name="x")).status == 200
    for wider in (["*"], None, ["package.create"]):
        assert api.patch(f"/products/{made['id']}", document(permissions=wider)).status == 403
    answer = post(account.admin, permissions=["product.create"])
    assert (answer.status, codes(answer)) == (422, {("PERMISSIONS_NOT_ALLOWED", "/data/attributes/permissions")})
