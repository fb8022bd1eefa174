"""Release versions: their grammar, their parts, their agreement with a channel, and one total order."""

from __future__ import annotations

import re
from functools import total_ordering

from attrs import frozen

from keygenreg.domain.channel import CHANNELS, PRERELEASE_CHANNELS, STABLE

MAX_LENGTH = 255
#: Largest number that a new release's version may hold: clients of all languages must be able to read it.
MAX_NUMBER = 2**63 - 1

_GRAMMAR = re.compile(
    r"([0-9]+)(?:\.([0-9]+)(?:\.([0-9]+))?)?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?",
    re.ASCII,
)
_NOT_OF_A_WORD = re.compile(r"[^0-9A-Za-z_]+")


@frozen
class Words:
    """A prerelease or build part as upgrade constraints see it: ``beta.12`` is word ``beta``, number 12."""

    word: str | None = None
    number: int | None = None


@total_ordering
@frozen(order=False)
class Version:
    """
    A release's version. ``str`` gives the normal form with all three numbers.

    Versions are totally ordered: first by the precedence of Semantic Versioning 2.0.0 (section 11), then by build part
    (none is lowest), compared like prerelease parts. Versions that differ in leading zeros only are ordered by text.
    """

    major: int
    minor: int = 0
    patch: int = 0
    prerelease: str | None = None
    build: str | None = None

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.prerelease is not None:
            text += f"-{self.prerelease}"
        return text if self.build is None else f"{text}+{self.build}"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self.sort_key < other.sort_key

    @property
    def core(self) -> tuple[int, int, int]:
        """Major, minor, patch."""
        return self.major, self.minor, self.patch

    @property
    def precedence_key(self) -> str:
        """Text whose bytewise order is semver precedence: versions that differ in their build only are equal."""
        return "".join(map(_number, map(str, self.core))) + _part(self.prerelease, absent="~")

    @property
    def sort_key(self) -> str:
        """
        Text whose bytewise order is the order of versions: compare it in Python, or in SQL with ``COLLATE "C"``.

        ASCII; about the length of the version plus ten. Equal only for equal versions.
        """
        key = self.precedence_key + _part(self.build, absent="!")
        if any(_has_leading_zero(part) for part in (self.prerelease, self.build)):
            key += f"{self.prerelease}+{self.build}"
        return key

    def semver(self) -> dict[str, object]:
        """The ``semver`` attribute of a release (api.md 1.5)."""
        return {
            "major": self.major,
            "minor": self.minor,
            "patch": self.patch,
            "prerelease": self.prerelease,
            "build": self.build,
        }


def parse_version(text: str) -> Version:
    """
    Read a version; ``1`` and ``1.2`` are padded, leading zeros of the three numbers dropped.

    :raises ValueError: not of the grammar ``N[.N[.N]][-pre][+build]`` (a leading ``v``, four numbers), or longer than
        ``MAX_LENGTH`` characters.

    Source: api.md 1.5 (version grammar).
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a version has at most {MAX_LENGTH} characters")
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise ValueError("not a version like 1.2.3, 1.2.3-beta.4 or 1.2.3+build.5")
    major, minor, patch, prerelease, build = match.groups()
    return Version(int(major), int(minor or 0), int(patch or 0), prerelease, build)


def parse_new_version(text: str) -> Version:
    """
    Read the version of a release to be made: as :func:`parse_version`, its three numbers at most ``MAX_NUMBER``.

    :raises ValueError: with a reason to show; the failure's code is ``VERSION_INVALID``.
    """
    version = parse_version(text)
    if max(version.core) > MAX_NUMBER:
        raise ValueError(f"a version's numbers are at most {MAX_NUMBER}")
    return version


def channel_disagreement(version: Version, channel: str) -> str | None:
    """
    Why a version may not be released on a channel, as a sentence, or None when it may.

    The failure's code is ``VERSION_CHANNEL_INVALID``. Source: api.md 1.5 (version/channel rules).
    """
    prerelease = version.prerelease
    if prerelease is not None and not prerelease.startswith(PRERELEASE_CHANNELS):
        return f"the prerelease part must start with one of {', '.join(PRERELEASE_CHANNELS)}"
    if channel == STABLE:
        return None if prerelease is None else "a stable version has no prerelease part"
    if channel in CHANNELS and (prerelease is None or not prerelease.startswith(channel)):
        return f"a version on channel {channel} has a prerelease part that starts with {channel}"
    return None


def words_of(part: str | None) -> Words:
    """
    A prerelease or build part as word and number: a purely numeric last piece is the number, the others joined by dots
    are the word (``rc.1.4`` is ``rc.1`` and 4, ``beta1`` has no number).

    Source: engines.md 1.7.
    """
    pieces = [piece for piece in _NOT_OF_A_WORD.split(part or "") if piece]
    number = int(pieces.pop()) if pieces and pieces[-1].isdecimal() else None
    return Words(".".join(pieces) or None, number)


# Sort keys are made of self-delimiting codes, so that no code is a prefix of another and bytewise comparison decides
# at the first difference. Characters by rank: "!" < "0" < "1" < "9" < letters < "~"; "-" lies between "!" and "0".


def _number(digits: str) -> str:
    """A natural number: how long its length is (as a letter), its length, its digits; ``123`` is ``A3123``."""
    digits = digits.lstrip("0") or "0"
    length = str(len(digits))
    return f"{chr(ord('@') + len(length))}{length}{digits}"


def _part(part: str | None, *, absent: str) -> str:
    """
    A prerelease or build part: per identifier ``0`` and a number, or ``1``, the text and ``!``; then ``!``. Numbers
    are below words, and fewer identifiers below more, since ``!`` is below all. ``absent`` stands for no part: a
    character above (``~``) or below (``!``) that of any identifier; parts have one identifier at least.
    """
    if part is None:
        return absent
    return "".join(map(_identifier, part.split("."))) + "!"


def _identifier(identifier: str) -> str:
    return "0" + _number(identifier) if identifier.isdecimal() else f"1{identifier}!"


def _has_leading_zero(part: str | None) -> bool:
    identifiers = part.split(".") if part else ()
    return any(len(one) > 1 and one.isdecimal() and one.startswith("0") for one in identifiers)
