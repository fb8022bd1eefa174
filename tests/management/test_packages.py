"""Packages (api.md 1.4, 7.6)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api
from tests.management.customers import License, codes, days, ids, product_api, staff


def document(product: dict | None = None, **attributes) -> dict:
    data = {"type": "packages", "attributes": attributes}
    if product is not None:
        data["relationships"] = {"product": {"data": {"type": "products", "id": product["id"]}}}
    return {"data": data}


def post(api: Api, product: dict, key: str = "tool", **attributes) -> Answer:
    return api.post("/packages", document(product, name="Tool", key=key, **attributes))


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


@pytest.mark.parametrize("engine", ["pypi", "tauri", "raw", "rubygems", "npm", "oci", None])
def test_PKG_01_engines(account: Account, product: dict, engine: str | None) -> None:
    answer = post(account.admin, product, engine=engine, metadata={"aB": 1})
    assert answer.status == 201
    assert answer.headers["Location"] == f"{account.admin.base}/packages/{answer.data['id']}"
    shown = answer.data["attributes"]
    assert (shown["engine"], shown["key"], shown["metadata"]) == (engine, "tool", {"aB": 1})
    assert answer.data["relationships"]["product"]["data"] == {"type": "products", "id": product["id"]}
    assert set(answer.data["links"]) == {"related"}
    assert post(account.admin, product, "other", engine=engine).status == 201


@pytest.mark.parametrize("engine", ["conda", "PYPI", "", 5])
def test_PKG_01_unknown_engine(account: Account, product: dict, engine: object) -> None:
    answer = post(account.admin, product, engine=engine)
    assert (answer.status, codes(answer)) == (400, {(None, "/data/attributes/engine")})


def test_PKG_02_keys_are_unique(account: Account, product: dict) -> None:
    """In the whole account, per engine: a tool may have the same name for different package managers."""
    post(account.admin, product, engine="npm")
    for where in (product, account.admin.make_product()):
        answer = post(account.admin, where, engine="npm")
        assert (answer.status, codes(answer)) == (422, {("KEY_TAKEN", "/data/attributes/key")})
    assert post(account.admin, product, engine="oci").status == 201
    post(account.admin, product, "North.Wind", engine="pypi")
    answer = post(account.admin, product, "north_wind", engine="pypi")
    assert codes(answer) == {("KEY_TAKEN", "/data/attributes/key")}


@pytest.mark.parametrize(
    ("key", "status", "word"),
    [(str(uuid4()), 422, "KEY_INVALID"), ("action", 422, "KEY_NOT_ALLOWED"), ("x" * 256, 422, "KEY_TOO_LONG"),
     ("", 400, None), (None, 400, None)],
)  # fmt: skip
def test_PKG_02_bad_keys(account: Account, product: dict, key: str | None, status: int, word: str | None) -> None:
    answer = post(account.admin, product, key)
    assert (answer.status, codes(answer)) == (status, {(word, "/data/attributes/key")})


def test_PKG_03_scoped_key(account: Account, product: dict) -> None:
    made = post(account.admin, product, "@northwind/tool", engine="npm").data
    for path in ("@northwind%2Ftool", "%40northwind%2Ftool", "@northwind/tool", made["id"]):
        assert account.admin.get(f"/packages/{path}").data["id"] == made["id"]


def test_PKG_03_same_key_in_two_engines(account: Account, product: dict) -> None:
    """Reads take the oldest; changes ask for an id."""
    first = post(account.admin, product, engine="npm").data
    second = post(account.admin, product, engine="oci").data
    assert account.admin.get("/packages/tool").data["id"] == first["id"]
    answer = account.admin.patch("/packages/tool", document(name="x"))
    assert answer.status == 422
    assert first["id"] in answer.error["detail"] and second["id"] in answer.error["detail"]
    assert account.admin.delete("/packages/tool").status == 422
    assert account.admin.delete(f"/packages/{second['id']}").status == 204


def test_PKG_04_pypi_separators(account: Account, product: dict) -> None:
    made = post(account.admin, product, "North.Wind__tool", engine="pypi").data
    assert made["attributes"]["key"] == "North-Wind-tool"
    other = post(account.admin, product, "North.Wind__tool2", engine="raw").data
    assert other["attributes"]["key"] == "North.Wind__tool2"
    changed = account.admin.patch(f"/packages/{other['id']}", document(engine="pypi"))
    assert changed.data["attributes"]["key"] == "North-Wind-tool2"


def test_PKG_05_change(account: Account, product: dict) -> None:
    made = post(account.admin, product, engine="npm").data
    answer = account.admin.patch(
        f"/packages/{made['id']}", document(name="New", key="new", engine=None, metadata={"a": 1})
    )
    shown = answer.data["attributes"]
    assert (shown["name"], shown["key"], shown["engine"], shown["metadata"]) == ("New", "new", None, {"a": 1})
    moved = account.admin.patch(f"/packages/{made['id']}", document(account.admin.make_product()))
    assert (moved.status, codes(moved)) == (400, {(None, "/data/relationships/product")})


def test_PKG_06_product_token(account: Account, product: dict) -> None:
    other = account.admin.make_product("OPEN")
    foreign = post(account.admin, other, "foreign").data
    api = product_api(account, product)
    mine = post(api, product)
    assert mine.status == 201
    assert post(api, other).status == 403
    path = f"/packages/{foreign['id']}"
    assert api.get(path).status == api.patch(path, document(name="x")).status == api.delete(path).status == 404
    assert api.delete(f"/packages/{mine.data['id']}").status == 204


def test_PKG_06_unknown_product(account: Account) -> None:
    answer = post(account.admin, {"id": str(uuid4())})
    assert (answer.status, codes(answer)) == (422, {("PRODUCT_NOT_FOUND", "/data/relationships/product")})


def test_PKG_07_PKG_08_who_sees_which(account: Account, product: dict) -> None:
    open_, closed, foreign = (account.admin.make_product(each) for each in ("OPEN", "CLOSED", "LICENSED"))
    mine, public, hidden, theirs = (
        post(account.admin, owner, f"tool-{n}").data["id"] for n, owner in enumerate((product, open_, closed, foreign))
    )
    for n, owner in enumerate((product, open_)):
        account.admin.make_release(owner, f"{n}.0.0")
    good = License(account, product)
    on_closed = License(account, closed)
    suspended = License(account, product, suspended=True)
    expired = License(account, product, expiry=days(-1), expiration_strategy="REVOKE_ACCESS")
    assert ids(account.admin.as_().get("/packages")) == {public}
    assert ids(on_closed.token.get("/packages")) == {public}
    for license in (good, suspended, expired):
        assert ids(license.token.get("/packages")) == {mine, public}
        assert license.token.get(f"/packages/{mine}").status == 200
        assert license.token.get(f"/packages/{theirs}").status == 404
    assert suspended.token.get("/releases").status == 403
    assert len(ids(expired.token.get("/releases"))) == 1
    assert ids(staff(account, "read-only").get("/packages")) == {mine, public, hidden, theirs}


def test_PKG_09_filters(account: Account, product: dict) -> None:
    other = account.admin.make_product(code="other")
    gem = post(account.admin, product, "gem", engine="rubygems").data["id"]
    wheel = post(account.admin, other, "wheel", engine="pypi").data["id"]
    plain = post(account.admin, other, "plain").data["id"]
    [engine] = [each["id"] for each in account.admin.get("/engines").data if each["attributes"]["key"] == "pypi"]
    for query, expected in (
        (f"product={product['id']}", {gem}),
        ("product=other", {wheel, plain}),
        ("product=nothing", set()),
        ("engine=pypi", {wheel}),
        (f"engine={engine}", {wheel}),
        (f"engine={uuid4()}", set()),
        ("engine=", {plain}),
        ("engine=rubygems&product=other", set()),
        ("unknown=filter", {gem, wheel, plain}),
    ):
        assert ids(account.admin.get(f"/packages?{query}")) == expected, query


def test_PKG_10_delete(account: Account, product: dict) -> None:
    package = post(account.admin, product).data
    inside = account.admin.make_release(product, package=package)
    outside = account.admin.make_release(product)
    assert account.admin.delete("/packages/tool").status == 204
    assert account.admin.get(f"/releases/{inside['id']}").status == 404
    assert account.admin.get(f"/releases/{outside['id']}").status == 200


def test_PKG_11_below_a_product(account: Account, product: dict) -> None:
    other = account.admin.make_product()
    mine = post(account.admin, product, "@acme/mine").data
    theirs = post(account.admin, other, "theirs").data
    assert account.admin.get(f"/products/{product['id']}/packages/{mine['id']}").data["id"] == mine["id"]
    assert account.admin.get(f"/products/{product['id']}/packages/@acme%2Fmine").data["id"] == mine["id"]
    for path in (theirs["id"], "theirs"):
        assert account.admin.get(f"/products/{product['id']}/packages/{path}").status == 404
    assert ids(account.admin.get(f"/products/{other['id']}/packages")) == {theirs["id"]}
    assert account.admin.as_().get(f"/products/{other['id']}/packages").status == 401


@pytest.mark.parametrize(("role", "status"), [("developer", 201), ("sales-agent", 403), ("support-agent", 403)])
def test_staff(account: Account, product: dict, role: str, status: int) -> None:
    assert post(staff(account, role), product).status == status
