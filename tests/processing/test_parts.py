"""Parts of an artifact that become blobs of their own."""

from __future__ import annotations

import hashlib
import os
from tempfile import TemporaryFile
from uuid import uuid4

from attrs import evolve

from keygenreg.domain.reading import PartFound, Reading
from tests.processing.conftest import Works


def part(content: bytes, inside: bytes, path: str) -> PartFound:
    """A part that is somewhere inside of a file."""
    sha256 = hashlib.sha256(inside).hexdigest()
    offset = content.index(inside)
    return PartFound(path, "application/x-layer", f"sha256:{sha256}", len(inside), offset, sha256, {"title": path})


def descriptors(works: Works, artifact) -> list[tuple]:
    return works.sql(
        """SELECT content_path, content_digest, content_length, blob_sha256, metadata FROM descriptors
        WHERE artifact_id = %s ORDER BY ordinal""",
        str(artifact),
    )


def stored(works: Works, sha256: str) -> bytes:
    return works.blobs.path_of(sha256).read_bytes()


def references(works: Works, sha256: str) -> int:
    return works.sql("SELECT reference_count FROM blobs WHERE sha256 = %s", sha256)[0][0]


def test_parts_are_stored(works: Works):
    """Each part can be opened by its digest and is referred to by the artifact; the same content is kept once."""
    large, small = os.urandom(9_000_000), uuid4().hex.encode()
    content = b"head" + large + b"between" + small + b"tail"
    first, second = part(content, large, "blobs/1"), part(content, small, "blobs/2")
    twin, empty = part(content, small, "blobs/3"), part(content, b"", "blobs/4")
    works.readers["raw"] = lambda *_: Reading(parts=(first, second, twin, empty))
    artifact = works.artifact(content)
    works.process(artifact)
    assert works.outcome(artifact) == ("UPLOADED", None)
    assert descriptors(works, artifact) == [
        (one.content_path, one.content_digest, one.content_length, one.sha256, {"title": one.content_path})
        for one in (first, second, twin, empty)
    ]
    assert stored(works, first.sha256) == large
    assert stored(works, second.sha256) == small
    assert stored(works, empty.sha256) == b""
    assert (references(works, first.sha256), references(works, second.sha256)) == (1, 2)
    works.sql("DELETE FROM artifacts WHERE id = %s", str(artifact))
    assert references(works, second.sha256) == 0


def test_parts_of_an_unpacked_file(works: Works):
    """Parts may lie in what the reader unpacked, or come along themselves; the unpacked file is closed afterwards."""
    inside, embedded = uuid4().hex.encode(), uuid4().hex.encode()
    unpacked = TemporaryFile()  # noqa: SIM115 - that somebody else closes it is the point
    unpacked.write(inside)
    unpacked.flush()
    found = part(inside, inside[5:], "x")
    along = evolve(part(embedded, embedded, "e"), content=embedded)
    works.readers["raw"] = lambda *_: Reading(parts=(found, along), unpacked=unpacked)
    artifact = works.artifact(b"packed")
    works.process(artifact)
    assert works.outcome(artifact) == ("UPLOADED", None)
    assert (stored(works, found.sha256), stored(works, along.sha256)) == (inside[5:], embedded)
    assert unpacked.closed


def test_read_again(works: Works):
    """A second reading replaces the parts of the first."""
    content = uuid4().hex.encode()
    old, new = part(content, content[:10], "old"), part(content, content[10:], "new")
    works.readers["raw"] = lambda *_: Reading(parts=(old,))
    artifact = works.artifact(content)
    works.process(artifact)
    works.readers["raw"] = lambda *_: Reading(parts=(new,))
    works.sql("INSERT INTO processing_jobs (artifact_id) VALUES (%s)", str(artifact))
    works.process(artifact)
    assert [row[0] for row in descriptors(works, artifact)] == ["new"]
    assert (references(works, old.sha256), references(works, new.sha256)) == (0, 1)


def test_damaged_blob_is_replaced(works: Works):
    """A stored copy of another size than the part's is not trusted."""
    content = uuid4().hex.encode()
    found = part(content, content[5:], "x")
    works.store(content[5:])
    works.blobs.path_of(found.sha256).write_bytes(b"cut")
    works.readers["raw"] = lambda *_: Reading(parts=(found,))
    artifact = works.artifact(content)
    works.process(artifact)
    assert works.outcome(artifact) == ("UPLOADED", None)
    assert stored(works, found.sha256) == content[5:]


def test_part_beyond_the_file(works: Works):
    """A part that is not there as the reader said leaves no blob and no half of an artifact."""
    content = uuid4().hex.encode()
    sha256 = hashlib.sha256(content + b"more").hexdigest()
    lying = PartFound("x", "t", f"sha256:{sha256}", len(content) + 4, 0, sha256)
    works.readers["raw"] = lambda *_: Reading(parts=(lying,))
    artifact = works.artifact(content)
    for _ in range(3):
        works.free_jobs()
        works.process(artifact)
    assert works.outcome(artifact)[0] == "FAILED"
    assert descriptors(works, artifact) == []
    assert not works.blobs.path_of(sha256).exists()
    assert not list((works.blobs.root / "incoming").iterdir())
