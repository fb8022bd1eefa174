"""Quotas, sweeping, figures, and two web processes that fetch the same."""

from __future__ import annotations

import hashlib
import http.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from attrs import evolve
from prometheus_client import CollectorRegistry
from twisted.internet.task import Clock

from keygenreg.database.pool import Database
from keygenreg.engines.pypi.upstream import PypiUpstream
from keygenreg.mirror.service import Mirrors
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream_settings import Pypi, Upstream
from tests.daemon_fixtures import Account, Daemon, fetch, free_ports_in_a_row
from tests.database_fixtures import on_server
from tests.mirror.conftest import Index, mirror_settings
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import Answer, FakeUpstream, content

ACCOUNT = """INSERT INTO accounts (id, slug, secret_key, ed25519_private_key, rsa_private_key, ecdsa_private_key)
    VALUES (%s, %s, '', '', '', '')"""


class TestQuota:
    """Files of one account, by last use; nothing of others."""

    @pytest.fixture
    def registry(self) -> CollectorRegistry:
        return CollectorRegistry()

    @pytest.fixture
    def mirrors(self, database: Database, registry: CollectorRegistry) -> Mirrors:
        settings = Upstream(pypi=Pypi(mode="mirror", cache_bytes=1000))
        made = Mirrors(settings, database, None, Clock(), None, MirrorFigures(registry), lambda: 0)
        made.of(PypiUpstream())
        return made

    @staticmethod
    def account(settings) -> str:
        identifier = str(uuid4())
        on_server(settings, ACCOUNT, identifier, identifier)
        return identifier

    @staticmethod
    def keep(settings, account: str, name: str, size: int, *, used: int) -> None:
        """A file, last used so many minutes ago."""
        digest = hashlib.sha256(f"{account}{name}".encode()).hexdigest()
        on_server(settings, "INSERT INTO blobs (sha256, size) VALUES (%s, %s)", digest, size)
        on_server(
            settings,
            """INSERT INTO mirrored_files (account_id, engine, name, key, digest, upstream, url, blob_sha256, size,
                content_type, accessed) VALUES (%s, 'pypi', %s, 'f', 'd', 'u', 'u', %s, %s, 't',
                now() - make_interval(mins => %s))""",
            account, name, digest, size, used,
        )  # fmt: skip

    @staticmethod
    def kept(settings, account: str) -> set[str]:
        rows = on_server(settings, "SELECT name FROM mirrored_files WHERE account_id = %s", account)
        return {name for (name,) in rows}

    def test_the_longest_unused_go(self, mirrors: Mirrors, registry, database_settings, run_in_reactor):
        one, other = self.account(database_settings), self.account(database_settings)
        for place, name in enumerate(("newest", "newer", "older", "oldest")):
            self.keep(database_settings, one, name, 400, used=place)
        self.keep(database_settings, other, "only", 900, used=100)
        run_in_reactor(mirrors.sweep())
        assert self.kept(database_settings, one) == {"newest", "newer"}
        assert self.kept(database_settings, other) == {"only"}
        referred = on_server(
            database_settings, "SELECT count(*) FROM blobs WHERE reference_count = 0 AND unreferenced IS NOT NULL"
        )
        assert referred == [(2,)]
        assert registry.get_sample_value("keygenreg_mirror_evicted_total", {"engine": "pypi", "what": "file"}) == 2

    def test_within_the_quota_nothing_goes(self, mirrors: Mirrors, registry, database_settings, run_in_reactor):
        account = self.account(database_settings)
        for name in ("a", "b"):
            self.keep(database_settings, account, name, 500, used=1)
        run_in_reactor(mirrors.sweep())
        assert self.kept(database_settings, account) == {"a", "b"}

    def test_without_a_quota_nothing_goes(self, mirrors: Mirrors, database_settings, run_in_reactor):
        account = self.account(database_settings)
        mirrors.settings = evolve(mirrors.settings, pypi=Pypi(mode="mirror", cache_bytes=0))
        mirrors.of(PypiUpstream())._settings = mirrors.settings
        for name in ("a", "b", "c"):
            self.keep(database_settings, account, name, 5000, used=1)
        run_in_reactor(mirrors.sweep())
        assert len(self.kept(database_settings, account)) == 3

    def test_what_was_claimed_meanwhile_is_swept(self, mirrors: Mirrors, database_settings, run_in_reactor):
        account = self.account(database_settings)
        claim = "INSERT INTO claimed_names (account_id, engine, name) VALUES (%s, 'pypi', 'ours')"
        on_server(database_settings, claim, account)
        self.keep(database_settings, account, "ours", 10, used=1)
        self.keep(database_settings, account, "theirs", 10, used=1)
        run_in_reactor(mirrors.sweep())
        assert self.kept(database_settings, account) == {"theirs"}


