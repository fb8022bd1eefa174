"""Reading uploads stays within bounds: any bytes, and archives made to exhaust memory or time."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi import ingest

from . import archives
from .archives import METADATA, SDIST_NAME, WHEEL_NAME

WHEEL, SDIST, ZIP = archives.wheel(), archives.sdist(), archives.zipped(archives.sdist_entries())
PLAIN_TAR = archives.tarred([("acme-1.0/" + "x" * 120, b"1"), *archives.sdist_entries()])

# Memory one read may add, in MiB, and the processor seconds after which the kernel ends a child that hangs.
MEMORY, SECONDS = 64, 60

CHILD = """
import json, resource, sys
from pathlib import Path
from keygenreg.domain.reading import IngestError
from keygenreg.engines.pypi import ingest
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]), int(sys.argv[3])))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    ingest.read(Path(sys.argv[1]), sys.argv[2], "acme", "1.0.0")
    sentence = None
except IngestError as error:
    sentence = error.sentence
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"sentence": sentence, "mebibytes": (after - before) / 1024}))
"""


def read_or_refuse(path: Path, data: bytes, filename: str) -> None:
    path.write_bytes(data)
    try:
        ingest.read(path, filename, "acme", "1.0.0")
    except IngestError as error:
        assert "\x00" not in error.sentence
        assert len(error.sentence) < 1000


def read_in_child(path: Path, filename: str) -> dict:
    """Read in a fresh process, so that its highest memory use is that of this one read."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), filename, str(SECONDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return tmp_path_factory.mktemp("stored") / "file"


class TestAnyBytes:
    @given(data=st.binary(max_size=2000), filename=st.sampled_from([WHEEL_NAME, SDIST_NAME, "acme-1.0.zip"]))
    def test_arbitrary_bytes(self, stored, data, filename):
        """Read or refused with a sentence; nothing else is ever raised."""
        read_or_refuse(stored, data, filename)

    @given(data=st.binary(max_size=3000))
    def test_arbitrary_bytes_in_a_gzip(self, stored, data):
        read_or_refuse(stored, gzip.compress(data), SDIST_NAME)

    @given(
        cut=st.integers(0, len(WHEEL)),
        changes=st.dictionaries(st.integers(0, len(WHEEL) - 1), st.integers(0, 255), max_size=6),
        kind=st.sampled_from(["wheel", "sdist", "zip", "tar in gzip"]),
    )
    def test_damaged_archives(self, stored, cut, changes, kind):
        """Bytes changed in a good archive, or its end missing."""
        plain, filename = {
            "wheel": (WHEEL, WHEEL_NAME),
            "sdist": (SDIST, SDIST_NAME),
            "zip": (ZIP, "acme-1.0.zip"),
            "tar in gzip": (PLAIN_TAR, SDIST_NAME),
        }[kind]
        data = bytearray(plain)
        for at, value in changes.items():
            data[at % len(data)] = value
        # Half of the examples keep their end, or hardly any would get past the end record.
        damaged = bytes(data if cut % 2 else data[:cut])
        read_or_refuse(stored, gzip.compress(damaged) if kind == "tar in gzip" else damaged, filename)

    @given(seed=st.integers(0, 2**32), rounds=st.integers(1, 3))
    def test_fields_of_a_zip_at_their_extremes(self, stored, seed, rounds):
        """Directory and end record with every numeric field at values that overflow something."""
        chosen, data = random.Random(seed), bytearray(WHEEL)
        start = WHEEL.index(b"PK\x01\x02")
        for _ in range(rounds):
            value = chosen.choice([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
            layout = "<H" if value <= 0xFFFF else "<L"
            struct.pack_into(layout, data, chosen.randrange(start, len(data) - 4), value)
        read_or_refuse(stored, bytes(data), WHEEL_NAME)

    @given(filename=st.text(), package=st.text(), version=st.text())
    def test_any_names(self, stored, filename, package, version):
        """Names come from the API, where nearly any text is allowed."""
        stored.write_bytes(WHEEL)
        for name in (filename, f"{filename}.whl", f"{filename}.tar.gz", f"{filename}.zip"):
            try:
                ingest.read(stored, name, package, version)
            except IngestError as error:
                assert error.sentence


def gzip_of_zeros(path: Path, *, start: bytes, mebibytes: int) -> None:
    """A gzip file of ``start`` and many zeros, made without holding them."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(compressor.compress(start))
        for _ in range(mebibytes):
            file.write(compressor.compress(bytes(1 << 20)))
        file.write(compressor.flush())


def tar_bomb(path: Path) -> None:
    """A member that decompresses to 8 GiB, as its header says."""
    header = archives.raw_header(size=b"\x80" + (8 << 30).to_bytes(11, "big"))
    gzip_of_zeros(path, start=header, mebibytes=2100)


def header_bomb(path: Path) -> None:
    """A pax header of 1 GiB."""
    gzip_of_zeros(path, start=archives.raw_header(size=b"%011o\x00" % (1 << 30), kind=b"x"), mebibytes=1024)


def many_members(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(100_001):
            file.write(archives.raw_header(b"acme-1.0/%d" % number))


def many_headers_of_64_kib(path: Path) -> None:
    """A gigabyte of extended headers of nearly the largest allowed size, each with a record of another name."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(17_000):
            record = b"60009 %s=v\n" % (b"%d" % number).ljust(60_000, b"k")
            header = archives.raw_header(size=b"%011o\x00" % len(record), kind=b"x")
            file.write(header + record + bytes(-len(record) % 512))


def zip_bomb(path: Path) -> None:
    path.write_bytes(archives.wheel(METADATA + bytes(200_000_000)))


def zip_with_huge_directory(path: Path) -> None:
    """An honest end record of a directory of 200 MB: one entry with the longest name and extra field, repeated."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *(0,) * 9, 0xFFFF, 0, 0xFFFF, *(0,) * 4) + b"n" * 0xFFFF * 2
    count = 200_000_000 // len(entry)
    with path.open("wb") as file:
        for _ in range(count):
            file.write(entry)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, count * len(entry), 0, 0))


def zip_with_long_names(path: Path) -> None:
    """As many members with names as long as the limits allow, all different; the last is not a wheel's either."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *(0,) * 9, 280, *(0,) * 6)
    with path.open("wb") as file:
        for number in range(100_000):
            file.write(entry + (b"acme/%d" % number).ljust(280, b"n"))
        size = file.tell()
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 0, 0, 0, 0, 100_000, 100_000, size, 0))
        file.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, size, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))


