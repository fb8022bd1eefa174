"""A daemon that is killed at any moment loses nothing that it answered 200 for, and half of nothing is visible."""

from __future__ import annotations

import hashlib
import http.client
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from keygenreg.assembly.bootstrap import create_account
from tests.daemon_fixtures import Account, Daemon, fetch
from tests.management.customers import KEYS
from tests.processing.conftest import eventually


@pytest.fixture
def daemon(tmp_path: Path):
    running = Daemon(tmp_path / "data", "--mode", "multiplayer").start()
    yield running
    running.kill()


def account_of(daemon: Daemon, connection) -> Account:
    connection.autocommit = False
    made = create_account(connection, f"t-{uuid4().hex}", "a@example.com", "admin password", keys=KEYS)
    connection.commit()
    connection.autocommit = True
    return Account(daemon, connection, made)


def upload(location: str, content: bytes) -> bool:
    """Whether the daemon said that the bytes are stored."""
    try:
        return fetch("PUT", location, content).status == 200
    except (OSError, http.client.HTTPException):
        return False


def test_killed_while_uploads_arrive(daemon: Daemon):
    """Everything answered is there after the restart; everything else is as if it had not been sent, and can be."""
    with closing(daemon.connect()) as connection:
        account = account_of(daemon, connection)
        token = account.token
        release = account.admin.make_release(account.admin.make_product("OPEN"))
        made = [account.admin.post("/artifacts", document(release, f"f{n}")) for n in range(40)]
    links = [(answer.data["id"], answer.headers["Location"]) for answer in made]
    contents = {identifier: random.randbytes(random.choice((10, 300_000, 3_000_000))) for identifier, _ in links}
    with ThreadPoolExecutor(6) as threads:
        sent = [(one, threads.submit(upload, link, contents[one])) for one, link in links]
        eventually(lambda: sum(done.done() for _, done in sent) >= 8)
        daemon.kill()
    answered = {one for one, done in sent if done.result()}
    assert len(answered) >= 8
    daemon.start()
    api = account.admin.as_(token)
    states = {one["id"]: one["attributes"]["status"] for one in api.get("/artifacts?limit=100").data}
    for identifier, link in links:
        stored = api.get(f"/artifacts/{identifier}", Accept="*/*")
        if identifier in answered:
            assert states[identifier] == "UPLOADED"
        if states[identifier] == "UPLOADED":
            assert hashlib.sha256(stored.body).digest() == hashlib.sha256(contents[identifier]).digest()
        else:
            assert states[identifier] == "WAITING"
            assert fetch("PUT", link, contents[identifier]).status == 200
    assert daemon.stop() == 0


def document(release: dict, filename: str) -> dict:
    related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
    return {"data": {"type": "artifacts", "attributes": {"filename": filename}, "relationships": related}}


def test_processing_goes_on_after_a_restart(daemon: Daemon):
    with closing(daemon.connect()) as connection:
        account = account_of(daemon, connection)
        release = account.admin.make_release(account.admin.make_product())
        artifact = account.admin.make_artifact(release, "tool.zip", b"bytes")
        account.sql("UPDATE artifacts SET status = 'PROCESSING' WHERE id = %s", artifact["id"])
        account.sql(
            "INSERT INTO processing_jobs (artifact_id, attempts, leased_until) VALUES (%s, 1, now())", artifact["id"]
        )
    daemon.kill()
    daemon.start()
    path = f"/artifacts/{artifact['id']}"
    eventually(lambda: account.admin.get(path, Prefer="no-download").data["attributes"]["status"] == "UPLOADED")
