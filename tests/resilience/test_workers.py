"""Several web processes of one daemon: they share the port, are replaced, agree, and end with it."""

from __future__ import annotations

import http.client
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.daemon_fixtures import basic, fetch, free_port
from tests.resilience.conftest import KIB, MIB, PATIENCE, Registry, eventually
from tests.resilience.connections import open_request, read_head

WORKERS = 2


@pytest.fixture(scope="module")
def only_workers(only_registry: Registry) -> Iterator[Registry]:
    only_registry.begin()
    assert only_registry.stop() == 0
    only_registry.options = ("--workers", str(WORKERS))
    only_registry.env = {"KEYGENREG_OPERATOR_PORT": str(free_port()), "KEYGENREG_SERVER_DRAIN_SECONDS": "2"}
    yield only_registry
    only_registry.end()
    only_registry.options, only_registry.env = (), {}


@pytest.fixture
def workers(only_workers: Registry) -> Registry:
    """The registry with two web processes, both of which answer; a test may end it in any way."""
    only_workers.begin()
    eventually(lambda: len(started(only_workers)) == WORKERS, "all of them answer")
    return only_workers


def figures(registry: Registry) -> dict[tuple[str, frozenset], float]:
    """All that ``/metrics`` shows; nothing while it does not answer."""
    try:
        page = fetch("GET", f"http://127.0.0.1:{registry.env['KEYGENREG_OPERATOR_PORT']}/metrics").body.decode()
    except OSError:
        return {}
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def started(registry: Registry) -> set[tuple[str, float]]:
    """The web processes that answer: number, and time of their start."""
    return {
        (dict(labels)["worker"], value)
        for (name, labels), value in figures(registry).items()
        if name == "process_start_time_seconds" and ("worker", "daemon") not in labels
    }


def answered(registry: Registry) -> float:
    """How many requests were answered since the daemon started."""
    return sum(value for (name, _), value in figures(registry).items() if name == "keygenreg_requests_total")


def web_processes(registry: Registry) -> list[psutil.Process]:
    found = []
    for child in registry.watched.children():
        try:
            if "keygenreg.assembly.worker" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def ports_of(process: psutil.Process, registry: Registry) -> set[int]:
    """The clients' ports of a process's connections."""
    found = process.net_connections(kind="tcp")
    return {one.raddr.port for one in found if one.raddr and one.laddr.port == registry.port}


class Client:
    """A connection that stays open."""

    def __init__(self, registry: Registry) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=PATIENCE)
        self.connection.connect()
        self.port = self.connection.sock.getsockname()[1]
        self.get("/v1/ping")

    def get(self, path: str, **headers: str) -> int:
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        self.connection.close()


def client_of(process: psutil.Process, registry: Registry, stack: ExitStack) -> Client:
    """A connection that this process serves."""
    for _ in range(200):
        client = stack.enter_context(closing(Client(registry)))
        if client.port in ports_of(process, registry):
            return client
    raise AssertionError("no connection of 200 went to this web process")


def test_revocation_shows_in_all_at_once(workers: Registry) -> None:
    product = workers.admin.make_product("LICENSED")
    workers.admin.make_package(product, "shared", "pypi")
    policy = workers.admin.make_policy(product)
    license = workers.admin.make_license(policy, key="WORKERS-KEY-1")
    asked = {"Authorization": basic("license", "WORKERS-KEY-1"), "Accept": "text/html"}
    path = "/v1/engines/pypi/simple/shared/"
    with ExitStack() as stack:
        processes = web_processes(workers)
        assert len(processes) == WORKERS
        clients = [client_of(process, workers, stack) for process in processes]
        for _ in range(3):
            assert {client.get(path, **asked) for client in clients} == {200}
            assert workers.admin.post(f"/licenses/{license['id']}/actions/suspend").status == 200
            assert {client.get(path, **asked) for client in clients} == {403}
            assert workers.admin.post(f"/licenses/{license['id']}/actions/reinstate").status == 200


def test_killed_one_is_replaced(workers: Registry) -> None:
    """The other one answers meanwhile."""
    killed, other = web_processes(workers)
    killed.kill()
    psutil.wait_procs([killed], PATIENCE)
    for _ in range(20):
        assert fetch("GET", f"{workers.url}/v1/ping").status == 200
    eventually(lambda: len(web_processes(workers)) == WORKERS, "there are two web processes again")
    (replacement,) = [process for process in web_processes(workers) if process != other]
    with ExitStack() as stack:
        eventually(lambda: len(started(workers)) == WORKERS, "the new one answers")
        assert client_of(replacement, workers, stack).get("/v1/ping") == 200


def test_figures_are_of_all_together(workers: Registry) -> None:
    """Requests are counted once, whoever answered them; what is a process's own stands under its number."""
    before = answered(workers)
    with ExitStack() as stack:
        clients = [client_of(process, workers, stack) for process in web_processes(workers)]
        asked = answered(workers)
        for client in clients:
            assert client.get("/v1/ping") == 200
        assert answered(workers) == asked + WORKERS
        assert asked > before
        own = {
            dict(labels)["worker"]: value
            for (name, labels), value in figures(workers).items()
            if name == "keygenreg_connections"
        }
        assert len(own) == WORKERS and min(own.values()) >= 1


def test_counters_do_not_go_back(workers: Registry) -> None:
    """Whether a web process is killed or gives way."""
    for _ in range(30):
        assert fetch("GET", f"{workers.url}/v1/ping").status == 200
    before, processes = answered(workers), started(workers)
    web_processes(workers)[0].kill()
    eventually(lambda: len(started(workers) - processes) == 1, "there is another one")
    assert answered(workers) >= before
    before, processes = answered(workers), started(workers)
    workers.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(started(workers)) == WORKERS and not started(workers) & processes, "all were replaced")
    assert answered(workers) >= before


def test_sigterm_ends_all(workers: Registry) -> None:
    family = workers.watched.children(recursive=True)
    assert workers.stop() == 0
    assert [process for process in family if process.is_running()] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", workers.port), timeout=5)


def test_a_stop_waits_for_answers_but_not_for_ever(workers: Registry) -> None:
    """A client that takes nothing of its answer is given up after ``server.drain_seconds``."""
    release = workers.admin.make_release(workers.product, "10.0.0")
    artifact = workers.admin.make_artifact(release, "large.bin", bytes(24 * MIB))
    with closing(open_request(f"{workers.admin.base}/artifacts/{artifact['id']}", window=64 * KIB)) as download:
        status, data = read_head(download)
        assert status == 200
        family = workers.watched.children(recursive=True)
        assert workers.stop() == 0
        assert [process for process in family if process.is_running()] == []
        taken = len(data)
        with suppress(ConnectionResetError):
            while data := download.recv(MIB):
                taken += len(data)
        assert taken < 24 * MIB


def test_none_outlives_a_killed_daemon(workers: Registry) -> None:
    """Web processes and PostgreSQL notice that their parent is gone, and a new daemon takes over."""
    family = workers.watched.children(recursive=True)
    assert len(family) > WORKERS
    workers.kill()
    _, alive = psutil.wait_procs(family, PATIENCE)
    assert alive == []
    workers.begin()
    assert workers.admin.get("/products?limit=1").status == 200
