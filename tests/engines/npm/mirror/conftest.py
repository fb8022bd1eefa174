"""A daemon of these tests' own, whose npm upstream is a fake on loopback."""

from __future__ import annotations

from itertools import count

import pytest

from tests.daemon_fixtures import Account, Answer, Api, fetch
from tests.engines.npm.mirror.fake_registry import FakePackage
from tests.engines.npm.store import JSON, NPM
from tests.mirror import mirroring
from tests.mirror.fake_upstream import FakeUpstream

COOLDOWN_DAYS = 7

# Fixtures of this folder too.
upstream, daemon, daemon_connection = mirroring.upstream, mirroring.daemon, mirroring.daemon_connection


@pytest.fixture(scope="session")
def mirrored(upstream: FakeUpstream) -> dict[str, str]:
    """The default names of fake packages begin with p: they are shown at once."""
    rules = {"deny": "denied-*", "reserved": "ours-*,@ours/*", "cooldown_exempt": "p*,@p*/*"}
    return mirroring.mirror_settings("npm", f"{upstream.url}npm/", cooldown_days=str(COOLDOWN_DAYS), **rules)


@pytest.fixture
def lib(upstream: FakeUpstream) -> FakePackage:
    """A package upstream with version 1.0.0, published."""
    package = FakePackage(upstream)
    package.add("1.0.0")
    return package.publish()


class Registry:
    """
    The daemon's registry as one caller reads it.

    Tests move the time of documents by SQL, which answers kept in memory do not know of: no document is asked for twice
    under one URL.
    """

    def __init__(self, account: Account, api: Api) -> None:
        self.account = account
        self.api = api
        self.base = f"{api.base}/engines/npm"
        self._asked = count()

    def get(self, path: str, *, accept: str = JSON, method: str = "GET", **headers: str) -> Answer:
        """:param path: below the registry, or a whole URL."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Accept": accept}
        if self.api.authorization:
            sent["Authorization"] = self.api.authorization
        return fetch(method, path if "://" in path else f"{self.base}/{path}", None, sent)

    def document(self, name: str, *, accept: str = NPM, **headers: str) -> Answer:
        """What an installer asks for."""
        return self.get(f"{name}?asked={next(self._asked)}", accept=accept, **headers)

    def versions(self, name: str, *, accept: str = NPM) -> list[str] | int:
        """The versions that are shown, or the status when it is not 200."""
        answer = self.document(name, accept=accept)
        return list(answer.json["versions"]) if answer.status == 200 else answer.status

    def tarball(self, name: str, version: str) -> Answer:
        """A version's file, under the address that our document gives."""
        return self.get(self.document(name).json["versions"][version]["dist"]["tarball"])

    def conventional(self, name: str, version: str) -> str:
        """The address that lockfiles and some clients make up."""
        return f"{self.base}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"

    def grow_old(self, name: str, seconds: float) -> None:
        """Let the end of a package's documents' freshness lie so far back."""
        mirroring.grow_old(self.account, name, seconds)


@pytest.fixture
def registry(account: Account) -> Registry:
    return Registry(account, account.admin)
