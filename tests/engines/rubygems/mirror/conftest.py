"""A daemon of these tests' own, whose source of gems upstream is a fake on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import pytest

from tests.daemon_fixtures import Account, Answer, Api, fetch
from tests.engines.rubygems.mirror.fake_source import ROOT, FakeGem, FakeSource
from tests.engines.rubygems.store import Store
from tests.mirror import mirroring
from tests.mirror.fake_upstream import FakeUpstream

COOLDOWN_DAYS = 7

# Fixtures of this folder too.
upstream, daemon, daemon_connection = mirroring.upstream, mirroring.daemon, mirroring.daemon_connection


@pytest.fixture(scope="session")
def mirrored(upstream: FakeUpstream) -> dict[str, str]:
    """The default names of fake gems begin with p: they are shown at once."""
    rules = {"deny": "denied-*", "reserved": "ours-*", "cooldown_exempt": "p*,kestrel*"}
    url = f"{upstream.url}{ROOT.strip('/')}/"
    return mirroring.mirror_settings("rubygems", url, cooldown_days=str(COOLDOWN_DAYS), **rules)


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
        mirroring.grow_old(self.account, name, seconds)


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
