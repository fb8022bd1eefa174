"""Several digests of one stream of bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from keygenreg.storage.interface import Digests

ALGORITHMS = frozenset({"sha256", "sha512", "sha384", "sha224", "sha1", "md5"})


class Hashes:
    """SHA-256 and whatever else is wanted, over the bytes given so far. Not for two threads at once."""

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        """Raises ValueError for a word that is not one of :data:`ALGORITHMS`."""
        wanted = frozenset(algorithms) | {"sha256"}
        if unknown := wanted - ALGORITHMS:
            raise ValueError(f"unknown digest algorithms: {', '.join(sorted(unknown))}")
        # Digests of content, not of secrets: md5 and sha1 are what older clients compare.
        self._hashes = {word: hashlib.new(word, usedforsecurity=False) for word in wanted}
        self._size = 0

    def update(self, data: bytes) -> None:
        self._size += len(data)
        for digest in self._hashes.values():
            digest.update(data)

    def digests(self) -> Digests:
        found = {word: digest.hexdigest() for word, digest in self._hashes.items()}
        return Digests(sha256=found.pop("sha256"), size=self._size, others=found)
