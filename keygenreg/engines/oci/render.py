"""Values as the bytes of the distribution protocol: lists of tags, and lists of referrers as image indexes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from keygenreg.engines.oci.media_types import OCI_INDEX
from keygenreg.formats.image_facts import object_of


def tags(name: str, found: list[str]) -> bytes:
    """Never ``null``: some clients cannot read that."""
    return orjson.dumps({"name": name, "tags": found})


def catalog(found: list[str]) -> bytes:
    """Names of repositories (Docker Registry HTTP API V2; OCI Distribution leaves it open)."""
    return orjson.dumps({"repositories": found})


def referrers(rows: Iterable[dict[str, Any]]) -> bytes:
    """An image index of the rows of :data:`keygenreg.engines.oci.queries.REFERRERS`."""
    found = [_referrer(row) for row in rows]
    return orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found})


def digest(content: bytes) -> str:
    """The digest of a document that is made when it is asked for."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _referrer(row: dict[str, Any]) -> dict[str, Any]:
    """Its descriptor with its type and all its annotations (OCI Distribution 1.1, Listing Referrers)."""
    found = {
        "mediaType": row["content_type"],
        "digest": row["content_digest"],
        "size": row["content_length"],
    }
    if row["artifact_type"]:
        found["artifactType"] = row["artifact_type"]
    annotations = object_of(row["content"]).get("annotations")
    if isinstance(annotations, dict) and annotations:
        found["annotations"] = annotations
    return found
