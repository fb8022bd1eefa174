"""npm, pnpm, yarn classic, yarn berry and bun against the npm engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.npm_programs import CLIENTS, Project, Registry
from tests.daemon_fixtures import Account
from tests.engines.npm.store import Store
from tests.engines.npm.tarballs import package
from tests.management.customers import License

#: How each client says that credentials are missing.
_REFUSALS = {
    "npm": "The package @acme/lib needs a license key or token: put it into .npmrc",
    "pnpm": "No authorization header was set for the request",
    "yarn-classic": "The package @acme/lib needs a license key or token: put it into .npmrc",
    "yarn-berry": "Invalid authentication (as an anonymous user)",
    "bun": "/engines/npm/@acme%2flib - 401",
}


class Vendor:
    """A vendor of ``@acme/lib``, which depends on ``acme-core`` of the same product."""

    def __init__(self, account: Account, strategy: str) -> None:
        self.store = Store(account, strategy, "@acme/lib")
        core = self.store.admin.make_package(self.store.product, "acme-core", "npm")
        release = self.store.admin.make_release(self.store.product, package=core)
        self.store.admin.make_artifact(release, "core.tar.gz", package("acme-core"))
        self.license = License(account, self.store.product)
        self.publish("1.0.0")
        self.address = f"localhost:{account.daemon.port}/v1/accounts/{account.slug}/engines/npm"

    def publish(self, version: str, **metadata: str) -> None:
        content = package("@acme/lib", version, dependencies={"acme-core": "^1.0.0"})
        self.store.publish(version, content, metadata=metadata)

    @property
    def licensed(self) -> Registry:
        return Registry(self.address, "license", self.license.secret)

    @property
    def anonymous(self) -> Registry:
        return Registry(self.address)


@pytest.mark.parametrize("client", CLIENTS)
class TestInstalling:
    def test_licensed_packages(self, client: str, account: Account, tmp_path: Path):
        """Refused without a key; installed with it; updated with warm caches; reproduced from the lockfile."""
        vendor = Vendor(account, "LICENSED")
        refused = Project(client, tmp_path / "refused", vendor.anonymous).add("@acme/lib").failed()
        assert _REFUSALS[client] in refused.words

        project = Project(client, tmp_path / "first", vendor.licensed)
        project.add("@acme/lib").ok()
        assert (project.installed("@acme/lib"), project.answer("@acme/lib")) == ("1.0.0", "42")

        vendor.publish("1.1.0")
        project.add("@acme/lib@latest").ok()
        assert project.installed("@acme/lib") == "1.1.0"
        vendor.publish("1.2.0")

        again = Project(client, tmp_path / "again", vendor.licensed)
        again.copy_locked(project)
        again.install_locked().ok()
        assert (again.installed("@acme/lib"), again.lockfile) == ("1.1.0", project.lockfile)
        # Whoever keeps addresses found one outside the convention; the others keep what the bytes must be.
        assert "__archiveUrl" not in again.lockfile
        assert client == "yarn-berry" or "sha512-" in again.lockfile

    def test_open_packages(self, client: str, account: Account, tmp_path: Path):
        """Anybody installs them."""
        project = Project(client, tmp_path, Vendor(account, "OPEN").anonymous)
        project.add("@acme/lib@^1.0.0").ok()
        assert (project.installed("@acme/lib"), project.answer("@acme/lib")) == ("1.0.0", "42")


class TestNpm:
    def test_everyday_commands(self, account: Account, tmp_path: Path):
        vendor = Vendor(account, "LICENSED")
        vendor.publish("2.0.0", deprecated="broken on Tuesdays")
        npm = Project("npm", tmp_path, vendor.licensed)
        assert "deprecated @acme/lib@2.0.0: broken on Tuesdays" in npm.add("@acme/lib@2").ok().words
        assert "PONG" in npm.run("ping").ok().words
        assert npm.run("view", "@acme/lib", "dist-tags.latest").ok().words.strip() == "2.0.0"
        assert "acme-core" in npm.run("search", "core").ok().words
        assert "found 0 vulnerabilities" in npm.run("audit").ok().words

    def test_writes_are_refused_with_the_way_to_do_it(self, account: Account, tmp_path: Path):
        npm = Project("npm", tmp_path, Vendor(account, "LICENSED").licensed)
        (npm.folder / "package.json").write_text('{"name": "project", "version": "1.0.0"}')
        for words in (("publish",), ("dist-tag", "add", "@acme/lib@1.0.0", "stable")):
            said = npm.run(*words).failed().words
            assert "E405" in said and "publish with `keygenreg publish FILE" in said
        assert "This registry has no log-in." in npm.run("login").failed().words

    def test_one_scope_and_an_api_token(self, account: Account, tmp_path: Path):
        """The set-up that is recommended: only the vendor's scope comes from here."""
        vendor = Vendor(account, "LICENSED")
        token = vendor.license.token.authorization.split()[1]
        plain = package("@acme/lib", "3.0.0")
        vendor.store.publish("3.0.0", plain)
        npm = Project("npm", tmp_path, Registry(vendor.address, token=token, scope="@acme"))
        npm.add("@acme/lib@3").ok()
        assert npm.installed("@acme/lib") == "3.0.0"
        vendor.license.set(name="Big Corp")
        assert npm.run("whoami", f"--registry=http://{vendor.address}/").ok().words.strip() == "Big Corp"
