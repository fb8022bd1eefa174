"""Uploaded gems: what is read of good ones, and how bad ones are refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.reading import IngestError, Reading
from keygenreg.engines.rubygems import ENGINE
from keygenreg.engines.rubygems.gem_file import read_metadata
from keygenreg.engines.rubygems.gemspec import gemspec_of
from keygenreg.engines.rubygems.ingest import CONTENT_TYPE
from keygenreg.engines.rubygems.strict_yaml import LONGEST
from tests.engines.rubygems.gems import Entry, checksums, gem, packed, special, specification, tarred

METADATA = gzip.compress(specification().encode(), mtime=0)
DATA = gzip.compress(tarred([("lib/kestrel.rb", b"1")]), mtime=0)


def read(path: Path, content: bytes, filename: str = "kestrel-1.0.0.gem", key: str = "kestrel", version: str = "1.0.0"
         ) -> Reading:  # fmt: skip
    path.write_bytes(content)
    return ENGINE.reader(path, filename, key, version)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "blob"


class TestGoodGems:
    def test_the_specification_is_kept_and_understood(self, file: Path):
        [manifest] = read(file, gem(platform="x86_64-linux-gnu")).manifests
        document = specification(platform="x86_64-linux-gnu")
        assert manifest.content == document
        assert manifest.content_type == CONTENT_TYPE == "application/x-yaml"
        assert manifest.content_path == "kestrel-1.0.0-x86_64-linux.gem"
        assert manifest.content_length == len(document.encode())
        assert manifest.content_digest == "sha256:" + hashlib.sha256(document.encode()).hexdigest()
        assert gemspec_of(dict(manifest.metadata)).file_name == manifest.content_path

    @pytest.mark.parametrize(("built", "release"), [("1.0.0.pre.beta.1", "1.0.0-beta.1"), ("1.0.0.rc1", "1.0.0-rc1"),
                                                    ("2", "2.0.0"), ("1.2.3.4", "1.2.3+4")])  # fmt: skip
    def test_versions_are_those_of_releases(self, file: Path, built: str, release: str):
        assert read(file, gem(version=built), version=release).manifests

    def test_names_of_files_do_not_matter(self, file: Path):
        [manifest] = read(file, gem(), "whatever.GEM").manifests
        assert manifest.content_path == "kestrel-1.0.0.gem"

    @pytest.mark.parametrize("filename", ["README.md", "kestrel.tar", "kestrel.gem.sig", "gem"])
    def test_other_files_may_lie_beside(self, file: Path, filename: str):
        assert read(file, b"anything", filename) == Reading()

    def test_signatures_and_links_within(self, file: Path):
        link = special("lib/b.rb", tarfile.SYMTYPE, "../lib/a.rb")
        files = [("lib/a.rb", b""), link, special("bin", tarfile.DIRTYPE)]
        inner = gzip.compress(tarred(files), mtime=0)
        members = {"metadata.gz": METADATA, "data.tar.gz": inner}
        signed = [*members.items(), ("checksums.yaml.gz", gzip.compress(checksums(members)))]
        assert read(file, tarred([*signed, ("metadata.gz.sig", b"x"), ("data.tar.gz.sig", b"y")])).manifests

    def test_without_checksums_as_of_old(self, file: Path):
        assert read(file, tarred([("metadata.gz", METADATA), ("data.tar.gz", DATA)])).manifests


class TestIdentity:
    @pytest.mark.parametrize(
        ("key", "version", "reason"),
        [
            ("hawk", "1.0.0", "called kestrel, but the package 'hawk'"),
            ("Kestrel", "1.0.0", "called kestrel"),
            ("kestrel", "1.0.1", "of version 1.0.0, but the release of 1.0.1"),
            ("kestrel", "1.0.0-beta.1", "of version 1.0.0"),
        ],
    )
    def test_gems_of_others(self, file: Path, key: str, version: str, reason: str):
        with pytest.raises(IngestError, match=reason):
            read(file, gem(), key=key, version=version)


def with_data(*files: Entry) -> bytes:
    return packed(specification(), files)


def lying(content: bytes, name: bytes, size: bytes) -> bytes:
    """A tar whose header of a member states another size."""
    start = content.index(name)
    header = bytearray(content[start : start + 512])
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return content[:start] + bytes(header) + content[start + 512 :]


class TestHostileGems:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty, or nearly"),
            (b"not a tar at all" * 100, "no tar archive"),
            (gzip.compress(gem()), "no tar archive"),
            (b"\0" * 10240, "lacks metadata.gz"),
            (tarred([("metadata.gz", METADATA)]), "lacks data.tar.gz"),
            (tarred([("data.tar.gz", DATA)]), "lacks metadata.gz"),
            (tarred([("metadata.gz", METADATA), ("data.tar.gz", DATA), ("metadata.gz", METADATA)]), "twice"),
            (tarred([("metadata", b"x"), ("metadata.gz", METADATA), ("data.tar.gz", DATA)]), "not laid out"),
            (tarred([("../metadata.gz", METADATA), ("data.tar.gz", DATA)]), "outside of its folder"),
            (tarred([("/metadata.gz", METADATA), ("data.tar.gz", DATA)]), "outside of its folder"),
            (tarred([special("metadata.gz", tarfile.SYMTYPE, "/etc/passwd"), ("data.tar.gz", DATA)]), "no regular"),
            (tarred([special("metadata.gz", tarfile.CHRTYPE), ("data.tar.gz", DATA)]), "no regular file"),
            (tarred([("metadata.gz", METADATA), special("data.tar.gz", tarfile.LNKTYPE, "metadata.gz")]), "no regular"),
            (tarred([(f"x{n}", b"") for n in range(100)]), "not laid out"),
            (tarred([("metadata.gz", specification().encode()), ("data.tar.gz", DATA)]), "no intact gzip"),
            (tarred([("metadata.gz", METADATA[:-6]), ("data.tar.gz", DATA)]), "cut short"),
            (tarred([("metadata.gz", METADATA), ("data.tar.gz", DATA[:-6])]), "cut short"),
            (tarred([("metadata.gz", METADATA), ("data.tar.gz", gzip.compress(b"no tar" * 200))]), "no tar archive"),
            (gem()[:900], "ends in the middle"),
            (lying(gem(), b"metadata.gz", b"\xff" * 12), "wrong number"),
            (lying(gem(), b"metadata.gz", b"-0000000100\0"), "wrong number"),
            (lying(gem(), b"metadata.gz", b"77777777777\0"), "ends in the middle"),
            (with_data(("../../etc/passwd", b"x")), "outside of its folder"),
            (with_data(("/etc/passwd", b"x")), "outside of its folder"),
            (with_data(("a\\..\\b", b"x")), "outside of its folder"),
            (with_data(special("lib", tarfile.SYMTYPE, "/etc")), "leads outside"),
            (with_data(special("lib/x", tarfile.SYMTYPE, "../../y")), "leads outside"),
            (with_data(special("lib/x", tarfile.LNKTYPE, "../../y")), "leads outside"),
            (with_data(special("lib/" + "x" * 200, tarfile.SYMTYPE, "../../" + "y" * 200)), "leads outside"),
            (with_data(special("null", tarfile.CHRTYPE)), "a device"),
            (with_data(special("pipe", tarfile.FIFOTYPE)), "a device"),
            (with_data(("a", b"1"), ("./a", b"2")), "twice"),
        ],
    )  # fmt: skip
    def test_they_fail_with_a_reason(self, file: Path, content: bytes, reason: str):
        with pytest.raises(IngestError, match=reason) as caught:
            read(file, content)
        assert len(caught.value.sentence) < 400

    def test_other_bytes_than_the_checksums_say(self, file: Path):
        stated = gzip.compress(checksums({"metadata.gz": METADATA, "data.tar.gz": b"others"}))
        content = tarred([("metadata.gz", METADATA), ("data.tar.gz", DATA), ("checksums.yaml.gz", stated)])
        with pytest.raises(IngestError, match=r"data.tar.gz is not what its SHA\d+ checksum says"):
            read(file, content)

    @pytest.mark.parametrize("stated", [b"[]", b"SHA256: !ruby/object:Object {}", b"SHA256: {data.tar.gz: [x]}", b"{"])
    def test_checksums_that_are_none(self, file: Path, stated: bytes):
        content = tarred(
            [("metadata.gz", METADATA), ("data.tar.gz", DATA), ("checksums.yaml.gz", gzip.compress(stated))]
        )
        with pytest.raises(IngestError):
            read(file, content)

    def test_a_bomb_of_metadata(self, file: Path):
        bomb = gzip.compress(b"a" * (64 * LONGEST))
        start = time.process_time()
        with pytest.raises(IngestError, match="more than 1 MiB"):
            read(file, tarred([("metadata.gz", bomb), ("data.tar.gz", DATA)]))
        assert time.process_time() - start < 5

    def test_a_bomb_of_files(self, file: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("keygenreg.engines.rubygems.gem_file.MOST_DECOMPRESSED", 8 * 1024 * 1024)
        with pytest.raises(IngestError, match="more than 8 MiB"):
            read(file, with_data(("zeros", bytes(9 * 1024 * 1024))))

    @given(st.binary(max_size=2000))
    def test_any_bytes(self, content: bytes):
        for data in (content, gem()[:512] + content):
            with pytest.raises(IngestError):
                read_metadata(io.BytesIO(data))

    @given(st.data())
    def test_gems_with_a_flaw(self, data: st.DataObject):
        """Some bytes changed: read, or refused with a sentence."""
        content = bytearray(_WHOLE)
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        try:
            read_metadata(io.BytesIO(bytes(content)))
        except IngestError as refused:
            assert refused.sentence


_WHOLE = gem()
