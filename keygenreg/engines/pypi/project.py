"""A project and its files as an index shows them: plain values, made from rows, turned into bytes by the renderers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from attrs import field, frozen, validators
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from keygenreg.engines.pypi.names import DistributionFile

#: Statuses of PEP 792; a quarantined project offers no files.
STATUSES = frozenset({"active", "archived", "quarantined", "deprecated"})

_LONGEST_SPECIFIER = 1024
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
# Strict, because some clients refuse the whole page for one URL that is none.
_PROVENANCE = re.compile(
    r"https://[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z]([a-z0-9-]*[a-z0-9])?)+/[!-~]*", re.IGNORECASE | re.ASCII
)
_STRONGEST_FIRST = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5")
_USUAL = frozenset(_STRONGEST_FIRST)
_OTHERS = hashlib.algorithms_guaranteed - _USUAL


def _yanked(value: bool | str | None) -> bool | str:
    """PEP 592 and 691: without a reason it is plain true, never an empty text, which would read as not yanked."""
    return True if value == "" else value or False


@frozen
class ProjectStatus:
    """PEP 792 status marker; ``reason`` is free text for people."""

    status: str = field(default="active", validator=validators.in_(STATUSES))
    reason: str | None = None


@frozen
class ProjectLink:
    """One entry of the project list: the name as the vendor spells it, and the absolute URL of its page."""

    name: str
    url: str
    extra_attributes: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class ProjectFile:
    """One wheel or source distribution.

    :ivar url: absolute, without query or fragment: clients append ``.metadata`` to it.
    :ivar hashes: algorithm name of :mod:`hashlib` to lower-case hex digest.
    :ivar requires_python: a valid specifier set taken from the file's core metadata, or None.
    :ivar yanked: False, True, or the reason; an empty reason counts as True.
    :ivar size: in bytes; None where another index, whose file it is, does not say.
    :ivar upload_time: aware.
    :ivar core_metadata_sha256: hex digest of the metadata sibling; None when none is served.
    :ivar extra_attributes: the vendor's own metadata of the artifact, JSON values under snake_case keys.
    """

    distribution: DistributionFile
    url: str
    hashes: Mapping[str, str] = field(factory=dict)
    requires_python: str | None = None
    yanked: bool | str = field(default=False, converter=_yanked)
    size: int | None = 0
    upload_time: datetime | None = None
    core_metadata_sha256: str | None = None
    extra_attributes: Mapping[str, Any] = field(factory=dict)

    @property
    def filename(self) -> str:
        return self.distribution.filename

    @property
    def version(self) -> Version:
        return self.distribution.version

    @property
    def effective_requires_python(self) -> str | None:
        """The constraint clients shall apply: the vendor's metadata if it states a valid one, else the file's own.

        The vendor lifts a constraint by stating an empty one. Source: ``decisions.md`` 18.
        """
        stated = self.extra_attributes.get("requires_python")
        if isinstance(stated, str) and is_specifier(stated):
            return stated or None
        return self.requires_python

    @property
    def known_hashes(self) -> dict[str, str]:
        """The digests that clients can check, strongest first as PEP 503 and 691 want it."""
        hashes = self.hashes
        names: Iterable[str] = _STRONGEST_FIRST
        if not hashes.keys() <= _USUAL:
            names = (*names, *sorted(name for name in hashes if name in _OTHERS))
        return {name: hashes[name] for name in names if name in hashes and _HEX.fullmatch(hashes[name])}

    @property
    def provenance(self) -> str | None:
        """URL of a PEP 740 provenance document, if the vendor's metadata names one by an absolute https URL."""
        stated = self.extra_attributes.get("provenance")
        return stated if isinstance(stated, str) and _PROVENANCE.fullmatch(stated) else None


@frozen(kw_only=True)
class Project:
    """One project: its normalised name, the spelling to show, and its files in the order to show them."""

    name: str
    display_name: str
    files: tuple[ProjectFile, ...] = ()
    status: ProjectStatus = ProjectStatus()

    @property
    def offered(self) -> tuple[ProjectFile, ...]:
        """The files that may be shown: none while quarantined (PEP 792)."""
        return () if self.is_quarantined else self.files

    @property
    def is_quarantined(self) -> bool:
        return self.status.status == "quarantined"

    @property
    def versions(self) -> tuple[Version, ...]:
        """Distinct versions of the offered files, lowest first; of equal ones, spelt differently, the last file's."""
        # Files mostly come highest first, so that there is little left to sort.
        return tuple(sorted(dict.fromkeys(file.version for file in reversed(self.offered))))


@lru_cache(maxsize=1024)
def is_specifier(text: str) -> bool:
    """Whether ``text`` is a version specifier set (PEP 440) of a length that real ones have."""
    if len(text) > _LONGEST_SPECIFIER:
        return False
    try:
        SpecifierSet(text)
    except (InvalidSpecifier, ValueError):
        return False
    return True
