"""Checksum side files: ``<artifact>.sha256`` and its kin, and ``SHA256SUMS``, as coreutils writes and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keygenreg.domain.checksum import infer

ALGORITHMS = ("sha256", "sha512", "sha1", "md5")
_BY_ENDING = {f".{algorithm}": algorithm for algorithm in ALGORITHMS}
_SUMS = {f"{algorithm.upper()}SUMS": algorithm for algorithm in ALGORITHMS}


def described(name: str) -> tuple[str, str] | None:
    """The file that a side file is about, and the algorithm; None for other names."""
    stem, dot, ending = name.rpartition(".")
    algorithm = _BY_ENDING.get(f"{dot}{ending}".lower())
    return (stem, algorithm) if stem and algorithm else None


def summed(name: str) -> str | None:
    """The algorithm of a file with the checksums of a whole release; None for other names."""
    return _SUMS.get(name)


def digest(row: Mapping[str, Any], algorithm: str) -> str | None:
    """
    The digest of a file, in hex: what was computed from its bytes; of bytes that are not here, what the vendor stated.

    :param row: with ``blob_sha256``, ``checksum`` and a column by algorithm.
    """
    if row[algorithm] is not None:
        return row[algorithm]
    stated = infer(row["checksum"])
    return stated.hex if stated is not None and stated.algorithm == algorithm else None


def line(hex_digest: str, filename: str) -> str:
    """One line of a checksum file; names with a backslash or line break are escaped, as ``sha256sum`` expects."""
    escaped = filename.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == filename else chr(92)}{hex_digest}  {escaped}\n"


def sums(rows: Iterable[Mapping[str, Any]], algorithm: str) -> str:
    """The lines of all files whose digest is known."""
    known = ((digest(row, algorithm), row["filename"]) for row in rows)
    return "".join(line(found, filename) for found, filename in known if found is not None)
