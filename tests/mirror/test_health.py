"""An upstream that is away is seen by the operator, and takes nothing out of service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemon_fixtures import Account, Daemon, fetch, free_port
from tests.mirror.conftest import Index, mirror_settings
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import FakeUpstream, content
from tests.web.serving import eventually

OPERATOR = free_port()


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """One of its own, as it goes away."""
    fake = FakeUpstream().start()
    yield fake
    fake.stop()


@pytest.fixture(scope="module", params=["1", "2"])
def daemon(
    tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream, request: pytest.FixtureRequest
) -> Iterator[Daemon]:
    """With one web process, and with two."""
    upstream.come_back()
    env = mirror_settings(upstream, fresh_seconds="0", stale_seconds="0")
    env["KEYGENREG_OPERATOR_PORT"] = str(OPERATOR)
    options = ("--mode", "multiplayer", "--workers", request.param)
    running = Daemon(tmp_path_factory.mktemp("health") / "data", *options, env=env).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def daemon_connection(daemon: Daemon):
    connection = daemon.connect()
    yield connection
    connection.close()


def told() -> dict[str, Any]:
    answer = fetch("GET", f"http://127.0.0.1:{OPERATOR}/health")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    return answer.json


def _listens() -> bool:
    """The operator's port is there once all web processes are, the clients' as soon as one is."""
    try:
        return told() is not None
    except ConnectionError:
        return False


def test_from_well_to_away(daemon: Daemon, account: Account, index: Index, project: FakeProject):
    origin = project.upstream.url.rstrip("/")
    eventually(_listens)
    assert told() == {"status": "ok", "upstreams": {}}
    project.add("1.0", content(100))
    project.publish()
    assert index.page(project.name).status == 200
    well = told()["upstreams"][origin]
    assert well["circuit"] == "closed" and well["stale_answers"] == 0
    assert 0 <= well["seconds_since_success"] < 60

    index.grow_old(project.name, 3600)
    project.upstream.go_down()
    for _ in range(12):  # by both processes
        assert index.page(project.name).status == 200
    document = told()
    away = document["upstreams"][origin]
    assert document["status"] == "degraded"
    assert away["circuit"] in ("open", "half-open")
    assert away["stale_answers"] >= 1
    assert list(document["upstreams"]) == [origin], "no names"

    for path in ("/v1/ping", "/v1/health"):
        assert fetch("GET", f"{daemon.url}{path}").status in (200, 204)
    assert b"keygenreg_mirror_oldest_stale_seconds" in fetch("GET", f"http://127.0.0.1:{OPERATOR}/metrics").body
