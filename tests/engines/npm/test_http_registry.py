"""Tarballs, the registry's own endpoints, and where the registry is: over real HTTP."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.daemon_fixtures import Account, Api, Daemon, basic, fetch
from tests.engines.npm.store import NPM, Store
from tests.engines.npm.tarballs import package
from tests.management.customers import License, product_api, token_of, user


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for one account, which sends downloads to signed links."""
    options = ("--mode", "singleplayer", "--domain", "registry.test", "--delivery", "redirect")
    daemon = Daemon(tmp_path_factory.mktemp("alone") / "data", *options).start()
    yield daemon
    daemon.stop()


class TestTarballs:
    CONTENT = package("@acme/lib", "1.0.0")

    def test_bytes_as_uploaded(self, shelf: Store):
        answer = fetch("GET", shelf.get().json["versions"]["1.0.0"]["dist"]["tarball"], headers={"Accept": NPM})
        assert (answer.status, answer.body) == (200, self.CONTENT)
        assert answer.headers["ETag"] == f'"sha256:{hashlib.sha256(self.CONTENT).hexdigest()}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "Content-Encoding" not in answer.headers

    @pytest.mark.parametrize(
        "path", ["@acme%2flib/-/lib-1.0.0.tgz", "%40acme/lib/-/lib-1.0.0.tgz", "@acme/lib/-/@acme/lib-1.0.0.tgz"]
    )
    def test_in_every_encoding(self, shelf: Store, path: str):
        """yarn builds the address itself, with the slash encoded."""
        assert shelf.get(path, shelf.anonymous).body == self.CONTENT

    def test_a_part(self, shelf: Store):
        answer = shelf.get("@acme/lib/-/lib-1.0.0.tgz", shelf.anonymous, Range="bytes=10-19")
        assert (answer.status, answer.body) == (206, self.CONTENT[10:20])

    @pytest.mark.parametrize(
        "path", ["lib-9.0.0.tgz", "lib.tgz", "other-1.0.0.tgz", "lib-1.0.0.zip", "lib-latest.tgz", "x/y"]
    )
    def test_other_files_are_not_there(self, shelf: Store, path: str):
        assert shelf.get(f"@acme/lib/-/{path}", shelf.anonymous).status == 404

    def test_versions_with_build_metadata(self, account: Account):
        store = Store(account, "OPEN")
        store.publish("1.0.0+build.5")
        url = store.get().json["versions"]["1.0.0+build.5"]["dist"]["tarball"]
        assert url.endswith("/acme/-/acme-1.0.0+build.5.tgz")
        for each in (url, url.replace("+", "%2B")):
            assert fetch("GET", each).body == package("acme", "1.0.0+build.5")


