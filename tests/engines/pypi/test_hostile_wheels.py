"""Wheels that no honest build tool writes: each is refused with a sentence, quickly."""

from __future__ import annotations

import struct
import warnings
import zipfile

import pytest

from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi import ingest

from . import archives
from .archives import METADATA, WHEEL_NAME, metadata, wheel, wheel_entries, with_central_field, with_end_field, zipped

METADATA_NAME = b"acme-1.0.dist-info/METADATA"


def with_member(name: str) -> bytes:
    return zipped([*wheel_entries(), (name, b"")])


def with_raw_member(stored: bytes, wanted: bytes) -> bytes:
    """A wheel with a member whose name zipfile would not write."""
    return archives.patched(with_member(stored.decode()), stored, wanted)


def duplicated() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zipped([*wheel_entries(), ("acme-1.0.dist-info/METADATA", metadata(Name="evil"))])


def bomb() -> bytes:
    return wheel(METADATA + b"\n" + bytes(50_000_000))


def understated_bomb() -> bytes:
    """The directory says 500 bytes, the stream holds 50 million."""
    data = with_central_field(bomb(), METADATA_NAME, 24, "<L", 500)
    return with_central_field(data, METADATA_NAME, 20, "<L", 1000)


def huge_directory() -> bytes:
    """An end record that wants gigabytes of directory loaded."""
    return with_end_field(wheel(), 12, "<L", 0xFFFFFFF0)


def many_entries(count: int) -> bytes:
    """A directory of minimal entries, all for the same member."""
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 8, 0)
    entries = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0) + b"%08x" % number
        for number in range(count)
    )
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(entries), len(local) + 8)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(local) + 8 + len(entries), 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return local + b"00000000" + entries + end64 + locator + end


def wide_offset() -> bytes:
    """A zip64 extra field with an offset that no file can have."""
    name = METADATA_NAME
    extra = struct.pack("<HHQQQ", 1, 24, 10, 10, 2**64 - 1)
    entry = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 45, 45, 0, 0, 0, 0, 0, *(0xFFFFFFFF,) * 2, len(name), len(extra), 0, 0, 0, 0,
        0xFFFFFFFF,
    ) + name + extra  # fmt: skip
    return entry + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), 0, 0)


