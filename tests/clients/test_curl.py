"""curl and sha256sum against the Raw engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.running import Ran, environment, require, run
from tests.daemon_fixtures import Account
from tests.engines.raw.shop import Shop
from tests.management.customers import License

CONTENT = os.urandom(3_000_000)


class Customer:
    """A customer's folder, in which curl runs."""

    def __init__(self, account: Account, folder: Path, strategy: str = "LICENSED") -> None:
        self.curl_path = require("curl")
        self.folder = folder
        shop = Shop(account, strategy)
        shop.artifact = shop.publish("1.0.0", "kestrel.bin", CONTENT)
        self.shop = shop
        self.license = License(account, shop.product)
        self.base = f"http://localhost:{account.daemon.port}/v1/accounts/{account.slug}/engines/raw"

    def curl(self, *words: object) -> Ran:
        env = environment(self.folder)
        return run(self.curl_path, "-sS", "--fail-with-body", *words, cwd=self.folder, env=env)

    def read(self, name: str = "kestrel.bin") -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture
def customer(account: Account, tmp_path: Path) -> Customer:
    return Customer(account, tmp_path)


class TestDownloading:
    def test_without_a_key(self, customer: Customer):
        """Refused in words, and nothing is left that could pass for the file."""
        refused = customer.curl("-L", f"{customer.base}/app/1.0.0/kestrel.bin").failed()
        assert "not for you" in refused.words

    @pytest.mark.parametrize("how", ["user", "address", "header", "token"])
    def test_with_one(self, customer: Customer, how: str):
        url, secret = f"{customer.base}/app/latest/kestrel.bin", customer.license.secret
        words = {
            "user": ("-u", f"license:{secret}", url),
            "address": (url.replace("://", f"://license:{secret}@"),),
            "header": ("-H", f"Authorization: License {secret}", url),
            "token": ("-u", f"{customer.license.token.authorization.split()[1]}:", url),
        }[how]
        customer.curl("-LO", *words).ok()
        assert customer.read() == CONTENT

    def test_with_netrc(self, customer: Customer):
        """The key is written into one file and into no command."""
        (customer.folder / ".netrc").write_text(f"machine localhost login license password {customer.license.secret}\n")
        customer.curl("-n", "-LO", f"{customer.base}/app/1.0.0/kestrel.bin").ok()
        assert customer.read() == CONTENT

    def test_with_the_key_in_the_query(self, customer: Customer):
        """It is in none of the addresses that follow."""
        url = f"{customer.base}/app/1.0.0/kestrel.bin?auth=license:{customer.license.secret}"
        said = customer.curl("-L", "-o", "kestrel.bin", "-w", "%{url_effective}", "-D", "headers", url).ok()
        assert customer.read() == CONTENT
        assert "ticket=" in said.words
        assert customer.license.secret not in said.words + customer.read("headers").decode("latin-1")

    def test_of_an_open_product(self, account: Account, tmp_path: Path):
        """Saved under the name that the vendor gave it, whatever the address ends with."""
        customer = Customer(account, tmp_path, "OPEN")
        customer.curl("-LOJ", f"{customer.base}/app/latest/{customer.shop.artifact['id']}").ok()
        assert customer.read() == CONTENT


class TestResuming:
    def test_the_rest_of_a_file(self, customer: Customer):
        (customer.folder / "kestrel.bin").write_bytes(CONTENT[:1_000_000])
        customer.curl(
            "-L", "-C", "-", "-o", "kestrel.bin", "-u", f"license:{customer.license.secret}",
            "-D", "headers", f"{customer.base}/app/1.0.0/kestrel.bin",
        ).ok()  # fmt: skip
        assert customer.read() == CONTENT
        assert b"206 Partial Content" in customer.read("headers")

    def test_with_the_key_in_the_query(self, customer: Customer):
        (customer.folder / "kestrel.bin").write_bytes(CONTENT[:2_000_000])
        url = f"{customer.base}/app/1.0.0/kestrel.bin?auth=license:{customer.license.secret}"
        customer.curl("-L", "-C", "-", "-o", "kestrel.bin", url).ok()
        assert customer.read() == CONTENT


class TestScripts:
    def test_checksums(self, customer: Customer):
        """``sha256sum`` checks a file by the one beside it, and a release by its list."""
        who = ("-u", f"license:{customer.license.secret}")
        sha256sum = require("sha256sum")
        for name in ("kestrel.bin", "kestrel.bin.sha256", "SHA256SUMS"):
            customer.curl("-LO", *who, f"{customer.base}/app/1.0.0/{name}").ok()
        for sums in ("kestrel.bin.sha256", "SHA256SUMS"):
            checked = run(sha256sum, "-c", sums, cwd=customer.folder, env=environment(customer.folder)).ok()
            assert checked.words == "kestrel.bin: OK\n"

    def test_all_files_of_a_release(self, customer: Customer):
        customer.shop.admin.make_artifact(customer.shop.artifact["made"], "docs/read me.txt", b"read me")
        who = ("-u", f"license:{customer.license.secret}")
        listed = customer.curl(*who, f"{customer.base}/app/1.0.0/").ok()
        assert listed.words.splitlines() == ["docs/read me.txt", "kestrel.bin"]
        for name in listed.words.splitlines():
            url = f"{customer.base}/app/1.0.0/{name.replace(' ', '%20')}"
            customer.curl("-L", *who, "--create-dirs", "-o", name, url).ok()
        assert (customer.read("docs/read me.txt"), customer.read()) == (b"read me", CONTENT)

    def test_looking_only(self, customer: Customer):
        who = ("-u", f"license:{customer.license.secret}")
        said = customer.curl("-IL", *who, f"{customer.base}/app/1.0.0/kestrel.bin")
        assert f"Content-Length: {len(CONTENT)}" in said.ok().words