class TestEndpoints:
    def test_ping(self, shelf: Store):
        assert shelf.get("-/ping", shelf.anonymous).json == {}
        assert shelf.get("-/ping", Api(shelf.admin.root, shelf.account.id, "Bearer wrong")).status == 401

    def test_whoami(self, account: Account):
        """The e-mail address of users, the name of products and licenses, else their id."""
        store = Store(account)
        license = License(account, store.product)
        person = user(account)
        for api, expected in (
            (store.admin, account.email),
            (token_of(account, "users", person), f"{person}@example.com"),
            (product_api(account, store.product), "Product"),
            (license.key, license.id),
        ):
            assert store.get("-/whoami", api).json == {"username": expected}
        license.set(name="Big Corp")
        assert store.get("-/whoami", license.token).json == {"username": "Big Corp"}
        anonymous = store.get("-/whoami", store.anonymous)
        assert anonymous.status == 401
        assert "no log-in" in anonymous.json["error"]

    def test_audits_find_nothing(self, shelf: Store):
        """Whatever is sent, which npm compresses."""
        body = gzip.compress(json.dumps({"acme": ["1.0.0"]}).encode())
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        for api in (shelf.admin, shelf.anonymous):
            bulk = shelf.get("-/npm/v1/security/advisories/bulk", api, method="POST", body=body, **headers)
            assert (bulk.status, bulk.json) == (200, {})
            for path in ("-/npm/v1/security/audits/quick", "-/npm/v1/security/audits"):
                report = shelf.get(path, api, method="POST", body=body, **headers)
                assert report.status == 200
                assert report.json["advisories"] == {}
                assert set(report.json["metadata"]["vulnerabilities"].values()) == {0}

    def test_there_are_no_signatures(self, shelf: Store):
        """404 means to npm that the registry does not sign."""
        assert shelf.get("-/npm/v1/keys").status == 404
        assert shelf.get("-/npm/v1/attestations/@acme%2flib@1.0.0").status == 404

    @pytest.mark.parametrize(
        "path", ["-/all", "-/nothing", "-/user/org.couchdb.user:x", "-/v1/login", "-/npm/v1/tokens", "@acme", "-"]
    )
    def test_other_paths(self, shelf: Store, path: str):
        answer = shelf.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json; charset=utf-8")
        assert answer.json["error"] == "There is nothing at this path."

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "@acme%2flib"),
            ("PUT", "new-package"),
            ("PUT", "-/package/@acme%2flib/dist-tags/beta"),
            ("DELETE", "-/package/@acme%2flib/dist-tags/beta"),
            ("PUT", "@acme%2flib/-rev/1-0"),
            ("DELETE", "@acme%2flib/-/lib-1.0.0.tgz/-rev/1-0"),
            ("POST", "-/npm/v1/tokens"),
        ],
    )
    def test_writes_say_how_to_publish(self, shelf: Store, method: str, path: str):
        for api in (shelf.admin, shelf.anonymous):
            answer = shelf.get(path, api, method=method, body=b"{}")
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
            assert "keygenreg publish" in answer.json["error"]

    @pytest.mark.parametrize(
        ("method", "path"),
        [("PUT", "-/user/org.couchdb.user:me"), ("POST", "-/v1/login"), ("DELETE", "-/user/token/abc")],
    )
    def test_log_in_says_where_credentials_go(self, shelf: Store, method: str, path: str):
        answer = shelf.get(path, shelf.anonymous, method=method, body=b"{}")
        assert answer.status == 405
        assert answer.headers["npm-notice"] == answer.json["error"]
        assert f"/v1/accounts/{shelf.account.id}/engines/npm/:_auth=" in answer.json["error"]


class TestSearch:
    @pytest.fixture
    def store(self, account: Account) -> Store:
        store = Store(account, "OPEN", "@acme/lib")
        members = {"description": 'The "best" parser', "keywords": ["Fast", "json"], "license": "MIT"}
        store.publish("1.0.0", package("@acme/lib", "1.0.0", **members))
        store.publish("2.0.0-beta.1")
        hidden = Store(account, "LICENSED", "acme-secret")
        hidden.publish()
        store.hidden = hidden
        store.admin.make_package(store.product, "acme-empty", "npm")
        return store

    @staticmethod
    def names(store: Store, text: str, api: Api | None = None) -> list[str]:
        answer = store.get(f"-/v1/search?text={text}", api or store.anonymous)
        assert answer.status == 200
        assert answer.json["total"] == len(answer.json["objects"])
        return [each["package"]["name"] for each in answer.json["objects"]]

    def test_the_caller_finds_what_it_may_install(self, store: Store):
        assert self.names(store, "acme") == ["@acme/lib"]
        assert self.names(store, "acme", store.admin) == ["@acme/lib", "acme-secret"]
        license = License(store.account, store.hidden.product)
        assert self.names(store, "", license.key) == ["@acme/lib", "acme-secret"]
        license.set(suspended=True)
        assert self.names(store, "", license.token) == ["@acme/lib"]

    def test_every_word_must_occur_in_name_description_or_keywords(self, store: Store):
        for text in ("LIB", "best%22+parser", "fast+acme", "keywords:json", "scope:acme", "@acme/lib"):
            assert self.names(store, text) == ["@acme/lib"], text
        for text in ("parser+slow", "scope:other", "version", "%25", "keywords:yaml"):
            assert self.names(store, text) == [], text

    def test_what_is_shown(self, store: Store):
        (found,) = store.get("-/v1/search?text=lib", store.anonymous).json["objects"]
        shown = found["package"]
        assert (shown["name"], shown["version"], shown["scope"]) == ("@acme/lib", "1.0.0", "acme")
        assert (shown["description"], shown["license"]) == ('The "best" parser', "MIT")
        assert shown["keywords"] == ["Fast", "json"]
        assert shown["date"].endswith("Z")

    def test_parts(self, store: Store):
        answer = store.get("-/v1/search?text=acme&size=1&from=1").json
        assert [each["package"]["name"] for each in answer["objects"]] == ["acme-secret"]
        assert answer["total"] == 2
        for nonsense in ("size=-1", "size=x", "from=x", "size=99999999999", "from=99999999999", "text[]=a", "size=0"):
            assert store.get(f"-/v1/search?{nonsense}").status == 200


