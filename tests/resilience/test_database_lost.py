"""The embedded PostgreSQL killed under a running daemon: it comes back, and nobody gets a 500 meanwhile."""

from __future__ import annotations

import http.client
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import psutil
from attrs import define, field

from tests.daemon_fixtures import Answer, fetch
from tests.resilience.conftest import KIB, Registry, eventually

KILLS, MOST_KILLS = 3, 10
READERS, WRITERS = 4, 3


@define
class Load:
    """Clients that ask again and again until ``over``; what they were answered."""

    registry: Registry
    release: dict
    over: Event = field(factory=Event)
    statuses: Counter = field(factory=Counter)
    wrong: list[Answer | Exception] = field(factory=list)
    stored: dict[str, bytes] = field(factory=dict)
    _names: count = field(factory=count)

    def read(self) -> None:
        paths = ("/v1/products?limit=5", "/v1/engines/pypi/simple/nothing-here/", f"/v1/artifacts/{self.release['id']}")
        while not self.over.is_set():
            for path in paths:
                self.ask("GET", self.registry.url + path)

    def write(self) -> None:
        """Create an artifact and upload it; each step until it is taken."""
        while not self.over.is_set():
            content = random.randbytes(64 * KIB)
            name = f"file-{next(self._names)}"
            related = {"release": {"data": {"type": "releases", "id": self.release["id"]}}}
            document = {"data": {"type": "artifacts", "attributes": {"filename": name}, "relationships": related}}
            made = self.registry.admin.post("/artifacts", document, Prefer="no-redirect")
            self.note(made, allowed=(200,))
            if made.status == 200 and self.ask("PUT", made.headers["Location"], content) == 200:
                self.stored[made.data["id"]] = content

    def ask(self, method: str, url: str, body: bytes | None = None) -> int | None:
        headers = {"Authorization": self.registry.admin.authorization} if method == "GET" else {}
        try:
            answer = fetch(method, url, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append(error)
            return None
        self.note(answer, allowed=(200, 307, 404))
        return answer.status

    def note(self, answer: Answer, *, allowed: tuple[int, ...]) -> None:
        self.statuses[answer.status] += 1
        if answer.status == 503 and int(answer.headers["Retry-After"]) > 0:
            return
        if answer.status not in allowed:
            self.wrong.append(answer)

    def served(self) -> int:
        """How many requests were answered in the ordinary way so far."""
        return sum(number for status, number in self.statuses.items() if status != 503)


def test_database_killed_under_load(registry: Registry) -> None:
    load = Load(registry, registry.admin.make_release(registry.product, "2.0.0"))
    with ThreadPoolExecutor(READERS + WRITERS) as threads:
        working = [threads.submit(load.read) for _ in range(READERS)]
        working += [threads.submit(load.write) for _ in range(WRITERS)]
        try:
            eventually(lambda: load.served() > 50, "the load runs")
            for number in range(MOST_KILLS):
                # A kill between two statements is noticed by nobody; those that are do count.
                if number >= KILLS and load.statuses[503]:
                    break
                killed = registry.postmaster()
                killed.kill()
                eventually(lambda: postmaster_beside(registry, killed), "another PostgreSQL is started")  # noqa: B023
                before = load.served()
                eventually(lambda: load.served() > before + 50, "requests are answered again")  # noqa: B023
        finally:
            load.over.set()
        for each in working:
            each.result()
    assert load.wrong == []
    assert load.statuses[503] > 0
    for artifact, content in load.stored.items():
        assert registry.admin.get(f"/artifacts/{artifact}", Accept="*/*").body == content
    assert registry.process.poll() is None
    assert "PostgreSQL is ready again" in registry.log_text()


def postmaster_beside(registry: Registry, killed: psutil.Process) -> bool:
    try:
        return registry.postmaster() != killed
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return False
