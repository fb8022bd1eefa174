"""A daemon of these tests' own, whose source of gems upstream is a fake on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.daemon_fixtures import Account, Answer, Api, Daemon, fetch
from tests.engines.rubygems.mirror.fake_source import ROOT, FakeGem, FakeSource
from tests.engines.rubygems.store import Store
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
    "reserved": "ours-*",
    # The default names of fake gems begin with p: they are shown at once.
    "cooldown_days": str(COOLDOWN_DAYS),
    "cooldown_exempt": "p*,kestrel*",
}


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeUpstream]:
    fake = FakeUpstream().start()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Daemon]:
    """Takes the place of the session's common daemon in this folder."""
    settings = _SETTINGS | {"url": f"{upstream.url}{ROOT.strip('/')}/"}
    env = {f"KEYGENREG_UPSTREAM_RUBYGEMS_{name.upper()}": value for name, value in settings.items()}
    running = Daemon(tmp_path_factory.mktemp("gems-mirror") / "data", "--mode", "multiplayer", env=env).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


@pytest.fixture
def source(upstream: FakeUpstream) -> FakeSource:
    """With no gem yet."""
    return FakeSource(upstream)


@pytest.fixture
def lib(source: FakeSource) -> FakeGem:
    """A gem upstream with version 1.0.0, published."""
    made = FakeGem(source)
    made.add("1.0.0")
    return made.publish()


class Registry:
    """
    The daemon's registry as one caller reads it.

    Tests move the time of documents by SQL, which answers kept in memory do not know of: no document is asked for twice
    under one URL.
    """

    def __init__(self, account: Account, api: Api) -> None:
        self.account = account
        self.api = api
        self.base = f"{api.base}/engines/rubygems"
        self._asked = count()

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """:param path: below the registry."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.api.authorization:
            sent["Authorization"] = self.api.authorization
        return fetch(method, f"{self.base}/{path}?asked={next(self._asked)}", None, sent)

    def info(self, name: str) -> list[str] | int:
        """The lines of a gem's document, or the status when it is not 200."""
        answer = self.get(f"info/{name}")
        return answer.body.decode().split("---\n", 1)[1].splitlines() if answer.status == 200 else answer.status

    def versions(self) -> list[str]:
        """The lines of the list."""
        answer = self.get("versions")
        assert answer.status == 200, answer
        return answer.body.decode().split("---\n", 1)[1].splitlines()

    def gem(self, name: str, version: str = "1.0.0", **headers: str) -> Answer:
        return self.get(f"gems/{name}-{version}.gem", **headers)

    def quick(self, name: str, version: str = "1.0.0") -> Answer:
        return self.get(f"quick/Marshal.4.8/{name}-{version}.gemspec.rz")

    def grow_old(self, seconds: float = 1, name: str = "") -> None:
        """Let the end of a gem's documents' freshness, or of the lists', lie so far back."""
        self.account.sql(
            """UPDATE mirrored_documents SET fresh_until = now() - make_interval(secs => %s)
            WHERE account_id = %s AND name = %s""",
            seconds, self.account.id, name,
        )  # fmt: skip


@pytest.fixture
def registry(account: Account) -> Registry:
    return Registry(account, account.admin)


@pytest.fixture
def away(registry: Registry, source: FakeSource, upstream: FakeUpstream) -> Iterator[FakeUpstream]:
    """The upstream, to be sent down; afterwards it is there again, and asked again."""
    yield upstream
    upstream.come_back()
    ends = time.monotonic() + 30
    while registry.info(FakeGem(source).publish().name) != []:
        assert time.monotonic() < ends, "upstream is not asked again"
        time.sleep(0.2)


@pytest.fixture
def store(account: Account) -> Store:
    """The vendor's own ``kestrel``, without versions."""
    return Store(account, "LICENSED")
