"""Signatures on the answers of the management: Digest, Keygen-Signature and their copies (api.md 2.4)."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.logger import Logger

from keygenreg.formats.http_signature import digest_header, load_private_key, signature_header, signing_string
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import BlobReply, Reply

_log = Logger()
#: Loaded keys that are kept; beyond it the one unused for longest goes.
MOST_KEYS = 1024


def signed(exchange: Exchange, reply: Reply | BlobReply) -> Reply | BlobReply:
    """
    The reply with the digest of its body and, where the account is known, its signature.

    The bytes of stored blobs are not hashed again for each answer: such a reply stays as it is.
    """
    if isinstance(reply, BlobReply):
        return reply
    digest = digest_header(reply.body)
    date = (exchange.request.responseHeaders.getRawHeaders(b"Date") or [b""])[0].decode("ascii")
    headers = [("Digest", digest), ("Keygen-Digest", digest), ("Keygen-Date", date)]
    account = exchange.account
    key = None if account is None else _key(account.ed25519_private_key)
    if key is not None:
        host = (exchange.request.requestHeaders.getRawHeaders(b"Host") or [b""])[0]
        text = signing_string(
            method=exchange.method,
            target=exchange.raw_target.decode("utf-8", "surrogateescape"),
            host=host.decode("utf-8", "surrogateescape"),
            date=date,
            digest=digest,
        )
        headers.append(("Keygen-Signature", signature_header(key, str(account.id), text)))
    return reply.with_headers(*headers)


@lru_cache(maxsize=MOST_KEYS)
def _key(seed: str) -> Ed25519PrivateKey | None:
    """An account's key, loaded; ``None`` for one that is none: its answers go out unsigned rather than not at all."""
    try:
        return load_private_key(seed)
    except ValueError:
        _log.error("An account's Ed25519 key is malformed; its answers are not signed.")
        return None