class TestPlaces:
    """The registry answers below every address that leads to the account, and its links stay there."""

    @staticmethod
    def check(daemon: Daemon, base: str, host: str, authorization: str | None, public: str | None = None) -> None:
        """Document, tarball and endpoints at ``base``; links start with ``public``."""
        headers = {"Host": host, "Accept": NPM} | ({"Authorization": authorization} if authorization else {})
        for spelled in ("@acme%2flib", "@acme/lib"):
            answer = fetch("GET", f"{daemon.url}{base}/{spelled}", headers=headers)
            assert answer.status == 200, answer
            tarball = answer.json["versions"]["1.0.0"]["dist"]["tarball"]
            assert tarball == f"{public or f'http://{host}'}{base}/@acme/lib/-/lib-1.0.0.tgz"
        path = tarball[len(public or f"http://{host}") :]
        answer = fetch("GET", f"{daemon.url}{path}", headers=headers)
        if answer.status == 303:
            location = answer.headers["Location"]
            assert location.startswith(f"http://{host}/-/blobs/")
            answer = fetch("GET", f"{daemon.url}{location[len(f'http://{host}'):]}", headers={"Host": host})
        assert answer.body == package("@acme/lib", "1.0.0")
        assert fetch("GET", f"{daemon.url}{base}/-/ping", headers=headers).json == {}
        assert fetch("GET", f"{daemon.url}{base}/-/v1/search?text=lib", headers=headers).json["total"] == 1

    def test_multiplayer(self, account: Account):
        store = Store(account, "LICENSED", "@acme/lib")
        store.publish()
        license = basic("license", License(account, store.product).secret)
        daemon, local = account.daemon, f"localhost:{account.daemon.port}"
        for reference in (account.id, account.slug):
            self.check(daemon, f"/v1/accounts/{reference}/engines/npm", local, license)
            self.check(daemon, f"/{reference}", "npm.pkg.registry.test", license)
            self.check(daemon, f"/v1/accounts/{reference}/engines/npm", f"npm.pkg.registry.test:{daemon.port}", license)

    def test_behind_a_proxy_that_speaks_tls(self, shelf: Store):
        for host, public in (
            ("npm.pkg.registry.test", "https://npm.pkg.registry.test"), ("registry.test", "https://api.registry.test"),
        ):  # fmt: skip
            headers = {"Host": host, "X-Forwarded-Proto": "https"}
            answer = fetch("GET", f"{shelf.admin.base}/engines/npm/@acme/lib", headers=headers)
            base = f"{public}/v1/accounts/{shelf.account.id}/engines/npm"
            assert answer.json["versions"]["1.0.0"]["dist"]["tarball"] == f"{base}/@acme/lib/-/lib-1.0.0.tgz"

    def test_singleplayer_and_redirected_downloads(self, alone: Daemon):
        made = json.loads((alone.data_dir / "first-admin.json").read_text())
        admin = Api(alone.url, made["account"]["id"], f"Bearer {made['token']}")
        product = admin.make_product("LICENSED")
        release = admin.make_release(product, package=admin.make_package(product, "@acme/lib", "npm"))
        admin.make_artifact(release, "lib.tgz", package("@acme/lib", "1.0.0"))
        for base, host in (
            ("", "npm.pkg.registry.test"),
            ("/v1/engines/npm", "npm.pkg.registry.test"),
            ("/v1/engines/npm", f"localhost:{alone.port}"),
            (f"/v1/accounts/{admin.account}/engines/npm", f"localhost:{alone.port}"),
        ):
            self.check(alone, base, host, admin.authorization)
        root = fetch("GET", f"{alone.url}/", headers={"Host": "npm.pkg.registry.test"})
        assert (root.status, root.json["engine"]) == (200, "npm")
