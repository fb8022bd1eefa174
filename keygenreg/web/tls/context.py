"""What our end of TLS agrees to: versions, ciphers, protocols; from a certificate chain and its key, as PEM files."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion

PROTOCOLS = ("http/1.1",)

#: Of TLS 1.2; those of TLS 1.3 are all good. Forward secrecy and authenticated encryption, nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"


def context_of(chain: Path, key: Path) -> ssl.SSLContext:
    """
    For the standard library's TLS. Sessions are resumed by tickets.

    :raises OSError: (``ssl.SSLError`` among them) the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(list(PROTOCOLS))
    context.load_cert_chain(chain, key, password=_no_password)
    return context


def options_of(chain: Path, key: Path) -> CertificateOptions:
    """The same for Twisted's TLS. Raises OSError or ValueError when the files cannot be used."""
    own, *others = load_pem_x509_certificates(chain.read_bytes())
    return CertificateOptions(
        privateKey=load_pem_private_key(key.read_bytes(), None),
        certificate=own,
        extraCertChain=others,
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(f"{CIPHERS}:TLS13"),
        acceptableProtocols=[name.encode("ascii") for name in PROTOCOLS],
    )


def _no_password() -> bytes:
    """Asked for where a key is encrypted; without this, OpenSSL would ask the terminal."""
    raise ValueError("the key is encrypted")
