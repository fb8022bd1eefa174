"""gem and Bundler against the RubyGems engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.clients.running import Ran, environment, require, run
from tests.clients.watching import Watched, watching
from tests.daemon_fixtures import Account


@pytest.fixture(scope="module")
def gems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Gems that ``gem build`` made, by name and version: two of ``kestrel``, a prerelease, and ``kestrel-nest``."""
    gem = require("gem")
    folder = tmp_path_factory.mktemp("gems")
    made = {}
    for name, version, needs in (
        ("kestrel", "1.0.0", "s.add_runtime_dependency 'kestrel-nest', '>= 0.9', '< 2'"),
        ("kestrel", "1.1.0", "s.add_runtime_dependency 'kestrel-nest', '>= 0.9', '< 2'"),
        ("kestrel", "2.0.0-beta.1", ""),
        ("kestrel-nest", "1.0.0", "s.required_ruby_version = '>= 2.0'"),
    ):
        source = folder / f"{name}-{version}"
        (source / "lib").mkdir(parents=True)
        (source / "lib" / f"{name}.rb").write_text(f"module Kestrel; VERSION = '{version}'; end\n")
        (source / "it.gemspec").write_text(
            dedent(f"""\
            Gem::Specification.new do |s|
              s.name = '{name}'
              s.version = '{version}'
              s.summary = 'Rüttelfalke'
              s.authors = ['Ada']
              s.files = ['lib/{name}.rb']
              s.license = 'MIT'
              s.homepage = 'https://example.com'
              {needs}
            end
            """)
        )
        output = folder / f"{name}-{version}.gem"
        subprocess.run([gem, "build", "-q", "it.gemspec", "-o", output], cwd=source, check=True, capture_output=True)
        made[f"{name}-{version}"] = output
    return made


class Vendor:
    """An account that sells ``kestrel``, which needs ``kestrel-nest``."""

    def __init__(self, account: Account, strategy: str, gems: dict[str, Path]) -> None:
        self.account = account
        self.gems = gems
        self.product = account.admin.make_product(strategy)
        self.packages = {
            name: account.admin.make_package(self.product, name, "rubygems") for name in ("kestrel", "kestrel-nest")
        }
        self.license = account.admin.make_license(account.admin.make_policy(self.product))
        self.publish("kestrel-nest", "1.0.0")
        self.publish("kestrel", "1.0.0")

    @property
    def key(self) -> str:
        return self.license["attributes"]["key"]

    def publish(self, name: str, version: str) -> None:
        channel = version.partition("-")[2].partition(".")[0] or "stable"
        release = self.account.admin.make_release(self.product, version, package=self.packages[name], channel=channel)
        file = self.gems[f"{name}-{version}"]
        made = self.account.admin.make_artifact(release, file.name, file.read_bytes())
        assert made["attributes"]["status"] == "UPLOADED", made["attributes"]

    @property
    def path(self) -> str:
        return f"/v1/accounts/{self.account.slug}/engines/rubygems/"


@pytest.fixture
def vendor(account: Account, gems: dict[str, Path]) -> Vendor:
    return Vendor(account, "LICENSED", gems)


@pytest.fixture
def watched(account: Account) -> Iterator[Watched]:
    """What stands between client and daemon and notes what passes."""
    with watching(account.daemon.port) as between:
        yield between


class Ruby:
    """gem and Bundler with a home of their own."""

    def __init__(self, home: Path, port: int, path: str, credentials: str = "") -> None:
        self.home = home
        host = f"{credentials}@127.0.0.1" if credentials else "127.0.0.1"
        self.source = f"http://{host}:{port}{path}"
        self.bare_source = f"http://127.0.0.1:{port}{path}"
        self.project = home / "project"

    def gem(self, command: str, *words: str) -> Ran:
        options = ["--clear-sources", "--source", self.source]
        if command == "install":
            options += ["--install-dir", str(self.home / "installed"), "--no-document"]
        return run(require("gem"), command, *words, *options, cwd=self.home, env=self._environment())

    def bundle(self, *words: str, **more: str) -> Ran:
        self.project.mkdir(exist_ok=True)
        if not (self.project / "Gemfile").exists():
            self.gemfile("gem 'kestrel'")
        env = self._environment(
            BUNDLE_USER_HOME=str(self.home / "bundle-home"), BUNDLE_APP_CONFIG=str(self.home / "bundle-config"),
            BUNDLE_PATH=str(self.home / "bundled"), BUNDLE_RETRY="0", **more,
        )  # fmt: skip
        return run(require("bundle"), *words, cwd=self.project, env=env)

    def gemfile(self, text: str) -> None:
        (self.project / "Gemfile").write_text(f"source '{self.bare_source}'\n{text}\n")

    @property
    def lockfile(self) -> str:
        return (self.project / "Gemfile.lock").read_text()

    def _environment(self, **more: str) -> dict[str, str]:
        return environment(self.home, LANG="C.UTF-8", **more)


