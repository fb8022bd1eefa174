"""Source distributions that no honest build tool writes: each is refused with a sentence, quickly."""

from __future__ import annotations

import gzip
import tarfile

import pytest

from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi import ingest

from .archives import (
    METADATA,
    SDIST_NAME,
    metadata,
    raw_header,
    sdist,
    sdist_entries,
    special,
    tarred,
    zipped,
)


def packed(*entries, **options) -> bytes:
    return gzip.compress(tarred(entries, **options), mtime=0)


def headers(*blocks: bytes) -> bytes:
    return gzip.compress(b"".join(blocks), mtime=0)


def extension(kind: bytes, content: bytes, *, size: int | None = None) -> bytes:
    stated = len(content) if size is None else size
    return raw_header(b"pax", size=b"%011o\x00" % stated, kind=kind) + content + bytes(-len(content) % 512)


PKG_INFO = ("acme-1.0/PKG-INFO", METADATA)
# A chain that makes a reader recurse once per header.
CHAIN = headers(*[extension(b"x", b"15 comment=abc\n")] * 5000)
NESTED_TAR = packed(("acme-1.0/PKG-INFO/x", b""))

HOSTILE = [
    pytest.param(b"", "cut short", id="empty file"),
    pytest.param(b"\x1f\x8b", "cut short", id="half a gzip header"),
    pytest.param(b"PK\x03\x04" + bytes(100), "no intact gzip", id="no gzip"),
    pytest.param(tarred(sdist_entries()), "no intact gzip", id="plain tar"),
    pytest.param(gzip.compress(b"x" * 5000), "no tar archive", id="no tar"),
    pytest.param(gzip.compress(b"x" * 100), "middle of a header", id="less than a header"),
    pytest.param(gzip.compress(b""), "no acme-1.0/PKG-INFO", id="nothing in the gzip"),
    pytest.param(gzip.compress(bytes(10_000)), "no acme-1.0/PKG-INFO", id="empty tar"),
    pytest.param(sdist()[:60], "cut short", id="cut short"),
    pytest.param(sdist()[:-8] + bytes(8), "no intact gzip", id="wrong checksum"),
    pytest.param(gzip.compress(tarred([PKG_INFO])[:600]), "middle of a member", id="document cut short"),
    pytest.param(
        gzip.compress(tarred([("acme-1.0/x", b"1" * 5000)])[:2000]), "middle of a member", id="member cut short"
    ),
    pytest.param(packed(("acme-1.0/setup.py", b"")), "no acme-1.0/PKG-INFO", id="no PKG-INFO"),
    pytest.param(packed(("acme-1.0/acme.egg-info/PKG-INFO", METADATA)), "no acme-1.0/PKG-INFO", id="only egg-info"),
    pytest.param(NESTED_TAR, "no acme-1.0/PKG-INFO", id="PKG-INFO is a parent folder"),
    pytest.param(packed(("PKG-INFO", METADATA)), "no acme-1.0/PKG-INFO", id="no top folder"),
    pytest.param(packed(("acme-1.0/x", b""), ("evil/y", b""), PKG_INFO), "beside", id="two top folders"),
    pytest.param(packed(("._acme-1.0", b""), PKG_INFO), "beside", id="resource forks"),
    pytest.param(sdist(top="acme"), "top folder", id="top folder without version"),
    pytest.param(sdist(top="acme-1.1"), "top folder", id="top folder of another version"),
    pytest.param(sdist(top="acme-main"), "top folder", id="archive of a branch"),
    pytest.param(sdist(metadata(Name="other")), "file name acme", id="PKG-INFO of another project"),
    pytest.param(sdist(metadata(Version="1.1")), "file name acme", id="PKG-INFO of another version"),
    pytest.param(sdist(b""), "Name", id="empty PKG-INFO"),
    pytest.param(packed(("../evil", b""), PKG_INFO), "unpack outside", id="parent step"),
    pytest.param(packed(("acme-1.0/../../evil", b""), PKG_INFO), "unpack outside", id="inner parent step"),
    pytest.param(packed(("/etc/passwd", b""), PKG_INFO), "unpack outside", id="absolute name"),
    pytest.param(packed((".//etc/passwd", b""), PKG_INFO), "unpack outside", id="absolute after dot"),
    pytest.param(packed(("acme-1.0\\evil", b""), PKG_INFO), "unpack outside", id="backslash"),
    pytest.param(
        packed(special("acme-1.0/PKG-INFO", tarfile.SYMTYPE, target="/etc/passwd")), "regular file", id="symlink"
    ),
    pytest.param(
        packed(special("acme-1.0/PKG-INFO", tarfile.LNKTYPE, target="acme-1.0/x")), "regular file", id="hard link"
    ),
    pytest.param(packed(special("acme-1.0/PKG-INFO", tarfile.CHRTYPE)), "regular file", id="character device"),
    pytest.param(packed(special("acme-1.0/PKG-INFO", tarfile.BLKTYPE)), "regular file", id="block device"),
    pytest.param(packed(special("acme-1.0/PKG-INFO", tarfile.FIFOTYPE)), "regular file", id="pipe"),
    pytest.param(packed(special("acme-1.0/PKG-INFO", tarfile.DIRTYPE)), "PKG-INFO", id="folder"),
    pytest.param(packed(("acme-1.0/PKG-INFO", METADATA + bytes(2_000_000))), "1024 KiB", id="document of 2 MB"),
    pytest.param(headers(raw_header(size=b"-0000000001\x00")), "wrong number", id="negative octal size"),
    pytest.param(headers(raw_header(size=b"\xff" * 12)), "wrong number", id="negative binary size"),
    pytest.param(headers(raw_header(size=b"\x80" + b"\xff" * 11)), "middle of a member", id="size of 88 bits"),
    pytest.param(headers(raw_header(size=b"99999999999\x00")), "wrong number", id="size that is not octal"),
    pytest.param(headers(raw_header(checksum=1)), "checksum", id="wrong header checksum"),
    pytest.param(headers(raw_header(kind=b"S")), "sparse", id="old sparse file"),
    pytest.param(headers(extension(b"x", b"22 GNU.sparse.major=1\n"), raw_header()), "sparse", id="pax sparse file"),
    pytest.param(headers(extension(b"x", b"12 size=-01\n"), raw_header()), "no number", id="negative pax size"),
    pytest.param(headers(extension(b"x", b"13 size=1e99\n"), raw_header()), "no number", id="pax size in words"),
    pytest.param(
        headers(extension(b"x", b"%d size=%s\n" % (4000, b"9" * 3989)), raw_header()),
        "no number",
        id="endless pax size",
    ),
    pytest.param(headers(extension(b"x", b"0 a=b\n"), raw_header()), "extended header", id="pax length of zero"),
    pytest.param(headers(extension(b"x", b"999999 a=b\n"), raw_header()), "extended header", id="pax length too big"),
    pytest.param(headers(extension(b"x", b"1" * 60_000), raw_header()), "extended header", id="pax of digits"),
    pytest.param(headers(extension(b"x", b"7 a=bcd"), raw_header()), "extended header", id="pax without line end"),
    pytest.param(headers(extension(b"x", b"", size=2**30), bytes(2**20)), "too long", id="pax header of a gigabyte"),
    pytest.param(headers(extension(b"L", b"", size=2**30), bytes(2**20)), "too long", id="name of a gigabyte"),
    pytest.param(headers(extension(b"L", b"../evil\x00"), raw_header()), "unpack outside", id="long name that climbs"),
    pytest.param(
        headers(extension(b"x", b"16 path=../evil\n"), raw_header()), "unpack outside", id="pax path that climbs"
    ),
    pytest.param(CHAIN, "no acme-1.0/PKG-INFO", id="chain of pax headers"),
    pytest.param(headers(raw_header() * 100_001), "more than 100000", id="too many members"),
    pytest.param(
        headers(extension(b"g", b"15 comment=abc\n") * 100_001), "more than 100000", id="too many global headers"
    ),
    pytest.param(gzip.compress(b"") * 2000, "too many gzip members", id="many empty gzip members"),
]


