"""gem and Bundler with the daemon as their only source, which passes another source through."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.clients.gem_sources import StaticSource, build_gem
from tests.clients.running import Ran, require, run
from tests.clients.test_rubygems import Ruby, requested
from tests.clients.watching import Watched, watching
from tests.daemon_fixtures import Account, Api, Daemon
from tests.engines.rubygems.conftest import fresh_account


def publish(admin: Api, product: dict, package: dict, gems: Iterable[Path]) -> None:
    """A release of gems of one version, for different platforms."""
    gems = list(gems)
    version = gems[0].stem.removeprefix(f"{package['attributes']['key']}-").partition("-")[0]
    release = admin.make_release(product, version, package=package)
    for gem in gems:
        made = admin.make_artifact(release, gem.name, gem.read_bytes())
        assert made["attributes"]["status"] == "UPLOADED", made["attributes"]


class RegistrySource:
    """Another daemon of ours, with an open product."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.daemon = Daemon(folder / "data", "--mode", "multiplayer").start()
        connection = self.daemon.connect()
        self.account = fresh_account(self.daemon, connection, "upstream")
        connection.close()
        self._product = self.account.admin.make_product("OPEN")
        self._packages: dict[str, dict] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.daemon.port}/v1/accounts/{self.account.slug}/engines/rubygems/"

    def publish(self, name: str, *gems: Path) -> None:
        admin = self.account.admin
        if name not in self._packages:
            self._packages[name] = admin.make_package(self._product, name, "rubygems")
        publish(admin, self._product, self._packages[name], gems)

    def kill(self) -> None:
        self.daemon.stop()

    def start(self) -> None:
        self.daemon.start()

    def stop(self) -> None:
        self.daemon.stop()


Source = StaticSource | RegistrySource


