"""One key for the session tickets of several web processes, so that each resumes what another one began.

Python's ``ssl`` has no name for SSL_CTX_set_tlsext_ticket_keys(3), so OpenSSL is called past it, on the structure
behind an ``SSLContext``. Of that is assumed that its first member is the SSL_CTX, as in CPython 3.11 to 3.14, and it is
compared before it is changed. Where anything is different, each process keeps the key that OpenSSL made for it: a
client that comes to another process does a whole handshake then, and nothing else is lost.

The secret lives in the memory of one daemon and its processes; on disk it would undo forward secrecy of TLS 1.2.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
import sys

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES = 32

# openssl/ssl.h and openssl/tls1.h
_GET_KEYS, _SET_KEYS = 58, 59
_KEYS_BYTES = 80


def share_tickets(context: ssl.SSLContext, secret: bytes) -> bool:
    """
    Let ``context`` seal its tickets with keys that follow from ``secret``; false: it keeps its own.

    :param secret: :data:`SECRET_BYTES` random bytes.
    """
    library = _library()
    if library is None:
        return False
    structure = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    if library.SSL_CTX_get_options(structure) != context.options & 0xFFFF_FFFF_FFFF_FFFF:
        return False
    if library.SSL_CTX_ctrl(structure, _GET_KEYS, 0, None) != _KEYS_BYTES:
        return False
    keys = HKDF(SHA256(), _KEYS_BYTES, salt=None, info=b"keygenreg: keys of TLS session tickets").derive(secret)
    return library.SSL_CTX_ctrl(structure, _SET_KEYS, _KEYS_BYTES, keys) == 1


def _library() -> ctypes.CDLL | None:
    """The OpenSSL that ``ssl`` works with, if both are known to be as assumed."""
    known = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info[:2] <= (3, 14)
    if not known or hasattr(sys, "gettotalrefcount") or ssl.OPENSSL_VERSION_INFO[0] != 3:
        return None
    try:
        library = ctypes.CDLL(_ssl.__file__)
        get_options, control = library.SSL_CTX_get_options, library.SSL_CTX_ctrl
    except (AttributeError, OSError):
        return None
    get_options.argtypes, get_options.restype = [ctypes.c_void_p], ctypes.c_uint64
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    control.restype = ctypes.c_long
    return library
