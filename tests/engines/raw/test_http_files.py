"""Files, side files and lists of the Raw engine, over real HTTP (engines.md 6 and 10.5, decision 30)."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from keygenreg.assembly.bootstrap import create_account
from tests.daemon_fixtures import Account, Daemon, fetch
from tests.engines.raw.shop import Shop, path_of
from tests.management.customers import KEYS

CONTENT = b"kestrel " * 1000


@pytest.fixture(scope="module")
def shop(daemon: Daemon, daemon_connection: Any) -> Shop:
    """An OPEN product with files in and out of packages; to be read only."""
    slug = f"raw-{uuid4().hex}"
    daemon_connection.autocommit = False
    try:
        made = create_account(daemon_connection, slug, f"{slug[:20]}@example.com", "admin password", keys=KEYS)
    finally:
        daemon_connection.autocommit = True
    shop = Shop(Account(daemon, daemon_connection, made), "OPEN")
    shop.one = shop.publish("1.0.0", "app.zip", CONTENT, tag="lts", artifact={"platform": "linux", "arch": "x86_64"})
    shop.two = shop.publish("2.0.0", "app.zip", b"two")
    shop.beta = shop.publish("3.0.0-beta.1", "app.zip", b"beta")
    shop.package = shop.admin.make_package(shop.product, "updates", "tauri")
    shop.packed = shop.publish("1.0.0", "app.zip", b"packed", package=shop.package)
    shop.scoped = shop.publish(
        "1.0.0", "lib.tgz", b"no package", package=shop.admin.make_package(shop.product, "@acme/lib")
    )
    shop.deep = shop.admin.make_artifact(shop.one["made"], "bin/linux x64/app", b"deep")
    return shop


class TestFinding:
    def test_the_artifact_on_the_same_host(self, shop: Shop):
        answer = shop.get("app/1.0.0/app.zip")
        assert (answer.status, answer.body) == (303, b"")
        assert answer.headers["Location"] == shop.account.daemon.url + shop.location(shop.one, "app.zip")
        assert "no-store" in answer.headers["Cache-Control"]
        assert shop.follow(answer).body == CONTENT

    @pytest.mark.parametrize("accept", ["application/octet-stream", "text/html", "image/*", ""])
    def test_whatever_is_accepted(self, shop: Shop, accept: str):
        assert shop.get("app/1.0.0/app.zip", Accept=accept).status == 303

    def test_head(self, shop: Shop):
        answer = shop.get("app/1.0.0/app.zip", method="HEAD")
        assert (answer.status, path_of(answer)) == (303, shop.location(shop.one, "app.zip"))

    @pytest.mark.parametrize("release", ["1.0.0", "1.0", "1", "v1.0.0", "lts"])
    def test_release_by_version_or_tag(self, shop: Shop, release: str):
        assert path_of(shop.get(f"app/{release}/app.zip")) == shop.location(shop.one, "app.zip")

    def test_everything_by_id(self, shop: Shop):
        release, product, package = shop.packed["made"]["id"], shop.product["id"], shop.package["id"]
        answer = shop.get(f"{product}/@{package}/{release}/{shop.packed['id']}")
        assert path_of(answer) == shop.location(shop.packed, "app.zip")

    def test_codes_in_any_case_and_slashes_at_the_end(self, shop: Shop):
        assert path_of(shop.get("APP/1.0.0/app.zip/")) == shop.location(shop.one, "app.zip")

    def test_package_of_another_engine(self, shop: Shop):
        assert path_of(shop.get("app/@updates/1.0.0/app.zip")) == shop.location(shop.packed, "app.zip")

    def test_package_whose_key_has_a_slash(self, shop: Shop):
        assert path_of(shop.get("app/@@acme%2Flib/1.0.0/lib.tgz")) == shop.location(shop.scoped, "lib.tgz")

    def test_packaged_files_are_not_found_without_the_package(self, shop: Shop):
        answer = shop.get("app/1.0.0/lib.tgz")
        assert answer.status == 404
        missing = shop.get("app/9.0.0/lib.tgz")
        assert "/<product>/@<package>/<release>" in missing.error["detail"]

    def test_file_names_with_slashes(self, shop: Shop):
        for path in ("bin/linux%20x64/app", "bin%2Flinux%20x64%2Fapp"):
            answer = shop.get(f"app/1.0.0/{path}")
            assert path_of(answer) == shop.location(shop.deep, "bin%2Flinux%20x64%2Fapp")
            assert shop.follow(answer).body == b"deep"

    @pytest.mark.parametrize(
        "path",
        ["nope/1.0.0/app.zip", "app/9.0.0/app.zip", "app/1.0.0/nope.zip", "app/@nope/1.0.0/app.zip", "app",
         "app/@updates", "app/latest/nope", "app/1.0.0/%0A", "app/1.0.0/app.zip/x", f"{uuid4()}/1.0.0/app.zip"],
    )  # fmt: skip
    def test_what_is_not_there(self, shop: Shop, path: str):
        answer = shop.get(path, shop.anonymous)
        assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
        assert answer.headers["Content-Type"] == "application/vnd.api+json; charset=utf-8"
        assert "WWW-Authenticate" not in answer.headers
        assert answer.json["meta"]["id"] == answer.headers["X-Request-Id"]

    @pytest.mark.parametrize(
        "path",
        ["%00/a/b", "%FF/a/b", "%zz/a/b", f"app/{'1' * 9000}/x", f"app/1.0.0/{'x/' * 3000}y", "app/@/@/@",
         "app/@%2F/1/x", "..%2F..%2Fetc/passwd/x", "app/%F0%9F%92%BE/%C3%BC", "app/1.0.0/.sha256",
         "app/1.0.0/app.zip?auth[]=x", "app/1.0.0/app.zip?auth=%00", "app/1.0.0/%0D%0AX:%20y",
         "app/latest'--/x", "app/%25/%25.sha256"],
    )  # fmt: skip
    def test_nonsense_is_the_clients_fault(self, shop: Shop, path: str):
        answer = shop.get(path, shop.anonymous)
        assert (400 <= answer.status < 500 or answer.status == 303) and "X" not in answer.headers

    def test_errors_in_the_type_that_is_asked_for(self, shop: Shop):
        answer = shop.get("app/9.0.0/app.zip", Accept="application/json")
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"

    def test_publishing_is_explained(self, shop: Shop):
        answer = shop.get("app/1.0.0/app.zip", method="PUT")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert "keygenreg publish" in answer.error["detail"]


class TestLatest:
    def test_highest_stable(self, shop: Shop):
        assert path_of(shop.get("app/latest/app.zip")) == shop.location(shop.two, "app.zip")

    def test_of_a_package(self, shop: Shop):
        assert path_of(shop.get("app/@updates/latest/app.zip")) == shop.location(shop.packed, "app.zip")

    def test_the_tag_comes_first(self, account: Account):
        shop = Shop(account, "OPEN")
        tagged = shop.publish("1.0.0", "app.zip", tag="latest")
        shop.publish("2.0.0", "app.zip")
        assert path_of(shop.get("app/latest/app.zip")) == shop.location(tagged, "app.zip")

    def test_of_several_matches_the_highest_version(self, account: Account):
        """A tag that is another release's version."""
        shop = Shop(account, "OPEN")
        shop.publish("1.0.0", "app.zip")
        tagged = shop.publish("2.0.0", "app.zip", tag="1.0.0")
        assert path_of(shop.get("app/1.0.0/app.zip")) == shop.location(tagged, "app.zip")

    def test_the_product_decides_between_equal_names(self, account: Account):
        shop = Shop(account, "OPEN")
        other = shop.admin.make_product("OPEN", code="other")
        mine, theirs = shop.publish("1.0.0", "a"), shop.publish("1.0.0", "a", product=other)
        assert path_of(shop.get("app/1.0.0/a")) == shop.location(mine, "a")
        assert path_of(shop.get("other/1.0.0/a")) == shop.location(theirs, "a")


