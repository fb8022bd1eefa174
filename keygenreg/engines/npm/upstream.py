"""The npm engine's upstream: package documents of another registry, in full or abbreviated (packages.md 2.1, 2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from keygenreg.engines.npm.documents import ABBREVIATED, INSTALL_V1, OF_LATEST
from keygenreg.engines.npm.integrity import read_integrity, write_integrity
from keygenreg.engines.npm.package_json import runs_scripts
from keygenreg.engines.npm.packument import Packument, Piece
from keygenreg.engines.npm.paths import tarball_name
from keygenreg.formats.media_types import JSON
from keygenreg.formats.timestamps import api_time, parse_time
from keygenreg.mirror.adapter import Listing, RemoteFile, Unusable
from keygenreg.upstream.addresses import join
from keygenreg.upstream.failures import Refused

#: The variants. The abbreviated one is a fraction of the size, and says nothing of times.
FULL, SHORT = "full", "abbreviated"

_MOST_VERSIONS = 100_000
_LONGEST_URL = 4096
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,255}", re.ASCII)
_TAG = re.compile(r"[^\s/]{1,256}")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}", re.ASCII)

# Of the package, what its vendor says; not what upstream keeps for itself (_rev, _attachments, users).
_ABOUT = (*OF_LATEST, "readme", "readmeFilename")
# Of a version, all of its package.json, and these of what upstreams add below names with an underscore.
_KEPT = frozenset({"_hasShrinkwrap", "_npmUser", "_npmVersion", "_nodeVersion"})
# Signatures are over name, version and integrity, which stay; where attestations are is upstream's to say.
_OF_DIST = ("fileCount", "unpackedSize", "signatures", "attestations")


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

    def read(self, body: bytes, *, headers: Mapping[str, str], url: str, name: str, variant: str) -> Listing:
        stated = _package(body, name)
        times = _object(stated.get("time"))
        pieces: dict[str, Piece] = {}
        files: dict[str, RemoteFile] = {}
        for version, manifest in _versions(stated).items():
            file = _file(version, manifest, times, url, name)
            piece = None if file is None else _piece(version, manifest, file, name, full=variant == FULL)
            if piece is not None:
                pieces[version] = piece
                files[file.key] = file
        document = Packument(
            name=name,
            pieces=pieces,
            tags=_tags(stated.get("dist-tags"), pieces),
            created=_time_text(times.get("created")),
            modified=_time_text(times.get("modified", stated.get("modified"))),
            about=dict(_about(stated)) if variant == FULL else {},
        )
        return Listing(document=document, files=files)


def _package(body: bytes, name: str) -> dict[str, Any]:
    try:
        stated = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unusable("it is no JSON, or too deeply nested") from None
    if not isinstance(stated, dict):
        raise Unusable("it is no object")
    if stated.get("name", name) != name:
        raise Unusable("it is the document of another package")
    return stated


def _versions(stated: dict[str, Any]) -> dict[str, Any]:
    versions = stated.get("versions")
    if versions is None and "unpublished" in _object(stated.get("time")):
        return {}
    if not isinstance(versions, dict):
        raise Unusable("it lists no versions")
    if len(versions) > _MOST_VERSIONS:
        raise Unusable(f"it lists more than {_MOST_VERSIONS} versions")
    return versions


def _file(version: str, manifest: Any, times: dict[str, Any], page_url: str, name: str) -> RemoteFile | None:
    """A version's tarball; None for a version that cannot be installed, or states hashes that nobody can check."""
    dist = _object(_object(manifest).get("dist"))
    url = _absolute(page_url, dist.get("tarball"))
    if url is None or not _VERSION.fullmatch(version):
        return None
    hashes = _hashes(dist)
    if not hashes and (dist.get("integrity") or dist.get("shasum")):
        return None
    return RemoteFile(key=tarball_name(name, version), url=url, hashes=hashes, uploaded=_time(times.get(version)))


def _absolute(page_url: str, tarball: Any) -> str | None:
    if not isinstance(tarball, str) or not 0 < len(tarball) <= _LONGEST_URL:
        return None
    try:
        url = join(page_url, tarball.partition("#")[0])
        page, found = urlsplit(page_url), urlsplit(url)
        if (found.scheme, found.netloc, page.scheme) == ("http", page.netloc, "https"):
            # Registries behind proxies forget that they are encrypted; npm corrects them as well.
            return found._replace(scheme="https").geturl()
    except (Refused, ValueError):
        return None
    return url


def _hashes(dist: dict[str, Any]) -> dict[str, str]:
    """All that can be checked; nothing where they contradict each other."""
    hashes, shasum = read_integrity(dist.get("integrity")), _shasum(dist)
    if shasum is not None and hashes.setdefault("sha1", shasum) != shasum:
        return {}
    return hashes


def _shasum(dist: dict[str, Any]) -> str | None:
    stated = dist.get("shasum")
    return stated.lower() if isinstance(stated, str) and _SHA1.fullmatch(stated) else None


def _piece(version: str, manifest: dict[str, Any], file: RemoteFile, name: str, *, full: bool) -> Piece | None:
    """A version's pieces; None where it cannot be written down again, such as for its depth."""
    members = {key: value for key, value in manifest.items() if key[:1] != "_" or key in _KEPT}
    members |= {"name": name, "version": version, "_id": f"{name}@{version}"}
    dist = _dist(members.pop("dist"))
    deprecated = members.pop("deprecated", None)
    if isinstance(deprecated, str) and deprecated:
        members["deprecated"] = deprecated
    short = {member: members[member] for member in ABBREVIATED if member in members}
    if "hasInstallScript" not in short and runs_scripts(manifest, has_binding_gyp=manifest.get("gypfile") is True):
        short["hasInstallScript"] = True
    try:
        return Piece(
            version=version,
            key=file.key,
            published=file.uploaded,
            short=_open_ended(short, dist),
            full=_open_ended(members, dist) if full else b"",
        )
    except TypeError:
        return None


def _dist(stated: dict[str, Any]) -> dict[str, Any]:
    """Hashes as they will be checked, and what else of upstream's counts for the same bytes here."""
    dist = {member: stated[member] for member in _OF_DIST if member in stated}
    if (shasum := _shasum(stated)) is not None:
        dist["shasum"] = shasum
    if integrity := read_integrity(stated.get("integrity")):
        dist["integrity"] = write_integrity(integrity)
    return dist


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
