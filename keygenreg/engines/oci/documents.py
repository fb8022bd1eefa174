"""Indexes and manifests as values: read strictly, since clients that read them differently can be played off.

Sources: OCI Image 1.1 (descriptor.md, image-index.md, manifest.md), Docker's Image Manifest V2 Schema 2.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from attrs import field, frozen

from keygenreg.domain.reading import IngestError
from keygenreg.engines.oci import media_types
from keygenreg.engines.oci.names import is_digest, is_known_digest
from keygenreg.formats.archives.member_names import shown
from keygenreg.formats.image_facts import REF_NAME

#: BuildKit marks what is no image but says something about one.
_REFERENCE_TYPE = "vnd.docker.reference.type"
_UNKNOWN = "unknown/unknown"
_BOM = b"\xef\xbb\xbf"


@frozen
class Descriptor:
    """
    A reference to content. ``platform`` is ``os/architecture[/variant]``; ``embedded`` the content itself where the
    document carries it along; ``absent_allowed``: a layer that is to be fetched elsewhere.
    """

    media_type: str
    digest: str
    size: int
    tag_name: str | None = None
    platform: str | None = None
    embedded: bytes | None = field(default=None, repr=False)
    absent_allowed: bool = False
    remark: bool = False


@frozen
class Document:
    """
    One index or manifest.

    ``children`` are what an index lists, ``parts`` the layers and configuration of a manifest in the order in which
    they are stored; ``artifact_type`` what a list of referrers calls it.
    """

    media_type: str
    children: tuple[Descriptor, ...] = ()
    parts: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None


def parse_object(content: bytes, what: str) -> dict[str, Any]:
    """:raises IngestError: ``content`` is no JSON object; ``what`` is the subject of the sentence."""
    try:
        value = orjson.loads(content.removeprefix(_BOM))
    except orjson.JSONDecodeError:
        raise IngestError(f"{what} is not JSON; build the image again.") from None
    if not isinstance(value, dict):
        raise IngestError(f"{what} is not a JSON object; build the image again.")
    return value


def parse(content: bytes, media_type: str, what: str) -> Document:
    """
    Read an index or manifest.

    :param media_type: what the descriptor says it is.
    :param what: the subject of sentences, such as ``The manifest sha256:...``.
    :raises IngestError: it is not what its descriptor says, could be taken for two things, or holds a bad descriptor.
    """
    value = parse_object(content, what)
    stated = value.get("mediaType")
    if stated is not None and stated != media_type:
        raise IngestError(f"{what} calls itself {shown(str(stated))} and is listed as {media_type}; build it again.")
    if "manifests" in value and ({"layers", "config", "fsLayers", "blobs"} & value.keys()):
        raise IngestError(f"{what} is an index and a manifest at the same time; clients would not all read the same.")
    if media_type == media_types.OCI_ARTIFACT:
        parts = _descriptors(value.get("blobs") or [], what)
        return Document(media_type, (), parts, _subject(value, what), _type(value, "artifactType", what))
    if value.get("schemaVersion") != 2 or isinstance(value.get("schemaVersion"), float):
        raise IngestError(f"{what} has another schemaVersion than 2, which clients refuse; build it again.")
    if media_type in media_types.INDEXES:
        if {"layers", "fsLayers"} & value.keys() or not isinstance(value.get("manifests"), list):
            raise IngestError(f"{what} is listed as an index and has no list of manifests; build it again.")
        children = _descriptors(value["manifests"], what)
        return Document(media_type, children, (), _subject(value, what), _type(value, "artifactType", what))
    if "manifests" in value or not isinstance(value.get("layers"), list) or not isinstance(value.get("config"), dict):
        raise IngestError(f"{what} is listed as a manifest and has no layers or no config; build it again.")
    config = descriptor(value["config"], what)
    parts = (*_descriptors(value["layers"], what), config)
    artifact_type = _type(value, "artifactType", what) or config.media_type
    return Document(media_type, (), parts, _subject(value, what), artifact_type)


def _subject(value: dict[str, Any], what: str) -> Descriptor | None:
    subject = value.get("subject")
    return None if subject is None else descriptor(subject, what)


def _type(value: dict[str, Any], name: str, what: str) -> str | None:
    stated = value.get(name)
    if stated in (None, ""):
        return None
    if not media_types.is_media_type(stated):
        raise IngestError(f"{what} has a {name} that is no media type: {shown(str(stated))}.")
    return stated


def _descriptors(values: Any, what: str) -> tuple[Descriptor, ...]:
    if not isinstance(values, list):
        raise IngestError(f"{what} has something else where a list of descriptors belongs; build it again.")
    return tuple(descriptor(value, what) for value in values)


def descriptor(value: Any, what: str) -> Descriptor:
    """
    Read one descriptor.

    :raises IngestError: media type, digest or size are missing or malformed, or its data are not Base64.
    """
    if not isinstance(value, dict):
        raise IngestError(f"{what} has something else where a descriptor belongs; build it again.")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not media_types.is_media_type(media_type):
        raise IngestError(f"{what} refers to something without a proper media type; build it again.")
    if not isinstance(digest, str) or not is_digest(digest):
        raise IngestError(f"{what} refers to {shown(str(digest))}, which is no digest; build it again.")
    if not is_known_digest(digest):
        raise IngestError(f"{what} refers to {shown(digest)}; only sha256 and sha512 digests are supported.")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
        raise IngestError(f"{what} gives {digest} a size that is none: {shown(str(size))}.")
    annotations = value.get("annotations")
    annotations = annotations if isinstance(annotations, dict) else {}
    name = annotations.get(REF_NAME)
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        tag_name=name if isinstance(name, str) else None,
        platform=(platform := _platform(value.get("platform"))),
        embedded=_embedded(value.get("data"), digest, what),
        absent_allowed=media_type.startswith(media_types.NOT_DISTRIBUTABLE) and bool(value.get("urls")),
        remark=_REFERENCE_TYPE in annotations or platform == _UNKNOWN,
    )


def _platform(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    parts = [value.get("os"), value.get("architecture"), value.get("variant")]
    named = [part for part in parts if isinstance(part, str) and part and len(part) <= 64]
    text = "/".join(named)
    return text if text and text.isprintable() and text.isascii() else None


def _embedded(value: Any, digest: str, what: str) -> bytes | None:
    if value is None:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise IngestError(f"{what} carries data of {digest} that are not Base64; build it again.") from None
