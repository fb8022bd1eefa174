"""npm, pnpm, yarn classic, yarn berry and bun as test clients of one registry."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from attrs import frozen

from tests.clients.running import Ran, environment, require, run

#: Package and entry file of those clients that are not on the machine; they are installed once, from npm's registry.
_PROGRAMS = {
    "pnpm": ("pnpm@9.15.9", "pnpm/bin/pnpm.cjs"),
    "yarn-classic": ("yarn@1.22.22", "yarn/lib/cli.js"),
    "yarn-berry": ("@yarnpkg/cli-dist@4.18.1", "@yarnpkg/cli-dist/bin/yarn.js"),
}
#: The packages that bring bun's binary, by the machine's processor.
_BUN = {"x86_64": "@oven/bun-linux-x64-baseline", "aarch64": "@oven/bun-linux-aarch64"}
_BUN_VERSION = "1.4.4"
CLIENTS = ("npm", *_PROGRAMS, "bun")
_LOCKFILES = {"npm": "package-lock.json", "pnpm": "pnpm-lock.yaml", "bun": "bun.lock"}
_FROZEN = {
    "npm": ["ci"],
    "pnpm": ["install", "--frozen-lockfile"],
    "yarn-classic": ["install", "--frozen-lockfile"],
    "yarn-berry": ["install", "--immutable"],
    "bun": ["install", "--frozen-lockfile"],
}


def command(client: str) -> list[str]:
    """How to start a client; the test is skipped, and says so, where it cannot be had."""
    if client == "npm":
        return [require("npm")]
    if client == "bun":
        package = _BUN.get(platform.machine())
        if platform.system() != "Linux" or package is None:
            pytest.skip("NOT TESTED: there is no bun for this machine")
        return [str(_installed(f"{package}@{_BUN_VERSION}", f"{package}/bin/bun"))]
    return program(*_PROGRAMS[client])


def program(package: str, entry: str, **overrides: str) -> list[str]:
    """
    How to start a program of npm's registry.

    :param package: with its version. :param entry: its file below ``node_modules``.
    :param overrides: versions of what it depends on.
    """
    return [require("node"), str(_installed(package, entry, overrides))]


def _installed(package: str, entry: str, overrides: dict[str, str] | None = None) -> Path:
    """A file of a package, installed once for all runs on this machine."""
    npm = require("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keygenreg-test-clients"
    place = cache / package.replace("/", "-")
    if not (place / "node_modules" / entry).exists():
        _install(npm, package, place, overrides or {})
    return place / "node_modules" / entry


def _install(npm: str, package: str, place: Path, overrides: dict[str, str]) -> None:
    making = place.with_name(f"{place.name}.{os.getpid()}")
    making.mkdir(parents=True)
    (making / "package.json").write_text(json.dumps({"private": True, "overrides": overrides}))
    options = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts"]
    try:
        subprocess.run([npm, "install", *options, package], cwd=making, check=True, capture_output=True, timeout=300)
        shutil.rmtree(place, ignore_errors=True)
        making.rename(place)
    except (subprocess.SubprocessError, OSError) as error:
        words = getattr(error, "stderr", None) or b""
        pytest.skip(f"NOT TESTED: {package} could not be installed: {error} {words[-300:]!r}")
    finally:
        shutil.rmtree(making, ignore_errors=True)


@frozen
class Registry:
    """
    Where a client installs from, and as whom.

    ``address`` is the root without scheme and trailing slash; ``user`` and ``password`` are Basic credentials, and
    ``token`` is a Bearer token. With a ``scope``, only packages of that scope come from there, and others from nowhere.
    """

    address: str
    user: str | None = None
    password: str | None = None
    token: str | None = None
    scope: str | None = None

    def npmrc(self, client: str) -> str:
        """What npm, pnpm, yarn classic and bun read."""
        lines = [f"{self.scope}:registry=http://{self.address}/" if self.scope else f"registry=http://{self.address}/"]
        if self.scope:
            lines.append("registry=http://localhost:1/")
        if self.user is not None:
            lines.append(f"//{self.address}/:_auth={b64encode(f'{self.user}:{self.password}'.encode()).decode()}")
        if self.token is not None:
            lines.append(f"//{self.address}/:_authToken={self.token}")
        if client == "yarn-classic":
            lines.append("always-auth=true")
        return "\n".join([*lines, ""])

    @property
    def yarnrc(self) -> str:
        """What yarn berry reads."""
        lines = [
            f'npmRegistryServer: "http://{self.address}"',
            'unsafeHttpWhitelist: ["localhost"]',
            "npmMinimalAgeGate: 0",
            "enableTelemetry: false",
            "nodeLinker: node-modules",
            "enableGlobalCache: false",
        ]
        if self.user is not None:
            lines += ["npmAlwaysAuth: true", f'npmAuthIdent: "{self.user}:{self.password}"']
        return "\n".join([*lines, ""])


class Project:
    """A folder with a package.json, a home of its own, and one client that works in it."""

    def __init__(self, client: str, folder: Path, registry: Registry) -> None:
        self.client = client
        self.command = command(client)
        self.folder = folder / "project"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.folder.mkdir()
        (self.folder / "package.json").write_text('{"name": "project", "version": "1.0.0", "private": true}')
        (self.folder / ".npmrc").write_text(registry.npmrc(client))
        if client == "yarn-classic":
            (self.folder / ".yarnrc").write_text(f'registry "http://{registry.address}/"\n')
        if client == "yarn-berry":
            (self.folder / ".yarnrc.yml").write_text(registry.yarnrc)
            (self.folder / "yarn.lock").touch()

    def run(self, *words: str) -> Ran:
        env = environment(self.home, XDG_CACHE_HOME=str(self.home / "cache"), npm_config_update_notifier="false")
        # All that bun writes beside the project.
        env |= {"BUN_INSTALL": str(self.home / "bun"), "DO_NOT_TRACK": "1"}
        return run(*self.command, *words, cwd=self.folder, env=env)

    def add(self, requirement: str) -> Ran:
        """Add a package to the project, or another version of it, and install it."""
        return self.run("install" if self.client == "npm" else "add", requirement)

    def copy_locked(self, other: Project) -> None:
        """Take over what another project installs, to the byte."""
        for name in ("package.json", self._lockfile.name):
            shutil.copy(other.folder / name, self.folder / name)

    def install_locked(self) -> Ran:
        """Install what the lockfile says, or fail."""
        return self.run(*_FROZEN[self.client])

    @property
    def _lockfile(self) -> Path:
        return self.folder / _LOCKFILES.get(self.client, "yarn.lock")

    @property
    def lockfile(self) -> str:
        """What the lockfile says."""
        return self._lockfile.read_text()

    def installed(self, package: str) -> str:
        """The version of a package that is installed."""
        return json.loads((self.folder / "node_modules" / package / "package.json").read_text())["version"]

    def answer(self, package: str) -> str:
        """What the installed package exports, as node prints it."""
        expression = f"require({json.dumps(package)})"
        return run(require("node"), "-p", expression, cwd=self.folder, env=environment(self.home)).ok().words.strip()