def test_figures_tell_what_happened(tmp_path: Path, upstream: FakeUpstream):
    """What was at hand, fetched, refused and failed, for an operator to see."""
    port = free_ports_in_a_row(1)
    env = mirror_settings(upstream, anonymous="true", deny="denied") | {"KEYGENREG_OPERATOR_PORT": str(port)}
    daemon = Daemon(tmp_path / "data", env=env).start()
    try:
        root = f"{daemon.url}/v1/engines/pypi/simple"
        project = FakeProject(upstream)
        project.add("1.0", content(5000))
        broken = project.add("2.0", content(5000, 2), hashes={"sha256": "0" * 64})
        project.publish()
        accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
        page = fetch("GET", f"{root}/{project.name}/", headers=accept).json
        urls = {file["filename"]: file["url"] for file in page["files"]}
        for url in urls.values():
            fetch("GET", url)
            fetch("GET", url)
        assert fetch("GET", urls[broken]).status == 502
        text = fetch("GET", f"http://127.0.0.1:{port}/metrics").body.decode()
        for line in (
            'keygenreg_mirror_answers_total{engine="pypi",outcome="miss",what="document"} 1.0',
            'keygenreg_mirror_answers_total{engine="pypi",outcome="hit",what="file"} 1.0',
            'keygenreg_mirror_failures_total{engine="pypi",why="wrong"} 3.0',
            'keygenreg_mirror_circuit{origin="http://127.0.0.1',
        ):
            assert line in text, text
        log = daemon.log.read_text()
        assert "where " + "0" * 64 + " was listed" in log
    finally:
        daemon.stop()


def test_web_processes_agree(tmp_path: Path, upstream: FakeUpstream):
    """Several processes that fetch one file at once are all right, and it is kept once."""
    env = mirror_settings(upstream, anonymous="true")
    daemon = Daemon(tmp_path / "data", "--workers", "2", env=env).start()
    try:
        project = FakeProject(upstream)
        body = content(3 * 1024 * 1024)
        filename = project.add("1.0", Answer(body, pause=0.01))
        project.publish()
        accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
        page = f"{daemon.url}/v1/engines/pypi/simple/{project.name}/"

        def install(_: int) -> bytes:
            (file,) = fetch("GET", page, headers=accept).json["files"]
            return fetch("GET", file["url"]).body

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(install, range(16))) == {body}
        assert 1 <= len(upstream.requests(project.file_path(filename))) <= 2
        with daemon.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT b.reference_count, f.size FROM mirrored_files f JOIN blobs b ON b.sha256 = f.blob_sha256"
            )
            assert cursor.fetchall() == [(1, len(body))]
        connection.close()
    finally:
        daemon.stop()


def test_a_stop_ends_what_is_being_fetched(tmp_path: Path, upstream: FakeUpstream, account: Account, index: Index):
    """Nothing of a broken fetch is left after the daemon has ended."""
    env = mirror_settings(upstream, anonymous="true", idle_seconds="60") | {"KEYGENREG_SERVER_DRAIN_SECONDS": "0.1"}
    daemon = Daemon(tmp_path / "data", env=env).start()
    project = FakeProject(upstream)
    filename = project.add("1.0", Answer(content(3 * 1024 * 1024), pause=0.3))
    project.publish()
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    (file,) = fetch("GET", f"{daemon.url}/v1/engines/pypi/simple/{project.name}/", headers=accept).json["files"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fetch, "GET", file["url"])
        while not upstream.requests(project.file_path(filename)):
            pass
        assert daemon.stop() == 0
        with pytest.raises((OSError, http.client.HTTPException)):
            waiting.result()
    assert not list((daemon.data_dir / "incoming").iterdir())
    assert "Traceback" not in daemon.log.read_text()
