"""Which update is offered, over real HTTP (engines.md 5 and 10.4, decision 29)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from keygenreg.assembly.bootstrap import create_account
from keygenreg.domain.derived import derived_id
from tests.daemon_fixtures import Account, Daemon, fetch
from tests.engines.tauri.vendor import BUNDLES, Vendor
from tests.management.customers import KEYS, License

VERSIONS = (
    "1.0.0", "1.1.0", "1.1.1", "2.0.0", "2.1.0-beta.1", "2.1.0-beta.2", "2.1.0-rc.1", "3.0.0-beta.2", "3.0.4-beta.1",
    "4.0.0-beta.1", "0.1.0-alpha.1", "0.1.0-beta.9", "0.1.0", "5.0.0-dev.1", "5.0.0-dev.2",
)  # fmt: skip


def own_account(daemon: Daemon, connection: Any) -> Account:
    slug = f"tauri-{uuid4().hex}"
    connection.autocommit = False
    try:
        made = create_account(connection, slug, f"{slug[:20]}@example.com", "admin password", keys=KEYS)
    finally:
        connection.autocommit = True
    return Account(daemon, connection, made)


@pytest.fixture(scope="module")
def vendor(daemon: Daemon, daemon_connection: Any) -> Vendor:
    """An OPEN app with releases on all channels; to be read only."""
    vendor = Vendor(own_account(daemon, daemon_connection), "OPEN")
    vendor.releases = {version: vendor.publish(version) for version in VERSIONS}
    return vendor


class TestAnswers:
    def test_an_update(self, vendor: Vendor):
        answer = vendor.check("1.0.0", vendor.anonymous)
        release = vendor.releases["2.0.0"]
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.json == {
            "version": "2.0.0",
            "pub_date": release["attributes"]["created"],
            "notes": None,
            "signature": "signed",
            "url": f"{vendor.account.daemon.url}/v1/accounts/{vendor.account.id}/artifacts/{release['file']['id']}"
            "/app_2.0.0.AppImage",
        }
        assert fetch("GET", answer.json["url"], headers={"Accept": "application/octet-stream"}).body == b"app 2.0.0"

    def test_none(self, vendor: Vendor):
        answer = vendor.check("2.0.0")
        assert (answer.status, answer.body) == (204, b"")

    def test_head(self, vendor: Vendor):
        assert (vendor.check(method="HEAD").status, vendor.check(method="HEAD").body) == (200, b"")
        assert vendor.check("2.0.0", method="HEAD").status == 204

    @pytest.mark.parametrize("accept", ["application/json", "application/octet-stream", "*/*", "*"])
    def test_types_that_are_accepted(self, vendor: Vendor, accept: str):
        answer = vendor.check(headers={"Accept": accept})
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")

    def test_other_types(self, vendor: Vendor):
        """First of all, before the account is looked for."""
        url = f"{vendor.admin.root}/v1/accounts/nobody/engines/tauri/app"
        answer = fetch("GET", url, headers={"Accept": "text/html"})
        assert (answer.status, answer.error["code"]) == (400, "MIME_TYPE_INVALID")

    def test_the_package_by_id_and_by_another_spelling(self, vendor: Vendor):
        for path in (vendor.package["id"], "app.json", "app/"):
            assert vendor.check(path=path).status == 200

    @pytest.mark.parametrize("path", ["nope", "app/x", "pypi-one", "nope/linux/x86_64/1.0.0"])
    def test_other_packages(self, vendor: Vendor, path: str):
        """Also before parameters: what is missing does not matter there."""
        if path == "pypi-one" and vendor.admin.get("/packages/pypi-one").status == 404:
            vendor.admin.make_package(vendor.product, "pypi-one", "pypi")
        answer = fetch("GET", vendor.url(path))
        assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert "WWW-Authenticate" not in answer.headers

    def test_dots_and_slashes_in_keys(self, account: Account):
        vendor = Vendor(account, "OPEN", "com.acme/app.v2")
        vendor.publish("1.1.0")
        for path in ("com.acme/app.v2", "com.acme%2Fapp.v2"):
            assert vendor.check(path=path).status == 200
            assert fetch("GET", vendor.url(f"{path}/linux/x86_64/1.0.0")).status == 200

    def test_missing_parameters(self, vendor: Vendor):
        for missing in ("platform", "arch", "version"):
            asked = {"platform": "linux", "arch": "x86_64", "version": "1.0.0"}
            del asked[missing]
            answer = fetch("GET", vendor.url(**asked))
            assert (answer.status, answer.error) == (
                400, {"title": "Bad request", "detail": "is missing", "source": {"parameter": missing}},
            )  # fmt: skip

    def test_blank_ones(self, vendor: Vendor):
        assert vendor.check(channel="").error["detail"] == "cannot be blank"
        assert vendor.check("").error["detail"] == "is missing"
        assert vendor.check(constraint="1.x").error["code"] == "CONSTRAINT_INVALID"

    @pytest.mark.parametrize(
        "path",
        ["%00", "%FF", "%zz", "app/latest.json?constraint=%00", f"app/linux/x86_64/{'1' * 9000}", "app/a/b/%0A",
         "app/linux/x86_64/%7B%7Bcurrent_version%7D%7D", "app?platform[]=x&arch=y&version=1", "app/linux/%25/1.0.0",
         f"app/linux/x86_64/1.0.0?constraint={'%3E1%20' * 200}", f"app/{'a-' * 500}/x86_64/1.0.0", "app/-/-/-",
         "app/linux/x86_64/99999999999999999999999.0.0", "app/linux/x86_64/1.0.0?channel=%27%3B--"],
    )  # fmt: skip
    def test_nonsense_is_the_clients_fault(self, vendor: Vendor, path: str):
        answer = fetch("GET", vendor.url(path), headers={"Accept": "*/*"})
        assert 400 <= answer.status < 500 or answer.status == 204

    def test_publishing_is_explained(self, vendor: Vendor):
        answer = vendor.check(method="POST")
        assert (answer.status, "keygenreg publish" in answer.error["detail"]) == (405, True)


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "query", "offered"),
        [
            ("1.0.0", {}, "2.0.0"),
            ("v1.0.0", {}, "2.0.0"),
            ("1.0", {}, "2.0.0"),
            ("2.0.0", {}, 204),
            # Unknown ones are compared, and are on the channel that they say.
            ("1.5.7", {}, "2.0.0"),
            ("99.0.0", {}, 204),
            ("1.0.0-beta.1", {}, "4.0.0-beta.1"),
            ("1.0.0-nightly", {}, "2.0.0"),
            ("no version", {}, 204),
            # Channels.
            ("1.0.0", {"channel": "stable"}, "2.0.0"),
            ("1.0.0", {"channel": "rc"}, "2.1.0-rc.1"),
            ("1.0.0", {"channel": "BETA"}, "4.0.0-beta.1"),
            ("1.0.0", {"channel": "dev"}, "5.0.0-dev.2"),
            ("1.0.0", {"channel": "nightly"}, 204),
            ("5.0.0-dev.1", {}, "5.0.0-dev.2"),
            ("5.0.0-dev.2", {}, 204),
            ("2.1.0-beta.1", {}, "4.0.0-beta.1"),
            # Steps of prereleases.
            ("0.1.0-alpha.1", {"constraint": "0.1"}, "0.1.0"),
            ("0.1.0-alpha.1", {"constraint": "=0.1.0-beta.9"}, "0.1.0-beta.9"),
            ("0.1.0-beta.9", {"constraint": "0"}, "0.1.0"),
            ("2.1.0-beta.1", {"constraint": "=2.1.0-beta.2"}, "2.1.0-beta.2"),
            ("2.1.0-beta.1", {"constraint": "2.1"}, "2.1.0-rc.1"),
            # Constraints, plain and with operators.
            ("3.0.0-beta.2", {"constraint": "3.0"}, "3.0.4-beta.1"),
            ("1.0.0", {"constraint": "1"}, "1.1.1"),
            ("1.0.0", {"constraint": "1.1"}, "1.1.1"),
            ("1.0.0", {"constraint": "~>1.0.0"}, 204),
            ("1.0.0", {"constraint": "~> 1.0"}, "1.1.1"),
            ("1.0.0", {"constraint": ">=1.0 <1.1.1"}, "1.1.0"),
            ("1.0.0", {"constraint": "^1"}, "1.1.1"),
            ("1.0.0", {"constraint": "<2.0.0"}, "1.1.1"),
            ("1.0.0", {"constraint": "7 || 1.1.0"}, "1.1.1"),
            ("1.0.0", {"constraint": "7"}, 204),
        ],
    )
    def test_what_is_offered(self, vendor: Vendor, version: str, query: dict[str, str], offered: str | int):
        assert vendor.offered(version, **query) == offered

    def test_channel_by_id(self, vendor: Vendor):
        identifier = derived_id(UUID(vendor.account.id), "channels", "rc")
        assert vendor.offered(channel=str(identifier)) == "2.1.0-rc.1"

    def test_a_path_with_what_the_updater_fills_in(self, vendor: Vendor):
        for path, version in (
            ("app/linux/x86_64/1.0.0", "2.0.0"), ("app/linux/x86_64/1.0.0?constraint=1", "1.1.1"),
            ("app/linux/x86_64/1.0.0/", "2.0.0"), ("app/linux/x86_64/0.1.0-alpha.1?channel=stable", "2.0.0"),
            ("app/linux-x86_64/x86_64/1.0.0", "2.0.0"), (f"{vendor.package['id']}/linux/x86_64/1.0.0", "2.0.0"),
        ):  # fmt: skip
            assert fetch("GET", vendor.url(path)).json["version"] == version
        assert fetch("GET", vendor.url("app/linux/x86_64/2.0.0")).status == 204
        assert fetch("GET", vendor.url("app/windows/x86_64/1.0.0")).status == 204

    def test_builds(self, account: Account):
        vendor = Vendor(account, "OPEN")
        for version in ("1.0.0+build.1", "1.0.0+build.2"):
            vendor.publish(version)
        assert vendor.offered("1.0.0+build.1") == "1.0.0+build.2"
        assert vendor.offered("1.0.0+build.2") == 204
        assert fetch("GET", vendor.url("app/linux/x86_64/1.0.0%2Bbuild.1")).json["version"] == "1.0.0+build.2"
        url = vendor.check("1.0.0+build.1").json["url"]
        assert fetch("GET", url).body == b"app 1.0.0+build.2"

    def test_notes(self, account: Account):
        vendor = Vendor(account, "OPEN")
        vendor.publish("1.1.0", description="Faster, with *sparks*.")
        assert vendor.check().json["notes"] == "Faster, with *sparks*."

    def test_drafts_and_withdrawn_releases_are_offered_to_nobody(self, account: Account):
        vendor = Vendor(account)
        vendor.publish("1.0.0")
        second, third = vendor.publish("2.0.0"), vendor.publish("3.0.0", status="DRAFT")
        vendor.set_status(second, "YANKED")
        for api in (vendor.admin, License(account, vendor.product).key):
            assert vendor.offered("1.0.0", api) == 204
            newest = fetch("GET", vendor.url("app/latest.json"), headers={"Authorization": api.authorization})
            assert newest.json["version"] == "1.0.0"
        vendor.set_status(third, "PUBLISHED")
        # Whoever got the withdrawn one can move on.
        assert vendor.offered("2.0.0", License(account, vendor.product).key) == "3.0.0"


class TestTargets:
    def test_the_best_release_that_has_the_platform(self, account: Account):
        """Not only the highest one."""
        vendor = Vendor(account, "OPEN")
        vendor.publish("1.1.0")
        vendor.publish("1.2.0")
        third = vendor.release("1.3.0")
        vendor.file(third, "app.exe", platform="windows")
        vendor.file(third, "notes.txt", platform="linux")
        assert vendor.offered() == "1.2.0"
        assert vendor.offered(platform="windows") == "1.3.0"
        assert vendor.offered(platform="darwin") == 204
        assert vendor.offered(arch="aarch64") == 204

    @pytest.mark.parametrize(
        ("platform", "arch"),
        [("LINUX", "X86_64"), ("linux", "amd64"), (" linux", "x64 "), ("linux", "x86-64")],
    )
    def test_other_names(self, vendor: Vendor, platform: str, arch: str):
        assert vendor.offered(platform=platform, arch=arch) == (204 if arch == "x86-64" else "2.0.0")

    def test_names_that_the_vendor_chose(self, account: Account):
        vendor = Vendor(account, "OPEN")
        release = vendor.release("1.1.0")
        vendor.file(release, "app.app.tar.gz", platform="macos", arch="universal")
        vendor.file(release, "app.exe", platform="win32", arch="x64")
        for platform, arch in (("darwin", "x86_64"), ("darwin", "aarch64"), ("windows", "x86_64")):
            assert vendor.offered(platform=platform, arch=arch) == "1.1.0"
        assert fetch("GET", vendor.url("app/darwin-universal/aarch64/1.0.0")).status == 200

    def test_by_id(self, vendor: Vendor):
        platform, arch = (
            str(derived_id(UUID(vendor.account.id), kind, key))
            for kind, key in (("platforms", "linux"), ("arches", "x86_64"))
        )
        assert vendor.offered(platform=platform, arch=arch) == "2.0.0"
        assert vendor.offered(platform=str(uuid4())) == 204

    @pytest.mark.parametrize("generation", BUNDLES)
    def test_bundles_of_both_generations(self, account: Account, generation: str):
        vendor = Vendor(account, "OPEN")
        vendor.publish_set("1.1.0", generation)
        best = {
            "v1": {"linux": "AppImage.tar.gz", "darwin": "app.tar.gz", "windows": "nsis.zip"},
            "v2": {"linux": "AppImage", "darwin": "app.tar.gz", "windows": "exe"},
        }[generation]
        for platform, ending in best.items():
            answer = vendor.check(platform=platform).json
            assert answer["url"].endswith(f"/app_1.1.0.{ending}")
            assert answer["signature"] == f"signature of app_{{v}}.{ending}"

    def test_how_the_app_was_installed(self, account: Account):
        vendor = Vendor(account, "OPEN")
        vendor.publish("1.1.0")
        vendor.file(vendor.release("1.0.5"), "app_1.0.5_amd64.deb")
        assert vendor.offered(bundle_type="deb") == "1.0.5"
        assert vendor.offered(bundle_type="appimage") == "1.1.0"
        assert vendor.offered(bundle_type="rpm") == 204
        first = vendor.check(headers={"User-Agent": "tauri/updater"})
        assert first.status == 204

    def test_many_files_that_nobody_can_install(self, account: Account):
        """More than one page of them above the release that fits."""
        vendor = Vendor(account, "OPEN")
        vendor.publish("1.1.0")
        high = vendor.release("2.0.0")
        made = vendor.file(high, "app.dmg")
        vendor.account.sql(
            "INSERT INTO artifacts (id, account_id, release_id, filename, filetype, platform, arch, status) "
            "SELECT gen_random_uuid(), account_id, release_id, n || '.dmg', 'dmg', platform, arch, status "
            "FROM artifacts, generate_series(1, 450) n WHERE id = %s",
            made["id"],
        )
        for version in ("1.2.0", "1.3.0"):
            vendor.file(vendor.release(version), "notes.txt")
        assert vendor.offered() == "1.1.0"


class TestHosts:
    def test_package_host_of_several_accounts(self, vendor: Vendor):
        host = f"tauri.pkg.registry.test:{vendor.account.daemon.port}"
        path = f"{vendor.account.id}/artifacts/{vendor.releases['2.0.0']['file']['id']}/app_2.0.0.AppImage"
        for prefix in (
            f"/{vendor.account.slug}", f"/{vendor.account.id}", f"/v1/accounts/{vendor.account.slug}/engines/tauri",
        ):  # fmt: skip
            for target in ("app?platform=linux&arch=x86_64&version=1.0.0", "app/linux/x86_64/1.0.0"):
                answer = fetch("GET", f"{vendor.account.daemon.url}{prefix}/{target}", headers={"Host": host})
                assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
                assert answer.json["url"] == f"http://{host}/v1/accounts/{path}"
