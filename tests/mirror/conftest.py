"""A daemon of these tests' own, whose PyPI upstream is a fake on loopback."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.daemon_fixtures import Account, Api
from tests.mirror import mirroring
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import FakeUpstream

# Fixtures of this folder too.
upstream, daemon, daemon_connection = mirroring.upstream, mirroring.daemon, mirroring.daemon_connection


def mirror_settings(upstream: FakeUpstream, **more: str) -> dict[str, str]:
    """Variables for a daemon that mirrors a fake index; names as in ``[upstream.pypi]``."""
    return mirroring.mirror_settings("pypi", f"{upstream.url}simple/", **more)


@pytest.fixture(scope="session")
def mirrored(upstream: FakeUpstream) -> dict[str, str]:
    return mirror_settings(upstream)


@pytest.fixture
def project(upstream: FakeUpstream) -> FakeProject:
    return FakeProject(upstream)


class Index:
    """
    The daemon's index as one caller reads it.

    Tests move the time of documents by SQL, which answers kept in memory do not know of: no page is asked for twice
    under one URL.
    """

    def __init__(self, account: Account, api: Api) -> None:
        self.account = account
        self.api = api
        self._asked = count()

    def page(self, name: str, **headers: str) -> Any:
        headers.setdefault("Accept", "application/vnd.pypi.simple.v1+json")
        return self.api.get(f"/engines/pypi/simple/{name}/?asked={next(self._asked)}", **headers)

    def grow_old(self, name: str, seconds: float) -> None:
        """Let the end of a document's freshness lie so far back."""
        mirroring.grow_old(self.account, name, seconds)

    def url(self, name: str, filename: str) -> str:
        """Where our page says that a file is."""
        files = {file["filename"]: file["url"] for file in self.page(name).json["files"]}
        return files[filename]

    def file(self, name: str, filename: str, **headers: str) -> Any:
        return self.api.get(self.url(name, filename), **headers)


@pytest.fixture
def index(account: Account) -> Index:
    return Index(account, account.admin)
