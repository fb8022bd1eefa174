"""Signatures of bundles as the updater wants them: a minisign signature file in Base64."""

from __future__ import annotations

import base64
import binascii

#: Larger files are no signatures, in bytes; those of the signer have some 420.
LONGEST = 8192

_UNTRUSTED = "untrusted comment:"
_TRUSTED = "trusted comment:"
_ALGORITHMS = (b"Ed", b"ED")
_SIGNATURE_BYTES, _GLOBAL_BYTES = 74, 64


def read_signature(content: bytes) -> str | None:
    """
    The signature in a ``.sig`` file: the text that belongs into an update document.

    :param content: what ``tauri signer sign`` wrote (Base64), or minisign itself (the same without Base64).
    :return: None for everything else, such as signatures of OpenPGP.
    """
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    if _is_minisign(text):
        return base64.b64encode(f"{text}\n".encode()).decode()
    packed = "".join(text.split())
    inner = _decoded(packed)
    try:
        return packed if inner is not None and _is_minisign(inner.decode("utf-8").strip()) else None
    except UnicodeDecodeError:
        return None


def _is_minisign(text: str) -> bool:
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        return False
    signature, whole = _decoded(lines[1]), _decoded(lines[3])
    return (
        signature is not None
        and len(signature) == _SIGNATURE_BYTES
        and signature[:2] in _ALGORITHMS
        and whole is not None
        and len(whole) == _GLOBAL_BYTES
    )


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
