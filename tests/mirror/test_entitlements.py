"""Only licenses with an entitlement have what comes through; everybody else sees a registry without an upstream."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api, Daemon
from tests.engines.npm.mirror.fake_registry import FakePackage
from tests.engines.rubygems.mirror.fake_source import ROOT, FakeGem, FakeSource
from tests.mirror.conftest import mirror_settings
from tests.mirror.fake_index import FakeProject, new_name
from tests.mirror.fake_upstream import FakeUpstream, content
from tests.mirror.mirroring import mirror_settings as settings_of

#: Codes are compared whatever their case, as they are unique.
CODE = "UPSTREAM"
SIMPLE = "application/vnd.pypi.simple.v1+json"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Daemon]:
    """With all its memories, two web processes, and accounts by slug that differ."""
    env = mirror_settings(upstream, entitlements="upstream")
    env |= settings_of("npm", f"{upstream.url}npm/", entitlements="upstream")
    env |= settings_of("rubygems", f"{upstream.url}{ROOT.strip('/')}/", entitlements="upstream", anonymous="true")
    accounts = {
        "redirecting": {"pypi": {"mode": "redirect"}},
        "both": {"pypi": {"entitlements": ["UPSTREAM", "MORE"]}},
        "everybody": {"pypi": {"entitlements": []}},
    }
    env["KEYGENREG_UPSTREAM_ACCOUNTS"] = json.dumps(accounts)
    running = Daemon(
        tmp_path_factory.mktemp("entitled") / "data", "--mode", "multiplayer", "--workers", "2", env=env
    ).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def daemon_connection(daemon: Daemon):
    connection = daemon.connect()
    yield connection
    connection.close()


class Shop:
    """An account with the entitlement, a policy, and as many licenses as a test wants."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.admin = account.admin
        self.entitlement = self.make_entitlement(CODE)
        self.product = self.admin.make_product()
        self.policy = self.admin.make_policy(self.product)

    def make_entitlement(self, code: str) -> dict:
        return self.admin.make("/entitlements", "entitlements", {"name": code, "code": code})

    def license(self, policy: dict | None = None, **attributes: str) -> dict:
        return self.admin.make_license(policy or self.policy, **attributes)

    def api(self, license: dict) -> Api:
        return self.admin.as_(key=license["attributes"]["key"])

    def attach(self, owner: dict, entitlement: dict | None = None) -> None:
        self._link("POST", owner, entitlement)

    def detach(self, owner: dict, entitlement: dict | None = None) -> None:
        self._link("DELETE", owner, entitlement)

    def _link(self, method: str, owner: dict, entitlement: dict | None) -> None:
        linked = {"data": [{"type": "entitlements", "id": (entitlement or self.entitlement)["id"]}]}
        answer = self.admin.request(method, f"/{owner['type']}/{owner['id']}/entitlements", linked)
        assert answer.status in (200, 204), answer

    def become(self, slug: str) -> None:
        self.account.sql("UPDATE accounts SET slug = id::text WHERE slug = %s", slug)
        self.account.sql("UPDATE accounts SET slug = %s WHERE id = %s", slug, self.account.id)


@pytest.fixture
def shop(account: Account) -> Shop:
    return Shop(account)


@pytest.fixture
def wheel(project: FakeProject) -> str:
    """The path of a wheel below the account, as pages give it; its page is published."""
    filename = project.add("1.0", content(3000))
    project.publish()
    return f"/engines/pypi/files/{project.name}/{project.files[0]['hashes']['sha256']}/{filename}"


def page(api: Api, name: str) -> Answer:
    return api.get(f"/engines/pypi/simple/{name}/", Accept=SIMPLE)


Ask = Callable[[Api], Answer]


