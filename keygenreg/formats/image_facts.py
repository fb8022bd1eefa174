"""What manifests and indexes of images say about themselves, taken from text that may be anything.

The OCI engine's reader of uploads is strict; this is for documents that are there already, which nobody can be asked
to build again. Sources: OCI Image 1.1 (manifest.md, image-index.md, image-layout.md).
"""

from __future__ import annotations

import re
from typing import Any

import orjson

REF_NAME = "org.opencontainers.image.ref.name"

_INDEXES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
_DOCUMENTS = _INDEXES | {
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
}
_TAG = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]{0,127}", re.ASCII)
_BOM = "\ufeff"


def is_tag(text: str) -> bool:
    """Whether a text is a tag (OCI Distribution 1.1, Pulling manifests)."""
    return _TAG.fullmatch(text) is not None


def tag_of_name(name: str) -> str | None:
    """
    The tag that a ``ref.name`` annotation gives an image: the annotation itself, or the tag of the full reference that
    it holds. ``None`` when there is none in it; another repository's name in it means nothing here.
    """
    if is_tag(name):
        return name
    rest = name.partition("@")[0].rpartition("/")[2]
    tag = rest.partition(":")[2]
    return tag if is_tag(tag) else None


def object_of(content: str) -> dict[str, Any]:
    """The JSON object that a text is, an empty one for any other text."""
    try:
        value = orjson.loads(content.removeprefix(_BOM))
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return {}
    return value if isinstance(value, dict) else {}


def facts_of_document(content: str, media_type: str | None) -> dict[str, Any]:
    """
    Of one index or manifest: ``subject`` (a digest), ``artifact_type``, ``aside`` (it is no image of its own), as far
    as it says so; nothing for documents of other types.
    """
    value = object_of(content) if media_type in _DOCUMENTS else {}
    subject = _text(value.get("subject"), "digest")
    facts = {
        "subject": subject,
        "artifact_type": _text(value, "artifactType") or _text(value.get("config"), "mediaType"),
        "aside": True if subject else None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def tags_of_layout(index: str) -> dict[str, list[str]]:
    """The digests that a layout's ``index.json`` lists, each with the tags that it gives."""
    listed = object_of(index).get("manifests")
    tags: dict[str, list[str]] = {}
    for descriptor in listed if isinstance(listed, list) else []:
        digest = _text(descriptor, "digest")
        if digest is None:
            continue
        found = tags.setdefault(digest, [])
        name = _text(descriptor.get("annotations"), REF_NAME)
        tag = tag_of_name(name) if name else None
        if tag is not None and tag not in found:
            found.append(tag)
    return tags


def type_of_document(content: str) -> str:
    """The media type of a document for which none is on record: what it says, or what its members make likely."""
    value = object_of(content)
    likely = "index" if "manifests" in value else "manifest"
    return _text(value, "mediaType") or f"application/vnd.oci.image.{likely}.v1+json"


def _text(value: Any, member: str) -> str | None:
    """A member that is a text which the database can hold."""
    found = value.get(member) if isinstance(value, dict) else None
    return found if isinstance(found, str) and found and found.isprintable() else None
