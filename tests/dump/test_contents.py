"""Bytes of artifacts: from a dump into the store, into an export again, and nothing left of what failed."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from keygenreg.domain.failures import Unavailable
from keygenreg.dump import contents
from keygenreg.dump.contents import Contents
from keygenreg.dump.exporting import MissingBytes
from keygenreg.formats.dump import line_reader
from tests.dump.conftest import Registry
from tests.dump.writing import HEADER, DumpText, new_id


def inline(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


def one_artifact(content: dict[str, Any] | None, **attributes: Any) -> tuple[DumpText, str]:
    dump = DumpText()
    dump.account()
    artifact = dump.artifact(dump.release(dump.product()), "a.bin", content, **attributes)
    return dump, artifact


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class TestTaking:
    @pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)) * 1000])
    def test_base64(self, registry: Registry, data: bytes) -> None:
        dump, artifact = one_artifact(inline(data))
        registry.load(dump)
        assert registry.bytes_of(artifact) == data
        rows = registry.sql("SELECT sha256, size, sha512, sha1, md5, reference_count FROM blobs")
        others = [hashlib.new(word, data).hexdigest() for word in ("sha512", "sha1", "md5")]
        assert rows == [(digest(data), len(data), *others, 1)]

    def test_nothing_of_the_artifact_is_derived_from_it(self, registry: Registry) -> None:
        dump, _ = one_artifact(inline(b"hello"))
        registry.load(dump)
        found = registry.one("artifacts")
        assert [found[name] for name in ("filesize", "contentLength", "checksum", "status")] == [
            None, None, None, "WAITING",
        ]  # fmt: skip

    def test_longer_than_a_line_is_kept_in_memory(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(line_reader, "LONGEST", 5000)
        data = os.urandom(line_reader.SHORT + 12345)
        dump, artifact = one_artifact(inline(data))
        release = dump.release(dump.product())
        dump.artifact(release, "b.bin", inline(b"short"))
        registry.load(dump)
        assert registry.bytes_of(artifact) == data

    def test_path_starts_at_the_dump(self, registry: Registry, tmp_path: Path) -> None:
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "a b.bin").write_bytes(b"from a file")
        dump, artifact = one_artifact({"path": "files/a b.bin"})
        registry.load(dump, directory=tmp_path)
        assert registry.bytes_of(artifact) == b"from a file"

    def test_path_may_be_absolute(self, registry: Registry, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(b"x" * 3_000_000)
        dump, artifact = one_artifact({"path": str(tmp_path / "a.bin")})
        registry.load(dump)
        assert registry.bytes_of(artifact) == b"x" * 3_000_000

    def test_several_artifacts_may_have_the_same(self, registry: Registry) -> None:
        dump = DumpText()
        dump.account()
        release = dump.release(dump.product())
        for name in ("a", "b", "c"):
            dump.artifact(release, name, inline(b"same"))
        registry.load(dump)
        assert registry.sql("SELECT sha256, reference_count FROM blobs") == [(digest(b"same"), 3)]
        assert registry.files() == {digest(b"same")}

    def test_uploaded_without_bytes_is_legal(self, registry: Registry) -> None:
        dump, artifact = one_artifact(None, status="UPLOADED")
        registry.load(dump)
        assert registry.bytes_of(artifact) is None

    def test_line_without_content_keeps_the_bytes(self, registry: Registry) -> None:
        """Unless everything is replaced."""
        dump, artifact = one_artifact(inline(b"hello"))
        registry.load(dump)
        dump.lines[-1] = dump.lines[-1].replace(', "content": {"base64": "aGVsbG8="}', "")
        registry.load(dump)
        assert registry.bytes_of(artifact) == b"hello"
        registry.load(dump, replace=True)
        assert registry.bytes_of(artifact) is None
        assert registry.files() == set()

    def test_line_with_content_replaces_the_bytes(self, registry: Registry) -> None:
        dump, artifact = one_artifact(inline(b"hello"))
        registry.load(dump)
        dump.lines[-1] = dump.lines[-1].replace("aGVsbG8=", "d29ybGQ=")
        registry.load(dump)
        assert registry.bytes_of(artifact) == b"world"
        rows = registry.sql("SELECT sha256, reference_count FROM blobs ORDER BY reference_count")
        assert rows == [(digest(b"hello"), 0), (digest(b"world"), 1)]


class TestFaults:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ({}, 'content: expected {"base64": "..."} or {"path": "..."}'),
            ("aGVsbG8=", 'content: expected {"base64": "..."} or {"path": "..."}'),
            ({"base64": "", "path": ""}, 'content: expected {"base64": "..."} or {"path": "..."}'),
            ({"base64": 5}, 'content: expected {"base64": "..."} or {"path": "..."}'),
            ({"path": "missing.bin"}, "content: missing.bin cannot be read: no such file or directory"),
            ({"path": "."}, "content: . is not a file"),
            ({"path": "a\0b"}, "content: the path holds a NUL character"),
            ({"base64": "aGVsbG8"}, "content: is not Base64: it ends in the middle of a group of four"),
            ({"base64": "aGVs bG8="}, "content: is not Base64: Only base64 data is allowed"),
        ],
    )
    def test_are_those_of_the_line(
        self, registry: Registry, tmp_path: Path, content: dict[str, Any], words: str
    ) -> None:
        dump, _ = one_artifact(content)
        with pytest.raises(Exception, match="^line 5: artifacts: ") as caught:
            registry.load(dump, directory=tmp_path)
        assert str(caught.value) == f"line 5: artifacts: {words}"
        assert registry.files() == set()

    def test_named_pipe_does_not_block(self, registry: Registry, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        dump, _ = one_artifact({"path": "pipe"})
        with pytest.raises(Exception, match="content: pipe is not a file"):
            registry.load(dump, directory=tmp_path)

    def test_long_base64_that_is_broken(self, registry: Registry) -> None:
        dump, _ = one_artifact({"base64": "A" * (2 * line_reader.SHORT + 1)})
        words = "line 5: artifacts: content: is not Base64: it ends in the middle of a group of four"
        assert registry.refusal(dump) == words
        assert registry.files() == set()

    def test_long_base64_elsewhere(self, registry: Registry) -> None:
        """Metadata with such a member is not content."""
        dump, _ = one_artifact(None, metadata={"base64": "A" * 2 * line_reader.SHORT})
        assert registry.refusal(dump) == "line 5: artifacts: a member base64 is too long"
        assert registry.files() == set()

    def test_failed_import_takes_its_bytes_back(self, registry: Registry) -> None:
        """Only its own: what was stored before stays, even if nothing refers to it yet."""
        first, artifact = one_artifact(inline(b"kept"))
        registry.load(first)
        dump = DumpText()
        dump.account("other")
        release = dump.release(dump.product())
        dump.artifact(release, "a", inline(b"kept"))
        dump.artifact(release, "b", inline(b"new"))
        dump.artifact(dump.know("releases", new_id()), "c", inline(b"newer"))
        assert registry.refusal(dump).startswith("line 7: artifacts: no release")
        assert registry.files() == {digest(b"kept")}
        assert registry.sql("SELECT sha256, reference_count FROM blobs") == [(digest(b"kept"), 1)]
        assert registry.bytes_of(artifact) == b"kept"

    def test_store_that_cannot_keep_it(self, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
        def keep(self: Contents, receiver: object) -> None:
            raise Unavailable("The registry has no room left for this file.")

        monkeypatch.setattr(Contents, "keep", keep)
        dump, _ = one_artifact(inline(b"hello"))
        before = registry.text()
        with pytest.raises(Unavailable):
            registry.load(dump)
        assert registry.text() == before
        assert registry.files() == set()


def test_bytes_stay_young_while_lines_are_read(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading may take longer than the collector's grace."""
    monkeypatch.setattr(contents, "KEEP_YOUNG_EVERY", 0)
    ages = []
    original = Contents.keep_young

    def keep_young(self: Contents) -> None:
        registry.sql("UPDATE blobs SET unreferenced = unreferenced - interval '1 day' WHERE reference_count = 0")
        original(self)
        ages.extend(registry.sql("SELECT unreferenced > now() - interval '1 minute' FROM blobs"))

    monkeypatch.setattr(Contents, "keep_young", keep_young)
    dump, artifact = one_artifact(inline(b"hello"))
    registry.load(dump)
    assert ages
    assert set(ages) == {(True,)}
    assert registry.bytes_of(artifact) == b"hello"


