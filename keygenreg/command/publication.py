"""What ``keygenreg publish`` is asked to publish, completed from file names and version. Pure."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from keygenreg.domain.channel import of_prerelease
from keygenreg.domain.identifiers import pypi_key
from keygenreg.domain.version import parse_new_version

ENGINES = ("pypi", "oci", "npm", "rubygems", "tauri", "raw")

#: File types of two parts; of all other names the last extension is the type.
_DOUBLE_TYPES = ("tar.gz", "tar.bz2", "tar.xz", "tar.zst")


class Unclear(ValueError):
    """The command line leaves open, or gets wrong, what is meant; the text says what to add."""


@frozen
class Publication:
    """
    One release and its files.

    ``version`` is in normal form. ``engine`` and ``product`` may be ``None``: then those of the existing package count.
    """

    files: tuple[Path, ...]
    package: str
    version: str
    channel: str
    engine: str | None = None
    tag: str | None = None
    product: str | None = None
    strategy: str | None = None
    platform: str | None = None
    arch: str | None = None
    filetype: str | None = None
    signature: str | None = None

    @property
    def title(self) -> str:
        return f"{self.package} {self.version}"


def publication(
    files: tuple[Path, ...],
    package: str,
    version: str,
    *,
    engine: str | None = None,
    channel: str | None = None,
    signature: str | None = None,
    **others: str | None,
) -> Publication:
    """
    Fill in what the command line leaves open; ``others`` are the remaining attributes.

    :raises Unclear: a malformed version, files of different engines, two files of one name, one signature for many.
    """
    try:
        parsed = parse_new_version(version)
    except ValueError as error:
        raise Unclear(f"--version {version}: {error}") from None
    names = [file.name for file in files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unclear(f"Two files are called {twice}; a release holds one of each name.")
    if signature is not None and len(names) > 1:
        raise Unclear("--signature belongs to one file; publish the others in runs of their own.")
    engine = engine or _engine_of(names, package)
    return Publication(
        files=files,
        package=pypi_key(package) if engine == "pypi" else package,
        version=str(parsed),
        channel=channel or of_prerelease(parsed.prerelease),
        engine=engine,
        signature=signature,
        **others,
    )


def engine_of(filename: str, package: str) -> str | None:
    """The engine that a file name speaks of; ``None`` when it could be anybody's."""
    lower = filename.lower()
    if lower.endswith(".whl") and _distribution(filename) is not None:
        return "pypi"
    if lower.endswith(".tar.gz"):
        # Tarballs are everywhere; this one is a source distribution if it is named after the package.
        return "pypi" if _distribution(filename) == canonicalize_name(package) else None
    if lower.endswith(".gem"):
        return "rubygems"
    return "npm" if lower.endswith(".tgz") else None


def filetype_of(filename: str) -> str | None:
    """The file type that a name ends with, ``tar.gz`` and the like included; ``None`` without an extension."""
    lower = filename.lower()
    for double in _DOUBLE_TYPES:
        if lower.endswith(f".{double}"):
            return double
    stem, dot, extension = lower.rpartition(".")
    return extension if stem and dot and extension else None


def _engine_of(names: list[str], package: str) -> str | None:
    guesses = {engine_of(name, package) for name in names}
    if len(guesses) > 1:
        raise Unclear("The files look like different engines' packages; say which one with --engine.")
    return guesses.pop()


def _distribution(filename: str) -> str | None:
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[0]
        return parse_sdist_filename(filename)[0]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
