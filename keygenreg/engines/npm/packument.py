"""A package of another registry, read once into pieces of JSON that our documents are put together from.

Text instead of objects, as some packages have thousands of versions: pieces take about the room of the document itself,
and a document of ours is made by joining them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import field, frozen

from keygenreg.domain.version import Version, parse_version
from keygenreg.engines.npm.versions import LATEST


@frozen
class Piece:
    """
    One version. Its JSON ends where the URL of the tarball and two closing braces follow.

    :ivar short: what the abbreviated document says of it. :ivar full: the other one; empty where only the abbreviated
        one is kept.
    """

    version: str
    short: bytes
    full: bytes = b""


@frozen(kw_only=True)
class Packument:
    """
    :ivar pieces: by version, in upstream's order.
    :ivar tags: version by tag, of versions that are there.
    :ivar published: by version, as far as upstream tells. :ivar times: the same as API times.
    :ivar created, modified: as API times.
    :ivar about: further members of the full document, as JSON.
    """

    name: str
    pieces: Mapping[str, Piece] = field(factory=dict)
    tags: Mapping[str, str] = field(factory=dict)
    published: Mapping[str, datetime] = field(factory=dict)
    times: Mapping[str, str] = field(factory=dict)
    created: str | None = None
    modified: str | None = None
    about: Mapping[str, bytes] = field(factory=dict)


def tags_of(versions: Mapping[str, object], stated: Mapping[str, str]) -> dict[str, str]:
    """
    The tags of what is shown: ``latest`` comes first and is always there when any version is, as installers fail
    without it (packages.md 2.1).

    :param versions: those shown. :param stated: upstream's tags, which may be of others.
    """
    tags = {tag: version for tag, version in stated.items() if version in versions}
    latest = tags.pop(LATEST, None) or _best(versions, stated.get(LATEST))
    return ({} if latest is None else {LATEST: latest}) | tags


def _best(versions: Mapping[str, object], wanted: str | None) -> str | None:
    """The highest stable version, if possible not beyond the one that upstream calls the latest; else the highest."""
    ranked = sorted((version.sort_key, text, version) for text in versions if (version := _version(text)) is not None)
    if not ranked:
        return next(iter(versions), None)
    stable = [(key, text) for key, text, version in ranked if version.prerelease is None]
    limit = _version(wanted)
    within = [text for key, text in stable if limit is not None and key <= limit.sort_key]
    return within[-1] if within else stable[-1][1] if stable else ranked[-1][1]


def _version(text: str | None) -> Version | None:
    try:
        return None if text is None else parse_version(text)
    except ValueError:
        return None
