"""Packages of another registry as our documents show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf

import orjson
from attrs import frozen

from keygenreg.domain.failures import Denied, NotFound
from keygenreg.engines.npm.documents import INSTALL_V1, Document, document
from keygenreg.engines.npm.packument import Packument, Piece, tags_of
from keygenreg.mirror.adapter import Listing
from keygenreg.mirror.documents.freshness import ripe_at
from keygenreg.mirror.documents.renderings import Rendering, packed
from keygenreg.mirror.policy import Policy

#: The absolute URL of a version's file.
TarballUrl = Callable[[str], str]


# What one version takes in memory beside its pieces, in bytes.
_OF_VERSION = 256


@frozen
class Shown:
    """
    What may be shown of a package now; at least one version, in upstream's order.

    :ivar until: there may be more after this time (Unix seconds).
    """

    packument: Packument
    pieces: Mapping[str, Piece]
    tags: Mapping[str, str]
    until: float

    def rendering(self) -> Rendering:
        return Rendering(self, _OF_VERSION * len(self.pieces), self.until)


def shown(listing: Listing, policy: Policy) -> Shown:
    """
    A package without versions that are too young, and with tags of the others only.

    :param listing: as :class:`keygenreg.engines.npm.upstream.NpmUpstream` reads it.
    :raises NotFound: there are no versions. Denied: all are too young.
    """
    packument: Packument = listing.document
    name = packument.name
    pieces, until = packument.pieces, inf
    if not pieces:
        raise NotFound(f"The package {name} has no versions that can be installed.")
    if policy.cooldown:
        published = packument.published
        pieces = {text: piece for text, piece in pieces.items() if policy.old_enough(name, published.get(text))}
        hidden = (published.get(text) for text in packument.pieces if text not in pieces)
        until = ripe_at(hidden, policy)
    if not pieces:
        raise Denied(f"All of {name} is too young: this registry waits before it passes new files through.", "COOLDOWN")
    return Shown(packument, pieces, tags_of(pieces, packument.tags), until)


def package_rendering(listing: Listing, policy: Policy, media_type: str, tarball_url: TarballUrl) -> Rendering:
    """
    All versions that may be shown, as :func:`~keygenreg.mirror.documents.renderings.packed` makes it.

    :raises Failure: as :func:`shown` does.
    """
    found = shown(listing, policy)
    made = package_document(found, media_type, tarball_url)
    return packed(made, made.body, found.until)


def package_document(found: Shown, media_type: str, tarball_url: TarballUrl) -> Document:
    """All versions that are shown, in full or abbreviated."""
    packument = found.packument
    times = _times(found)
    members: dict[str, bytes] = {"name": orjson.dumps(packument.name), "dist-tags": orjson.dumps(found.tags)}
    if media_type != INSTALL_V1:
        members["_id"] = members["name"]
        members |= packument.about
    elif packument.modified is not None:
        members["modified"] = orjson.dumps(packument.modified)
    if times:
        members["time"] = orjson.dumps(times)
    # One list, joined once: some documents have tens of megabytes.
    text = [b"{", *(b"%b:%b," % (orjson.dumps(name), value) for name, value in members.items()), b'"versions":']
    mark = b"{"
    for version, piece in found.pieces.items():
        text += (mark, orjson.dumps(version), b":", *_closed(piece, media_type, tarball_url))
        mark = b","
    text.append(b"}}")
    return document(b"".join(text), media_type)


def version_document(found: Shown, selector: str, media_type: str, tarball_url: TarballUrl) -> Document:
    """
    One version, by itself or by a tag.

    :raises NotFound: it is not shown.
    """
    piece = found.pieces.get(found.tags.get(selector, selector))
    if piece is None:
        raise NotFound(f"There is no version {selector} of {found.packument.name} here.")
    return document(b"".join(_closed(piece, media_type, tarball_url)), media_type)


def _closed(piece: Piece, media_type: str, tarball_url: TarballUrl) -> tuple[bytes, bytes, bytes]:
    start = piece.short if media_type == INSTALL_V1 else piece.full
    return start, orjson.dumps(tarball_url(piece.version)), b"}}"


def _times(found: Shown) -> dict[str, str]:
    """Only where upstream tells any, and only of versions that are shown."""
    times = found.packument.times
    published = {version: times[version] for version in found.pieces if version in times}
    if not published:
        return {}
    around = {"created": found.packument.created, "modified": found.packument.modified}
    return {member: text for member, text in around.items() if text is not None} | published