@pytest.mark.parametrize(("data", "sentence"), HOSTILE)
def test_refused(tmp_path, data, sentence):
    """The vendor is told what is wrong with the file."""
    path = tmp_path / "stored"
    path.write_bytes(data)
    with pytest.raises(IngestError) as caught:
        ingest.read(path, SDIST_NAME, "acme", "1.0.0")
    assert sentence in caught.value.sentence
    assert caught.value.sentence.endswith(".")
    assert len(caught.value.sentence) < 500


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(sdist(), "no zip archive", id="tar under the name of a zip"),
        pytest.param(zipped([("acme-1.0/x", b""), ("evil/PKG-INFO", METADATA)]), "beside", id="two top folders"),
        pytest.param(zipped([("acme-1.0/x", b"")]), "no acme-1.0/PKG-INFO", id="no PKG-INFO"),
        pytest.param(zipped([("acme-1.0/../x", b"")]), "unpack outside", id="parent step"),
        pytest.param(zipped([("acme-1.0/PKG-INFO", bytes(2**21))]), "1024 KiB", id="bomb"),
    ],
)
def test_zip_refused(tmp_path, data, sentence):
    """Old source distributions in zip form are held to the same rules."""
    path = tmp_path / "stored"
    path.write_bytes(data)
    with pytest.raises(IngestError) as caught:
        ingest.read(path, "acme-1.0.zip", "acme", "1.0.0")
    assert sentence in caught.value.sentence
