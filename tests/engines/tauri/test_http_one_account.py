"""A daemon for one account, which sends downloads to signed links: Tauri and Raw at all their addresses."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.daemon_fixtures import Account, Daemon, fetch
from tests.engines.raw.shop import Shop, path_of
from tests.engines.tauri.vendor import Vendor
from tests.management.customers import License, token_of


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The one account."""
    options = ("--mode", "singleplayer", "--domain", "registry.test", "--delivery", "redirect")
    daemon = Daemon(tmp_path_factory.mktemp("alone") / "data", *options).start()
    connection = daemon.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT a.id, a.slug, u.id FROM accounts a JOIN users u ON u.account_id = a.id")
        [(identifier, slug, admin)] = cursor.fetchall()
    made = {"account": {"id": identifier, "slug": slug}, "email": "", "password": "", "token": ""}
    account = Account(daemon, connection, made)
    account.admin = token_of(account, "users", admin)
    yield account
    connection.close()
    daemon.stop()


class TestTauri:
    def test_all_addresses(self, account: Account):
        vendor = Vendor(account)
        release = vendor.publish("1.1.0")
        license = License(account, vendor.product)
        url = account.daemon.url
        target = f"/v1/accounts/{account.id}/artifacts/{release['file']['id']}/app_1.1.0.AppImage"
        for path, host in (
            ("/app/linux/x86_64/1.0.0", "tauri.pkg.registry.test"),
            ("/app?platform=linux&arch=x86_64&version=1.0.0", "tauri.pkg.registry.test"),
            ("/v1/engines/tauri/app/linux/x86_64/1.0.0", f"localhost:{account.daemon.port}"),
        ):
            headers = {"Host": host, "Authorization": license.key.authorization}
            answer = fetch("GET", f"{url}{path}", headers=headers)
            assert answer.json["url"] == f"http://{host}{target}"
            second = fetch("GET", f"{url}{target}", headers=headers)
            assert second.status == 303
            location = urlsplit(second.headers["Location"])
            assert (location.netloc, fetch("GET", f"{url}{location.path}").body) == (host, b"app 1.1.0")
        root = fetch("GET", f"{url}/", headers={"Host": "tauri.pkg.registry.test"})
        assert (root.status, root.error["code"]) == (404, "NOT_FOUND")


class TestRaw:
    def test_all_addresses(self, account: Account):
        """Without an account in the path, on the package host and at the API's; never a secret on the way."""
        shop = Shop(account)
        artifact = shop.publish("1.0.0", "app.zip", b"out")
        license = License(account, shop.product)
        url, local = account.daemon.url, f"localhost:{account.daemon.port}"
        for path, host in (
            ("", "raw.pkg.registry.test"),
            ("/v1/engines/raw", local),
            ("/v1/engines/raw", "raw.pkg.registry.test"),
            (f"/v1/accounts/{account.slug}/engines/raw", local),
        ):
            headers = {"Host": host, "Authorization": license.key.authorization}
            answer = fetch("GET", f"{url}{path}/app/latest/app.zip", headers=headers)
            assert answer.headers["Location"] == f"http://{host}{shop.location(artifact, 'app.zip')}"
            second = fetch("GET", f"{url}{path_of(answer)}", headers=headers)
            assert (second.status, license.secret in second.headers["Location"]) == (303, False)
            assert fetch("GET", f"{url}{path_of(second)}").body == b"out"

    def test_a_ticket(self, account: Account):
        """It leads to the signed link too."""
        shop = Shop(account, code="ticketed")
        shop.publish("1.0.0", "app.zip", b"out")
        license = License(account, shop.product)
        first = shop.get(f"ticketed/1.0.0/app.zip?auth=license:{license.secret}", shop.anonymous)
        second = shop.follow(first)
        assert (second.status, license.secret in second.headers["Location"]) == (303, False)
        assert fetch("GET", second.headers["Location"]).body == b"out"
