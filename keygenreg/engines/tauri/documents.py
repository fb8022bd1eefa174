"""What updaters read: the document of one update, and the static one for all platforms (packages.md 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson
from attrs import frozen

from keygenreg.formats.timestamps import api_time


@frozen
class Release:
    """The release that is offered."""

    version: str
    created: datetime
    notes: str | None

    def members(self) -> dict[str, object]:
        return {"version": self.version, "pub_date": api_time(self.created), "notes": self.notes}


@frozen
class Bundle:
    """One file of it; without a signature the updater refuses to install it, and says so."""

    url: str
    signature: str | None

    def members(self) -> dict[str, object]:
        return {"url": self.url, "signature": self.signature}


def update(release: Release, bundle: Bundle) -> bytes:
    """The answer of a dynamic update server."""
    return orjson.dumps(bundle.members() | release.members())


def static(release: Release, platforms: Mapping[str, Bundle]) -> bytes:
    """
    The static document. Updaters check all of it before they look for their own platform, so every bundle has a
    signature.

    :param platforms: by ``<platform>-<arch>`` and ``<platform>-<arch>-<kind of bundle>``.
    """
    return orjson.dumps(release.members() | {"platforms": {key: one.members() for key, one in platforms.items()}})
