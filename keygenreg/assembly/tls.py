"""The certificate of the settings: checked at the start, so that what is wrong with it is said in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates
from twisted.logger import Logger

from keygenreg.configuration import ConfigurationError
from keygenreg.settings import Settings
from keygenreg.web.tls.context import context_of

_log = Logger()
_CERTIFICATE, _KEY = "server.tls_certificate", "server.tls_key"


@frozen
class TlsFiles:
    """PEM files: a certificate with those between it and its root, and its private key."""

    chain: Path
    key: Path


def tls_files(settings: Settings) -> TlsFiles | None:
    """
    The files that TLS is to be done with, known to be usable now; None: without TLS.

    :raises ConfigurationError: one is missing, cannot be read, is something else, or they do not belong together.
    """
    chain, key = settings.server.tls_certificate, settings.server.tls_key
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        given, missing = (_KEY, _CERTIFICATE) if chain is None else (_CERTIFICATE, _KEY)
        raise ConfigurationError(f"{missing}: expected a file, as there is one in {given}.")
    certificate = _certificate(chain)
    if _public(_private_key(key)) != _public(certificate):
        raise ConfigurationError(f"{_KEY}: {key} is not the key of the certificate in {chain}.")
    if certificate.not_valid_after_utc < datetime.now(UTC):
        _log.warn("The certificate in {file} ended at {end}", file=str(chain), end=certificate.not_valid_after_utc)
    try:
        context_of(chain, key)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{_CERTIFICATE}: {chain} cannot be used: {error}.") from error
    return TlsFiles(chain, key)


def _certificate(file: Path) -> Certificate:
    data = _read(file, _CERTIFICATE)
    try:
        return load_pem_x509_certificates(data)[0]
    except ValueError as error:
        raise ConfigurationError(f"{_CERTIFICATE}: {file} does not begin with a certificate in PEM form.") from error


def _private_key(file: Path):
    data = _read(file, _KEY)
    try:
        return load_pem_private_key(data, None)
    except TypeError as error:
        raise ConfigurationError(f"{_KEY}: the key in {file} is encrypted; it has to be without a password.") from error
    except ValueError as error:
        raise ConfigurationError(f"{_KEY}: {file} does not hold a private key in PEM form.") from error


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting}: {file} cannot be read: {error.strerror}.") from error


def _public(owner) -> bytes:
    return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
