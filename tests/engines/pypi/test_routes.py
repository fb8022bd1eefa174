"""The PyPI engine over real HTTP: the checklist of engines.md 10.3 and decisions 7, 17 to 19."""

from __future__ import annotations

import hashlib
from uuid import uuid4

import pytest
from pypi_simple import ProjectPage

from tests.daemon_fixtures import Account, Answer, Api, basic, fetch
from tests.engines.pypi.archives import METADATA, SDIST_NAME, WHEEL_NAME, sdist, wheel
from tests.engines.pypi.reading_html import read_page

JSON = "application/vnd.pypi.simple.v1+json"
#: One build: an archive holds the time of its making.
WHEEL = wheel()
PIP = f"{JSON}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


class Shop:
    """An account with the project ``acme`` of one product, a policy and a license."""

    def __init__(self, account: Account, strategy: str = "LICENSED") -> None:
        self.account = account
        self.admin = account.admin
        self.product = self.admin.make_product(strategy)
        self.package = self.admin.make_package(self.product, "Acme", "pypi")
        self.release = self.admin.make_release(self.product, package=self.package)
        self.wheel = self.admin.make_artifact(self.release, WHEEL_NAME, WHEEL)
        self.policy = self.admin.make_policy(self.product)
        self.license = self.admin.make_license(self.policy)
        self.key = self.license["attributes"]["key"]

    def page(self, name: str = "acme", *, api: Api | None = None, accept: str | None = JSON, **headers: str) -> Answer:
        api = self.admin.as_(key=self.key) if api is None else api
        sent = headers | ({"Authorization": api.authorization} if api.authorization else {})
        sent |= {"Accept": accept} if accept else {}
        return fetch("GET", f"{api.base}/engines/pypi/simple/{name}", headers=sent)

    @property
    def anonymous(self) -> Api:
        return self.admin.as_()

    def product_token(self, product: dict | None = None) -> Api:
        answer = self.admin.post(f"/products/{(product or self.product)['id']}/tokens")
        return self.admin.as_(answer.data["attributes"]["token"])


@pytest.fixture
def shop(account: Account) -> Shop:
    return Shop(account)


@pytest.fixture
def open_shop(account: Account) -> Shop:
    return Shop(account, "OPEN")


