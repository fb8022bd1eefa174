"""One registry of its own for tests that kill, stop or fill daemons: what one test ends, the next one starts again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psutil
import pytest

from tests.daemon_fixtures import Api, Daemon

PATIENCE = 60.0
KIB, MIB = 1024, 1024 * 1024


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What ``condition`` says as soon as that is true; ``what`` should have happened by then."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} seconds: {what}")
        time.sleep(0.01)
    return found


class Registry(Daemon):
    """A singleplayer daemon with an administrator's ``admin`` and an OPEN ``product``."""

    admin: Api
    product: dict

    def begin(self) -> Registry:
        """Start, and make what every test needs, unless that runs already."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        if not hasattr(self, "product"):
            first = json.loads((self.data_dir / "first-admin.json").read_text())
            self.admin = Api(self.url, first["account"]["id"], f"Bearer {first['token']}")
            self.product = self.admin.make_product("OPEN", code="open")
        return self

    def end(self) -> None:
        """Stop, unless a test has done it: a daemon that is killed leaves its socket's directory to its successor."""
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def sql(self, statement: str, *values: Any) -> list[tuple]:
        """One statement in the daemon's database."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    @property
    def watched(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def postmaster(self) -> psutil.Process:
        """The embedded PostgreSQL's first process."""
        path = self.data_dir / "postgres/postmaster.pid"
        return psutil.Process(int(path.read_text().splitlines()[0]))

    def incoming(self) -> list[str]:
        """Names of files of uploads under way."""
        return sorted(path.name for path in (self.data_dir / "incoming").iterdir())

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def status_of(self, artifact: str) -> str:
        """The status of an artifact, such as WAITING, by its id."""
        answer = self.admin.get(f"/artifacts/{artifact}", Prefer="no-download")
        if answer.status != 200:
            raise AssertionError(answer)
        return answer.data["attributes"]["status"]


@pytest.fixture(scope="session")
def only_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    made = Registry(tmp_path_factory.mktemp("resilience") / "data")
    yield made
    made.end()


@pytest.fixture
def registry(only_registry: Registry) -> Registry:
    """A running registry; a test may end it in any way."""
    return only_registry.begin()