@pytest.fixture(params=["page", "file", "head", "packument", "version", "tarball", "info", "gem", "specification"])
def ask(request: pytest.FixtureRequest, project: FakeProject, wheel: str, upstream: FakeUpstream) -> Ask:
    """One way to what upstream has, always by the same request; 200 for whoever may have it."""
    if request.param == "page":
        return lambda api: page(api, project.name)
    if request.param in ("file", "head"):
        return lambda api: api.request("GET" if request.param == "file" else "HEAD", wheel)
    if request.param in ("packument", "version", "tarball"):
        package = FakePackage(upstream)
        package.add("1.0.0")
        package.publish()
        paths = {
            "packument": package.name,
            "version": f"{package.name}/1.0.0",
            "tarball": f"{package.name}/-/{package.name}-1.0.0.tgz",
        }
        return lambda api: api.get(f"/engines/npm/{paths[request.param]}", Accept="application/json")
    gem = FakeGem(FakeSource(upstream))
    gem.add("1.0.0")
    gem.publish()
    paths = {
        "info": f"info/{gem.name}",
        "gem": f"gems/{gem.name}-1.0.0.gem",
        "specification": f"quick/Marshal.4.8/{gem.name}-1.0.0.gemspec.rz",
    }
    return lambda api: api.get(f"/engines/rubygems/{paths[request.param]}", Accept="*/*")


class TestWhoMay:
    def test_alternating(self, shop: Shop, ask: Ask):
        """One with and one without ask for the same again and again: each gets what is theirs, remembered or not."""
        holder, other = shop.license(), shop.license()
        shop.attach(holder)
        holding, lacking = shop.api(holder), shop.api(other)
        assert ask(lacking).status == 404
        first = ask(holding)
        assert first.status == 200
        for _ in range(6):
            again = ask(holding)
            assert (again.status, again.body) == (200, first.body)
            assert ask(lacking).status == 404

    def test_revocation_bites_at_the_next_answer(self, shop: Shop, ask: Ask):
        """Attached to and detached from the license and its policy, between requests that are otherwise equal."""
        license = shop.license()
        api = shop.api(license)
        for owner in (license, shop.policy, license, shop.policy):
            for _ in range(2):
                assert ask(api).status == 404
            shop.attach(owner)
            for _ in range(3):
                assert ask(api).status == 200
            shop.detach(owner)
        assert ask(api).status == 404

    def test_nobody_in_particular_is_asked_who_they_are(self, shop: Shop, ask: Ask):
        """A license might help, so clients must get to know; also where the operator lets anybody in otherwise."""
        holder = shop.license()
        shop.attach(holder)
        assert ask(shop.api(holder)).status == 200
        assert ask(shop.admin.as_()).status == 401

    def test_staff_and_products_may(self, shop: Shop, ask: Ask):
        token = shop.admin.post(f"/products/{shop.product['id']}/tokens", {"data": {"type": "tokens"}}).data
        for api in (shop.admin, shop.account.staff("read-only"), shop.admin.as_(token["attributes"]["token"])):
            assert ask(api).status == 200


class TestEntitlements:
    def test_of_one_license_are_needed(self, shop: Shop, project: FakeProject, wheel: str):
        """Where two are asked for, one license must have both: its own and its policy's count together."""
        shop.become("both")
        more = shop.make_entitlement("more")
        license = shop.license()
        api = shop.api(license)
        shop.attach(license)
        assert page(api, project.name).status == 404
        shop.attach(shop.policy, more)
        assert page(api, project.name).status == 200
        assert api.get(wheel).status == 200

    def test_a_user_has_those_of_any_one_license(self, shop: Shop, project: FakeProject, wheel: str):
        shop.become("both")
        more = shop.make_entitlement("MORE")
        token, user = _customer(shop)
        first, second = _owned(shop, user), _owned(shop, user)
        api = shop.admin.as_(token)
        shop.attach(first)
        shop.attach(second, more)
        assert page(api, project.name).status == 404, "those of several licenses are not united"
        shop.attach(second)
        assert page(api, project.name).status == 200
        assert shop.admin.post(f"/licenses/{second['id']}/actions/suspend").status == 200
        assert page(api, project.name).status == 404
        assert api.get(wheel).status == 404

    def test_renaming_the_code_takes_it_away(self, shop: Shop, project: FakeProject, wheel: str):
        license = shop.license()
        shop.attach(license)
        api = shop.api(license)
        assert page(api, project.name).status == 200
        path = f"/entitlements/{shop.entitlement['id']}"
        for code, status in (("OTHER", 404), ("Upstream", 200)):
            changed = shop.admin.patch(path, {"data": {"type": "entitlements", "attributes": {"code": code}}})
            assert changed.status == 200
            assert page(api, project.name).status == status
            assert api.get(wheel).status == status
        assert shop.admin.delete(path).status == 204
        assert page(api, project.name).status == 404

    def test_an_expired_or_suspended_license_is_refused_as_ever(self, shop: Shop, project: FakeProject, wheel: str):
        strict = shop.admin.make_policy(shop.product, expirationStrategy="REVOKE_ACCESS")
        shop.attach(strict)
        ended = shop.license(strict, expiry=(datetime.now(UTC) - timedelta(days=1)).isoformat())
        assert page(shop.api(ended), project.name).status == 403
        license = shop.license(strict)
        assert page(shop.api(license), project.name).status == 200
        assert shop.admin.post(f"/licenses/{license['id']}/actions/suspend").status == 200
        assert page(shop.api(license), project.name).status == 403
        lenient = shop.admin.make_policy(shop.product, expirationStrategy="RESTRICT_ACCESS")
        shop.attach(lenient)
        old = shop.license(lenient, expiry=(datetime.now(UTC) - timedelta(days=1)).isoformat())
        assert page(shop.api(old), project.name).status == 200


