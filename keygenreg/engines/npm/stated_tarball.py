"""What another registry's document says of a version's tarball: where it is, and what it must be (packages.md 2.2)."""

from __future__ import annotations

import re
from typing import Any

from attrs import frozen

from keygenreg.engines.npm.integrity import read_integrity, write_integrity
from keygenreg.upstream.addresses import join
from keygenreg.upstream.failures import Refused

_LONGEST_URL = 4096
_SHA1 = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)
# Signatures are over name, version and integrity, which stay; where attestations are is upstream's to say.
_OF_DIST = ("fileCount", "unpackedSize", "signatures", "attestations")


@frozen
class StatedTarball:
    """What a version states of its file, checked; ``hashes`` are those of both ways to state them."""

    url: str
    integrity: dict[str, str]
    shasum: str | None
    hashes: dict[str, str]

    def dist(self, stated: dict[str, Any]) -> dict[str, Any]:
        """Hashes as they will be checked, and what else of upstream's counts for the same bytes here."""
        dist = {member: stated[member] for member in _OF_DIST if member in stated}
        if self.shasum is not None:
            dist["shasum"] = self.shasum
        if self.integrity:
            dist["integrity"] = write_integrity(self.integrity)
        return dist


class Page:
    """Where a document came from: what its addresses are relative to."""

    def __init__(self, url: str) -> None:
        self._url = url
        scheme, _, rest = url.partition("://")
        own = f"http://{rest.partition('/')[0]}/"
        self._forgetful = own if scheme == "https" else None

    def absolute(self, tarball: Any) -> str | None:
        """The URL of a tarball, not judged yet; None where there is none."""
        if not isinstance(tarball, str) or not 0 < len(tarball) <= _LONGEST_URL or not tarball.isprintable():
            return None
        url = tarball.partition("#")[0]
        if not url.startswith(("https://", "http://")):
            try:
                url = join(self._url, url)
            except Refused:
                return None
        if self._forgetful and url.startswith(self._forgetful):
            # Registries behind proxies forget that they are encrypted; npm corrects them as well.
            return "https" + url.removeprefix("http")
        return url


def stated_tarball(dist: dict[str, Any], page: Page) -> StatedTarball | None:
    """
    None for a version that cannot be installed, or states hashes that nobody can check.

    :param dist: the member of that name.
    """
    url = page.absolute(dist.get("tarball"))
    if url is None:
        return None
    integrity, shasum = read_integrity(dist.get("integrity")), _shasum(dist)
    hashes = integrity if shasum is None else {"sha1": shasum} | integrity
    contradictory = shasum not in (None, hashes.get("sha1"))
    if contradictory or (not hashes and (dist.get("integrity") or dist.get("shasum"))):
        return None
    return StatedTarball(url, integrity, shasum, hashes)


def _shasum(dist: dict[str, Any]) -> str | None:
    stated = dist.get("shasum")
    return stated.lower() if isinstance(stated, str) and _SHA1.fullmatch(stated) else None
