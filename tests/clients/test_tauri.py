"""Updaters of Tauri against the Tauri engine, with signatures by the signer of Tauri and by minisign."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import evolve, frozen
from cryptography.exceptions import InvalidSignature

from tests.clients.running import environment, require, run
from tests.clients.tauri_updater import UpdateError, Updater
from tests.daemon_fixtures import Account, basic
from tests.engines.tauri.vendor import Vendor
from tests.management.customers import License

_CLI = "@tauri-apps/cli@2.12.5"


@frozen
class Signer:
    """A key pair, and the program that signs with it; ``public_key`` as in ``tauri.conf.json``."""

    folder: Path
    command: tuple[str, ...]
    public_key: str

    def sign(self, name: str, content: bytes) -> bytes:
        """The signature file of some content."""
        path = self.folder / name
        path.write_bytes(content)
        run(*self.command, path, cwd=self.folder, env=environment(self.folder)).ok()
        return next(each for each in (Path(f"{path}.sig"), Path(f"{path}.minisig")) if each.exists()).read_bytes()


def tauri_cli() -> list[str]:
    """How to start Tauri's command line, installed once from npm's registry; else the test is skipped and says so."""
    node, npm = require("node"), require("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keygenreg-test-clients"
    place = cache / _CLI.replace("/", "-")
    entry = place / "node_modules/@tauri-apps/cli/tauri.js"
    if not entry.exists():
        making = place.with_name(f"{place.name}.{os.getpid()}")
        making.mkdir(parents=True)
        (making / "package.json").write_text('{"private": true}')
        try:
            words = [npm, "install", "--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", _CLI]
            subprocess.run(words, cwd=making, check=True, capture_output=True, timeout=100)
            shutil.rmtree(place, ignore_errors=True)
            making.rename(place)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"NOT TESTED: {_CLI} could not be installed: {error}")
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return [node, str(entry)]


@pytest.fixture(scope="module")
def tauri(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    cli, folder = tauri_cli(), tmp_path_factory.mktemp("tauri")
    run(*cli, "signer", "generate", "--ci", "-p", "", "-w", "key", "-f", cwd=folder, env=environment(folder)).ok()
    command = (*cli, "signer", "sign", "-f", "key", "-p", "")
    return Signer(folder, command, (folder / "key.pub").read_text().strip())


@pytest.fixture(scope="module")
def minisign(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    program, folder = require("minisign"), tmp_path_factory.mktemp("minisign")
    run(program, "-G", "-W", "-p", "key.pub", "-s", "key", cwd=folder, env=environment(folder)).ok()
    public_key = base64.b64encode((folder / "key.pub").read_bytes()).decode()
    return Signer(folder, (program, "-S", "-W", "-s", "key", "-m"), public_key)


class App:
    """An app that its vendor signs and publishes, and how its customers' copies look for updates."""

    def __init__(self, account: Account, signer: Signer, strategy: str = "LICENSED") -> None:
        self.vendor = Vendor(account, strategy)
        self.signer = signer
        self.license = License(account, self.vendor.product)
        self.base = f"http://localhost:{account.daemon.port}/v1/accounts/{account.slug}/engines/tauri/app"

    def publish(self, version: str, *, companion: bool = False, name: str = "app.AppImage") -> bytes:
        """A version with a signed bundle; its content. ``companion``: the signature file lies beside it."""
        content = f"{name} {version}".encode() * 1000
        signature = self.signer.sign(name, content)
        release = self.vendor.release(version, description=f"New in {version}")
        self.vendor.file(release, name, content, signature=None if companion else signature.decode().strip())
        if companion:
            self.vendor.file(release, f"{name}.sig", signature, signature=None, platform=None, arch=None)
        return content

    def updater(self, endpoint: str = "/{{target}}/{{arch}}/{{current_version}}", **more) -> Updater:
        return Updater((self.base + endpoint,), "1.0.0", self.signer.public_key, **more)

    @property
    def authorized(self) -> dict[str, str]:
        return {"Authorization": f"License {self.license.secret}"}


