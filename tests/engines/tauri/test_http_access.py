"""Who gets which updates, and how they reach the file (engines.md 10.4, decisions 3, 7 to 9)."""

from __future__ import annotations

import base64
import os
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.daemon_fixtures import Account, Answer, Api, basic, fetch
from tests.engines.tauri.vendor import Vendor
from tests.management.customers import License, entitlement, product_api, token_of, user


@pytest.fixture
def vendor(account: Account) -> Vendor:
    """A LICENSED app with three versions, the second of which needs an entitlement."""
    vendor = Vendor(account)
    vendor.one, vendor.two, vendor.three = (vendor.publish(version) for version in ("1.0.0", "1.1.0", "1.2.0"))
    vendor.gold = entitlement(account, "GOLD")
    return vendor


def download(answer: Answer, api: Api | None = None) -> Answer:
    """What the updater does: the same headers, another Accept."""
    headers = {"Accept": "application/octet-stream"} | ({"Authorization": api.authorization} if api else {})
    return fetch("GET", answer.json["url"], headers=headers)


class TestBearers:
    def test_anonymous(self, vendor: Vendor):
        for strategy, status in (("LICENSED", 404), ("CLOSED", 404), ("OPEN", 200)):
            vendor.open_up(strategy)
            answer = vendor.check(api=vendor.anonymous)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (status, None)
        assert download(answer).body == b"app 1.2.0"

    def test_products_and_staff(self, vendor: Vendor):
        assert vendor.offered(api=product_api(vendor.account, vendor.product)) == "1.2.0"
        assert vendor.offered(api=product_api(vendor.account, vendor.admin.make_product())) == 404
        for role in ("developer", "read-only", "sales-agent", "support-agent"):
            assert vendor.offered(api=token_of(vendor.account, "users", user(vendor.account, role))) == "1.2.0"

    def test_licenses(self, vendor: Vendor):
        license = License(vendor.account, vendor.product)
        for api in (license.key, license.token):
            answer = vendor.check(api=api)
            assert urlsplit(answer.json["url"]).query == ""
            assert download(answer).status == 404
            assert download(answer, api).body == b"app 1.2.0"
        other = License(vendor.account, vendor.admin.make_product())
        assert vendor.offered(api=other.key) == 404
        vendor.open_up("CLOSED")
        assert vendor.offered(api=license.key) == 404

    def test_users(self, vendor: Vendor):
        owner, attached, stranger = (user(vendor.account) for _ in range(3))
        License(vendor.account, vendor.product, owner=owner, users=(attached,))
        for identifier, offered in ((owner, "1.2.0"), (attached, "1.2.0"), (stranger, 404)):
            assert vendor.offered(api=token_of(vendor.account, "users", identifier)) == offered

    def test_entitlements(self, vendor: Vendor):
        """The best that one is entitled to; from a release that one is not entitled to, nothing."""
        entitled = License(vendor.account, vendor.product, entitlements=(vendor.gold,)).key
        plain = License(vendor.account, vendor.product).key
        vendor.constrain(vendor.three, vendor.gold)
        assert (vendor.offered(api=entitled), vendor.offered(api=plain)) == ("1.2.0", "1.1.0")
        vendor.constrain(vendor.two, vendor.gold)
        assert (vendor.offered(api=entitled), vendor.offered(api=plain)) == ("1.2.0", 204)
        vendor.account.sql("DELETE FROM constraints WHERE release_id = %s", vendor.three["id"])
        assert (vendor.offered("1.1.0", entitled), vendor.offered("1.1.0", plain)) == ("1.2.0", 204)
        assert vendor.offered("1.0.5", plain) == "1.2.0"

    def test_suspended_licenses(self, vendor: Vendor):
        license = License(vendor.account, vendor.product)
        assert vendor.offered(api=license.token) == "1.2.0"
        license.set(suspended=True)
        for version in ("1.0.0", "1.0.5"):
            answer = vendor.check(version, license.token)
            assert (answer.status, "suspended" in answer.error["detail"]) == (403, True)
        assert vendor.check("1.2.0", license.token).status == 403
        assert vendor.check("1.3.0", license.token).status == 204
        assert vendor.check(api=license.key).error["code"] == "LICENSE_SUSPENDED"

    def test_permissions(self, vendor: Vendor):
        license = License(vendor.account, vendor.product)
        license.set(permissions=["package.read", "release.read", "artifact.read"])
        answer = vendor.check(api=license.key)
        assert (answer.status, "release.upgrade" in answer.error["detail"]) == (403, True)

    def test_wrong_credentials(self, vendor: Vendor):
        vendor.open_up("OPEN")
        assert vendor.check(api=vendor.admin.as_(key="nonsense")).error["code"] == "LICENSE_INVALID"

    def test_canceled_accounts(self, vendor: Vendor):
        vendor.account.sql("UPDATE accounts SET status = 'CANCELED' WHERE id = %s", vendor.account.id)
        answer = vendor.check(headers={"Accept": "application/octet-stream"})
        assert (answer.status, answer.headers["Content-Type"]) == (403, "application/json; charset=utf-8")

    def test_the_first_update_starts_the_time_of_a_license(self, vendor: Vendor):
        license = License(vendor.account, vendor.product, duration=3600, expiration_basis="FROM_FIRST_DOWNLOAD")
        vendor.check("1.2.0", license.key)
        vendor.check(api=license.key, method="HEAD")
        assert license.expiry is None
        vendor.check(api=license.key)
        assert license.expiry is not None


