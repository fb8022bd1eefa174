"""The documents of the registry, as values and as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from attrs import frozen

from keygenreg.engines.npm.versions import LATEST, PackageVersion, Tagged, dist_tags
from keygenreg.formats.media_types import JSON, JSON_UTF8
from keygenreg.formats.timestamps import api_time

#: Media type of abbreviated documents. Without charset: pnpm takes only the type itself for an abbreviated document.
INSTALL_V1 = "application/vnd.npm.install-v1+json"
#: What metadata can be had as, in our order of preference.
OFFERED = (JSON, INSTALL_V1)

#: Members of a version in the abbreviated document; ``libc`` is not on npm's list, but installers look for it.
ABBREVIATED = (
    "name", "version", "deprecated", "dependencies", "acceptDependencies", "optionalDependencies", "devDependencies",
    "bundleDependencies", "bundledDependencies", "peerDependencies", "peerDependenciesMeta", "bin", "directories",
    "dist", "engines", "_hasShrinkwrap", "hasInstallScript", "funding", "cpu", "os", "libc",
)  # fmt: skip
#: What the whole package says of itself is what its latest version says.
OF_LATEST = (
    "description", "maintainers", "author", "contributors", "license", "repository", "homepage", "bugs", "keywords",
)  # fmt: skip

#: Bytes of digests in entity tags.
_DIGEST = 16


@frozen
class Document:
    """A rendered document: ``etag`` is strong, with its quotes."""

    body: bytes
    content_type: str
    etag: str


@frozen
class Entry:
    """
    One version as it stands in a document of its package.

    :ivar published: an API time. :ivar updated: when its tarball was last changed.
    :ivar text: all that the document says of the version, as JSON. :ivar digest: tells different texts apart.
    """

    tagged: Tagged
    published: str
    updated: datetime
    text: bytes
    digest: bytes

    @property
    def version(self) -> str:
        return self.tagged.version


@frozen
class Package:
    """``entries``: highest version first, at least one, all in the same form."""

    name: str
    created: datetime
    entries: Sequence[Entry]

    @property
    def modified(self) -> datetime:
        return max(each.updated for each in self.entries)

    @property
    def tags(self) -> dict[str, str]:
        return dist_tags(each.tagged for each in self.entries)


def entry(version: PackageVersion, media_type: str) -> Entry:
    """A version for documents of that type."""
    text = orjson.dumps(_short(version) if media_type == INSTALL_V1 else version.manifest)
    digest = hashlib.blake2b(text, digest_size=_DIGEST).digest()
    return Entry(version.tagged, api_time(version.created), version.updated, text, digest)


def package_document(package: Package, media_type: str) -> Document:
    """
    All versions of a package, in full or (:data:`INSTALL_V1`) with what installers need.

    The tag is made of the digests of the entries and of what the document is without them: reading through all of a
    long document would take as long as making it.
    """
    content = _abbreviated(package) if media_type == INSTALL_V1 else _full(package)
    bare = orjson.dumps(content | {"versions": {}})
    content["versions"] = {each.version: orjson.Fragment(each.text) for each in package.entries}
    content_type = _content_type(media_type)
    digest = _digest(content_type, bare)
    digest.update(b"".join([each.digest for each in package.entries]))
    return Document(orjson.dumps(content), content_type, f'"{digest.hexdigest()}"')


def version_document(version: PackageVersion, media_type: str) -> Document:
    """One version."""
    return document(entry(version, media_type).text, media_type)


def _full(package: Package) -> dict[str, Any]:
    tags = package.tags
    latest = orjson.loads(next(each.text for each in package.entries if each.version == tags[LATEST]))
    return {
        "_id": package.name,
        "name": package.name,
        "dist-tags": tags,
        "versions": {},
        "time": _times(package),
    } | {member: latest[member] for member in OF_LATEST if member in latest}


def _abbreviated(package: Package) -> dict[str, Any]:
    """With ``time``, which npm's own lacks: without it, installers with a minimum age of releases ask twice."""
    return {
        "name": package.name,
        "modified": api_time(package.modified),
        "dist-tags": package.tags,
        "versions": {},
        "time": _times(package),
    }


def _short(version: PackageVersion) -> dict[str, Any]:
    return {member: version.manifest[member] for member in ABBREVIATED if member in version.manifest}


def _times(package: Package) -> dict[str, str]:
    """Only of versions in the document: others are nobody's business."""
    times = {"created": api_time(package.created), "modified": api_time(package.modified)}
    return times | {each.version: each.published for each in package.entries}


def search_results(found: Iterable[Mapping[str, Any]], total: int, now: datetime) -> Document:
    """
    :param found: package documents' members, as :func:`search_entry` makes them.
    :param total: how many there are altogether.
    """
    objects = [{"package": package, "score": _SCORE, "searchScore": 1} for package in found]
    return rendered({"objects": objects, "total": total, "time": api_time(now)}, JSON)


_SCORE = {"final": 1, "detail": {"quality": 1, "popularity": 1, "maintenance": 1}}


def search_entry(name: str, version: str, published: datetime, package: Mapping[str, Any]) -> dict[str, Any]:
    """
    A package as search shows it; members of other types than npm expects are left out.

    :param package: package.json of ``version``.
    """
    keywords = package.get("keywords")
    maintainers = package.get("maintainers")
    entry = {
        "name": name,
        "scope": name[1:].partition("/")[0] if name.startswith("@") else "unscoped",
        "version": version,
        "description": _text(package.get("description")),
        "keywords": [each for each in keywords if isinstance(each, str)] if isinstance(keywords, list) else [],
        "date": api_time(published),
        "links": {"homepage": package["homepage"]} if isinstance(package.get("homepage"), str) else {},
        "publisher": _person(package.get("author")),
        "maintainers": [_person(each) for each in maintainers] if isinstance(maintainers, list) else [],
    }
    if isinstance(package.get("license"), str):
        entry["license"] = package["license"]
    return entry


def _person(stated: object) -> dict[str, str]:
    """A person of package.json, ``{"name": ...}`` or ``name <e-mail> (site)``."""
    if isinstance(stated, dict):
        return {"username": _text(stated.get("name")), "email": _text(stated.get("email"))}
    name, _, rest = _text(stated).partition("<")
    return {"username": name.partition("(")[0].strip(), "email": rest.partition(">")[0]}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def rendered(content: object, media_type: str = JSON) -> Document:
    """Any content, with the entity tag of exactly these bytes as this type."""
    return document(orjson.dumps(content), media_type)


def document(body: bytes, media_type: str = JSON) -> Document:
    """JSON that is text already."""
    content_type = _content_type(media_type)
    return Document(body, content_type, f'"{_digest(content_type, body).hexdigest()}"')


def _content_type(media_type: str) -> str:
    return JSON_UTF8 if media_type == JSON else media_type


def _digest(content_type: str, body: bytes) -> Any:
    """Of a type and a body, for more to come; of a known length, so that this cannot be taken for a part of them."""
    made = hashlib.blake2b(f"{content_type} {len(body)} ".encode("ascii"), digest_size=_DIGEST)
    made.update(body)
    return made
