"""The compact index: ``versions``, ``info/<gem>`` and ``names``, as bytes.

Source: https://guides.rubygems.org/rubygems-org-compact-index-api/, engines.md 7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from keygenreg.engines.rubygems.listed import ListedGem

_SEPARATOR = "---\n"


def names(packages: str) -> bytes:
    """
    Every package.

    :param packages: their names in order, one a line, without line end after the last.
    """
    return f"{_SEPARATOR}{packages}\n".encode()


def info(gems: Sequence[ListedGem]) -> bytes:
    """One package's gems, in the order given: the lowest version first, so that a new one mostly comes last."""
    return (_SEPARATOR + "".join(map(_info_line, gems))).encode()


def versions(created: datetime, packages: Mapping[str, Sequence[ListedGem]]) -> bytes:
    """
    Every package with its versions, and the MD5 of its :func:`info` as the same caller gets it.

    :param created: the index's own age: the same in every answer, or its tag would never match.
    """
    lines = [f"created_at: {created.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n", _SEPARATOR]
    for package, gems in packages.items():
        digest = hashlib.md5(info(gems), usedforsecurity=False).hexdigest()
        lines.append(f"{package} {','.join(gem.listing.label for gem in gems)} {digest}\n")
    return "".join(lines).encode()


def _info_line(gem: ListedGem) -> str:
    listing = gem.listing
    return f"{listing.label} {listing.dependencies}|checksum:{gem.sha256}{listing.needs}\n"
