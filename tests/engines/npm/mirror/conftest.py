"""A daemon of these tests' own, whose npm upstream is a fake on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.daemon_fixtures import Account, Answer, Api, Daemon, fetch
from tests.engines.npm.mirror.fake_registry import FakePackage
from tests.engines.npm.store import JSON, NPM
from tests.mirror.fake_upstream import FakeUpstream

COOLDOWN_DAYS = 7
_SETTINGS = {
    "mode": "mirror",
    "file_hosts": "",
    "private_addresses": "true",
    "connect_seconds": "2",
    "answer_seconds": "3",
    "idle_seconds": "2",
    "document_bytes": str(8 * 1024 * 1024),
    "absent_seconds": "1",
    "deny": "denied-*",
    "reserved": "ours-*,@ours/*",
    # The default names of fake packages begin with p: they are shown at once.
    "cooldown_days": str(COOLDOWN_DAYS),
    "cooldown_exempt": "p*,@p*/*",
}


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeUpstream]:
    fake = FakeUpstream().start()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Daemon]:
    """Takes the place of the session's common daemon in this folder."""
    settings = _SETTINGS | {"url": f"{upstream.url}npm/"}
    env = {f"KEYGENREG_UPSTREAM_NPM_{name.upper()}": value for name, value in settings.items()}
    running = Daemon(tmp_path_factory.mktemp("npm-mirror") / "data", "--mode", "multiplayer", env=env).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


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
        self.account.sql(
            """UPDATE mirrored_documents SET fresh_until = now() - make_interval(secs => %s)
            WHERE account_id = %s AND name = %s""",
            seconds, self.account.id, name,
        )  # fmt: skip


@pytest.fixture
def registry(account: Account) -> Registry:
    return Registry(account, account.admin)
