"""Subresource integrity as npm's documents state it: digests that can be checked, and back.

Source: https://www.w3.org/TR/SRI/#the-integrity-attribute; npm knows SHA-1 and MD5 too (packages.md 2.2).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from keygenreg.domain.checksum import base64_of

#: Algorithms, strongest first, and the size of their digests, in bytes.
_SIZES = {"sha512": 64, "sha384": 48, "sha256": 32, "sha1": 20, "md5": 16}
_LONGEST = 4096


def read_integrity(stated: object) -> dict[str, str]:
    """
    The digests in an ``integrity`` member, algorithm -> lower-case hex; what cannot be read is passed over.

    Several digests of one algorithm mean "one of these", which we could not check: that algorithm is passed over too.
    """
    found: dict[str, str] = {}
    ambiguous = set()
    if not isinstance(stated, str) or len(stated) > _LONGEST:
        return found
    for word in stated.split():
        algorithm, _, value = word.partition("?")[0].partition("-")
        digest = _decoded(value)
        if digest is None or len(digest) != _SIZES.get(algorithm):
            continue
        if found.setdefault(algorithm, digest.hex()) != digest.hex():
            ambiguous.add(algorithm)
    return {algorithm: value for algorithm, value in found.items() if algorithm not in ambiguous}


def write_integrity(hashes: Mapping[str, str]) -> str:
    """The ``integrity`` of digests in hex, in their order."""
    return " ".join(f"{algorithm}-{base64_of(value)}" for algorithm, value in hashes.items())


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
