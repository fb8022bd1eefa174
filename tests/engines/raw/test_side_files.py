"""Checksum side files, pure; coreutils is the judge of their form."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.raw.side_files import described, digest, line, summed, sums

_HEX = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("app.zip.sha256", ("app.zip", "sha256")),
        ("app.zip.SHA512", ("app.zip", "sha512")),
        ("dir/app.sha1", ("dir/app", "sha1")),
        ("app.md5", ("app", "md5")),
        (".sha256", None),
        ("sha256", None),
        ("app.sha3", None),
        ("app.zip", None),
    ],
)
def test_names_of_side_files(name: str, about: tuple[str, str] | None):
    assert described(name) == about


def test_names_of_sums():
    assert (summed("SHA256SUMS"), summed("MD5SUMS"), summed("sha256sums"), summed("SUMS")) == (
        "sha256", "md5", None, None,
    )  # fmt: skip


def row(filename: str = "a", checksum: str | None = None, **known: str) -> dict:
    return {"filename": filename, "checksum": checksum} | dict.fromkeys(("sha256", "sha512", "sha1", "md5")) | known


def test_computed_digests_come_before_stated_ones():
    assert digest(row(checksum="0" * 64, sha256=_HEX), "sha256") == _HEX
    assert digest(row(checksum=_HEX.upper()), "sha256") == _HEX
    assert digest(row(checksum=_HEX), "sha512") is None
    assert digest(row(checksum="whatever"), "sha256") is None


def test_files_without_a_known_digest_are_left_out():
    assert sums([row("a", sha256=_HEX), row("b")], "sha256") == f"{_HEX}  a\n"


@pytest.mark.parametrize("name", ["plain.zip", "with space", "back\\slash", "line\nbreak", "*star", "ümlaut"])
def test_coreutils_accepts_the_lines(name: str, tmp_path: Path):
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sums").write_bytes(line(_HEX, name).encode())
    subprocess.run(["sha256sum", "--strict", "-c", "sums"], cwd=tmp_path, check=True, capture_output=True)


@given(st.text())
def test_a_line_is_one_line(name: str):
    assert line(_HEX, name).count("\n") == 1
