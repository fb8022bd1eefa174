"""Rows of the database as versions of a package, and which of them the dist-tags name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from attrs import frozen

from keygenreg.domain.checksum import base64_of, infer
from keygenreg.engines.npm.queries import OF_VERSION

LATEST = "latest"

_STATED_INTEGRITY = ("sha512", "sha384", "sha256")
_WITHDRAWN = "This version was withdrawn by its publisher."
_DEPRECATED = "This version is deprecated."


@frozen
class Tagged:
    """What dist-tags are made of. ``stable``: not a prerelease; ``tag``: that of the release."""

    version: str
    stable: bool
    tag: str | None


@frozen
class PackageVersion:
    """
    One version as it is shown.

    :ivar manifest: all members of its document; ``name`` and ``version`` are those of package and release.
    :ivar created: of the tarball. :ivar updated: when that was last changed.
    """

    tagged: Tagged
    created: datetime
    updated: datetime
    manifest: Mapping[str, Any]

    @property
    def version(self) -> str:
        return self.tagged.version


def tagged(row: Mapping[str, Any]) -> Tagged:
    return Tagged(row["release_version"], row["channel"] == "stable", row["release_tag"] or None)


def package_version(of_version: str, name: str, tarball_url: Callable[[str], str]) -> PackageVersion | None:
    """
    The version in a row; None for an imported manifest that is no JSON object.

    :param of_version: of the query :data:`~keygenreg.engines.npm.queries.VERSIONS`.
    :param tarball_url: the absolute URL of a version's file.
    """
    row = dict(zip(OF_VERSION, orjson.loads(of_version), strict=True))
    version = row["release_version"]
    package = _object(row["content"])
    if package is None:
        return None
    manifest = package | {"name": name, "version": version, "_id": f"{name}@{version}"}
    manifest["dist"] = _dist(row, tarball_url(version))
    facts = row["facts"]
    if facts.get("has_install_script") is True:
        manifest["hasInstallScript"] = True
    if facts.get("has_shrinkwrap") is True:
        manifest["_hasShrinkwrap"] = True
    deprecated = deprecation(row) or package.get("deprecated")
    manifest.pop("deprecated", None)
    if isinstance(deprecated, str) and deprecated:
        manifest["deprecated"] = deprecated
    created, updated = (datetime.fromisoformat(row[name]) for name in ("created", "updated"))
    return PackageVersion(tagged(row), created, updated, manifest)


def _object(content: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _dist(row: Mapping[str, Any], url: str) -> dict[str, Any]:
    """What we computed of the bytes; for bytes that we do not hold, what the vendor stated (engines.md 1.12)."""
    dist: dict[str, Any] = {"tarball": url}
    stated = infer(row["checksum"])
    if row["sha512"] or row["sha256"]:
        algorithm = "sha512" if row["sha512"] else "sha256"
        dist["integrity"] = f"{algorithm}-{base64_of(row[algorithm])}"
    elif stated is not None and stated.encoding == "base64" and stated.algorithm in _STATED_INTEGRITY:
        dist["integrity"] = f"{stated.algorithm}-{stated.base64}"
    if row["sha1"]:
        dist["shasum"] = row["sha1"]
    elif stated is not None and stated.encoding == "hex" and stated.algorithm == "sha1":
        dist["shasum"] = stated.hex
    for member, fact in (("fileCount", "file_count"), ("unpackedSize", "unpacked_size")):
        if isinstance(row["facts"].get(fact), int):
            dist[member] = row["facts"][fact]
    return dist


def deprecation(row: Mapping[str, Any]) -> str | None:
    """
    Why a version should not be used: ``deprecated`` of the vendor's metadata, that of the artifact before that of the
    release, before that of the package; else that the release is withdrawn.
    """
    for metadata in (row["metadata"], row["release_metadata"], row["package_metadata"]):
        if "deprecated" in metadata:
            reason = metadata["deprecated"]
            return reason if isinstance(reason, str) else _DEPRECATED if reason else None
    return _WITHDRAWN if row["release_status"] == "YANKED" else None


def dist_tags(versions: Iterable[Tagged]) -> dict[str, str]:
    """
    Version by tag; ``latest`` comes first and is always there when any version is.

    :param versions: highest first. ``latest`` is the one so tagged, else the highest stable one, else the highest.
    """
    versions = list(versions)
    tags = {each.tag: each.version for each in reversed(versions) if each.tag}
    chosen = next((each for each in versions if each.stable), versions[0] if versions else None)
    latest = tags.pop(LATEST, chosen.version if chosen else None)
    return ({} if latest is None else {LATEST: latest}) | tags
