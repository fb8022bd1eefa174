"""Checksums as people give them: which algorithm and spelling they are of, and whether they match.

Source: engines.md 1.12, decisions.md 13.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from attrs import frozen

Encoding = Literal["hex", "base64"]

#: Algorithms by length of their digest, in bytes; the names are those of hashlib.
ALGORITHMS = MappingProxyType({16: "md5", 20: "sha1", 28: "sha224", 32: "sha256", 48: "sha384", 64: "sha512"})

_LONGEST = 4096
_HEX = re.compile(r"[0-9A-Fa-f]+", re.ASCII)
_BASE64 = re.compile(r"[0-9A-Za-z+/_-]+={0,2}", re.ASCII)
_FROM_URL_SAFE = str.maketrans("-_", "+/")


@frozen
class Checksum:
    """A recognised checksum: ``algorithm`` (hashlib's name), digest as lower-case ``hex``, and how it was spelled."""

    algorithm: str
    hex: str
    encoding: Encoding

    @property
    def base64(self) -> str:
        """The digest in standard, padded Base64, as in subresource integrity."""
        return base64_of(self.hex)


def infer(text: str | None) -> Checksum | None:
    """
    Recognise a checksum by its spelling and length: hex in any case, or Base64, standard or URL-safe, padded or not.

    Hex is tried first: 64 hex digits are SHA-256, never a SHA-384 in Base64. None for everything else.
    """
    if text is None or len(text) > _LONGEST:
        return None
    text = text.strip()
    if _HEX.fullmatch(text) and len(text) % 2 == 0 and len(text) // 2 in ALGORITHMS:
        return Checksum(ALGORITHMS[len(text) // 2], text.lower(), "hex")
    digest = _from_base64(text)
    if digest is None or len(digest) not in ALGORITHMS:
        return None
    return Checksum(ALGORITHMS[len(digest)], digest.hex(), "base64")


def _from_base64(text: str) -> bytes | None:
    if _BASE64.fullmatch(text) is None:
        return None
    bare = text.rstrip("=").translate(_FROM_URL_SAFE)
    padding = "=" * (-len(bare) % 4)
    if text.endswith("=") and len(text) - len(bare) != len(padding):
        return None
    try:
        return base64.b64decode(bare + padding, validate=True)
    except binascii.Error:
        return None


def base64_of(hex_digest: str) -> str:
    """A digest in hex as standard, padded Base64. ``ValueError`` when it is not hex."""
    return base64.b64encode(bytes.fromhex(hex_digest)).decode("ascii")


def matches(checksum: Checksum, digests: Mapping[str, str]) -> bool | None:
    """
    Whether a checksum is that of stored bytes, compared in constant time.

    :param digests: computed digests in hex, by algorithm.
    :return: None when that algorithm was not computed.
    """
    computed = digests.get(checksum.algorithm)
    if computed is None:
        return None
    return hmac.compare_digest(computed.lower(), checksum.hex)
