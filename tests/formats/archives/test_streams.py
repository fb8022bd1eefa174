"""Archive readers against the standard library: the same bytes, the same members, and nothing but IngestError."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.reading import IngestError
from keygenreg.formats.archives.gunzip import GzipStream
from keygenreg.formats.archives.plain_stream import PlainStream, decompressed, is_gzip
from keygenreg.formats.archives.tar_members import members

_LIMIT = 1 << 20
_names = st.text("abcXYZ.-_é", min_size=1, max_size=150).map(lambda text: "top/" + text)
_archives = st.lists(st.tuples(_names, st.binary(max_size=1500)), max_size=6)
_formats = st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])


def tarred(entries, tar_format) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class TestStreams:
    @given(st.binary(max_size=3000), st.booleans(), st.lists(st.integers(0, 700), max_size=8))
    def test_reading_and_skipping_pass_over_the_same_bytes(self, data, compressed, steps):
        """Whatever is read is what lies at the position that the stream states, compressed or not."""
        stream = decompressed(io.BytesIO(gzip.compress(data) if compressed else b"\x00" + data), limit=_LIMIT)
        content = data if compressed else b"\x00" + data
        for index, step in enumerate(steps):
            start = stream.position
            if index % 2 and start + step <= len(content):
                stream.skip(step)
            else:
                assert stream.read(step) == content[start : start + step]
            assert stream.position == min(start + step, len(content))

    def test_the_first_bytes_tell_gzip(self):
        for data, expected in ((gzip.compress(b"x"), True), (b"plain", False), (b"", False), (b"\x1f", False)):
            file = io.BytesIO(data)
            assert is_gzip(file) is expected
            assert file.tell() == 0

    @pytest.mark.parametrize(
        "stream", [PlainStream(io.BytesIO(b"abc")), GzipStream(io.BytesIO(gzip.compress(b"abc")), limit=9)]
    )
    def test_skipping_beyond_the_end_is_refused(self, stream):
        with pytest.raises(IngestError):
            stream.skip(4)


class TestMembers:
    @given(_archives, _formats, st.booleans())
    def test_members_are_those_that_tarfile_wrote(self, entries, tar_format, compressed):
        data = tarred(entries, tar_format)
        stream = decompressed(io.BytesIO(gzip.compress(data) if compressed else data), limit=_LIMIT)
        found = [(member.name, stream.read(member.size)) for member in members(stream)]
        assert found == entries

    @given(_archives, st.data())
    def test_members_may_be_read_in_part(self, entries, data):
        """What is left of a member's data is passed over."""
        stream = PlainStream(io.BytesIO(tarred(entries, tarfile.PAX_FORMAT)))
        expected, found = [], []
        for member, (name, content) in zip(members(stream), entries, strict=True):
            part = data.draw(st.integers(0, member.size))
            found.append((member.name, stream.read(part)))
            expected.append((name, content[:part]))
        assert found == expected

    @given(st.binary(max_size=2000), st.integers(0, 1500), st.integers(0, 255))
    def test_damaged_archives_raise_nothing_else(self, content, position, byte):
        whole = bytearray(tarred([("top/a", content), ("top/b", b"b" * 600)], tarfile.PAX_FORMAT))
        whole[position] = byte
        for data in (bytes(whole), bytes(whole[:position]), gzip.compress(bytes(whole))[: position + 1], content):
            stream = decompressed(io.BytesIO(data), limit=_LIMIT)
            try:
                for member in members(stream):
                    stream.read(min(member.size, 100))
            except IngestError as error:
                assert str(error).endswith(".")