class TestCredentialsThatAreNotSentTwice:
    """Of an endpoint's address the updater repeats neither query nor user name: the link has a ticket."""

    def test_in_the_query(self, vendor: Vendor):
        license = License(vendor.account, vendor.product)
        token = license.token.authorization.split()[1]
        for credentials in ({"auth": f"license:{license.secret}"}, {"token": token}):
            answer = vendor.check(api=vendor.anonymous, **credentials)
            assert set(parse_qs(urlsplit(answer.json["url"]).query)) == {"ticket"}
            assert license.secret not in answer.json["url"] and token not in answer.json["url"]
            assert download(answer).body == b"app 1.2.0"
            license.set(suspended=True)
            assert download(answer).status == 403
            license.set(suspended=False)
        path = f"app/linux/x86_64/1.0.0?auth=license:{license.secret}"
        assert download(fetch("GET", vendor.url(path))).body == b"app 1.2.0"

    def test_as_user_name_and_password(self, vendor: Vendor):
        license = License(vendor.account, vendor.product)
        api = Api(vendor.admin.root, vendor.account.id, basic("license", license.secret))
        answer = vendor.check(api=api)
        assert download(answer).body == download(answer, api).body == b"app 1.2.0"

    def test_in_an_environment(self, vendor: Vendor):
        [(environment,)] = vendor.account.sql(
            "INSERT INTO environments (id, account_id, name, code, isolation_strategy) "
            "VALUES (gen_random_uuid(), %s, 'Staging', 'staging', 'SHARED') RETURNING id",
            vendor.account.id,
        )
        vendor.account.sql("UPDATE releases SET environment_id = %s WHERE id = %s", environment, vendor.three["id"])
        vendor.account.sql(
            "UPDATE artifacts SET environment_id = %s WHERE id = %s", environment, vendor.three["file"]["id"]
        )
        license = License(vendor.account, vendor.product)
        credentials = {"auth": f"license:{license.secret}"}
        assert vendor.offered(api=vendor.anonymous, **credentials) == "1.1.0"
        answer = vendor.check(api=vendor.anonymous, environment="staging", **credentials)
        assert (answer.json["version"], download(answer).body) == ("1.2.0", b"app 1.2.0")
        headed = vendor.check(api=license.key, headers={"Keygen-Environment": "staging"})
        headers = {"Authorization": license.key.authorization, "Keygen-Environment": "staging"}
        assert fetch("GET", headed.json["url"], headers=headers).body == b"app 1.2.0"