class TestQuery:
    def test_preserved_and_encoded(self, shop: Shop):
        answer = shop.get("app/1.0.0/app.zip?prefer=no-redirect&x=a%20b&y[]=%C3%BC")
        assert urlsplit(answer.headers["Location"]).query == "prefer=no-redirect&x=a%20b&y%5B%5D=%C3%BC"
        second = shop.follow(answer)
        assert (second.status, second.data["id"]) == (200, shop.one["id"])

    def test_life_of_the_link(self, shop: Shop):
        answer = shop.get("app/1.0.0/app.zip?ttl=never&prefer=no-redirect")
        assert shop.follow(answer, shop.admin).error["source"] == {"parameter": "ttl"}

    def test_malformed(self, shop: Shop):
        assert shop.get("app/1.0.0/app.zip?%zz").error["code"] == "PARAMETERS_INVALID"


class TestSideFiles:
    def test_digest(self, shop: Shop):
        answer = shop.get("app/1.0.0/app.zip.sha256", shop.anonymous)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.body.decode() == f"{hashlib.sha256(CONTENT).hexdigest()}  app.zip\n"
        again = shop.get("app/1.0.0/app.zip.sha256", If_None_Match=answer.headers["ETag"])
        assert again.status == 304

    def test_other_digests_where_they_are_known(self, account: Account):
        shop = Shop(account, "OPEN")
        shop.publish("1.0.0", "a/b.bin", CONTENT, artifact={"checksum": hashlib.sha512(CONTENT).hexdigest()})
        assert shop.get("app/1.0.0/a/b.bin.sha512").body.decode() == f"{hashlib.sha512(CONTENT).hexdigest()}  b.bin\n"
        assert shop.status("app/1.0.0/a/b.bin.sha3") == 404

    def test_by_id(self, shop: Shop):
        assert shop.get(f"app/1.0.0/{shop.one['id']}.sha256").body.endswith(b"  app.zip\n")

    def test_an_uploaded_one_comes_first(self, account: Account):
        shop = Shop(account, "OPEN")
        release = shop.publish("1.0.0", "a")["made"]
        uploaded = shop.admin.make_artifact(release, "a.sha256", b"signed sums")
        assert path_of(shop.get("app/1.0.0/a.sha256")) == shop.location(uploaded, "a.sha256")

    def test_of_the_whole_release(self, shop: Shop):
        answer = shop.get("app/1.0.0/SHA256SUMS", shop.anonymous)
        one, deep = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(b"deep").hexdigest()
        assert answer.body.decode() == f"{one}  app.zip\n{deep}  bin/linux x64/app\n"

    def test_of_what_is_not_there_yet(self, account: Account):
        shop = Shop(account, "OPEN")
        shop.publish("1.0.0", "later", None)
        assert shop.status("app/1.0.0/later.sha256") == 404
        assert shop.status("app/1.0.0/SHA256SUMS") == 404


