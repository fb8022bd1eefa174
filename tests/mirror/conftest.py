"""A daemon of these tests' own, whose PyPI upstream is a fake on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.daemon_fixtures import Account, Api, Daemon
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import FakeUpstream


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeUpstream]:
    fake = FakeUpstream().start()
    yield fake
    fake.stop()


def mirror_settings(upstream: FakeUpstream, **more: str) -> dict[str, str]:
    """Variables for a daemon that mirrors a fake index; names as in ``[upstream.pypi]``."""
    settings = {
        "mode": "mirror",
        "url": f"{upstream.url}simple/",
        "file_hosts": "",
        "private_addresses": "true",
        "connect_seconds": "2",
        "answer_seconds": "3",
        "idle_seconds": "2",
        "document_bytes": str(8 * 1024 * 1024),
        "absent_seconds": "1",
    } | more
    return {f"KEYGENREG_UPSTREAM_PYPI_{name.upper()}": value for name, value in settings.items()}


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[Daemon]:
    """Takes the place of the session's common daemon in this folder."""
    env = mirror_settings(upstream)
    running = Daemon(tmp_path_factory.mktemp("mirror") / "data", "--mode", "multiplayer", env=env).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


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
        self.account.sql(
            """UPDATE mirrored_documents SET fresh_until = now() - make_interval(secs => %s)
            WHERE account_id = %s AND name = %s""",
            seconds, self.account.id, name,
        )  # fmt: skip

    def url(self, name: str, filename: str) -> str:
        """Where our page says that a file is."""
        files = {file["filename"]: file["url"] for file in self.page(name).json["files"]}
        return files[filename]

    def file(self, name: str, filename: str, **headers: str) -> Any:
        return self.api.get(self.url(name, filename), **headers)


@pytest.fixture
def index(account: Account) -> Index:
    return Index(account, account.admin)