HOSTILE = [
    pytest.param(b"", "no zip archive", id="empty file"),
    pytest.param(b"\x00" * 100_000, "no zip archive", id="zeros"),
    pytest.param(b"PK\x05\x06", "no zip archive", id="half an end record"),
    pytest.param(b"PK\x05\x06" + bytes(18), "no .dist-info", id="zip without members"),
    pytest.param(wheel()[:-30], "cut short", id="cut short"),
    pytest.param(wheel()[40:], "directory is not where", id="start cut off"),
    pytest.param(wheel() + b"more", "bytes after its end", id="bytes after the end"),
    pytest.param(b"#!/bin/sh\n" + wheel(), "directory is not where", id="bytes before the start"),
    pytest.param(wheel() + wheel(), "directory is not where", id="two archives in one file"),
    pytest.param(with_end_field(wheel(), 4, "<H", 1), "one part of several", id="first of several disks"),
    pytest.param(with_end_field(wheel(), 10, "<H", 9), "one part of several", id="counts disagree"),
    pytest.param(
        with_end_field(with_end_field(wheel(), 8, "<H", 3), 10, "<H", 3), "longer than its entries", id="hidden member"
    ),
    pytest.param(
        with_end_field(with_end_field(wheel(), 8, "<H", 5), 10, "<H", 5), "shorter than", id="promised member"
    ),
    pytest.param(huge_directory(), "directory is not where", id="directory of 4 GiB"),
    pytest.param(many_entries(100_001), "more than 100000", id="too many members"),
    pytest.param(many_entries(3), "no .dist-info", id="members that are one"),
    pytest.param(wide_offset(), "after the members", id="offset of 64 bits"),
    pytest.param(with_member("/etc/passwd"), "unpack outside", id="absolute name"),
    pytest.param(with_member("../outside"), "unpack outside", id="parent step"),
    pytest.param(with_member("acme/../../outside"), "unpack outside", id="inner parent step"),
    pytest.param(with_raw_member(b"acme/x/x", b"acme\\x\\x"), "unpack outside", id="backslash"),
    pytest.param(with_member("C:/windows/x"), "unpack outside", id="drive"),
    pytest.param(with_raw_member(b"acme/nul", b"acme\x00nul"), "unpack outside", id="nul in name"),
    pytest.param(with_raw_member("acme/\u00fc".encode(), b"acme/\xff\xff"), "UTF-8", id="name that is no utf-8"),
    pytest.param(duplicated(), "twice", id="two METADATA"),
    pytest.param(with_member("other-1.0.dist-info/METADATA"), "several .dist-info", id="two dist-info folders"),
    pytest.param(zipped([("acme/__init__.py", b"")]), "no .dist-info", id="no dist-info folder"),
    pytest.param(zipped([("acme-1.0.dist-info/RECORD", b"")]), "METADATA", id="no METADATA"),
    pytest.param(zipped([("acme-1.0.dist-info/METADATA/x", b"")]), "METADATA", id="METADATA is a folder"),
    pytest.param(wheel(folder="acme-1.1.dist-info"), "file name states", id="folder of another version"),
    pytest.param(wheel(folder="other-1.0.dist-info"), "file name states", id="folder of another project"),
    pytest.param(wheel(folder="acme.dist-info"), "file name states", id="folder without version"),
    pytest.param(wheel(folder=".dist-info"), "file name states", id="folder without name"),
    pytest.param(wheel(metadata(Name="other")), "file name acme", id="METADATA of another project"),
    pytest.param(wheel(metadata(Version="2.0")), "file name acme", id="METADATA of another version"),
    pytest.param(wheel(b""), "Name", id="empty METADATA"),
    pytest.param(with_central_field(wheel(), METADATA_NAME, 8, "<H", 1), "encrypted", id="encrypted"),
    pytest.param(with_central_field(wheel(), METADATA_NAME, 8, "<H", 0x40), "encrypted", id="strongly encrypted"),
    pytest.param(zipped(wheel_entries(), compression=zipfile.ZIP_LZMA), "deflate", id="lzma"),
    pytest.param(zipped(wheel_entries(), compression=zipfile.ZIP_BZIP2), "deflate", id="bzip2"),
    pytest.param(bomb(), "larger than 1024 KiB", id="bomb"),
    pytest.param(understated_bomb(), "does not end where", id="bomb with small stated size"),
    pytest.param(with_central_field(wheel(), METADATA_NAME, 16, "<L", 7), "checksum", id="wrong checksum"),
    pytest.param(with_central_field(wheel(), METADATA_NAME, 24, "<L", 300), "size and checksum", id="wrong size"),
    pytest.param(
        with_central_field(wheel(), METADATA_NAME, 20, "<L", 2**31), "after the members", id="compressed size of 2 GiB"
    ),
    pytest.param(
        with_central_field(wheel(METADATA), METADATA_NAME, 24, "<L", 0xFFFFFFFF), "zip64", id="missing zip64 size"
    ),
    pytest.param(with_central_field(wheel(), METADATA_NAME, 42, "<L", 0), "local header", id="other member's offset"),
    pytest.param(
        archives.patched(wheel(), METADATA_NAME, b"acme-1.0.dist-info/METADATB", count=1),
        "local header",
        id="local name differs",
    ),
    pytest.param(with_central_field(wheel(), METADATA_NAME, 10, "<H", 0), "local header", id="local method differs"),
]


@pytest.mark.parametrize(("data", "sentence"), HOSTILE)
def test_refused(tmp_path, data, sentence):
    """The vendor is told what is wrong with the file."""
    path = tmp_path / "stored"
    path.write_bytes(data)
    with pytest.raises(IngestError) as caught:
        ingest.read(path, WHEEL_NAME, "acme", "1.0.0")
    assert sentence in caught.value.sentence
    assert caught.value.sentence.endswith(".")
    assert len(caught.value.sentence) < 500


@pytest.mark.parametrize("filename", ["acme.whl", "acme-1.0.whl", "acme-1.0-py3-none.whl", "acme 1.0-py3-none-any.whl"])
def test_name_that_is_no_wheels(tmp_path, filename):
    """It could never be listed, so it is not taken silently."""
    path = tmp_path / "stored"
    path.write_bytes(wheel())
    with pytest.raises(IngestError, match="name is not that of a wheel"):
        ingest.read(path, filename, "acme", "1.0.0")


def test_long_member_names_are_shortened_in_the_sentence(tmp_path):
    path = tmp_path / "stored"
    path.write_bytes(with_member("../" + "x" * 60_000))
    with pytest.raises(IngestError) as caught:
        ingest.read(path, WHEEL_NAME, "acme", "1.0.0")
    assert len(caught.value.sentence) < 300