@pytest.fixture(scope="module", params=[StaticSource, RegistrySource], ids=["files", "registry"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """``merlin`` 1.0.0 needs ``merlin-core``, of which there are 1.0.0 and 1.1.0, the latter for Java too."""
    require("gem")
    folder = tmp_path_factory.mktemp("source")
    made = request.param(folder / "served")
    try:
        made.publish("merlin-core", build_gem(folder, "merlin-core", "1.0.0"))
        both = [build_gem(folder, "merlin-core", "1.1.0", platform=platform) for platform in ("ruby", "java")]
        made.publish("merlin-core", *both)
        made.publish("merlin", build_gem(folder, "merlin", "1.0.0", "merlin-core, ~> 1.0"))
        yield made
    finally:
        made.stop()


def mirroring(folder: Path, url: str, **more: str) -> Daemon:
    settings = {"MODE": "mirror", "URL": url, "PRIVATE_ADDRESSES": "true", **more}
    env = {f"KEYGENREG_UPSTREAM_RUBYGEMS_{name}": value for name, value in settings.items()}
    return Daemon(folder / "data", "--mode", "multiplayer", env=env).start()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, source: Source) -> Iterator[Daemon]:
    # Nothing is fresh, so that every answer is of what upstream says, or of what is kept when it says nothing.
    nothing = {"FRESH_SECONDS": "0", "STALE_SECONDS": "0", "ABSENT_SECONDS": "0"}
    running = mirroring(tmp_path_factory.mktemp("gems-mirror"), source.url, **nothing)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


@pytest.fixture
def watched(account: Account) -> Iterator[Watched]:
    with watching(account.daemon.port) as between:
        yield between


class Customer:
    """Somebody with a license key of a vendor, whose programs know one source only."""

    def __init__(self, account: Account, folder: Path, port: int) -> None:
        self.admin = account.admin
        self.folder = folder
        self.product = account.admin.make_product("LICENSED")
        license = account.admin.make_license(account.admin.make_policy(self.product))
        self.credentials = f"license:{license['attributes']['key']}"
        self._where = (port, f"/v1/accounts/{account.slug}/engines/rubygems/")
        self._packages: dict[str, dict] = {}

    def machine(self, name: str = "first", gemfile: str = "gem 'merlin'") -> Ruby:
        """A machine with nothing on it but the key."""
        home = self.folder / name
        home.mkdir()
        ruby = Ruby(home, *self._where, self.credentials)
        ruby.project.mkdir()
        ruby.gemfile(gemfile)
        ruby.bundle("config", "set", "--local", ruby.bare_source, self.credentials).ok()
        return ruby

    def publish(self, name: str, version: str, *needs: str) -> None:
        """What the vendor has of its own."""
        if name not in self._packages:
            self._packages[name] = self.admin.make_package(self.product, name, "rubygems")
        gem = build_gem(self.folder, name, version, *needs, word="of the vendor")
        publish(self.admin, self.product, self._packages[name], [gem])


@pytest.fixture
def customer(account: Account, tmp_path: Path, watched: Watched) -> Customer:
    ends = time.monotonic() + 20
    while account.admin.get("/engines/rubygems/info/merlin", Accept="*/*").status != 200:
        assert time.monotonic() < ends, "upstream is not asked again"
        time.sleep(0.2)
    return Customer(account, tmp_path, watched.port)


def said(ruby: Ruby, gem: str) -> str:
    """What a gem says that ``bundle install`` has installed."""
    return ruby.bundle("exec", "ruby", "-e", f"require {gem!r}").ok().words.strip()


def said_of(ruby: Ruby, gem: str) -> Ran:
    """What a gem says that ``gem install`` has installed."""
    env = ruby._environment(GEM_PATH=str(ruby.home / "installed"))
    return run(require("ruby"), "-e", f"require {gem!r}", cwd=ruby.home, env=env)


class TestGem:
    def test_installs_with_what_it_needs_and_again_without_upstream(self, customer: Customer, source: Source):
        ruby = customer.machine()
        words = ruby.gem("install", "merlin").ok().words
        assert "Successfully installed merlin-core-1.1.0\n" in words
        assert said_of(ruby, "merlin").ok().words == "this is merlin 1.0.0 \n"
        source.kill()
        try:
            again = customer.machine("again")
            assert "Successfully installed merlin-1.0.0" in again.gem("install", "merlin").ok().words
            assert said_of(again, "merlin-core").ok().words == "this is merlin-core 1.1.0 \n"
            # Of what was never fetched nobody says that it does not exist.
            assert "503" in again.gem("install", "merlin-core", "-v", "1.0.0").failed().words
        finally:
            source.start()

    def test_a_vendors_gem_needs_one_of_upstream(self, customer: Customer):
        customer.publish("kestrel", "1.0.0", "merlin-core, ~> 1.0")
        words = customer.machine().gem("install", "kestrel").ok().words
        assert "Successfully installed merlin-core-1.1.0\nSuccessfully installed kestrel-1.0.0" in words

    def test_a_vendors_name_never_comes_from_upstream(self, customer: Customer):
        """Though the vendor's only version is lower, and another gem of upstream's needs the higher one."""
        customer.publish("merlin-core", "0.1.0")
        ruby = customer.machine()
        assert "Successfully installed merlin-core-0.1.0" in ruby.gem("install", "merlin-core").ok().words
        assert said_of(ruby, "merlin-core").ok().words == "this is merlin-core 0.1.0 of the vendor\n"
        ruby.gem("install", "merlin-core", "-v", "1.1.0").failed()
        ruby.gem("install", "merlin").failed()

    def test_without_a_key_it_says_why(self, customer: Customer):
        customer.credentials = ""
        ruby = Ruby(customer.folder, *customer._where)
        assert "Unauthorized 401" in ruby.gem("install", "merlin").failed().words

    def test_searches_fetches_and_describes(self, customer: Customer):
        """By the older indexes."""
        customer.publish("kestrel-merlin", "1.0.0")
        ruby = customer.machine()
        found = ruby.gem("search", "merlin").ok().words.splitlines()
        assert found == ["kestrel-merlin (1.0.0)", "merlin (1.0.0)", "merlin-core (1.1.0 ruby java)"]
        assert "merlin-core (1.1.0 ruby java, 1.0.0)" in ruby.gem("list", "-r", "--all", "merlin-core").ok().words
        ruby.gem("fetch", "merlin-core").ok()
        assert (ruby.home / "merlin-core-1.1.0.gem").exists()
        assert "summary: Zwergfalke" in ruby.gem("specification", "-r", "merlin").ok().words


class TestBundler:
    def test_installs_and_again_without_upstream(self, customer: Customer, source: Source):
        """What the lockfile says, on a machine with nothing of it; and anew without a lockfile."""
        first = customer.machine()
        first.bundle("install").ok()
        assert said(first, "merlin-core") == "this is merlin-core 1.1.0"
        assert first.lockfile.count("remote:") == 1
        source.kill()
        try:
            again = customer.machine("again")
            shutil.copy(first.project / "Gemfile.lock", again.project)
            again.bundle("install", BUNDLE_FROZEN="true").ok()
            assert said(again, "merlin") == "this is merlin 1.0.0"
            fresh = customer.machine("fresh")
            fresh.bundle("install").ok()
            assert fresh.lockfile == first.lockfile
        finally:
            source.start()

    def test_its_list_is_continued(self, customer: Customer, source: Source, watched: Watched, tmp_path: Path):
        """It fetches what was appended upstream, and asks for no gem whose document is as the list says."""
        gem = f"hobby-{customer.product['id'][:8]}"
        customer.publish("lanner", "1.0.0")
        source.publish(gem, build_gem(tmp_path, gem, "1.0.0"))
        ruby = customer.machine(gemfile=f"gem 'lanner'; gem '{gem}'; gem 'merlin-core'")
        requested(watched)
        ruby.bundle("install").ok()
        assert ("versions", 200) in requested(watched)
        ruby.bundle("update", "--all").ok()
        assert requested(watched) == [("versions", 304)]
        source.publish(gem, build_gem(tmp_path, gem, "1.1.0"))
        ruby.bundle("update", "--all").ok()
        assert f"{gem} (1.1.0)" in ruby.lockfile
        seen = requested(watched)
        assert [each for each in seen if each[0] in ("lanner", "merlin-core")] == []
        if isinstance(source, StaticSource):  # the other one's list is sorted: its middle has changed
            assert [status for path, status in seen if path == "versions"] == [206]
        ruby.bundle("update", "--all").ok()
        assert requested(watched) == [("versions", 304)]

    def test_a_vendors_release_is_there_at_once(self, customer: Customer, watched: Watched):
        customer.publish("kestrel", "1.0.0", "merlin-core, ~> 1.0")
        ruby = customer.machine(gemfile="gem 'kestrel'; gem 'merlin'")
        ruby.bundle("install").ok()
        customer.publish("kestrel", "1.1.0")
        requested(watched)
        ruby.bundle("update", "kestrel").ok()
        # What it has is not what ours goes on from, which Bundler sees from the digest: it fetches the list whole.
        assert [status for path, status in requested(watched) if path == "versions"] == [206, 200]
        assert said(ruby, "kestrel") == "this is kestrel 1.1.0 of the vendor"
        assert said(ruby, "merlin") == "this is merlin 1.0.0"

    def test_a_vendors_name_never_comes_from_upstream(self, customer: Customer):
        """Not even for a machine that knew upstream's gem before the vendor took the name."""
        ruby = customer.machine(gemfile="gem 'merlin-core'")
        ruby.bundle("install").ok()
        assert "merlin-core (1.1.0)" in ruby.lockfile
        customer.publish("merlin-core", "0.1.0")
        for machine in (ruby, customer.machine("second", "gem 'merlin-core'")):
            shutil.rmtree(machine.home / "bundled", ignore_errors=True)
            (machine.project / "Gemfile.lock").unlink(missing_ok=True)
            machine.bundle("install").ok()
            assert said(machine, "merlin-core") == "this is merlin-core 0.1.0 of the vendor"
        ruby.gemfile("gem 'merlin'")
        assert "merlin-core" in ruby.bundle("install").failed().words

    def test_the_older_index_will_do(self, customer: Customer, watched: Watched):
        ruby = customer.machine()
        ruby.bundle("install", "--full-index").ok()
        assert said(ruby, "merlin-core") == "this is merlin-core 1.1.0"
        assert ("specs.4.8.gz", 200) in requested(watched)

    def test_it_chooses_nothing_else_while_upstream_is_away(self, customer: Customer, source: Source):
        """An older version of the vendor's would do without upstream: but that is not what was asked for."""
        customer.publish("kestrel", "1.0.0")
        customer.publish("kestrel", "1.1.0", "merlin-core, ~> 1.0")
        source.kill()
        try:
            ruby = customer.machine(gemfile="gem 'kestrel'")
            words = ruby.bundle("install").failed().words
            assert "Could not fetch specs" in words
        finally:
            source.start()

    def test_everyday_commands(self, customer: Customer):
        ruby = customer.machine(gemfile="gem 'merlin-core', '1.0.0'")
        ruby.bundle("install").ok()
        assert "merlin-core  1.0.0    1.1.0   = 1.0.0" in ruby.bundle("outdated").failed().words
        ruby.bundle("lock", "--add-platform", "java").ok()
        ruby.gemfile("gem 'merlin-core'")
        ruby.bundle("update", "--all").ok()
        ruby.bundle("lock", "--add-platform", "java").ok()
        assert "merlin-core (1.1.0-java)" in ruby.lockfile
        ruby.bundle("cache", "--all-platforms").ok()
        assert (ruby.project / "vendor" / "cache" / "merlin-core-1.1.0-java.gem").exists()
        ruby.gemfile("gem 'there-is-no-such-gem-8f2c'")
        assert "Could not find gem 'there-is-no-such-gem-8f2c'" in ruby.bundle("install").failed().words

    @pytest.mark.parametrize("source", [StaticSource], indirect=True, ids=["files"])
    def test_a_file_that_was_replaced_upstream(self, customer: Customer, source: StaticSource, tmp_path: Path):
        """Is not installed, as it is not what the index says."""
        name = f"swift-{customer.product['id'][:8]}"
        source.publish(name, build_gem(tmp_path / "good", name, "1.0.0"))
        evil = build_gem(tmp_path / "evil", name, "1.0.0", word="evil")
        source.replace(f"{name}-1.0.0.gem", evil.read_bytes())
        ruby = customer.machine(gemfile=f"gem '{name}'")
        assert "502" in ruby.gem("install", name).failed().words
        ruby.bundle("install").failed()
        assert not list(ruby.home.rglob(f"{name}.rb"))


class TestSourceOfMachine:
    """A real gem from the source that gem on this machine is told of."""

    GEM = "rainbow"

    @pytest.fixture(scope="class")
    def url(self) -> str:
        said = subprocess.run([require("gem"), "sources"], capture_output=True, text=True, check=False, timeout=30)
        urls = [line.strip() for line in said.stdout.splitlines() if line.startswith("http")]
        if not urls:
            pytest.skip("NOT TESTED: gem on this machine is told of no source")
        url = urls[0].rstrip("/") + "/"
        try:
            with urlopen(f"{url}info/{self.GEM}", timeout=10) as answer:
                found = answer.read(4) == b"---\n"
        except OSError:
            found = False
        if not found:
            pytest.skip("NOT TESTED: this machine reaches no source of gems")
        return url

    @pytest.fixture(scope="class")
    def daemon(self, tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Daemon]:
        running = mirroring(tmp_path_factory.mktemp("real-gems"), url)
        yield running
        running.stop()

    @pytest.fixture(scope="class")
    def daemon_connection(self, daemon: Daemon) -> Iterator[Any]:
        connection = daemon.connect()
        yield connection
        connection.close()

    @pytest.fixture
    def machine(self, account: Account, tmp_path: Path) -> Iterator[Ruby]:
        with watching(account.daemon.port) as between:
            yield Customer(account, tmp_path, between.port).machine(gemfile=f"gem '{self.GEM}'")

    def test_installs_a_real_gem(self, machine: Ruby):
        assert f"Successfully installed {self.GEM}-" in machine.gem("install", self.GEM).ok().words
        machine.bundle("install").ok()
        require_it = ("exec", "ruby", "-e", f"require {self.GEM!r}; print defined?(Rainbow)")
        assert "constant" in machine.bundle(*require_it).ok().words
