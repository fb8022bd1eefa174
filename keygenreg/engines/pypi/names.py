"""Names of projects and of distribution files: normalising, and what a file's name says about its project.

Sources: PEP 503 and 508 (names), PEP 427 (wheels), PEP 625 (source distributions), PEP 440 (versions).
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from attrs import frozen
from packaging.utils import (
    InvalidName,
    InvalidWheelFilename,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

SDIST_SUFFIXES = (".tar.gz", ".zip")
WHEEL_SUFFIX = ".whl"

_LONGEST = 255
# What the file name grammars can produce for valid projects. Anything else (blanks, quotes, slashes, percent signs,
# letters beyond ASCII) no client could have built, and would have to survive URLs and HTML.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", re.ASCII)
# PEP 817 (draft) adds a last component to wheels; clients that do not know it skip such files.
_VARIANT_LABEL = re.compile(r"[0-9a-z._]{1,16}", re.ASCII)


class Kind(Enum):
    """The two forms of distribution that an index lists; values as warehouse spells ``packagetype``."""

    WHEEL = "bdist_wheel"
    SDIST = "sdist"


@frozen
class DistributionFile:
    """What a listable file's name says. ``project`` is normalised; ``python`` is a wheel's interpreter tag."""

    filename: str
    project: str
    version: Version
    kind: Kind
    python: str = "source"


def normalize(name: str) -> str:
    """Lower case, runs of ``-``, ``_`` and ``.`` as one dash. Total: any text has a normal form."""
    return canonicalize_name(name)


def is_valid(name: str) -> bool:
    """Whether this may be the name of a project: ASCII letters, digits, ``.-_``, ends alphanumeric."""
    if len(name) > _LONGEST:
        return False
    try:
        canonicalize_name(name, validate=True)
    except InvalidName:
        return False
    return True


def basename(filename: str) -> str:
    """The last component of an artifact's file name, which may hold slashes; this is what clients see."""
    return filename.rpartition("/")[2]


def release_version(version: str) -> Version | None:
    """The PEP 440 version that a release's semantic version stands for; None where PEP 440 has no such version.

    ``1.0.0-rc.1`` is ``1.0.0rc1``, ``-beta.2`` is ``b2``, ``-alpha`` is ``a0``, ``-dev.3`` is ``.dev3`` and build
    metadata is a local version: PEP 440's own normalisation of alternative spellings says all of that. Prereleases
    of more pieces (``-rc.1.2``) have no counterpart.
    """
    return _version(version)


# Every page of a project asks again for all of its files.
@lru_cache(maxsize=16_384)
def distribution(filename: str, project: str) -> DistributionFile | None:
    """Read a file name as one of ``project``'s (normalised); None when it is not, and so is not listed.

    The project is given, never guessed: ``foo-bar-1.0.tar.gz`` may belong to ``foo-bar`` only because we were asked
    for it. Platform, interpreter and ABI tags may be anything.
    """
    if not _is_plain(filename):
        return None
    if filename.endswith(WHEEL_SUFFIX):
        found = _wheel(filename)
        return found if found is not None and found.project == project else None
    return _sdist(filename, project)


def wheel(filename: str) -> DistributionFile | None:
    """Read a wheel's file name, whatever its project; None when the name breaks the grammar."""
    if not _is_plain(filename) or not filename.endswith(WHEEL_SUFFIX):
        return None
    return _wheel(filename)


def sdist_stem(filename: str) -> str | None:
    """``name-version`` of a file that ends like a source distribution, else None."""
    for suffix in SDIST_SUFFIXES:
        if filename.endswith(suffix):
            return filename[: -len(suffix)]
    return None


def matches_stem(stem: str, project: str) -> Version | None:
    """The version in ``<project>-<version>`` if ``stem`` is that for this (normalised) project, else None."""
    dash = stem.find("-")
    while dash != -1:
        if canonicalize_name(stem[:dash]) == project:
            version = _version(stem[dash + 1 :])
            if version is not None:
                return version
        dash = stem.find("-", dash + 1)
    return None


def _is_plain(filename: str) -> bool:
    return len(filename) <= _LONGEST and _FILE_NAME.fullmatch(filename) is not None


def _sdist(filename: str, project: str) -> DistributionFile | None:
    stem = sdist_stem(filename)
    version = matches_stem(stem, project) if stem else None
    if version is None:
        return None
    return DistributionFile(filename=filename, project=project, version=version, kind=Kind.SDIST)


def _wheel(filename: str) -> DistributionFile | None:
    parts = filename[: -len(WHEEL_SUFFIX)].split("-")
    for known in (parts, parts[:-1]):
        if known is not parts and not _VARIANT_LABEL.fullmatch(parts[-1]):
            return None
        try:
            project, version, _build, _tags = parse_wheel_filename("-".join(known) + WHEEL_SUFFIX)
        except (InvalidWheelFilename, ValueError):  # a plain ValueError: digits beyond Python's limit for int()
            continue
        return DistributionFile(filename=filename, project=project, version=version, kind=Kind.WHEEL, python=known[-3])
    return None


def _version(text: str) -> Version | None:
    if text != text.strip():
        return None
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        return None