_QUERY = "?platform={{target}}&arch={{arch}}&version={{current_version}}"


class TestUpdating:
    @pytest.mark.parametrize(("generation", "companion"), [(1, False), (2, True)])
    def test_licensed_apps(self, account: Account, tauri: Signer, generation: int, companion: bool):
        """Nothing new; an update, verified; refused without a key; a newer one after the next version is published."""
        app = App(account, tauri)
        name = "app.AppImage.tar.gz" if generation == 1 else "app.AppImage"
        app.publish("1.0.0", name=name, companion=companion)
        updater = app.updater(headers=app.authorized, generation=generation)
        assert updater.check() is None
        content = app.publish("1.1.0", name=name, companion=companion)
        found = updater.check()
        assert (found.version, found.notes) == ("1.1.0", "New in 1.1.0")
        assert updater.download(found) == content
        with pytest.raises(UpdateError, match="not for you"):
            app.updater(generation=generation).check()
        content = app.publish("1.2.0", name=name, companion=companion)
        assert updater.download(updater.check()) == content
        assert evolve(updater, current_version="1.2.0").check() is None

    @pytest.mark.parametrize("endpoint", ["/{{target}}/{{arch}}/{{current_version}}", _QUERY, "/latest.json"])
    def test_every_form_of_endpoint_and_credentials(self, account: Account, tauri: Signer, endpoint: str):
        """Those in the endpoint itself too, which the updater does not send with the download."""
        app = App(account, tauri)
        content = app.publish("1.1.0", companion=True)
        secret = app.license.secret
        mark = "&" if "?" in endpoint else "?"
        for updater in (
            app.updater(endpoint, headers=app.authorized),
            app.updater(endpoint, headers={"Authorization": basic("license", secret)}),
            app.updater(f"{endpoint}{mark}auth=license:{secret}"),
            evolve(app.updater(), endpoints=((app.base + endpoint).replace("://", f"://license:{secret}@"),)),
        ):
            for bundle_type in (None, "appimage"):
                installed = evolve(updater, bundle_type=bundle_type)
                found = installed.check()
                assert secret not in found.url
                assert installed.download(found) == content

    def test_open_apps(self, account: Account, minisign: Signer):
        """Signed by minisign itself, whose files are not in Base64."""
        app = App(account, minisign, "OPEN")
        content = app.publish("1.1.0", companion=True)
        updater = app.updater()
        assert updater.download(updater.check()) == content

    def test_an_endpoint_that_fails_is_followed_by_the_next(self, account: Account, tauri: Signer):
        app = App(account, tauri, "OPEN")
        app.publish("1.1.0")
        updater = app.updater()
        both = evolve(updater, endpoints=(updater.endpoints[0].replace("/app/", "/other/"), *updater.endpoints))
        assert both.check().version == "1.1.0"

    def test_what_the_vendor_did_not_sign(self, account: Account, tauri: Signer):
        app = App(account, tauri, "OPEN")
        app.publish("1.1.0")
        found = app.updater().check()
        other = tauri.sign("other", b"something else").decode()
        with pytest.raises(InvalidSignature):
            app.updater().download(evolve(found, signature=other))

    def test_minisign_agrees(self, account: Account, tauri: Signer, tmp_path: Path):
        """What is served verifies with the reference program too."""
        program = require("minisign")
        app = App(account, tauri, "OPEN")
        app.publish("1.1.0", companion=True)
        updater = app.updater()
        found = updater.check()
        (tmp_path / "app").write_bytes(updater.download(found))
        (tmp_path / "app.minisig").write_bytes(base64.b64decode(found.signature))
        (tmp_path / "key.pub").write_bytes(base64.b64decode(tauri.public_key))
        said = run(program, "-V", "-m", "app", "-p", "key.pub", cwd=tmp_path, env=environment(tmp_path)).ok()
        assert "Signature and comment signature verified" in said.words
