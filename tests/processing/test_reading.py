"""One job: what a reader finds, refuses or breaks on becomes the artifact's outcome."""

from __future__ import annotations

import hashlib
from threading import Event

import pytest

from keygenreg.domain.reading import IngestError, ManifestFound, Reading
from tests.processing.conftest import Works, eventually


def found(content: str, path: str = "METADATA") -> Reading:
    data = content.encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Reading((ManifestFound(path, "text/plain", content, digest, len(data), {"requires_python": ">=3"}),))


def test_manifests_are_kept(works: Works):
    """The reader gets the bytes, the name, the package's key and the version; what it finds is stored."""
    seen = []

    def reader(path, filename, key, version):
        seen.append((path.read_bytes(), path.stat().st_size, filename, version))
        return found(f"manifest of {key}")

    works.readers["raw"] = reader
    artifact = works.artifact(b"the bytes", filename="dir/file.whl")
    works.process(artifact)
    assert works.outcome(artifact) == ("UPLOADED", None)
    assert seen == [(b"the bytes", 9, "dir/file.whl", "1.2.3")]
    [(path, content)] = works.manifests(artifact)
    assert path == "METADATA" and content.startswith("manifest of ")
    assert works.job(artifact) is None
    stored = "SELECT metadata, content_type, content_length FROM manifests WHERE artifact_id = %s"
    assert works.sql(stored, str(artifact)) == [({"requires_python": ">=3"}, "text/plain", len(content))]


@pytest.mark.parametrize("reading", [None, Reading()])
def test_nothing_found(works: Works, reading):
    """A file that is none of the engine's is stored as it is."""
    works.readers["raw"] = lambda *_: reading
    artifact = works.artifact(b"x")
    works.process(artifact)
    assert works.outcome(artifact) == ("UPLOADED", None)
    assert works.manifests(artifact) == []


@pytest.mark.parametrize("engine", [None, "npm"])
def test_engine_without_reader(works: Works, engine):
    artifact = works.artifact(b"x", engine=engine)
    works.process(artifact)
    assert works.outcome(artifact) == ("UPLOADED", None)


def refuse(*_):
    raise IngestError("It is broken; build it again.")


def test_refused(works: Works):
    works.readers["raw"] = refuse
    artifact = works.artifact(b"x")
    works.process(artifact)
    assert works.outcome(artifact) == ("FAILED", "It is broken; build it again.")
    assert works.job(artifact) is None


def test_too_large(works: Works):
    """A file of the engine's kind above the limit is refused without being read; others are not its business."""
    asked = []
    works.readers["rubygems"] = lambda path, filename, *_: asked.append(filename)
    large = works.artifact(b"x" * 1001, engine="rubygems", filename="a.GEM")
    typed = works.artifact(b"x" * 1001, engine="rubygems", filename="a", filetype="gem")
    other = works.artifact(b"x" * 1001, engine="rubygems", filename="notes.txt")
    fitting = works.artifact(b"x" * 1000, engine="rubygems", filename="b.gem")
    for artifact in (large, typed, other, fitting):
        works.process(artifact)
    assert [works.outcome(one)[0] for one in (large, typed, other, fitting)] == [
        "FAILED", "FAILED", "UPLOADED", "UPLOADED",
    ]  # fmt: skip
    assert "1001" in works.outcome(large)[1]
    assert asked == ["notes.txt", "b.gem"]


def test_bytes_are_missing(works: Works):
    works.readers["raw"] = lambda *_: None
    lost = works.artifact(b"lost bytes")
    works.run(works.blobs.remove(works.store(b"lost bytes")))
    for artifact in (lost, works.artifact(None)):
        works.process(artifact)
        status, reason = works.outcome(artifact)
        assert status == "FAILED" and "upload it again" in reason


def test_faults_of_ours_are_tried_again(works: Works):
    """A reader that breaks is asked again later, and given up with a reason after the third time."""
    calls = []

    def broken(*_):
        calls.append(1)
        raise OSError("disk on fire")

    works.readers["raw"] = broken
    artifact = works.artifact(b"x")
    works.process(artifact)
    assert works.outcome(artifact) == ("PROCESSING", None)
    works.run(works.service.runner.poll())
    assert len(calls) == 1, "it rests before it is tried again"
    for attempts in (2, 3):
        works.free_jobs()
        works.process(artifact)
        assert len(calls) == attempts
    status, reason = works.outcome(artifact)
    assert status == "FAILED" and "disk on fire" not in reason
    assert works.job(artifact) is None


def test_file_that_ends_the_process(works: Works):
    """A job that was taken three times without an outcome is not read a fourth time."""
    works.readers["raw"] = lambda *_: pytest.fail("read again")
    artifact = works.artifact(b"x")
    works.sql("UPDATE processing_jobs SET attempts = 3 WHERE artifact_id = %s", str(artifact))
    works.process(artifact)
    assert works.outcome(artifact)[0] == "FAILED"


def test_manifest_that_cannot_be_stored(works: Works):
    works.readers["raw"] = lambda *_: found("with a NUL \0")
    artifact = works.artifact(b"x")
    for _ in range(3):
        works.free_jobs()
        works.process(artifact)
    assert works.outcome(artifact)[0] == "FAILED"
    assert works.manifests(artifact) == []


def test_uploaded_is_read_again(works: Works):
    """What is UPLOADED stays so while it is read again, and its manifests are replaced."""
    works.readers["raw"] = lambda *_: found("first")
    artifact = works.artifact(b"x")
    works.process(artifact)

    def again(*_):
        assert works.outcome(artifact)[0] == "UPLOADED"
        return found("second", "package.json")

    works.readers["raw"] = again
    works.sql("INSERT INTO processing_jobs (artifact_id) VALUES (%s)", str(artifact))
    works.process(artifact)
    assert works.outcome(artifact) == ("UPLOADED", None)
    assert works.manifests(artifact) == [("package.json", "second")]


@pytest.mark.parametrize("status", ["WAITING", "FAILED", "YANKED"])
def test_other_states_are_left_alone(works: Works, status):
    works.readers["raw"] = refuse
    artifact = works.artifact(b"x", status=status)
    works.process(artifact)
    assert works.outcome(artifact) == (status, None)
    assert works.job(artifact) is None


def test_deleted_while_it_is_read(works: Works):
    entered, go_on = Event(), Event()

    def slow(*_):
        entered.set()
        go_on.wait(20)
        return found("too late")

    works.readers["raw"] = slow
    artifact = works.artifact(b"x")
    works.thread.call(lambda: works.service.runner._start(artifact))
    entered.wait(20)
    works.sql("DELETE FROM artifacts WHERE id = %s", str(artifact))
    go_on.set()
    eventually(lambda: not works.service.runner._running)
    assert works.manifests(artifact) == []


def test_new_bytes_while_the_old_are_read(works: Works):
    """The outcome of a reading belongs to the bytes that were read."""
    other = works.store(b"other")

    def swapping(*_):
        works.sql("UPDATE artifacts SET blob_sha256 = %s WHERE id = %s", other, str(artifact))
        return found("of the old bytes")

    works.readers["raw"] = swapping
    artifact = works.artifact(b"x")
    works.process(artifact)
    assert works.manifests(artifact) == []
