"""Engines, platforms, arches and channels as resources (api.md 1.8, 7.12)."""

from __future__ import annotations

import pytest

from tests.daemon_fixtures import Account, Api
from tests.management.customers import License, product_api


def keys(api: Api, path: str) -> set[str]:
    answer = api.get(path)
    assert answer.status == 200, answer
    return {item["attributes"]["key"] for item in answer.data}


class World:
    """An open and a licensed product, with everything different about them."""

    def __init__(self, account: Account) -> None:
        admin = account.admin
        self.open, self.licensed = admin.make_product("OPEN"), admin.make_product()
        public = admin.make_package(self.open, "public", "npm")
        private = admin.make_package(self.licensed, "private", "pypi")
        one = admin.make_release(self.open, package=public)
        two = admin.make_release(self.licensed, "1.0.0-beta.1", channel="beta", package=private)
        admin.make_artifact(one, "a.zip", b"a", platform="Linux", arch="amd64")
        self.artifact = admin.make_artifact(two, "b.zip", b"b", platform="darwin", arch="arm64")


@pytest.fixture
def world(account: Account) -> World:
    return World(account)


EXPECTED = {
    "/engines": ("npm", "pypi"),
    "/platforms": ("linux", "darwin"),
    "/arches": ("amd64", "arm64"),
    "/channels": ("stable", "beta"),
}


def test_ENG_01_scoped(account: Account, world: World) -> None:
    product = product_api(account, world.licensed)
    license = License(account, world.licensed)
    for path, (public, private) in EXPECTED.items():
        assert keys(account.admin.as_(), path) == {public}
        assert keys(product, path) == {private}
        assert keys(license.token, path) == {public, private}
        assert keys(account.admin, path) == {public, private}
        assert keys(account.admin, f"/products/{world.open['id']}{path}") == {public}
        assert account.admin.as_().get(f"/products/{world.open['id']}{path}").status == 401
        assert product.get(f"/products/{world.open['id']}{path}").status == 404


def test_ENG_02_engine(account: Account, world: World) -> None:
    [pypi] = [item for item in account.admin.get("/engines").data if item["attributes"]["key"] == "pypi"]
    assert set(pypi["attributes"]) == {"name", "key", "created", "updated"}
    assert pypi["attributes"]["name"] == "PyPI"
    assert set(pypi["links"]) == {"related"}
    for path in (pypi["id"], "pypi"):
        assert account.admin.get(f"/engines/{path}").data == pypi
    for absent in ("oci", "conda"):
        assert account.admin.get(f"/engines/{absent}", Accept="application/vnd.api+json").status == 404
    assert account.admin.as_().get(f"/engines/{pypi['id']}").status == 404


@pytest.mark.parametrize("path", ["/platforms", "/arches", "/channels"])
def test_ENG_03_only_by_id(account: Account, world: World, path: str) -> None:
    for item in account.admin.get(path).data:
        assert account.admin.get(f"{path}/{item['id']}").data == item
        assert account.admin.get(f"{path}/{item['attributes']['key']}").status == 404


@pytest.mark.parametrize("path", list(EXPECTED))
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_ENG_04_read_only(account: Account, path: str, method: str) -> None:
    for target in (path, f"{path}/anything"):
        assert account.admin.request(method, target, {"data": {}}).status == 404


def test_ENG_05_gone_with_the_last_artifact(account: Account, world: World) -> None:
    assert account.admin.delete(f"/artifacts/{world.artifact['id']}").status == 204
    assert keys(account.admin, "/platforms") == {"linux"}
    assert keys(account.admin, "/arches") == {"amd64"}


def test_pages(account: Account, world: World) -> None:
    """Lists without rows of their own are sliced like all others."""
    first = account.admin.get("/channels?page[cursor]=&page[size]=1&order=asc")
    second = account.admin.get(account.daemon.url + first.json["links"]["next"])
    assert {first.data[0]["attributes"]["key"], second.data[0]["attributes"]["key"]} == {"stable", "beta"}
    assert second.json["links"]["next"] is None
    assert account.admin.get("/channels?page[number]=1&page[size]=1").json["links"]["meta"] == {"pages": 2, "count": 2}
