"""Signatures of answers: Digest, Keygen-Signature and Keygen-Accept-Signature (api.md 2.4).

An answer is signed with the account's Ed25519 key over four lines: request target, host, date and digest.
"""

from __future__ import annotations

import base64
import hashlib
import re

from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keygenreg.domain.failures import BadRequest
from keygenreg.domain.identifiers import parse_uuid

ALGORITHM = "ed25519"
SIGNED_HEADERS = "(request-target) host date digest"

_PAIR = re.compile(r'[ \t]*([A-Za-z-]+)[ \t]*=[ \t]*"([^"\\]*)"[ \t]*', re.ASCII)
_LONGEST = 1024


def digest_header(body: bytes) -> str:
    """The Digest header of a body as it is before compression: ``sha-256=<Base64>`` (RFC 3230)."""
    return "sha-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")


def signing_string(*, method: str, target: str, host: str, date: str, digest: str) -> bytes:
    """
    What is signed.

    :param target: path and query as received.
    :param host: the Host header as received, port included.
    :param date: the answer's Date header; ``digest``: its Digest header.
    """
    lines = (f"(request-target): {method.lower()} {target}", f"host: {host}", f"date: {date}", f"digest: {digest}")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def load_private_key(seed_hex: str) -> Ed25519PrivateKey:
    """An account's signing key from its 32-byte seed in hex. ``ValueError`` for anything else."""
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed_hex))


def public_key_hex(key: Ed25519PrivateKey) -> str:
    """The raw public key that verifies what ``key`` signs: 32 bytes in hex."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def signature_header(key: Ed25519PrivateKey, key_id: str, signed: bytes) -> str:
    """The Keygen-Signature header over a :func:`signing_string`; ``key_id`` is the account's id."""
    signature = base64.b64encode(key.sign(signed)).decode("ascii")
    return f'keyid="{key_id}", algorithm="{ALGORITHM}", signature="{signature}", headers="{SIGNED_HEADERS}"'


@frozen
class AcceptSignature:
    """What a client demands of the signature; None where it does not care."""

    algorithm: str | None = None
    key_id: str | None = None


def parse_accept_signature(header: str) -> AcceptSignature:
    """
    Read a Keygen-Accept-Signature header: ``keyid="..", algorithm=".."``, each at most once, in any order; other
    members are ignored.

    :raises BadRequest: it is not of that form.
    """
    members: dict[str, str] = {}
    for part in header.split(","):
        match = _PAIR.fullmatch(part) if len(header) <= _LONGEST else None
        if match is None or match[1].lower() in members:
            raise BadRequest('Keygen-Accept-Signature must look like algorithm="ed25519".')
        members[match[1].lower()] = match[2]
    return AcceptSignature(members.get("algorithm"), members.get("keyid"))


def require_signable(header: str | None, account_id: str) -> None:
    """
    Check that we can give the signature that a request demands; a request without the header demands none.

    :raises BadRequest: malformed, an algorithm we do not have, or a key that is not the account's.
    """
    if header is None or not header.strip():
        return
    wanted = parse_accept_signature(header)
    if wanted.algorithm is not None and wanted.algorithm.lower() != ALGORITHM:
        raise BadRequest(f"Answers are signed with {ALGORITHM} only.")
    if wanted.key_id is not None and parse_uuid(wanted.key_id) != parse_uuid(account_id):
        raise BadRequest("Keygen-Accept-Signature names a key that is not this account's.")