@pytest.fixture
def ruby(tmp_path: Path, vendor: Vendor, watched: Watched) -> Ruby:
    return Ruby(tmp_path, watched.port, vendor.path, f"license:{vendor.key}")


def requested(watched: Watched) -> list[tuple[str, int]]:
    """The last part of each path that was asked for, with the status; what was seen so far is forgotten."""
    seen = [(each.path.rstrip("/").rpartition("/")[2], each.status) for each in watched.seen]
    watched.seen.clear()
    return seen


def stranger(ruby: Ruby, vendor: Vendor, credentials: str = "") -> Ruby:
    """Somebody else on the same machine."""
    home = ruby.home / "stranger"
    home.mkdir(exist_ok=True)
    return Ruby(home, int(ruby.bare_source.split(":")[2].split("/")[0]), vendor.path, credentials)


class TestGem:
    def test_installs_with_what_it_needs(self, ruby: Ruby, watched: Watched):
        """By the compact index, with credentials on every request."""
        words = ruby.gem("install", "kestrel").ok().words
        assert "Successfully installed kestrel-nest-1.0.0" in words
        assert "Successfully installed kestrel-1.0.0" in words
        assert all("authorization" in each.headers for each in watched.seen)
        assert ("kestrel", 200) in requested(watched)
        assert (ruby.home / "installed" / "gems" / "kestrel-1.0.0" / "lib" / "kestrel.rb").exists()

    def test_lists_searches_and_describes(self, ruby: Ruby, vendor: Vendor):
        vendor.publish("kestrel", "1.1.0")
        vendor.publish("kestrel", "2.0.0-beta.1")
        listed = "kestrel (1.1.0)\nkestrel-nest (1.0.0)\n"
        assert ruby.gem("list", "-r").ok().words == listed
        assert ruby.gem("search", "^kestr").ok().words == listed
        everything = ruby.gem("list", "-r", "--all", "--pre", "kestrel").ok().words
        assert everything.startswith("kestrel (2.0.0.pre.beta.1, 1.1.0, 1.0.0)\n")
        assert "kestrel-2.0.0.pre.beta.1" in ruby.gem("install", "kestrel", "--pre").ok().words
        description = ruby.gem("specification", "-r", "kestrel").ok().words
        assert "version: 1.1.0" in description
        assert "summary: Rüttelfalke" in description

    def test_fetches_the_same_bytes(self, ruby: Ruby, vendor: Vendor):
        ruby.gem("fetch", "kestrel").ok()
        assert (ruby.home / "kestrel-1.0.0.gem").read_bytes() == vendor.gems["kestrel-1.0.0"].read_bytes()

    def test_a_token_does_too(self, ruby: Ruby, vendor: Vendor):
        answer = vendor.account.admin.post(f"/licenses/{vendor.license['id']}/tokens")
        token = answer.data["attributes"]["token"]
        ruby = stranger(ruby, vendor, token)
        ruby.gem("fetch", "kestrel").ok()
        assert (ruby.home / "kestrel-1.0.0.gem").exists()

    def test_without_a_key_it_says_why(self, ruby: Ruby, vendor: Vendor):
        words = stranger(ruby, vendor).gem("install", "kestrel").failed().words
        assert "Could not find a valid gem 'kestrel' (>= 0), here is why:" in words
        assert "Unauthorized 401" in words

    def test_a_suspended_license_is_refused_at_once(self, ruby: Ruby, vendor: Vendor):
        assert vendor.account.admin.post(f"/licenses/{vendor.license['id']}/actions/suspend").status == 200
        assert "Forbidden 403" in ruby.gem("install", "kestrel").failed().words

    def test_pushing_is_explained(self, ruby: Ruby, vendor: Vendor):
        env = environment(ruby.home, GEM_HOST_API_KEY="some-key")
        command = [require("gem"), "push", vendor.gems["kestrel-1.0.0"], "--host", ruby.bare_source.rstrip("/")]
        words = run(*command, cwd=ruby.home, env=env).failed().words
        assert "keygenreg publish FILE --package NAME --engine rubygems" in words

    def test_open_gems_need_no_key(self, account: Account, gems: dict[str, Path], tmp_path: Path):
        vendor = Vendor(account, "OPEN", gems)
        Ruby(tmp_path, account.daemon.port, vendor.path).gem("install", "kestrel").ok()