class TestListing:
    def test_names_for_people_and_scripts(self, shop: Shop):
        for accept in ("", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8"):
            answer = shop.get("app/1.0.0/", shop.anonymous, Accept=accept)
            assert (answer.status, answer.body) == (200, b"app.zip\nbin/linux x64/app\n")
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"

    def test_json_for_programs(self, shop: Shop):
        answer = shop.get("app/lts", shop.anonymous, Accept="application/json")
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert (answer.json["release"]["version"], answer.json["release"]["tag"]) == ("1.0.0", "lts")
        first, second = answer.json["artifacts"]
        assert (first["filename"], first["size"], first["platform"], first["arch"]) == (
            "app.zip", len(CONTENT), "linux", "x86_64",
        )  # fmt: skip
        assert first["digests"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        for file, content in ((first, CONTENT), (second, b"deep")):
            assert shop.follow(fetch("GET", file["url"])).body == content

    def test_latest_and_packages(self, shop: Shop):
        assert shop.get("app/latest", Accept="application/json").json["release"]["version"] == "2.0.0"
        listed = shop.get("app/@@acme%2Flib/latest", Accept="application/json").json["artifacts"]
        assert shop.follow(fetch("GET", listed[0]["url"])).body == b"no package"

    def test_unchanged(self, shop: Shop):
        tag = shop.get("app/1.0.0").headers["ETag"]
        assert shop.get("app/1.0.0", If_None_Match=tag).status == 304


class TestHosts:
    def test_package_host_of_several_accounts(self, shop: Shop):
        """Links stay on that host, in the long form and with the account's id."""
        for host in ("raw.pkg.registry.test", f"raw.pkg.registry.test:{shop.account.daemon.port}"):
            for account in (shop.account.slug, shop.account.id):
                answer = fetch("GET", f"{shop.account.daemon.url}/{account}/app/1.0.0/app.zip", headers={"Host": host})
                assert answer.headers["Location"] == f"http://{host}{shop.location(shop.one, 'app.zip')}"
                listed = fetch("GET", f"{shop.account.daemon.url}/{account}/app/1.0.0",
                               headers={"Host": host, "Accept": "application/json"})  # fmt: skip
                assert listed.json["artifacts"][0]["url"] == f"http://{host}/{account}/app/1.0.0/app.zip"

    def test_long_form_there(self, shop: Shop):
        url = f"{shop.account.daemon.url}/v1/accounts/{shop.account.slug}/engines/raw/app/1.0.0/app.zip"
        answer = fetch("GET", url, headers={"Host": "raw.pkg.registry.test", "X-Forwarded-Proto": "https"})
        assert answer.headers["Location"] == f"https://raw.pkg.registry.test{shop.location(shop.one, 'app.zip')}"

    def test_nothing_at_the_root(self, shop: Shop):
        headers = {"Host": "raw.pkg.registry.test"}
        assert fetch("GET", f"{shop.account.daemon.url}/{shop.account.slug}", headers=headers).status == 404
