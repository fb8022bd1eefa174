"""Signed, expiring values for URLs: upload tickets, download links, sessions. They need no storage to be checked.

A value is URL-safe Base64 without padding of: HMAC-SHA256 (32 bytes), expiry (8 bytes, Unix seconds), JSON payload.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping

import orjson

MAX_LENGTH = 4096

_MAC = hashlib.sha256().digest_size
_EXPIRY = 8
_ALPHABET = re.compile(r"[0-9A-Za-z_-]+", re.ASCII)


class Expired(ValueError):
    """The value is genuine but its time is over."""


def sign(key: bytes, purpose: str, payload: Mapping[str, object], expires: int) -> str:
    """
    A value that only holders of ``key`` can make.

    :param purpose: what it is for, such as ``upload``; a value made for one purpose never passes for another.
    :param payload: a small JSON object; readable by everyone, so no secrets.
    :param expires: the last second it is good for, in Unix seconds.
    :raises ValueError: the value would be longer than ``MAX_LENGTH`` characters.
    """
    body = expires.to_bytes(_EXPIRY, "big") + orjson.dumps(dict(payload))
    text = base64.urlsafe_b64encode(_mac(key, purpose, body) + body).rstrip(b"=").decode("ascii")
    if len(text) > MAX_LENGTH:
        raise ValueError("payload too large to sign")
    return text


def verify(key: bytes, purpose: str, text: str, now: float) -> dict[str, object]:
    """
    The payload of a value.

    :param now: the time, in Unix seconds.
    :raises Expired: genuine, but past its time.
    :raises ValueError: anything else is wrong with it: not ours, of another purpose, changed.
    """
    signed = _decoded(text)
    mac, body = signed[:_MAC], signed[_MAC:]
    if not hmac.compare_digest(mac, _mac(key, purpose, body)):
        raise ValueError("signature does not match")
    if now > int.from_bytes(body[:_EXPIRY], "big"):
        raise Expired("no longer valid")
    return orjson.loads(body[_EXPIRY:])


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    # The purpose's length comes first, so that no purpose and body together read as another pair.
    label = purpose.encode()
    return hmac.new(key, len(label).to_bytes(2, "big") + label + body, hashlib.sha256).digest()


def _decoded(text: str) -> bytes:
    if len(text) > MAX_LENGTH or _ALPHABET.fullmatch(text) is None:
        raise ValueError("not a signed value")
    try:
        signed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not a signed value") from error
    # Unused bits of the last character could differ: one value has one spelling.
    if base64.urlsafe_b64encode(signed).rstrip(b"=").decode("ascii") != text or len(signed) < _MAC + _EXPIRY:
        raise ValueError("not a signed value")
    return signed
