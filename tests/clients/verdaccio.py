"""Verdaccio on loopback: a real npm registry that other people wrote, to be the upstream of tests."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.clients.npm_programs import program
from tests.clients.running import environment, require, run
from tests.daemon_fixtures import free_port

#: The last one for Node 20; what one of its dependencies asks for by tag is named by version.
_PACKAGE, _ENTRY, _OVERRIDES = "verdaccio@6.8.0", "verdaccio/bin/verdaccio", {"node-fetch": "2.7.0"}


class Verdaccio:
    """A registry with nothing but what is published to it; ``url`` ends with a slash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        config = {
            "storage": str(folder / "storage"),
            "auth": {"htpasswd": {"file": str(folder / "htpasswd")}},
            "uplinks": {},
            "packages": {"**": {"access": "$all", "publish": "$authenticated"}},
            "log": {"type": "stdout", "format": "pretty", "level": "warn"},
            "web": {"enable": False},
        }
        (folder / "config.yaml").write_text(json.dumps(config))
        words = ["-c", str(folder / "config.yaml"), "-l", f"127.0.0.1:{self.port}"]
        self._command = [*program(_PACKAGE, _ENTRY, **_OVERRIDES), *words]
        self._token: str | None = None
        self.start()

    def start(self) -> None:
        env = environment(self.folder)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=self.folder, env=env, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                urlopen(f"{self.url}-/ping", timeout=5).close()
                return
            except (URLError, OSError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()[-3000:]) from None
                time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def publish(self, name: str, version: str, **needs: str) -> None:
        """
        Publish a package with npm itself. What it exports are its version and what those that it needs export.

        :param needs: versions of dependencies, with underscores for dashes.
        """
        place = self.folder / f"{name.replace('/', '-')}-{version}"
        place.mkdir()
        dependencies = {each.replace("_", "-"): versions for each, versions in needs.items()}
        manifest = {"name": name, "version": version, "main": "index.js", "dependencies": dependencies}
        (place / "package.json").write_text(json.dumps(manifest))
        answers = [json.dumps(version), *(f"require({json.dumps(each)})" for each in dependencies)]
        (place / "index.js").write_text(f"module.exports = [{', '.join(answers)}].join(' with ');\n")
        (place / ".npmrc").write_text(f"registry={self.url}\n//127.0.0.1:{self.port}/:_authToken={self.token}\n")
        tag = ("--tag", "next") if "-" in version else ()
        run(require("npm"), "publish", "--access", "public", *tag, cwd=place, env=environment(place)).ok()

    @property
    def token(self) -> str:
        """That of a user who is made when first needed."""
        if self._token is None:
            user = {"name": "vendor", "password": "a password of length", "type": "user", "roles": []}
            url = f"{self.url}-/user/org.couchdb.user:vendor"
            request = Request(url, json.dumps(user).encode(), {"Content-Type": "application/json"}, method="PUT")
            with urlopen(request, timeout=30) as answer:
                self._token = json.load(answer)["token"]
        return self._token
