"""What a path, a reference, a digest or a scope of the distribution protocol names.

Grammars: OCI Distribution 1.1 (Workflow Categories, Pull) and OCI Image 1.1 (Descriptors, Digests).
"""

from __future__ import annotations

import hashlib
import json
import re

from attrs import frozen

_DIGESTS = {
    "sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "sha512": re.compile(r"[0-9a-f]{128}", re.ASCII),
}
_ALGORITHM = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*", re.ASCII)
_ENCODED = re.compile(r"[0-9A-Za-z=_-]{1,512}", re.ASCII)
# Cut as the referrers tag schema says: 32 characters of algorithm, 64 of digest.
_REFERRERS_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64})", re.ASCII)
_SCOPE = re.compile(r"repository(?:\([^)]*\))?:([^\s]{1,512}):([^:\s]{0,128})", re.ASCII)
#: Scopes of one token request that are looked at.
MOST_SCOPES = 64
# Characters of JSON for the repositories of one token; its text is a third longer, and proxies bound headers.
_ROOM, _ROOM_OF_EACH = 4800, 60

#: The JSON object without members that artifacts have as their configuration (OCI Image 1.1, manifest.md).
EMPTY_BYTES = b"{}"
EMPTY_DIGEST = f"sha256:{hashlib.sha256(EMPTY_BYTES).hexdigest()}"


@frozen
class Asked:
    """
    What a path asks for.

    ``kind`` is ``manifests``, ``blobs``, ``tags`` or ``referrers``; ``repository`` its name as in the path, slashes
    included; ``reference`` a tag or digest, empty for tags.
    """

    kind: str
    repository: str
    reference: str = ""


def asked(path: str) -> Asked | None:
    """
    Read a path below the registry's root, without slashes at its ends; ``None`` when it is of no such form.

    It is read from the right, so that repositories may be called ``manifests`` or ``tags`` too.
    """
    *name, kind, last = path.rsplit("/", 2) if path.count("/") > 1 else ("", "", "")
    repository = name[0] if name else ""
    if not repository:
        return None
    if kind == "tags" and last == "list":
        return Asked("tags", repository)
    return Asked(kind, repository, last) if kind in ("manifests", "blobs", "referrers") and last else None


def is_digest(text: str) -> bool:
    """Whether a text has the form of a digest, of whatever algorithm; those that we know must have their length."""
    algorithm, colon, encoded = text.partition(":")
    if not colon or not _ALGORITHM.fullmatch(algorithm) or len(algorithm) > 64:
        return False
    known = _DIGESTS.get(algorithm)
    return (known or _ENCODED).fullmatch(encoded) is not None


def is_known_digest(text: str) -> bool:
    """Whether a text is a digest of an algorithm that we compute: sha256 or sha512."""
    algorithm, _, encoded = text.partition(":")
    known = _DIGESTS.get(algorithm)
    return known is not None and known.fullmatch(encoded) is not None


def digest_prefix(tag: str) -> str | None:
    """The beginning of the digest whose referrers a tag of the referrers tag schema lists, ``None`` for other tags."""
    match = _REFERRERS_TAG.fullmatch(tag)
    return f"{match[1]}:{match[2]}" if match else None


def tag_of_version(version: str) -> str:
    """A version as a tag: the plus sign, which tags cannot have, becomes an underscore, as Helm does."""
    return version.replace("+", "_")


def versions_of_tag(tag: str) -> list[str]:
    """The versions that a tag may mean."""
    return [tag, tag.replace("_", "+", 1)] if "_" in tag else [tag]


def repositories_of(scopes: list[str]) -> list[str]:
    """
    The repositories that the ``scope`` parameters of a token request name, each once, with pulling among their actions.

    Parameters may hold several scopes with spaces between; what is no repository's scope is left out, and so are those
    for which a token has no room: whoever needs one is told to ask for it alone.
    """
    found: dict[str, None] = {}
    room = _ROOM
    for scope in " ".join(scopes).split()[:MOST_SCOPES]:
        match = _SCOPE.fullmatch(scope)
        name = match[1].strip("/") if match and {"pull", "*"} & set(match[2].split(",")) else ""
        cost = _ROOM_OF_EACH + len(json.dumps(name))
        if name and name not in found and cost <= room:
            found[name] = None
            room -= cost
    return list(found)