def endless_gzip_name(path: Path) -> None:
    """A gzip header whose file name is 200 MB long."""
    path.write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 200_000_000)


def empty_gzip_members(path: Path) -> None:
    path.write_bytes(gzip.compress(b"") * 2_000_000)


def empty_deflate_blocks(path: Path) -> None:
    """A gzip stream of 40 million blocks that hold nothing."""
    path.write_bytes(b"\x1f\x8b\x08\x00" + bytes(6) + b"\x00\x00\x00\xff\xff" * 40_000_000)


def metadata_of_header_lines(path: Path) -> None:
    path.write_bytes(archives.wheel(b"".join(b"X-%d: 1\n" % number for number in range(90_000))[: 1 << 20]))


def metadata_of_one_field(path: Path) -> None:
    lines = b"Requires-Dist: a\n" * 60_000
    path.write_bytes(archives.wheel(archives.metadata() + lines))


def long_wheel(path: Path) -> None:
    """A good wheel of 300 MB: only its directory and METADATA are looked at."""
    path.write_bytes(archives.zipped([*archives.wheel_entries(), ("acme/data", bytes(300_000_000))], compression=0))


def long_sdist(path: Path) -> None:
    """A good source distribution with its document after a gigabyte."""
    info = tarfile.TarInfo("acme-1.0/data")
    info.size = 1 << 30
    document = io.BytesIO(archives.tarred([("acme-1.0/PKG-INFO", METADATA)]))
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("wb") as file:
        file.write(compressor.compress(info.tobuf()))
        for _ in range(1024):
            file.write(compressor.compress(bytes(1 << 20)))
        file.write(compressor.compress(document.getvalue()))
        file.write(compressor.flush())


BOMBS = [
    pytest.param(tar_bomb, SDIST_NAME, "more than 2048 MiB", id="tar of 8 GiB"),
    pytest.param(header_bomb, SDIST_NAME, "too long", id="pax header of 1 GiB"),
    pytest.param(many_members, SDIST_NAME, "more than 100000", id="100,001 members"),
    pytest.param(many_headers_of_64_kib, SDIST_NAME, "holds no", id="1 GiB of extended headers"),
    pytest.param(endless_gzip_name, SDIST_NAME, "cut short", id="gzip name of 200 MB"),
    pytest.param(empty_gzip_members, SDIST_NAME, "too many gzip members", id="two million gzip members"),
    pytest.param(empty_deflate_blocks, SDIST_NAME, "cut short", id="40 million empty blocks"),
    pytest.param(zip_bomb, WHEEL_NAME, "1024 KiB", id="METADATA of 200 MB"),
    pytest.param(zip_with_huge_directory, WHEEL_NAME, "directory is larger", id="zip directory of 200 MB"),
    pytest.param(zip_with_long_names, WHEEL_NAME, "no .dist-info", id="100,000 long names"),
    pytest.param(metadata_of_header_lines, WHEEL_NAME, "fields", id="METADATA of 90,000 fields"),
    pytest.param(metadata_of_one_field, WHEEL_NAME, None, id="METADATA of 60,000 requirements"),
    pytest.param(long_wheel, WHEEL_NAME, None, id="wheel of 300 MB"),
    pytest.param(long_sdist, SDIST_NAME, None, id="source distribution of 1 GiB"),
]


@pytest.mark.parametrize(("make", "filename", "sentence"), BOMBS)
def test_bounded(tmp_path, make, filename, sentence):
    """Little memory and an end, whatever the file would become."""
    path = tmp_path / "stored"
    make(path)
    outcome = read_in_child(path, filename)
    path.unlink()
    assert outcome["mebibytes"] < MEMORY
    assert (outcome["sentence"] is None) == (sentence is None)
    assert sentence is None or sentence in outcome["sentence"]