class TestBundler:
    def configure(self, ruby: Ruby, vendor: Vendor) -> None:
        ruby.bundle("config", "set", "--local", ruby.bare_source, f"license:{vendor.key}").ok()

    def test_updates_its_index_by_what_was_added(self, ruby: Ruby, vendor: Vendor, watched: Watched):
        """The list of versions and the gem's own are continued, not sent again; and are not asked for in vain."""
        self.configure(ruby, vendor)
        ruby.bundle("install").ok()
        assert requested(watched)[:3] == [("versions", 200), ("kestrel", 200), ("kestrel-nest", 200)]
        for version in ("1.1.0", "2.0.0-beta.1"):
            vendor.publish("kestrel", version)
            ruby.bundle("update").ok()
            parts = [each for each in watched.seen if each.status == 206]
            assert all("range" in each.headers and "if-none-match" in each.headers for each in parts)
            assert requested(watched)[:2] == [("versions", 206), ("kestrel", 206)]
            assert "kestrel (1.1.0)" in ruby.lockfile
        ruby.bundle("outdated").ok()
        assert requested(watched) == [("versions", 304)]

    def test_a_withdrawn_version_is_not_offered_any_more(self, ruby: Ruby, vendor: Vendor, watched: Watched):
        vendor.publish("kestrel", "1.1.0")
        self.configure(ruby, vendor)
        ruby.bundle("install").ok()
        assert "kestrel (1.1.0)" in ruby.lockfile
        [(release,)] = vendor.account.sql(
            "SELECT id FROM releases WHERE package_id = %s AND version = '1.1.0'", vendor.packages["kestrel"]["id"]
        )
        assert vendor.account.admin.post(f"/releases/{release}/actions/yank").status == 200
        # Bundler keeps to what is installed, and goes back behind what is locked for nobody.
        shutil.rmtree(ruby.home / "bundled")
        (ruby.project / "Gemfile.lock").unlink()
        requested(watched)
        ruby.bundle("install").ok()
        assert ("versions", 206) in requested(watched)
        assert "kestrel (1.0.0)" in ruby.lockfile

    def test_a_lockfile_installs_the_same_elsewhere(self, ruby: Ruby, vendor: Vendor):
        """Also when there is a newer version; credentials from the environment."""
        self.configure(ruby, vendor)
        ruby.bundle("install").ok()
        vendor.publish("kestrel", "1.1.0")
        other = stranger(ruby, vendor)
        other.project.mkdir()
        other.gemfile("gem 'kestrel'")
        (other.project / "Gemfile.lock").write_text(ruby.lockfile)
        words = other.bundle("install", BUNDLE_127__0__0__1=f"license:{vendor.key}", BUNDLE_FROZEN="true").ok().words
        assert "Installing kestrel 1.0.0" in words
        assert other.lockfile == ruby.lockfile

    def test_the_older_index_will_do(self, ruby: Ruby, vendor: Vendor, watched: Watched):
        self.configure(ruby, vendor)
        ruby.bundle("install", "--full-index").ok()
        assert ("specs.4.8.gz", 200) in requested(watched)

    def test_without_a_key_it_says_what_to_do(self, ruby: Ruby, vendor: Vendor):
        words = stranger(ruby, vendor).bundle("install").failed().words
        assert "Authentication is required for 127.0.0.1" in words
        assert "bundle config set --global 127.0.0.1 username:password" in words

    def test_a_wrong_key_is_called_wrong(self, ruby: Ruby, vendor: Vendor):
        words = stranger(ruby, vendor).bundle("install", BUNDLE_127__0__0__1="license:wrong").failed().words
        assert "Bad username or password" in words

    def test_a_license_without_access(self, ruby: Ruby, vendor: Vendor):
        """Of another product: the gem is not to be found."""
        other = vendor.account.admin.make_license(
            vendor.account.admin.make_policy(vendor.account.admin.make_product("LICENSED"))
        )
        credentials = f"license:{other['attributes']['key']}"
        words = stranger(ruby, vendor).bundle("install", BUNDLE_127__0__0__1=credentials).failed().words
        assert "Could not find gem 'kestrel'" in words
