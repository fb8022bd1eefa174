"""Artifacts that wait for ever, and bytes that nobody needs."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg2
from attrs import evolve
from twisted.internet.defer import Deferred

from tests.processing.conftest import Works, eventually


def age(works: Works, artifact, hours: float) -> None:
    statement = "UPDATE artifacts SET created = now() - make_interval(secs => %s) WHERE id = %s"
    works.sql(statement, hours * 3600, str(artifact))


def test_ART_18_bytes_never_came(works: Works):
    """An artifact without bytes for longer than the setting is FAILED, with what to do about it."""
    old = works.artifact(None, status="WAITING", job=False)
    fresh = works.artifact(None, status="WAITING", job=False)
    done = works.artifact(b"x", status="UPLOADED", job=False)
    for artifact in (old, done):
        age(works, artifact, 1.1)
    works.run(works.service.sweeper.sweep_artifacts())
    status, reason = works.outcome(old)
    assert status == "FAILED" and "60 minutes" in reason and "create the artifact again" in reason
    assert works.outcome(fresh) == ("WAITING", None)
    assert works.outcome(done) == ("UPLOADED", None)


def test_processing_without_a_job(works: Works):
    orphan = works.artifact(b"x", job=False)
    works.run(works.service.sweeper.sweep_artifacts())
    assert works.job(orphan) == 0


def exists(works: Works, sha256: str) -> bool:
    return works.blobs.path_of(sha256).exists()


def unreferenced_since(works: Works, sha256: str, hours: float) -> None:
    statement = "UPDATE blobs SET unreferenced = now() - make_interval(secs => %s) WHERE sha256 = %s"
    works.sql(statement, hours * 3600, sha256)


def test_collects_what_nobody_refers_to(works: Works):
    """Only bytes without reference for longer than the grace go, file and record."""
    token = uuid4().hex.encode()
    old, young, used = (works.store(word + token) for word in (b"old", b"young", b"used"))
    works.artifact(b"used" + token, status="UPLOADED", job=False)
    unreferenced_since(works, old, 2)
    works.run(works.service.collector.collect())
    assert [exists(works, one) for one in (old, young, used)] == [False, True, True]
    assert works.sql("SELECT count(*) FROM blobs WHERE sha256 = %s", old) == [(0,)]


def test_deletion_starts_the_grace(works: Works):
    """Deleting the last artifact does not remove the bytes at once: downloads that began before go on."""
    content = uuid4().hex.encode()
    artifact = works.artifact(content, status="UPLOADED", job=False)
    sha256 = works.store(content)
    works.sql("DELETE FROM artifacts WHERE id = %s", str(artifact))
    works.run(works.service.collector.collect())
    assert exists(works, sha256)
    unreferenced_since(works, sha256, 2)
    works.run(works.service.collector.collect())
    assert not exists(works, sha256)


def test_record_without_a_file(works: Works):
    """What a crash between record and file left is tidied up too."""
    sha256 = "ab" * 32
    works.sql(
        """INSERT INTO blobs (sha256, size, unreferenced) VALUES (%s, 1, now() - interval '2 hours')
        ON CONFLICT DO NOTHING""",
        sha256,
    )
    works.run(works.service.collector.collect())
    assert works.sql("SELECT count(*) FROM blobs WHERE sha256 = %s", sha256) == [(0,)]


def test_upload_of_the_same_content_meanwhile(works: Works):
    """The collector waits for an upload that is about to refer to the bytes, and then leaves them alone."""
    content = uuid4().hex.encode()
    sha256 = works.store(content)
    unreferenced_since(works, sha256, 2)
    with closing(psycopg2.connect(**works.settings.keywords(statement_timeout=20))) as upload:
        cursor = upload.cursor()
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (sha256,))
        collecting = works.thread.call(lambda: Deferred.fromCoroutine(works.service.collector.collect()))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: works.sql(waiting) != [(0,)])
        cursor.execute("UPDATE blobs SET unreferenced = now() WHERE sha256 = %s", (sha256,))
        upload.commit()
    eventually(lambda: collecting.called)
    assert exists(works, sha256)


def test_many_are_collected_in_one_go(works: Works):
    works.sql(
        """INSERT INTO blobs (sha256, size, unreferenced)
        SELECT encode(sha256(n::text::bytea), 'hex'), 1, now() - interval '3 hours' FROM generate_series(1, 250) n
        ON CONFLICT DO NOTHING"""
    )
    collector = evolve(works.service.collector, grace=7200.0)
    assert works.run(collector.collect()) == 250


def test_leftovers_of_broken_uploads(works: Works):
    incoming = Path(works.blobs.root) / "incoming"
    old, young = incoming / "old.part", incoming / "young.part"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    works.run(works.service.sweeper.sweep_files())
    assert (old.exists(), young.exists()) == (False, True)
