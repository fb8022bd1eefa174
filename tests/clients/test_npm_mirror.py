"""npm, pnpm, yarn and bun with the daemon as their only registry, which passes other registries through."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.npm_programs import CLIENTS, Project, Registry
from tests.clients.running import environment, require, run
from tests.clients.verdaccio import Verdaccio
from tests.daemon_fixtures import Account, Daemon
from tests.engines.npm.tarballs import package as tarball_of

#: Real packages: one with a scope, one that needs another one.
PUBLIC = ["is-odd", "@sindresorhus/is"]


@pytest.fixture(scope="module")
def verdaccio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdaccio]:
    """``@osprey/client`` needs ``merlin-core``."""
    require("npm")
    server = Verdaccio(tmp_path_factory.mktemp("verdaccio"))
    try:
        for version in ("1.0.0", "1.1.0", "2.0.0-beta.1"):
            server.publish("merlin-core", version)
        server.publish("@osprey/client", "3.0.0", merlin_core="^1.0.0")
        yield server
    finally:
        server.kill()


def configured_registry() -> str:
    """The registry that npm on this machine is told to use."""
    said = subprocess.run([require("npm"), "config", "get", "registry"], capture_output=True, text=True, check=False)
    return said.stdout.strip()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon for each upstream: that of the class."""
    url: Callable[[pytest.FixtureRequest], str] = request.param
    settings = {"MODE": "mirror", "URL": url(request), "PRIVATE_ADDRESSES": "true"}
    # Nothing is fresh, so that every answer is of what upstream says, or of what is kept when it says nothing.
    settings |= {"FRESH_SECONDS": "0", "STALE_SECONDS": "0"}
    env = {f"KEYGENREG_UPSTREAM_NPM_{name}": value for name, value in settings.items()}
    running = Daemon(tmp_path_factory.mktemp("npm-mirror") / "data", "--mode", "multiplayer", env=env).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


class Customer:
    """Somebody with a license key, whose programs know one registry only."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.admin = account.admin
        self.folder = folder
        self.product = account.admin.make_product("LICENSED")
        license = account.admin.make_license(account.admin.make_policy(self.product))
        address = f"localhost:{account.daemon.port}/v1/accounts/{account.slug}/engines/npm"
        self.registry = Registry(address, "license", license["attributes"]["key"])

    def project(self, client: str, name: str = "first") -> Project:
        return Project(client, self.folder / name, self.registry)

    def publish(self, name: str, version: str, **members: Any) -> None:
        """What the vendor has of its own."""
        package = self.admin.make_package(self.product, name, "npm")
        release = self.admin.make_release(self.product, version, package=package)
        self.admin.make_artifact(release, "own.tgz", tarball_of(name, version, **members))


@pytest.fixture
def customer(account: Account, tmp_path: Path) -> Customer:
    return Customer(account, tmp_path)


def of_verdaccio(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("verdaccio").url


def of_machine(_: pytest.FixtureRequest) -> str:
    return configured_registry()


@pytest.mark.parametrize("daemon", [of_verdaccio], indirect=True, ids=["verdaccio"])
class TestVerdaccio:
    @pytest.mark.parametrize("client", CLIENTS)
    def test_installs_with_what_it_needs_and_again_without_upstream(
        self, client: str, customer: Customer, verdaccio: Verdaccio
    ):
        """What the lockfile says, on a machine with nothing of it, after upstream is gone."""
        project = customer.project(client)
        project.add("@osprey/client").ok()
        assert project.answer("@osprey/client") == "3.0.0 with 1.1.0"
        assert f":{verdaccio.port}/" not in project.lockfile
        verdaccio.kill()
        try:
            again = customer.project(client, "again")
            again.copy_locked(project)
            again.install_locked().ok()
            assert again.lockfile == project.lockfile
            assert again.answer("@osprey/client") == "3.0.0 with 1.1.0"
            fresh = customer.project(client, "fresh")
            fresh.add("@osprey/client@^3").ok()
            assert fresh.answer("@osprey/client") == "3.0.0 with 1.1.0"
        finally:
            verdaccio.start()

    @pytest.mark.parametrize("client", ["npm", "yarn-berry"])
    def test_a_vendors_package_needs_one_of_upstream(self, client: str, customer: Customer):
        customer.publish("kestrel-app", "1.0.0", dependencies={"@osprey/client": "*"})
        project = customer.project(client)
        project.add("kestrel-app").ok()
        assert (project.installed("kestrel-app"), project.installed("merlin-core")) == ("1.0.0", "1.1.0")

    def test_a_vendors_name_never_comes_from_upstream(self, customer: Customer):
        """The vendor's only version is lower than upstream's, and its other name has none at all."""
        customer.publish("merlin-core", "0.1.0")
        npm = customer.project("npm")
        npm.add("merlin-core").ok()
        assert npm.installed("merlin-core") == "0.1.0"
        npm.add("merlin-core@^1").failed()
        npm.add("@osprey/client").failed()

    def test_everyday_commands(self, customer: Customer):
        npm = customer.project("npm")
        npm.add("merlin-core@next").ok()
        assert npm.installed("merlin-core") == "2.0.0-beta.1"
        assert npm.run("view", "merlin-core", "dist-tags.latest").ok().words.strip() == "1.1.0"
        versions = json.loads(npm.run("view", "merlin-core", "versions", "--json").ok().words)
        assert versions == ["1.0.0", "1.1.0", "2.0.0-beta.1"]
        assert "merlin-core" not in npm.run("search", "merlin").ok().words
        assert "found 0 vulnerabilities" in npm.run("audit").ok().words
        assert "E404" in npm.add("there-is-no-such-package-anywhere-8f2c").failed().words

    def test_nobody_without_a_key(self, account: Account, tmp_path: Path):
        address = f"localhost:{account.daemon.port}/v1/accounts/{account.slug}/engines/npm"
        said = Project("npm", tmp_path, Registry(address)).add("merlin-core").failed().words
        assert "The package merlin-core needs a license key or token: put it into .npmrc" in said


@pytest.mark.parametrize("daemon", [of_machine], indirect=True, ids=["registry-of-machine"])
class TestRegistryOfMachine:
    """Real packages from the registry that this machine uses."""

    @pytest.fixture(autouse=True)
    def reachable(self, tmp_path: Path) -> None:
        if not configured_registry().startswith("http"):
            pytest.skip("NOT TESTED: npm on this machine is told of no registry")
        env = environment(tmp_path, npm_config_registry=configured_registry())
        if run(require("npm"), "view", PUBLIC[0], "version", cwd=tmp_path, env=env, seconds=60).status:
            pytest.skip("NOT TESTED: this machine reaches no registry of packages")

    @pytest.mark.parametrize("client", ["npm", "pnpm", "bun"])
    def test_installs_real_packages(self, client: str, customer: Customer):
        project = customer.project(client)
        for package in PUBLIC:
            project.add(package).ok()
        (project.folder / "check.mjs").write_text('import odd from "is-odd"; import is from "@sindresorhus/is";'
                                                  "console.log(odd(7), is(7));")  # fmt: skip
        env = environment(project.home)
        assert run(require("node"), "check.mjs", cwd=project.folder, env=env).ok().words.strip() == "true number"
        again = customer.project(client, "again")
        again.copy_locked(project)
        again.install_locked().ok()
        assert again.lockfile == project.lockfile
