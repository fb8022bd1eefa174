"""Who may pull what: the role matrix of engines.md 10.8, registry tokens, and what becomes of revoked rights."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.daemon_fixtures import Account, Api, basic, fetch
from tests.engines.oci.conftest import errors_of
from tests.engines.oci.layouts import digest_of
from tests.engines.oci.store import Store, license_basic

LAYER = digest_of(b"layer of 1.0.0")
WHATS = ["manifests/1.0.0", "manifests/latest", f"blobs/{LAYER}", "tags/list"]


def make(account: Account, strategy: str) -> Store:
    store = Store(account, strategy)
    store.publish("1.0.0", tag="stable")
    return store


def set_status(store: Store, status: str) -> None:
    store.account.sql("UPDATE releases SET status = %s WHERE package_id = %s", status, store.package["id"])


def product_token(store: Store, product: dict) -> Api:
    answer = store.admin.post(f"/products/{product['id']}/tokens")
    return store.admin.as_(answer.data["attributes"]["token"])


class TestRoles:
    @pytest.mark.parametrize("status", ["PUBLISHED", "DRAFT", "YANKED"])
    @pytest.mark.parametrize("strategy", ["OPEN", "LICENSED", "CLOSED"])
    def test_administrator_and_own_product(self, account: Account, strategy: str, status: str):
        store = make(account, strategy)
        set_status(store, status)
        for api in (store.admin, product_token(store, store.product)):
            assert store.get("manifests/1.0.0", api).status == 200
            assert store.get(f"blobs/{LAYER}", api).body == b"layer of 1.0.0"
            assert store.get("tags/list", api).json["tags"] == ["1.0.0", "stable"]

    @pytest.mark.parametrize("strategy", ["OPEN", "LICENSED"])
    def test_other_product(self, account: Account, strategy: str):
        store = make(account, strategy)
        api = product_token(store, store.admin.make_product())
        for what in WHATS:
            answer = store.get(what, api)
            assert answer.status == 403
            assert errors_of(answer)[0]["code"] == "DENIED"

    @pytest.mark.parametrize(("strategy", "status"), [("LICENSED", 200), ("OPEN", 200), ("CLOSED", 403)])
    def test_own_license(self, account: Account, strategy: str, status: int):
        store = make(account, strategy)
        api = store.holder(store.licensed())
        assert {store.get(what, api).status for what in WHATS} == {status}

    @pytest.mark.parametrize(("strategy", "status"), [("LICENSED", 403), ("OPEN", 200), ("CLOSED", 403)])
    def test_license_of_another_product(self, account: Account, strategy: str, status: int):
        store = make(account, strategy)
        other = store.admin.make_license(store.admin.make_policy(store.admin.make_product()))
        assert {store.get(what, store.holder(other)).status for what in WHATS} == {status}

    @pytest.mark.parametrize(("strategy", "status"), [("LICENSED", 401), ("OPEN", 200), ("CLOSED", 401)])
    def test_anonymous(self, account: Account, strategy: str, status: int):
        store = make(account, strategy)
        for what in WHATS:
            answer = store.get(what, store.anonymous)
            assert answer.status == status
            if status == 401:
                assert errors_of(answer)[0]["code"] == "UNAUTHORIZED"
                assert errors_of(answer)[0]["title"] == "Unauthorized"

    @pytest.mark.parametrize("status", ["DRAFT", "YANKED"])
    @pytest.mark.parametrize("strategy", ["LICENSED", "OPEN"])
    def test_drafts_and_yanked_releases_are_not_there(self, account: Account, strategy: str, status: str):
        store = make(account, strategy)
        set_status(store, status)
        api = store.holder(store.licensed()) if strategy == "LICENSED" else store.anonymous
        assert {store.get(what, api).status for what in WHATS[:3]} == {404}
        assert store.get("tags/list", api).json["tags"] == []

    def test_entitlement(self, account: Account):
        store = make(account, "LICENSED")
        license = store.licensed()
        needed = store.admin.make("/entitlements", "entitlements", {"name": "More", "code": "MORE"})
        store.constrain("1.0.0", needed)
        api = store.holder(license)
        assert [store.get(what, api).status for what in WHATS] == [403, 403, 403, 200]
        assert store.get("tags/list", api).json["tags"] == []
        linked = {"data": [{"type": "entitlements", "id": needed["id"]}]}
        assert store.admin.post(f"/licenses/{license['id']}/entitlements", linked).status < 300
        assert {store.get(what, api).status for what in WHATS} == {200}

    def test_another_account(self, account: Account, closed_shelf: Store):
        store = make(account, "OPEN")
        key = closed_shelf.license["attributes"]["key"]
        answer = store.get("manifests/1.0.0", store.admin.as_(key=key))
        assert (answer.status, errors_of(answer)[0]["code"]) == (401, "LICENSE_INVALID")
        answer = store.get("manifests/1.0.0", store.admin.as_(closed_shelf.account.token))
        assert (answer.status, errors_of(answer)[0]["code"]) == (401, "TOKEN_INVALID")

    def test_canceled_account(self, account: Account):
        store = make(account, "OPEN")
        account.sql("UPDATE accounts SET status = 'CANCELED' WHERE id = %s", account.id)
        for what in WHATS:
            answer = store.get(what, store.anonymous)
            assert answer.status == 403
            errors_of(answer)

    def test_tags_while_the_image_is_read(self, account: Account):
        store = make(account, "LICENSED")
        account.sql("UPDATE artifacts SET status = 'PROCESSING' WHERE account_id = %s", account.id)
        assert store.get("tags/list", store.holder(store.licensed())).json["tags"] == ["1.0.0", "stable"]

    def test_no_image_yet(self, account: Account):
        store = Store(account)
        store.release("1.0.0")
        assert store.get("manifests/1.0.0").status == 404
        assert store.get("tags/list").json["tags"] == ["1.0.0"]


class TestLatest:
    def test_highest_stable_release_that_may_be_read(self, account: Account):
        store = Store(account, "LICENSED")
        made = {version: store.publish(version) for version in ("1.9.0", "1.10.0", "2.0.0-rc.1")}
        assert made
        api = store.holder(store.licensed())

        def layer() -> str:
            manifest = store.get("manifests/latest", api).json
            return store.get(f"blobs/{manifest['layers'][0]['digest']}", api).body.decode()

        assert layer() == "layer of 1.10.0"
        store.constrain("1.10.0", store.admin.make("/entitlements", "entitlements", {"name": "M", "code": "M"}))
        assert layer() == "layer of 1.9.0"
        store.publish("0.1.0", tag="latest")
        assert layer() == "layer of 0.1.0"


class TestRegistryTokens:
    def test_document(self, closed_shelf: Store):
        store = closed_shelf
        url = f"{store.root}/token?service=x&scope=repository:{store.name}:pull,push&account=license"
        answer = fetch("GET", url, headers={"Authorization": license_basic(store.license)})
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["token"] == answer.json["access_token"]
        assert 15 * 60 <= answer.json["expires_in"] <= 60 * 60
        assert "refresh_token" not in answer.json
        assert answer.json["scope"] == f"repository:{store.name}:pull"
        assert answer.json["issued_at"].endswith("Z")

    @pytest.mark.parametrize("what", WHATS)
    def test_pulls(self, closed_shelf: Store, what: str):
        token = closed_shelf.token(license_basic(closed_shelf.license))
        assert closed_shelf.get(what, closed_shelf.with_token(token)).status == 200

    def test_of_an_api_token(self, closed_shelf: Store):
        token = closed_shelf.token(basic("token", closed_shelf.account.token))
        answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token))
        assert answer.status == 200
        assert answer.headers["Keygen-Bearer"]

    @pytest.mark.parametrize("authorization", [None, "Basic Og==", basic("license", ""), basic("token", "")])
    def test_anonymous(self, closed_shelf: Store, authorization: str | None):
        """Everybody gets a token; it opens what is open."""
        token = closed_shelf.token(authorization)
        answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token))
        assert answer.status == 401
        assert 'error="' not in answer.headers["WWW-Authenticate"]
        assert closed_shelf.ask(closed_shelf.root + "/", closed_shelf.with_token(token)).status == 200

    @pytest.mark.parametrize("scoped", [True, False])
    @pytest.mark.parametrize(
        "authorization",
        [basic("license", "wrong"), basic("token", "wrong"), basic("user", "x"), "Basic !!!", "Basic /w==",
         basic("license", "a:b"), "Bearer x", "License x", "Basic " + "A" * 8000],
    )  # fmt: skip
    def test_wrong_credentials(self, closed_shelf: Store, authorization: str, scoped: bool):
        scope = f"?scope=repository:{closed_shelf.name}:pull" if scoped else ""
        answer = fetch("GET", f"{closed_shelf.root}/token{scope}", headers={"Authorization": authorization})
        assert answer.status == 401
        assert len(answer.headers.get_all("WWW-Authenticate")) == 1
        errors_of(answer)
        answer = fetch("GET", f"{closed_shelf.root}/", headers={"Authorization": authorization})
        assert answer.status == 401

    def test_log_in_names_no_repository(self, closed_shelf: Store):
        for authorization in (license_basic(closed_shelf.license), basic("token", closed_shelf.account.token)):
            answer = fetch("GET", f"{closed_shelf.root}/token?service=x", headers={"Authorization": authorization})
            api = closed_shelf.with_token(answer.json["token"])
            assert closed_shelf.ask(f"{closed_shelf.root}/", api).status == 200
            assert closed_shelf.ask(f"{closed_shelf.root}/", closed_shelf.admin.as_(key="x")).status == 401

    @pytest.mark.parametrize(
        "scopes",
        ["scope=repository:{0}:pull&scope=repository:other/x:pull",
         "scope=repository:other/x:pull%20repository:{0}:pull", "scope=repository:{0}:*",
         "scope=repository:{0}:pull&scope=repository:{0}:pull", "scope=repository:{0}:push,pull",
         "scope=registry:catalog:*&scope=repository:{0}:pull", "scope=repository(plugin):{0}:pull"],
    )  # fmt: skip
    def test_forms_of_scopes(self, closed_shelf: Store, scopes: str):
        headers = {"Authorization": license_basic(closed_shelf.license)}
        answer = fetch("GET", f"{closed_shelf.root}/token?{scopes.format(closed_shelf.name)}", headers=headers)
        assert closed_shelf.get("tags/list", closed_shelf.with_token(answer.json["token"])).status == 200

    @pytest.mark.parametrize("user", ["license", "token"])
    def test_posted_form(self, closed_shelf: Store, user: str):
        """As containerd asks."""
        secret = closed_shelf.license["attributes"]["key"] if user == "license" else closed_shelf.account.token
        form = f"grant_type=password&service=x&client_id=c&username={user}&password={quote(secret)}"
        body = f"{form}&scope={quote(f'repository:{closed_shelf.name}:pull')}".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = fetch("POST", f"{closed_shelf.root}/token", body, headers)
        assert answer.status == 200
        assert closed_shelf.get("tags/list", closed_shelf.with_token(answer.json["access_token"])).status == 200

    def test_posted_refresh_token(self, closed_shelf: Store):
        """As identity tokens of credential helpers are sent."""
        form = f"grant_type=refresh_token&refresh_token={closed_shelf.account.token}"
        assert fetch("POST", f"{closed_shelf.root}/token", form.encode()).status == 200
        assert fetch("POST", f"{closed_shelf.root}/token", b"grant_type=refresh_token&refresh_token=x").status == 401

    @pytest.mark.parametrize("body", [b"", b"x", b"grant_type=other", b"grant_type=refresh_token", b"%ff", b"a=%zz"])
    def test_posted_nonsense(self, closed_shelf: Store, body: bytes):
        assert fetch("POST", f"{closed_shelf.root}/token", body).status == 400

    def test_posted_wrong_password(self, closed_shelf: Store):
        body = b"grant_type=password&username=license&password=wrong"
        assert fetch("POST", f"{closed_shelf.root}/token", body).status == 401

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
    def test_other_methods(self, closed_shelf: Store, method: str):
        assert fetch(method, f"{closed_shelf.root}/token").status == 405

    def test_for_another_repository(self, closed_shelf: Store):
        token = closed_shelf.token(license_basic(closed_shelf.license), f"{closed_shelf.account.slug}/other")
        answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token))
        assert answer.status == 401
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]

    def test_for_another_host(self, closed_shelf: Store):
        token = closed_shelf.token(license_basic(closed_shelf.license))
        answer = closed_shelf.get("manifests/1.0.0", closed_shelf.with_token(token), Host="oci.pkg.registry.test")
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


class TestRevocation:
    """What was taken away is gone with the next request, whatever the client still holds."""

    @pytest.fixture
    def store(self, account: Account) -> Store:
        return make(account, "LICENSED")

    def held(self, store: Store, license: dict) -> list[Api]:
        """The same license in every form: key, Basic, registry token."""
        token = store.with_token(store.token(license_basic(license)))
        plain = Api(store.admin.root, store.admin.account, license_basic(license))
        apis = [store.holder(license), plain, token]
        assert {store.get(what, api).status for what in WHATS for api in apis} == {200}
        return apis

    def test_suspended(self, store: Store):
        license = store.licensed()
        apis = self.held(store, license)
        store.admin.post(f"/licenses/{license['id']}/actions/suspend")
        for api in apis:
            answer = store.get(f"blobs/{LAYER}", api)
            assert (answer.status, errors_of(answer)[0]["code"]) == (403, "LICENSE_SUSPENDED")

    def test_suspended_with_a_token_of_the_license(self, store: Store):
        license = store.licensed()
        raw = store.admin.post(f"/licenses/{license['id']}/tokens").data["attributes"]["token"]
        api = store.with_token(store.token(basic("token", raw)))
        assert store.get("manifests/1.0.0", api).status == 200
        store.admin.post(f"/licenses/{license['id']}/actions/suspend")
        assert {store.get(what, api).status for what in WHATS} == {403}

    def test_expired(self, store: Store):
        license = store.licensed(expirationStrategy="REVOKE_ACCESS")
        apis = self.held(store, license)
        store.account.sql("UPDATE licenses SET expiry = now() - interval '1 day' WHERE id = %s", license["id"])
        assert {store.get("manifests/1.0.0", api).status for api in apis} == {403}

    def test_license_deleted(self, store: Store):
        license = store.licensed()
        apis = self.held(store, license)
        assert store.admin.delete(f"/licenses/{license['id']}").status == 204
        assert {store.get("manifests/1.0.0", api).status for api in apis} == {401}

    def test_token_revoked(self, store: Store):
        made = store.admin.post(f"/products/{store.product['id']}/tokens").data
        api = store.with_token(store.token(basic("token", made["attributes"]["token"])))
        assert store.get("manifests/1.0.0", api).status == 200
        store.admin.delete(f"/tokens/{made['id']}")
        assert store.get("manifests/1.0.0", api).status == 401

    def test_token_regenerated(self, store: Store):
        """A new secret makes registry tokens of the old one worthless."""
        made = store.admin.post(f"/products/{store.product['id']}/tokens").data
        api = store.with_token(store.token(basic("token", made["attributes"]["token"])))
        assert store.get("manifests/1.0.0", api).status == 200
        again = store.admin.put(f"/tokens/{made['id']}")
        assert again.status == 200
        assert store.get("manifests/1.0.0", api).status == 401
        fresh = store.with_token(store.token(basic("token", again.data["attributes"]["token"])))
        assert store.get("manifests/1.0.0", fresh).status == 200

    def test_yanked_entitled_closed(self, store: Store):
        apis = self.held(store, store.licensed())
        set_status(store, "YANKED")
        assert {store.get(f"blobs/{LAYER}", api).status for api in apis} == {404}
        set_status(store, "PUBLISHED")
        store.account.sql("UPDATE products SET distribution_strategy = 'CLOSED' WHERE id = %s", store.product["id"])
        assert {store.get(f"blobs/{LAYER}", api).status for api in apis} == {403}

    def test_deleted(self, store: Store):
        """A blob that was pulled before is gone with the artifact (CVE-2026-35172)."""
        apis = self.held(store, store.licensed())
        artifact = store.admin.get("/artifacts").json["data"][0]
        assert store.admin.delete(f"/artifacts/{artifact['id']}").status == 204
        assert {store.get(f"blobs/{LAYER}", api).status for api in [*apis, store.admin]} == {404}


class TestOtherRepositories:
    def test_blob_of_another_package(self, account: Account):
        """A digest is no permission: it must be reachable in this repository (CVE-2024-39897)."""
        here, there = Store(account, "OPEN", "here"), Store(account, "LICENSED", "there")
        here.publish("1.0.0")
        there.publish("1.0.0", tag=None, layout=None)
        secret = Store(account, "LICENSED", "secret")
        secret.publish("3.0.0")
        digest = digest_of(b"layer of 3.0.0")
        for store in (here, there):
            for api in (store.anonymous, store.admin, store.holder(there.licensed())):
                assert store.get(f"blobs/{digest}", api).status in (401, 403, 404)
                assert store.get(f"blobs/{digest}", api).body.count(b"layer of") == 0

    def test_manifest_of_another_account(self, account: Account, closed_shelf: Store):
        store = make(account, "OPEN")
        manifest = closed_shelf.get("manifests/1.0.0").headers["Docker-Content-Digest"]
        store.account.sql("SELECT 1")
        assert closed_shelf.get(f"manifests/{manifest}").status == 200
        # The same bytes are in both stores; what is in one only is not in the other.
        other = Store(account, "OPEN", "empty")
        assert other.get(f"manifests/{manifest}", other.anonymous).status == 404

    def test_claiming_a_digest_is_not_having_it(self, account: Account, closed_shelf: Store):
        """An archive that lists somebody's layer and holds other bytes under its name is refused."""
        from tests.engines.oci.layouts import simple

        layout = simple(b"layer of 1.0.0")
        layout.files[f"blobs/{LAYER.replace(':', '/')}"] = b"n" * len(b"layer of 1.0.0")
        store = Store(account, "OPEN", "thief")
        artifact = store.upload(store.release("1.0.0"), layout.tar())
        assert artifact["attributes"]["status"] == "FAILED"
        assert LAYER in json.dumps(artifact["attributes"])
        assert store.get(f"blobs/{LAYER}").status == 404


class TestFirstDownload:
    @pytest.mark.parametrize("what", ["manifests/1.0.0", f"blobs/{LAYER}"])
    def test_starts_the_time_of_a_license(self, account: Account, what: str):
        """Looking does not, pulling does, once."""
        store = make(account, "LICENSED")
        license = store.licensed(duration=86_400, expirationBasis="FROM_FIRST_DOWNLOAD")

        def expiry() -> object:
            return account.sql("SELECT expiry FROM licenses WHERE id = %s", license["id"])[0][0]

        api = store.holder(license)
        assert store.get(what, api, method="HEAD").status == 200
        assert store.get("tags/list", api).status == 200
        assert expiry() is None
        assert store.get(what, api).status == 200
        first = expiry()
        assert first is not None
        assert store.get(what, api).status == 200
        assert expiry() == first