class TestStaticDocument:
    def test_all_platforms(self, account: Account):
        vendor = Vendor(account, "OPEN")
        release = vendor.release("1.1.0", description="Notes")
        for name, platform, arch in (
            ("app.AppImage", "linux", "x86_64"), ("app.deb", "linux", "amd64"), ("arm.AppImage", "linux", "arm64"),
            ("app.exe", "windows", "x86_64"), ("app.msi", "windows", "x86_64"),
            ("uni.app.tar.gz", "macos", "universal"), ("arm.app.tar.gz", "darwin", "aarch64"),
        ):  # fmt: skip
            vendor.file(release, name, name.encode(), platform=platform, arch=arch)
        vendor.file(release, "unsigned.rpm", signature=None)
        document = fetch("GET", vendor.url("app/latest.json"))
        assert document.headers["Content-Type"] == "application/json; charset=utf-8"
        found = document.json
        assert (found["version"], found["notes"], "url" in found) == ("1.1.0", "Notes", False)
        files = {key: each["url"].rpartition("/")[2] for key, each in found["platforms"].items()}
        assert files == {
            "linux-x86_64": "app.AppImage", "linux-x86_64-appimage": "app.AppImage", "linux-x86_64-deb": "app.deb",
            "linux-aarch64": "arm.AppImage", "linux-aarch64-appimage": "arm.AppImage",
            "windows-x86_64": "app.exe", "windows-x86_64-nsis": "app.exe", "windows-x86_64-msi": "app.msi",
            "darwin-aarch64": "arm.app.tar.gz", "darwin-aarch64-app": "arm.app.tar.gz",
            "darwin-x86_64": "uni.app.tar.gz", "darwin-x86_64-app": "uni.app.tar.gz",
            "darwin-universal": "uni.app.tar.gz", "darwin-universal-app": "uni.app.tar.gz",
        }  # fmt: skip
        assert all(each["signature"] for each in found["platforms"].values())

    def test_channels_constraints_and_nothing(self, vendor: Vendor):
        vendor.publish("2.0.0-beta.1")
        license = License(vendor.account, vendor.product)

        def newest(**query: str) -> str | int:
            answer = fetch("GET", vendor.url("app/latest.json", **query),
                           headers={"Authorization": license.key.authorization})  # fmt: skip
            return answer.json["version"] if answer.status == 200 else answer.status

        assert [newest(), newest(channel="beta"), newest(constraint="<1.2.0"), newest(channel="dev")] == [
            "1.2.0", "2.0.0-beta.1", "1.1.0", 204,
        ]  # fmt: skip
        assert [newest(channel=""), newest(constraint="x")] == [400, 400]
        assert fetch("GET", vendor.url("app/latest.json")).status == 404
        vendor.constrain(vendor.three, vendor.gold)
        assert newest() == "1.1.0"


def signature_file() -> bytes:
    """As the signer of Tauri writes it, of nothing in particular."""
    parts = [base64.b64encode(each).decode() for each in (b"ED" + os.urandom(72), os.urandom(64))]
    text = f"untrusted comment: signature\n{parts[0]}\ntrusted comment: timestamp:1\n{parts[1]}\n"
    return base64.b64encode(text.encode())


class TestSignatures:
    def test_companions(self, account: Account):
        """Read where no signature is set, in the document of one update and of all."""
        vendor = Vendor(account, "OPEN")
        release, content = vendor.release("1.1.0"), signature_file()
        vendor.file(release, "app.AppImage", signature=None)
        assert vendor.check().json["signature"] is None
        made = vendor.file(release, "app.AppImage.sig", content, signature=None, platform=None, arch=None)
        for _ in range(2):
            assert vendor.check().json["signature"] == content.decode()
        document = fetch("GET", vendor.url("app/latest.json")).json
        assert document["platforms"]["linux-x86_64"]["signature"] == content.decode()
        vendor.account.sql("UPDATE artifacts SET signature = 'set' WHERE filename = 'app.AppImage' AND release_id = %s",
                           release["id"])  # fmt: skip
        assert vendor.check().json["signature"] == "set"
        assert made["attributes"]["status"] == "UPLOADED"

    @pytest.mark.parametrize("content", [b"-----BEGIN PGP SIGNATURE-----", b"\xff\x00", signature_file() * 40])
    def test_companions_that_are_none(self, account: Account, content: bytes):
        vendor = Vendor(account, "OPEN")
        release = vendor.release("1.1.0")
        vendor.file(release, "app.AppImage", signature=None)
        vendor.file(release, "app.AppImage.sig", content, signature=None)
        answer = vendor.check()
        assert (answer.status, answer.json["signature"]) == (200, None)
        assert fetch("GET", vendor.url("app/latest.json")).status == 204