class TestExporting:
    def test_bytes_are_left_out(self, registry: Registry) -> None:
        dump, _ = one_artifact(inline(b"hello"))
        registry.load(dump)
        assert "content" not in registry.lines("artifacts")[0]

    def test_bytes_may_come_along(self, registry: Registry) -> None:
        data = os.urandom(2_500_001)
        dump = DumpText()
        dump.account()
        release = dump.release(dump.product())
        artifact = dump.artifact(release, "a.bin", inline(data))
        dump.artifact(release, "b.bin")
        registry.load(dump)
        with_bytes, without = registry.lines("artifacts", content=True)
        if with_bytes["id"] != artifact:
            with_bytes, without = without, with_bytes
        assert base64.b64decode(with_bytes["content"]["base64"]) == data
        assert "content" not in without

    def test_everything_comes_back(self, registry: Registry) -> None:
        dump, artifact = one_artifact(inline(b"x" * 5_000_000))
        registry.load(dump)
        text = registry.text(content=True)
        registry.load(text, replace=True)
        assert registry.text(content=True) == text
        assert registry.bytes_of(artifact) == b"x" * 5_000_000

    def test_lost_bytes_are_told(self, registry: Registry) -> None:
        """A backup without them would not be one."""
        dump, artifact = one_artifact(inline(b"hello"))
        registry.load(dump)
        registry.store.remove(digest(b"hello"))
        with pytest.raises(MissingBytes, match=artifact):
            registry.text(content=True)