class TestRules:
    def test_redirects_too(self, shop: Shop):
        """Where names are sent on, only those who may are; others do not learn where to."""
        shop.become("redirecting")
        holder, name = shop.license(), new_name()
        shop.attach(holder)
        for _ in range(3):
            assert page(shop.api(holder), name).status == 307
            refused = page(shop.api(shop.license()), name)
            assert refused.status == 404 and "Location" not in refused.headers
            assert page(shop.admin.as_(), name).status == 401

    def test_an_account_may_ask_for_none(self, shop: Shop, project: FakeProject, wheel: str):
        shop.become("everybody")
        assert page(shop.api(shop.license()), project.name).status == 200

    def test_what_is_local_is_as_ever(self, shop: Shop):
        package = shop.admin.make_package(shop.product, f"own-{uuid4().hex[:8]}", "pypi")
        assert page(shop.api(shop.license()), package["attributes"]["key"]).status == 200

    def test_upstream_is_not_asked_for_those_who_may_not(self, shop: Shop, project: FakeProject, wheel: str):
        api = shop.api(shop.license())
        assert page(api, project.name).status == 404
        assert api.get(wheel).status == 404
        assert not project.upstream.requests(project.page_path)


class TestLists:
    """Of all gems: those of upstream are in them for some only."""

    @pytest.mark.parametrize("path", ["versions", "names", "specs.4.8.gz", "latest_specs.4.8.gz"])
    def test_alternating(self, shop: Shop, upstream: FakeUpstream, path: str):
        gem = FakeGem(FakeSource(upstream))
        gem.add("1.0.0")
        gem.publish()
        holder, other = shop.license(), shop.license()
        shop.attach(holder)

        def ask(license: dict) -> Answer:
            return shop.api(license).get(f"/engines/rubygems/{path}", Accept="*/*")

        alone = ask(other)
        merged = ask(holder)
        assert alone.status == merged.status == 200
        assert alone.headers["ETag"] != merged.headers["ETag"]
        if not path.endswith(".gz"):
            assert gem.name.encode() in merged.body and gem.name.encode() not in alone.body
        for _ in range(4):
            assert ask(other).body == alone.body
            assert ask(holder).body == merged.body
        shop.detach(holder)
        assert ask(holder).body == alone.body
        shop.attach(shop.policy)
        assert ask(other).body == merged.body


def _customer(shop: Shop) -> tuple[str, dict]:
    """A user's token, and the user."""
    attributes = {"email": f"{uuid4()}@example.com", "password": "a long password"}
    user = shop.admin.make("/users", "users", attributes)
    token = shop.admin.post(f"/users/{user['id']}/tokens", {"data": {"type": "tokens"}})
    if token.status not in (200, 201):
        raise AssertionError(token)
    return token.data["attributes"]["token"], user


def _owned(shop: Shop, user: dict) -> dict:
    return shop.admin.make(
        "/licenses", "licenses", {}, policy=("policies", shop.policy["id"]), owner=("users", user["id"])
    )
