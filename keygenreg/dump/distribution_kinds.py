"""Types of resource in a dump that are distributed (dump.md, packages to descriptors)."""

from __future__ import annotations

from keygenreg.domain.channel import CHANNELS
from keygenreg.dump.declaring import ANY_METADATA, ENTITLEMENT, OWNED, choice, link, named, to
from keygenreg.dump.kind import Aside, Attribute, Kind, Unique
from keygenreg.formats.dump.values import INTEGER, KEY, TEXT, TIME, one_of

_RELEASE = to("releases", "release_id")

PACKAGES = Kind(
    "packages",
    "package",
    attributes=(
        Attribute("key", KEY, required=True),
        Attribute("name", TEXT, required=True),
        choice("engine", "pypi", "tauri", "raw", "rubygems", "npm", "oci"),
        ANY_METADATA,
    ),
    relationships=(*OWNED, to("products", "product_id")),
    # Decision 10: per engine, where dump.md says per account.
    unique=(Unique("key", ("r.account_id", "r.engine", "r.key")),),
    # Without its engine the placeholder claims no name.
    aside=Aside("key = t.id::text, engine = NULL", ("key", "engine", "account_id")),
)

RELEASES = Kind(
    "releases",
    "release",
    attributes=(
        Attribute("version", KEY, required=True),
        # Absent it follows from the version; completing.py fills it in.
        Attribute("channel", one_of(*CHANNELS), default="stable"),
        choice("status", "DRAFT", "PUBLISHED", "YANKED", default="DRAFT"),
        Attribute("tag", KEY),
        *named(TEXT, "name", "description", "apiVersion"),
        *named(TIME, "backdated", "yanked"),
        ANY_METADATA,
    ),
    relationships=(
        *OWNED,
        to("products", "product_id"),
        to("packages", "package_id", required=False, shares="product_id"),
    ),
    extras=("version_key",),
    unique=(
        Unique("version", ("r.product_id", "r.package_id", "r.version"), "r.api_version IS DISTINCT FROM '1.0'"),
        Unique("tag", ("r.product_id", "r.package_id", "r.tag"), "r.tag <> ''"),
    ),
    aside=Aside(
        "version = t.id::text, tag = NULL, package_id = NULL",
        ("product_id", "package_id", "version", "tag", "api_version"),
    ),
)

ARTIFACTS = Kind(
    "artifacts",
    "artifact",
    attributes=(
        Attribute("filename", KEY, required=True),
        Attribute("filetype", KEY),
        Attribute("filesize", INTEGER),
        *named(KEY, "platform", "arch"),
        *named(TEXT, "checksum", "signature"),
        choice("status", "WAITING", "PROCESSING", "UPLOADED", "FAILED", "YANKED", default="WAITING"),
        *named(TEXT, "contentType", "etag"),
        Attribute("contentLength", INTEGER),
        ANY_METADATA,
    ),
    relationships=(*OWNED, _RELEASE),
    extras=("blob_sha256",),
    unique=(Unique("filename", ("r.release_id", "r.filename"), "r.status <> 'YANKED'"),),
    kept={
        # A line without content says nothing about the bytes.
        "blob_sha256": "coalesce(excluded.blob_sha256, t.blob_sha256)",
        "failure_reason": "CASE WHEN excluded.status = 'FAILED' THEN t.failure_reason END",
    },
    aside=Aside("filename = t.id::text", ("release_id", "filename", "status")),
)

CONSTRAINTS = link("constraints", "constraint", _RELEASE, ENTITLEMENT)

_FOUND = (*OWNED, to("artifacts", "artifact_id", shares="release_id"), _RELEASE)
_DESCRIPTION = (
    Attribute("contentPath", TEXT),
    Attribute("contentType", TEXT),
    Attribute("contentDigest", KEY),
    Attribute("contentLength", INTEGER),
)

MANIFESTS = Kind(
    "manifests",
    "manifest",
    attributes=(*_DESCRIPTION, Attribute("content", TEXT, required=True), ANY_METADATA),
    relationships=_FOUND,
    # What the content says itself: completing.py and layout_tags.py fill it in.
    extras=("facts",),
    leaf=True,
)

DESCRIPTORS = Kind(
    "descriptors",
    "descriptor",
    attributes=(*_DESCRIPTION, ANY_METADATA),
    relationships=_FOUND,
    extras=("blob_sha256",),
    leaf=True,
)