def archive(files: dict[str, bytes], mode: str = "w") -> bytes:
    written = io.BytesIO()
    if mode == "w:zst":
        return zstandard.compress(archive(files))
    with tarfile.open(fileobj=written, mode=mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return written.getvalue()


LAYERS = {"blobs/sha256/one": b"layer one", "blobs/sha256/two": b"layer two" * 100_000}


class TestParts:
    """Layers of images: blobs of their own, though a dump only has the archive."""

    def image(self, data: bytes, descriptors: list[tuple[str | None, str | None]]) -> tuple[DumpText, list[str]]:
        dump, artifact = one_artifact(inline(data), status="UPLOADED")
        release = next(id for id, type in dump._types.items() if type == "releases")
        ids = [
            dump.add("descriptors", {"contentPath": path, "contentDigest": name}, artifact=artifact, release=release)
            for path, name in descriptors
        ]
        return dump, ids

    def links(self, registry: Registry, ids: list[str]) -> list[str | None]:
        rows = dict(registry.sql("SELECT id::text, blob_sha256 FROM descriptors"))
        return [rows[id] for id in ids]

    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:zst"])
    def test_are_found_in_the_archive(self, registry: Registry, mode: str) -> None:
        described = [(path, f"sha256:{digest(data)}") for path, data in LAYERS.items()]
        dump, ids = self.image(archive({f"./{path}": data for path, data in LAYERS.items()}, mode), described)
        registry.load(dump)
        expected = [digest(data) for data in LAYERS.values()]
        assert self.links(registry, ids) == expected
        for sha256, data in zip(expected, LAYERS.values(), strict=True):
            with registry.store.open(sha256) as file:
                assert file.read() == data
        assert registry.sql("SELECT count(*) FROM blobs WHERE reference_count <> 1") == [(0,)]

    def test_may_have_longer_digests(self, registry: Registry) -> None:
        name = "sha512:" + hashlib.sha512(b"layer one").hexdigest()
        dump, ids = self.image(archive(LAYERS), [("blobs/sha256/one", name)])
        registry.load(dump)
        assert self.links(registry, ids) == [digest(b"layer one")]

    def test_that_are_not_what_they_say_are_left_alone(self, registry: Registry) -> None:
        wrong = [
            ("blobs/sha256/one", f"sha256:{'0' * 64}"),
            ("blobs/sha256/none", f"sha256:{digest(b'layer one')}"),
            (None, f"sha256:{digest(b'layer one')}"),
            ("blobs/sha256/two", None),
            ("blobs/sha256/two", "sha256:short"),
        ]
        dump, ids = self.image(archive(LAYERS), wrong)
        registry.load(dump)
        assert self.links(registry, ids) == [None] * 5
        assert registry.files() == {digest(archive(LAYERS))}

    @pytest.mark.parametrize(
        "data",
        [
            *(b"", b"no archive", b"\x1f\x8b\x08garbage", b"\x28\xb5\x2f\xfdgarbage"),
            *(archive(LAYERS)[:1500], archive(LAYERS, "w:gz")[:-1000], archive(LAYERS, "w:zst")[:-100]),
        ],
    )
    def test_broken_archives_are_facts_too(self, registry: Registry, data: bytes) -> None:
        name = f"sha256:{digest(LAYERS['blobs/sha256/two'])}"
        dump, ids = self.image(data, [("blobs/sha256/two", name)])
        registry.load(dump)
        assert self.links(registry, ids) == [None]
        assert registry.files() == {digest(data)}

    def test_stay_linked_when_their_lines_come_again(self, registry: Registry) -> None:
        """Without bytes this time: they are stored."""
        dump, ids = self.image(archive(LAYERS), [("blobs/sha256/one", f"sha256:{digest(b'layer one')}")])
        registry.load(dump)
        registry.load(registry.text())
        assert self.links(registry, ids) == [digest(b"layer one")]
        text = registry.text()
        registry.load(text, replace=True)
        assert self.links(registry, ids) == [None]
        assert registry.files() == set()

    def test_of_a_failed_import_are_taken_back(self, registry: Registry) -> None:
        dump, _ = self.image(archive(LAYERS), [("blobs/sha256/one", f"sha256:{digest(b'layer one')}")])
        dump.policy(dump.know("products", new_id()))
        assert registry.refusal(dump).startswith("line 7: policies: no product")
        assert registry.files() == set()
        assert registry.sql("SELECT count(*) FROM blobs") == [(0,)]

    def test_blob_without_bytes_is_no_blob(self, registry: Registry) -> None:
        """A row alone may be that of an upload that never came to its end."""
        name = digest(b"layer one")
        registry.sql("INSERT INTO blobs (sha256, size) VALUES (%s, 9)", name)
        dump, ids = self.image(b"no archive", [(None, f"sha256:{name}")])
        registry.load(dump)
        assert self.links(registry, ids) == [None]


def test_a_replacement_forgets_unfinished_uploads_too(registry: Registry) -> None:
    """Their artifacts are gone."""
    registry.sql("INSERT INTO blobs (sha256, size) VALUES (%s, 5)", digest(b"hello"))
    registry.load(HEADER, replace=True)
    assert registry.sql("SELECT count(*) FROM blobs") == [(0,)]