def files(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [file["filename"] for file in answer.json["files"]]


class TestIndex:
    def test_lists_pypi_packages_only_with_their_keys(self, open_shop: Shop):
        """Text is the key as spelled, the link its normalised page."""
        open_shop.admin.make_package(open_shop.product, "other", "npm")
        answer = open_shop.page("", accept="text/html")
        (anchor,) = read_page(answer.body).anchors
        assert anchor.text == "Acme"
        assert anchor["href"].endswith(f"/v1/accounts/{open_shop.account.id}/engines/pypi/simple/acme/")

    def test_metadata_of_a_package_becomes_data_attributes(self, open_shop: Shop):
        open_shop.admin.patch(
            f"/packages/{open_shop.package['id']}",
            {"data": {"type": "packages", "attributes": {"metadata": {"homePage": "a<b"}}}},
        )
        assert b'data-home-page="a&lt;b"' in open_shop.page("", accept="text/html").body

    def test_anonymous_sees_open_projects_only(self, shop: Shop):
        other = shop.admin.make_product("OPEN")
        shop.admin.make_package(other, "free", "pypi")
        names = [project["name"] for project in shop.page("", api=shop.anonymous).json["projects"]]
        assert names == ["free"]

    def test_a_license_sees_its_product_and_open_ones(self, shop: Shop):
        for strategy in ("OPEN", "LICENSED", "CLOSED"):
            product = shop.admin.make_product(strategy)
            shop.admin.make_package(product, f"other-{strategy.lower()}", "pypi")
        names = {project["name"] for project in shop.page("").json["projects"]}
        assert names == {"Acme", "other-open"}

    def test_an_etag_saves_the_second_transfer(self, open_shop: Shop):
        first = open_shop.page("")
        again = open_shop.page("", **{"If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert open_shop.page("", **{"If-None-Match": '"other"'}).status == 200


class TestNegotiation:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            (None, "text/html; charset=utf-8"),
            ("*/*", "text/html; charset=utf-8"),
            ("text/html", "text/html; charset=utf-8"),
            (PIP, JSON),
            ("application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+html"),
            ("application/vnd.pypi.simple.latest+json", JSON),
        ],
    )
    def test_the_client_gets_what_it_asked_for(self, open_shop: Shop, accept: str | None, expected: str):
        answer = open_shop.page(accept=accept)
        assert (answer.status, answer.headers["Content-Type"]) == (200, expected)
        assert "Accept" in answer.headers["Vary"]

    def test_an_unknown_version_of_the_format_is_not_acceptable(self, open_shop: Shop):
        assert open_shop.page(accept="application/vnd.pypi.simple.v9+json").status == 406

    def test_format_parameter_wins(self, open_shop: Shop):
        assert open_shop.page(f"acme?format={JSON}", accept="text/html").headers["Content-Type"] == JSON

    def test_head_is_get_without_a_body(self, open_shop: Shop):
        url = f"{open_shop.admin.base}/engines/pypi/simple/acme/"
        get, head = fetch("GET", url), fetch("HEAD", url)
        assert (head.status, head.body) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag"):
            assert head.headers[name] == get.headers[name]


class TestProject:
    def test_json_says_all_about_a_wheel(self, shop: Shop):
        (file,) = shop.page().json["files"]
        content = WHEEL
        assert file["filename"] == WHEEL_NAME
        assert file["hashes"]["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["size"] == len(content)
        assert file["requires-python"] == ">=3.9"
        assert file["core-metadata"] == {"sha256": hashlib.sha256(METADATA).hexdigest()}
        assert file["yanked"] is False
        assert file["upload-time"].endswith("Z")
        assert shop.page().json["versions"] == ["1.0"]

    def test_html_is_read_by_an_independent_parser(self, shop: Shop):
        shop.admin.make_artifact(shop.release, SDIST_NAME, sdist())
        answer = shop.page(accept="text/html")
        page = ProjectPage.from_html("acme", answer.body, base_url=shop.admin.base)
        assert {package.filename for package in page.packages} == {WHEEL_NAME, SDIST_NAME}
        assert page.repository_version == "1.4"
        (read,) = [package for package in page.packages if package.filename == WHEEL_NAME]
        assert read.requires_python == ">=3.9"
        assert read.has_metadata is True
        assert read.digests == {"sha256": hashlib.sha256(WHEEL).hexdigest()}

    def test_the_file_and_its_metadata_download_with_the_same_key(self, shop: Shop):
        url = shop.page().json["files"][0]["url"]
        headers = {"Authorization": basic("license", shop.key)}
        got = fetch("GET", url, headers=headers)
        assert (got.status, got.body) == (200, WHEEL)
        assert got.headers["Accept-Ranges"] == "bytes"
        sibling = fetch("GET", url + ".metadata", headers=headers)
        assert (sibling.status, sibling.body) == (200, METADATA)
        assert fetch("GET", url).status in (401, 404)
        assert fetch("GET", url + ".metadata").status in (401, 404)

    def test_part_of_a_file(self, shop: Shop):
        url = shop.page().json["files"][0]["url"]
        got = fetch("GET", url, headers={"Authorization": basic("license", shop.key), "Range": "bytes=10-19"})
        assert (got.status, got.body) == (206, WHEEL[10:20])

    @pytest.mark.parametrize("spelling", ["acme", "Acme", "ACME", "acme/", "%41cme"])
    def test_every_spelling_of_the_name_works(self, shop: Shop, spelling: str):
        assert files(shop.page(spelling)) == [WHEEL_NAME]

    def test_separators_are_alike(self, shop: Shop):
        shop.admin.make_package(shop.product, "My.Big__Tool", "pypi")
        for spelling in ("my-big-tool", "my_big.tool", "My.Big__Tool"):
            assert files(shop.page(spelling)) == []

    def test_by_id(self, shop: Shop):
        assert files(shop.page(shop.package["id"])) == [WHEEL_NAME]

    def test_metadata_of_an_artifact_becomes_attributes_and_wins_for_requires_python(self, shop: Shop):
        document = {"data": {"type": "artifacts", "attributes": {"metadata": {"requiresPython": ">=3.12", "a": "<"}}}}
        assert shop.admin.patch(f"/artifacts/{shop.wheel['id']}", document).status == 200
        (anchor,) = read_page(shop.page(accept="text/html").body).anchors
        assert anchor["data-requires-python"] == ">=3.12"
        assert anchor["data-a"] == "<"
        assert shop.page().json["files"][0]["requires-python"] == ">=3.12"

    def test_other_files_are_stored_and_not_listed(self, shop: Shop):
        for name in ("acme-1.0.txt", "acme-1.0.sig", "notes.zip"):
            shop.admin.make_artifact(shop.release, name, b"x" * 10)
        shop.admin.make_artifact(shop.release, "acme-1.0-py2-none-any.whl")
        assert files(shop.page()) == [WHEEL_NAME]

    @pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
    def test_a_stated_checksum_stands_in_for_bytes_we_do_not_hold(self, shop: Shop, algorithm: str):
        digest = hashlib.new(algorithm, b"elsewhere").hexdigest()
        shop.account.sql(
            "UPDATE artifacts SET blob_sha256 = NULL, checksum = %s WHERE id = %s", digest, shop.wheel["id"]
        )
        assert shop.page().json["files"][0]["hashes"] == {algorithm: digest}
        assert f"#{algorithm}={digest}".encode() in shop.page(accept="text/html").body

    @pytest.mark.parametrize("checksum", ["abcdef", "not a checksum", "", None])
    def test_no_fragment_for_a_checksum_that_is_none(self, shop: Shop, checksum: str | None):
        shop.account.sql(
            "UPDATE artifacts SET blob_sha256 = NULL, checksum = %s WHERE id = %s", checksum, shop.wheel["id"]
        )
        (anchor,) = read_page(shop.page(accept="text/html").body).anchors
        assert "#" not in anchor["href"]

    def test_odd_metadata_never_breaks_a_page(self, shop: Shop):
        odd = {"yanked": {"a": 1}, "provenance": [], "requiresPython": 7, "deep": {"x": {"y": 1}}}
        document = {"data": {"type": "artifacts", "attributes": {"metadata": odd}}}
        assert shop.admin.patch(f"/artifacts/{shop.wheel['id']}", document).status == 200
        status = {"data": {"type": "packages", "attributes": {"metadata": {"projectStatus": ["odd"]}}}}
        assert shop.admin.patch(f"/packages/{shop.package['id']}", status).status == 200
        assert files(shop.page()) == [WHEEL_NAME]
        assert shop.page(accept="text/html").status == 200

    def test_project_json_for_tools(self, shop: Shop):
        headers = {"Authorization": basic("license", shop.key)}
        base = f"{shop.admin.base}/engines/pypi/pypi/acme"
        whole = fetch("GET", f"{base}/json", headers=headers)
        assert whole.json["info"]["summary"] == "Makes everything"
        assert whole.json["urls"][0]["digests"]["sha256"] == hashlib.sha256(WHEEL).hexdigest()
        assert fetch("GET", f"{base}/1.0/json", headers=headers).json["info"]["version"] == "1.0"
        assert fetch("GET", f"{base}/9.9/json", headers=headers).status == 404
        assert fetch("GET", f"{base}/json").status == 401


class TestWho:
    def test_anonymous_is_challenged(self, shop: Shop):
        answer = shop.page(api=shop.anonymous)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="keygen"'
        assert "Location" not in answer.headers

    def test_anonymous_reads_an_open_project(self, open_shop: Shop):
        assert files(open_shop.page(api=open_shop.anonymous)) == [WHEEL_NAME]

    def test_a_closed_project_is_nobodys(self, account: Account):
        shop = Shop(account, "CLOSED")
        assert shop.page(api=shop.anonymous).status == 401
        assert shop.page().status == 403
        assert files(shop.page(api=shop.admin)) == [WHEEL_NAME]

    def test_a_license_of_another_product(self, shop: Shop):
        for strategy, status in (("LICENSED", 403), ("CLOSED", 403), ("OPEN", 200)):
            product = shop.admin.make_product(strategy)
            name = f"other-{strategy.lower()}"
            shop.admin.make_package(product, name, "pypi")
            assert shop.page(name).status == status, name

    def test_a_product_token_sees_its_own_only(self, shop: Shop):
        assert files(shop.page(api=shop.product_token())) == [WHEEL_NAME]
        other = shop.admin.make_product("OPEN")
        assert shop.page(api=shop.product_token(other)).status == 403

    def test_drafts_and_yanked_releases(self, shop: Shop):
        draft = shop.admin.make_release(shop.product, "2.0.0", package=shop.package, status="DRAFT")
        name = "acme-2.0-py3-none-any.whl"
        document = METADATA.replace(b"Version: 1.0", b"Version: 2.0")
        shop.admin.make_artifact(draft, name, wheel(document, folder="acme-2.0.dist-info"))
        assert files(shop.page()) == [WHEEL_NAME]
        assert files(shop.page(api=shop.admin)) == [name, WHEEL_NAME]
        assert shop.admin.post(f"/releases/{shop.release['id']}/actions/yank").status == 200
        assert files(shop.page()) == []
        assert [file["yanked"] for file in shop.page(api=shop.admin).json["files"]] == [False, True]

    def test_an_entitlement_gates_files(self, shop: Shop):
        entitlement = shop.admin.make("/entitlements", "entitlements", {"name": "Early", "code": "EARLY"})
        constraint = {
            "type": "constraints",
            "relationships": {"entitlement": {"data": {"type": "entitlements", "id": entitlement["id"]}}},
        }
        assert shop.admin.post(f"/releases/{shop.release['id']}/constraints", {"data": [constraint]}).status == 200
        assert files(shop.page()) == []
        given = {"data": [{"type": "entitlements", "id": entitlement["id"]}]}
        assert shop.admin.post(f"/licenses/{shop.license['id']}/entitlements", given).status == 200
        assert files(shop.page()) == [WHEEL_NAME]

    def test_suspension_counts_in_the_next_request(self, shop: Shop):
        assert files(shop.page()) == [WHEEL_NAME]
        url = shop.page().json["files"][0]["url"]
        assert shop.admin.post(f"/licenses/{shop.license['id']}/actions/suspend").status == 200
        refused = shop.page()
        assert refused.status == 403
        assert refused.error["code"] == "LICENSE_SUSPENDED"
        assert fetch("GET", url, headers={"Authorization": basic("license", shop.key)}).status == 403
        assert shop.admin.post(f"/licenses/{shop.license['id']}/actions/reinstate").status == 200
        assert files(shop.page()) == [WHEEL_NAME]

    def test_a_suspended_license_with_a_token(self, shop: Shop):
        token = shop.admin.post(f"/licenses/{shop.license['id']}/tokens").data["attributes"]["token"]
        assert files(shop.page(api=shop.admin.as_(token))) == [WHEEL_NAME]
        shop.admin.post(f"/licenses/{shop.license['id']}/actions/suspend")
        assert shop.page(api=shop.admin.as_(token)).status == 403

    def test_wrong_credentials_are_never_anonymous(self, open_shop: Shop):
        for authorization in ("Bearer nonsense", basic("license", "nonsense"), "License nonsense", "Basic !!!"):
            answer = open_shop.page(api=open_shop.anonymous, Authorization=authorization)
            assert answer.status == 401, authorization
            assert authorization.split()[0] in answer.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("form", ["license:{}", "{}:"])
    def test_credentials_of_installers(self, shop: Shop, form: str):
        """A license key as password, or a token as user name."""
        token = shop.admin.post(f"/licenses/{shop.license['id']}/tokens").data["attributes"]["token"]
        user, _, password = form.format(shop.key if "license" in form else token).partition(":")
        assert files(shop.page(api=shop.anonymous, Authorization=basic(user, password))) == [WHEEL_NAME]

    def test_an_older_api_version_changes_nothing(self, open_shop: Shop):
        assert open_shop.page(**{"Keygen-Version": "1.3"}).status == 200

    @pytest.mark.parametrize("status", ["PAUSED", "CANCELED"])
    def test_an_inactive_account_is_refused(self, open_shop: Shop, status: str):
        open_shop.account.sql("UPDATE accounts SET status = %s WHERE id = %s", status, open_shop.account.id)
        for name in ("", "acme"):
            answer = open_shop.page(name, accept=None)
            assert (answer.status, answer.headers["Content-Type"]) == (403, "text/html; charset=utf-8")


class TestUpstream:
    def redirected(self, answer: Answer) -> str | None:
        return answer.headers["Location"] if answer.status == 307 else None

    def test_an_unknown_name_goes_upstream(self, shop: Shop):
        answer = shop.page("Some_Thing", api=shop.anonymous)
        assert self.redirected(answer) == "https://pypi.org/simple/some-thing/"
        assert answer.headers["Cache-Control"] == "no-store"

    def test_credentials_do_not_travel(self, shop: Shop):
        answer = shop.page(f"something?auth=license:{shop.key}", api=shop.anonymous)
        assert self.redirected(answer) == "https://pypi.org/simple/something/"

    def test_a_package_of_another_engine_does_not_claim(self, shop: Shop):
        shop.admin.make_package(shop.product, "lefty", "npm")
        assert self.redirected(shop.page("lefty"))

    @pytest.mark.parametrize("name", ["a b", "-x-", "..%2f..", "é", "x" * 300])
    def test_what_is_no_project_name_goes_nowhere(self, shop: Shop, name: str):
        answer = shop.page(name.replace(" ", "%20").replace("é", "%C3%A9"))
        assert answer.status == 404

    def test_a_name_that_is_here_in_any_state_never_goes_upstream(self, shop: Shop):
        """Draft, yanked, closed, unentitled, deleted: all stay claimed."""
        name = f"claimed-{uuid4().hex[:8]}"
        package = shop.admin.make_package(shop.product, name, "pypi")
        seen = []

        def look() -> None:
            for api in (shop.anonymous, shop.admin.as_(key=shop.key), shop.admin):
                seen.append(shop.page(name, api=api))

        look()
        release = shop.admin.make_release(shop.product, "3.0.0", package=package, status="DRAFT")
        look()
        shop.admin.post(f"/releases/{release['id']}/actions/yank")
        look()
        strategy = {"data": {"type": "products", "attributes": {"distributionStrategy": "CLOSED"}}}
        assert shop.admin.patch(f"/products/{shop.product['id']}", strategy).status == 200
        look()
        assert shop.admin.delete(f"/packages/{package['id']}").status == 204
        look()
        assert shop.admin.delete(f"/products/{shop.product['id']}").status == 204
        look()
        assert {self.redirected(answer) for answer in seen} == {None}
        assert seen[-1].status in (401, 404)


class TestReadOnly:
    @pytest.mark.parametrize("path", ["", "simple", "simple/acme", "legacy/"])
    def test_uploads_are_refused_with_advice(self, shop: Shop, path: str):
        answer = fetch("POST", f"{shop.admin.base}/engines/pypi/{path or 'simple/'}", b"x=1")
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]
        assert b"keygenreg publish" in answer.body

    @pytest.mark.parametrize("path", ["nope", "simple/a/b", "pypi/acme"])
    def test_what_is_not_there(self, shop: Shop, path: str):
        assert fetch("GET", f"{shop.admin.base}/engines/pypi/{path}").status == 404


class TestHosts:
    def test_package_host_short_form(self, shop: Shop):
        """``pypi.pkg.<domain>/<account>/simple/``, links stay on that host."""
        host = f"pypi.pkg.registry.test:{shop.account.daemon.port}"
        answer = fetch(
            "GET",
            f"{shop.admin.root}/{shop.account.slug}/simple/acme",
            headers={"Host": host, "Authorization": basic("license", shop.key), "Accept": JSON},
        )
        assert files(answer) == [WHEEL_NAME]
        assert answer.json["files"][0]["url"].startswith(f"http://{host}/v1/accounts/{shop.account.id}/artifacts/")

    def test_package_host_long_form(self, shop: Shop):
        headers = {"Host": "pypi.pkg.registry.test", "Authorization": basic("license", shop.key), "Accept": JSON}
        answer = fetch("GET", f"{shop.admin.base}/engines/pypi/simple/acme/", headers=headers)
        assert files(answer) == [WHEEL_NAME]

    def test_links_of_a_forwarded_request(self, shop: Shop):
        headers = {
            "Authorization": basic("license", shop.key),
            "Accept": JSON,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "api.registry.test",
        }
        answer = fetch("GET", f"{shop.admin.base}/engines/pypi/simple/acme/", headers=headers)
        assert answer.json["files"][0]["url"].startswith("https://api.registry.test/v1/")

    def test_unknown_account(self, shop: Shop):
        assert fetch("GET", f"{shop.admin.root}/v1/accounts/{uuid4()}/engines/pypi/simple/").status == 404
