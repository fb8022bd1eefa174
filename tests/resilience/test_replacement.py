"""SIGHUP: web processes are replaced under load, and no client notices; logs are opened again."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import psutil
import pytest
from attrs import define, field

from tests.daemon_fixtures import free_port
from tests.resilience.conftest import KIB, MIB, PATIENCE, Registry, eventually
from tests.resilience.connections import open_request, read_head
from tests.resilience.test_stopping import read_to_end
from tests.resilience.test_workers import WORKERS, figures, started, web_processes
from tests.web.certificates import new_certificate

pytestmark = pytest.mark.timeout(600)

ROUNDS = 10 if os.environ.get("KEYGENREG_TEST_FULL") == "1" else 2


@pytest.fixture(scope="module")
def only_workers(only_registry: Registry) -> Iterator[Registry]:
    only_registry.begin()
    assert only_registry.stop() == 0
    file = only_registry.data_dir.parent / "settings.toml"
    file.write_text("")
    access_log = only_registry.data_dir.parent / "access.log"
    only_registry.options = ("--workers", str(WORKERS), "--config", str(file))
    only_registry.env = {
        "KEYGENREG_OPERATOR_PORT": str(free_port()),
        "KEYGENREG_LOGGING_ACCESS_LOG": str(access_log),
        "KEYGENREG_SERVER_DRAIN_SECONDS": "20",
    }
    yield only_registry
    only_registry.end()
    only_registry.options, only_registry.env = (), {}


@pytest.fixture
def workers(only_workers: Registry) -> Registry:
    only_workers.begin()
    eventually(lambda: len(started(only_workers)) == WORKERS, "all of them answer")
    return only_workers


@define
class Clients:
    """Ask again and again until ``over``, some on one connection as long as it lasts, some on a new one each time."""

    registry: Registry
    headers: dict[str, str]
    path: str = "/v1/products?limit=1"
    tls: ssl.SSLContext | None = None
    over: Event = field(factory=Event)
    answers: int = 0
    wrong: list[object] = field(factory=list)

    def stay(self) -> None:
        connection = self._connect()
        while not self.over.is_set():
            if self._ask(connection):
                # Closed because it was told so: another one, as every client does.
                connection.close()
                connection = self._connect()
        connection.close()

    def come_and_go(self) -> None:
        while not self.over.is_set():
            with closing(self._connect()) as connection:
                self._ask(connection)

    def _connect(self) -> http.client.HTTPConnection:
        where = ("127.0.0.1", self.registry.port)
        if self.tls is not None:
            return http.client.HTTPSConnection(*where, timeout=PATIENCE, context=self.tls)
        return http.client.HTTPConnection(*where, timeout=PATIENCE)

    def _ask(self, connection: http.client.HTTPConnection) -> bool:
        """Whether the answer says that it is the last one on its connection."""
        try:
            connection.request("GET", self.path, headers=self.headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append(error)
            return True
        self.answers += 1
        if answer.status != 200:
            self.wrong.append(answer.status)
        return answer.will_close


def ask_while_all_are_replaced(clients: Clients, rounds: int) -> None:
    with ThreadPoolExecutor(8) as threads:
        working = [threads.submit(work) for work in (clients.stay, clients.come_and_go) for _ in range(4)]
        try:
            eventually(lambda: clients.answers > 50, "clients are answered")
            for _ in range(rounds):
                before = clients.answers
                replace_all(clients.registry)
                eventually(lambda: clients.answers > before + 50, "clients are answered")  # noqa: B023
        finally:
            clients.over.set()
        for each in working:
            each.result()


def replace_all(registry: Registry) -> None:
    before = started(registry)
    registry.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(started(registry) - before) == WORKERS, "there are new ones")
    eventually(lambda: len(web_processes(registry)) == WORKERS, "the old ones are gone")


def test_no_request_is_lost(workers: Registry) -> None:
    """Neither on connections that stay open nor on new ones, however often all are replaced."""
    clients = Clients(workers, {"Authorization": workers.admin.authorization})
    ask_while_all_are_replaced(clients, ROUNDS)
    assert clients.wrong == []
    ends = [value for (name, _), value in figures(workers).items() if name == "keygenreg_web_process_ends_total"]
    assert ends == [0]


def test_downloads_and_uploads_under_way_come_to_their_end(workers: Registry) -> None:
    content = bytes(range(256)) * (16 * MIB // 256)
    release = workers.admin.make_release(workers.product, "7.0.0")
    artifact = workers.admin.make_artifact(release, "large.bin", content)
    related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
    document = {"data": {"type": "artifacts", "attributes": {"filename": "late.bin"}, "relationships": related}}
    late = workers.admin.post("/artifacts", document, Prefer="no-redirect")
    before = started(workers)
    with (
        closing(open_request(f"{workers.admin.base}/artifacts/{artifact['id']}", window=64 * KIB)) as download,
        closing(open_request(late.headers["Location"], "PUT", length=2 * MIB)) as upload,
    ):
        status, begun = read_head(download)
        assert status == 200
        upload.sendall(content[:MIB])
        eventually(workers.incoming, "the upload has begun")
        workers.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(started(workers) - before) == WORKERS, "there are new ones")
        upload.sendall(content[MIB : 2 * MIB])
        assert read_head(upload)[0] == 200
        assert read_to_end(download, begun) == content
    eventually(lambda: len(web_processes(workers)) == WORKERS, "the old ones are gone")


def test_settings_are_read_again(workers: Registry) -> None:
    """Wrong ones change nothing; those that the web processes use count from then on."""
    file = workers.data_dir.parent / "settings.toml"
    before = started(workers)
    file.write_text("[limits]\ntarget_bytes = 'many'\n")
    workers.process.send_signal(signal.SIGHUP)
    eventually(lambda: "The settings are wrong" in workers.log_text(), "it says so")
    assert started(workers) == before
    file.write_text("[limits]\ntarget_bytes = 256\n")
    try:
        replace_all(workers)
        assert workers.admin.get(f"/products?limit=1&name={'n' * 300}").status == 414
    finally:
        file.write_text("")
        replace_all(workers)
    assert workers.admin.get(f"/products?limit=1&name={'n' * 300}").status != 414


def test_the_access_log_is_opened_again(workers: Registry) -> None:
    """By the processes that leave, too: no line gets into a file that was moved away."""
    access_log = workers.data_dir.parent / "access.log"
    moved = access_log.with_suffix(".log.1")
    access_log.rename(moved)
    replace_all(workers)
    size = moved.stat().st_size
    workers.admin.get("/products?limit=2")
    eventually(lambda: access_log.exists() and "limit=2" in access_log.read_text(), "the line is in the new file")
    assert moved.stat().st_size == size


@contextmanager
def started_by(registry: Registry, *command: str, **env: str) -> Iterator[None]:
    """The registry as the process of another command, instead of its own."""
    assert registry.stop() == 0
    options = ["--data-dir", str(registry.data_dir), "--port", str(registry.port), "--workers", str(WORKERS)]
    environment = os.environ | registry.env | env
    with registry.log.open("ab") as log:
        registry.process = subprocess.Popen([*command, *options], stdout=log, stderr=log, env=environment)
    try:
        eventually(lambda: len(started(registry)) == WORKERS, "all of them answer")
        yield
    finally:
        registry.stop()


def test_no_request_is_lost_over_tls(workers: Registry, tmp_path: Path) -> None:
    """Though a handshake may be half done when its web process is replaced, and a session begun with another one."""
    certificate, key = new_certificate()
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    context = ssl.create_default_context(cadata=certificate.decode())
    clients = Clients(workers, {}, "/v1/ping", context)
    files = {
        "KEYGENREG_SERVER_TLS_CERTIFICATE": str(tmp_path / "certificate.pem"),
        "KEYGENREG_SERVER_TLS_KEY": str(tmp_path / "key.pem"),
    }
    with started_by(workers, sys.executable, "-m", "keygenreg", "serve", **files):
        ask_while_all_are_replaced(clients, 1)
    assert clients.wrong == []


def test_under_twistd(workers: Registry) -> None:
    """Which has handlers of its own for other signals."""
    twistd = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "keygenreg")
    with started_by(workers, *twistd):
        replace_all(workers)
        assert workers.admin.get("/products?limit=1").status == 200


def test_a_single_web_process_opens_its_log_again_and_runs_on(workers: Registry) -> None:
    assert workers.stop() == 0
    access_log = workers.data_dir.parent / "access.log"
    options, workers.options = workers.options, ()
    try:
        workers.begin()
        process = psutil.Process(workers.process.pid)
        workers.admin.get("/products?limit=3")
        eventually(lambda: "limit=3" in access_log.read_text(), "the line is in the file")
        access_log.unlink()
        workers.process.send_signal(signal.SIGHUP)
        eventually(access_log.exists, "there is a new file")
        assert workers.admin.get("/products?limit=4").status == 200
        eventually(lambda: "limit=4" in access_log.read_text(), "the line is in the new file")
        assert process.is_running() and process.pid == workers.process.pid
        assert "The access log was opened again" in workers.log_text()
        assert workers.stop() == 0
    finally:
        workers.options = options
