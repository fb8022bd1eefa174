"""The npm engine's upstream: package documents of another registry, in full or abbreviated (packages.md 2.1, 2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from keygenreg.engines.npm.documents import ABBREVIATED, INSTALL_V1, OF_LATEST
from keygenreg.engines.npm.package_json import runs_scripts
from keygenreg.engines.npm.packument import Packument, Piece
from keygenreg.engines.npm.paths import tarball_name
from keygenreg.engines.npm.stated_tarball import Page, StatedTarball, stated_tarball
from keygenreg.formats.json_reader import JsonReader
from keygenreg.formats.media_types import JSON
from keygenreg.formats.timestamps import api_time, parse_time
from keygenreg.mirror.adapter import Listing, RemoteFile, Unusable

#: The variants. The abbreviated one is a fraction of the size, and says nothing of times.
FULL, SHORT = "full", "abbreviated"

_MOST_VERSIONS = 100_000
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,255}", re.ASCII)
_TAG = re.compile(r"[^\s/\ud800-\udfff]{1,256}")

# Of the package, what its vendor says; not what upstream keeps for itself (_rev, _attachments, users).
_ABOUT = (*OF_LATEST, "readme", "readmeFilename")
_READ = frozenset({"name", "dist-tags", "time", "modified", *_ABOUT})
# Of a version, all of its package.json, and these of what upstreams add below names with an underscore.
_KEPT = frozenset({"_hasShrinkwrap", "_npmUser", "_npmVersion", "_nodeVersion"})


class NpmUpstream:
    """A :class:`keygenreg.mirror.adapter.Adapter`. A listing's document is a :class:`Packument`."""

    engine = "npm"

    def normalize(self, name: str) -> str:
        """Names that differ in case are different packages of old, so they stay; claims do not tell them apart."""
        return name

    def url(self, upstream: str, name: str, variant: str) -> str:
        return f"{upstream}{quote(name, safe='@').replace('%2F', '%2f')}"

    def accept(self, variant: str) -> str:
        return JSON if variant == FULL else f"{INSTALL_V1}; q=1.0, {JSON}; q=0.8, */*"

    def lists_files(self, variant: str) -> bool:
        return True

    def grows(self, variant: str) -> bool:
        return False

    def read(self, body: bytes, *, headers: Mapping[str, str], url: str, name: str, variant: str) -> Listing:
        reading = _Reading(name, url, full=variant == FULL)
        try:
            reading.read(body)
        except ValueError:
            raise Unusable("it is no JSON, or too deeply nested") from None
        return reading.listing()


class _Reading:
    """One document, while it is read."""

    def __init__(self, name: str, url: str, *, full: bool) -> None:
        self._name = name
        self._page = Page(url)
        self._full = full
        self._stated: dict[str, Any] = {}
        self._pieces: dict[str, Piece] | None = None
        self._tarballs: dict[str, StatedTarball] = {}

    def read(self, body: bytes) -> None:
        """
        :raises ValueError: it is no JSON. Unusable: it is too large.
        """
        reader = JsonReader(body)
        if not reader.at_object():
            raise Unusable("it is no object")
        for member in reader.members():
            # Of equal members the last counts.
            if member == "versions":
                self._pieces = None
            if member == "versions" and reader.at_object():
                self._pieces = self._versions(reader)
                continue
            value = reader.value()
            if member in _READ:
                self._stated[member] = value
        reader.end()

    def _versions(self, reader: JsonReader) -> dict[str, Piece]:
        pieces: dict[str, Piece] = {}
        for count, version in enumerate(reader.members(), 1):
            if count > _MOST_VERSIONS:
                raise Unusable(f"it lists more than {_MOST_VERSIONS} versions")
            manifest = _object(reader.value())
            pieces.pop(version, None)
            if not _VERSION.fullmatch(version):
                continue
            tarball = stated_tarball(_object(manifest.get("dist")), self._page)
            piece = tarball and _piece(version, manifest, tarball, self._name, full=self._full)
            if piece is not None:
                pieces[version] = piece
                self._tarballs[version] = tarball
        return pieces

    def listing(self) -> Listing:
        """:raises Unusable: it is not the document of the package."""
        stated, pieces = self._stated, self._pieces
        if stated.get("name", self._name) != self._name:
            raise Unusable("it is the document of another package")
        times = _object(stated.get("time"))
        if pieces is None:
            if "unpublished" not in times:
                raise Unusable("it lists no versions")
            pieces = {}
        published = {version: moment for version in pieces if (moment := _time(times.get(version))) is not None}
        document = Packument(
            name=self._name,
            pieces=pieces,
            tags=_tags(stated.get("dist-tags"), pieces),
            published=published,
            times={version: api_time(moment) for version, moment in published.items()},
            created=_time_text(times.get("created")),
            modified=_time_text(times.get("modified", stated.get("modified"))),
            about=dict(_about(stated)) if self._full else {},
        )
        return Listing(document=document, files=dict(self._files(document)))

    def _files(self, document: Packument) -> Iterator[tuple[str, RemoteFile]]:
        for version in document.pieces:
            tarball, key = self._tarballs[version], tarball_name(self._name, version)
            uploaded = document.published.get(version)
            yield key, RemoteFile(key=key, url=tarball.url, hashes=tarball.hashes, uploaded=uploaded)


def _piece(version: str, manifest: dict[str, Any], tarball: StatedTarball, name: str, *, full: bool) -> Piece | None:
    """A version's pieces; None where it cannot be written down again, such as for its depth."""
    members = {key: value for key, value in manifest.items() if key[:1] != "_" or key in _KEPT}
    members |= {"name": name, "version": version, "_id": f"{name}@{version}"}
    del members["dist"]
    deprecated = members.pop("deprecated", None)
    if isinstance(deprecated, str) and deprecated:
        members["deprecated"] = deprecated
    short = {member: members[member] for member in ABBREVIATED if member in members}
    if "hasInstallScript" not in short and runs_scripts(manifest, has_binding_gyp=manifest.get("gypfile") is True):
        short["hasInstallScript"] = True
    dist = tarball.dist(manifest["dist"])
    try:
        return Piece(version, _open_ended(short, dist), _open_ended(members, dist) if full else b"")
    except TypeError:
        return None


def _open_ended(members: dict[str, Any], dist: dict[str, Any]) -> bytes:
    """JSON up to the tarball's URL. ``TypeError``: it is nested too deeply."""
    inner = orjson.dumps(dist)[:-1] + (b"," if dist else b"")
    return b'%b,"dist":%b"tarball":' % (orjson.dumps(members)[:-1], inner)


def _about(stated: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    for member in _ABOUT:
        try:
            if member in stated:
                yield member, orjson.dumps(stated[member])
        except TypeError:
            continue  # too deeply nested: it is for people to read only


def _tags(stated: Any, pieces: Mapping[str, Piece]) -> dict[str, str]:
    return {
        tag: version
        for tag, version in _object(stated).items()
        if isinstance(version, str) and version in pieces and _TAG.fullmatch(tag)
    }


def _time(stated: Any) -> datetime | None:
    try:
        return parse_time(stated) if isinstance(stated, str) else None
    except ValueError:
        return None


def _time_text(stated: Any) -> str | None:
    moment = _time(stated)
    return None if moment is None else api_time(moment)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
