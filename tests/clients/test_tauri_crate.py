"""The updater of Tauri itself, the crate ``tauri-plugin-updater``, against the Tauri engine.

``tauri_updater/`` is an app around it without a window. To compile it takes minutes: that is done with
``KEYGENREG_TEST_FULL=1`` only, and the program is kept in the cache of test clients until its source or lock changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.clients import test_tauri
from tests.clients.running import environment, require, run
from tests.clients.test_tauri import App, Signer
from tests.daemon_fixtures import Account

_SOURCE = Path(__file__).parent / "tauri_updater"
_FILES = ("Cargo.toml", "Cargo.lock", "src/main.rs")
_SYSTEM = "webkit2gtk-4.1"  # the runtime of Tauri links with it, windows or not; it needs GTK 3 and libsoup 3
_MINUTES = 30
_ENDPOINTS = (
    "/{{target}}/{{arch}}/{{current_version}}?bundle_type={{bundle_type}}",
    "?platform={{target}}&arch={{arch}}&version={{current_version}}",
    "/latest.json",
)

tauri = test_tauri.tauri
pytestmark = pytest.mark.timeout(_MINUTES * 60)


def build(place: Path) -> Path:
    """Compile the app in a folder that keeps what was compiled; skipped where its parts cannot be had."""
    cargo = require("cargo")
    if subprocess.run([require("pkg-config"), "--exists", _SYSTEM], check=False).returncode:
        pytest.skip(f"NOT TESTED: the development files of {_SYSTEM} are not installed on this machine")
    fetched = run(cargo, "fetch", "--locked", cwd=_SOURCE, env=dict(os.environ), seconds=300)
    if fetched.status:
        pytest.skip(f"NOT TESTED: the crates of Tauri's updater could not be fetched: {fetched.words[-500:]}")
    words = (cargo, "build", "--locked", "--offline", "--target-dir", place)
    run(*words, cwd=_SOURCE, env=dict(os.environ), seconds=_MINUTES * 60).ok()
    return place / "debug/tauri-updater"


@pytest.fixture(scope="module")
def program() -> Path:
    """The app for this source and lock."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keygenreg-test-clients/tauri-updater"
    state = hashlib.sha256(b"\0".join((_SOURCE / name).read_bytes() for name in _FILES)).hexdigest()
    kept = place / f"tauri-updater-{state[:16]}"
    if not kept.exists():
        if os.environ.get("KEYGENREG_TEST_FULL") != "1":
            pytest.skip("NOT TESTED: Tauri's own updater is compiled with KEYGENREG_TEST_FULL=1 only; it takes minutes")
        place.mkdir(parents=True, exist_ok=True)
        making = place / f"making.{os.getpid()}"
        shutil.copy2(build(place), making)
        making.rename(kept)
    return kept


@frozen
class Crate:
    """A customer's copy of an app, with the updater of Tauri in it."""

    program: Path
    home: Path
    app: App

    def start(self, version: str, endpoint: str, *, public_key: str | None = None, licensed: bool = True) -> Any:
        """What the program said, and whether it succeeded."""
        key = public_key or self.app.signer.public_key
        headers = [word for pair in self.app.authorized.items() for word in pair] if licensed else []
        words = (self.program, version, key, self.app.base + endpoint, *headers)
        ran = run(*words, cwd=self.home, env=environment(self.home))
        said = json.loads(ran.words.splitlines()[-1])
        assert (ran.status == 0) == ("update" in said), ran
        return said

    def update(self, version: str, endpoint: str = _ENDPOINTS[0], **more: Any) -> dict | None:
        """The update that it found, downloaded and verified; None when there was none."""
        said = self.start(version, endpoint, **more)
        assert "update" in said, said
        return said["update"]

    def refusal(self, version: str = "1.0.0", endpoint: str = _ENDPOINTS[0], **more: Any) -> tuple[str, str]:
        """Where it failed (``check`` or ``download``), and with which words."""
        said = self.start(version, endpoint, **more)
        assert "error" in said, said
        return said["stage"], said["error"]


@pytest.fixture
def crate(program: Path, tauri: Signer, account: Account, tmp_path: Path) -> Crate:
    """A customer of a licensed app, whose key the updater sends."""
    return Crate(program, tmp_path, App(account, tauri))


class TestTheUpdaterItself:
    @pytest.mark.parametrize("endpoint", _ENDPOINTS)
    @pytest.mark.parametrize("companion", [False, True])
    def test_an_update_is_offered_downloaded_and_verified(self, crate: Crate, endpoint: str, companion: bool):
        """The newest one, also to who skipped some; nothing to who runs it."""
        crate.app.publish("1.0.0", companion=companion)
        assert crate.update("1.0.0", endpoint) is None
        for version in ("1.1.0", "1.2.0"):
            content = crate.app.publish(version, companion=companion)
            found = crate.update("1.0.0", endpoint)
            assert (found["version"], found["notes"]) == (version, f"New in {version}")
            assert (found["size"], found["announced"]) == (len(content), len(content))
            assert found["sha256"] == hashlib.sha256(content).hexdigest()
            assert found["date"] is not None
        assert crate.update("1.2.0", endpoint) is None

    def test_only_for_licenses_in_good_standing(self, crate: Crate):
        crate.app.publish("1.1.0")
        assert crate.update("1.0.0")["version"] == "1.1.0"
        assert crate.refusal(licensed=False)[0] == "check"
        crate.app.license.set(suspended=True)
        assert crate.refusal()[0] == "check"
        crate.app.license.set(suspended=False)
        assert crate.update("1.0.0")["version"] == "1.1.0"

    def test_what_the_vendor_did_not_sign_is_refused(self, crate: Crate):
        """A file that is not the signed one, though signed with the right key; it is offered, and not accepted."""
        app = crate.app
        signature = app.signer.sign("other", b"what was signed").decode().strip()
        app.vendor.file(app.vendor.release("1.1.0"), "app.AppImage", b"what was not", signature=signature)
        stage, error = crate.refusal()
        assert (stage, "signature" in error.lower()) == ("download", True), error

    def test_another_vendors_key_is_refused(self, crate: Crate, tmp_path: Path):
        crate.app.publish("1.1.0")
        folder = tmp_path / "other"
        folder.mkdir()
        words = (*test_tauri.tauri_cli(), "signer", "generate", "--ci", "-p", "", "-w", "key", "-f")
        run(*words, cwd=folder, env=environment(folder)).ok()
        stage, error = crate.refusal(public_key=(folder / "key.pub").read_text().strip())
        assert (stage, "key" in error.lower()) == ("download", True), error
