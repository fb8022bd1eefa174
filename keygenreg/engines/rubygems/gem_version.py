"""``Gem::Version``: which texts are versions of gems, their one order, and which belong to a release.

Source: lib/rubygems/version.rb of RubyGems, checked against it in the tests.
"""

from __future__ import annotations

import re
from functools import total_ordering
from itertools import zip_longest

from attrs import field, frozen

from keygenreg.domain.version import parse_version

#: Ruby takes versions of any length; no client of ours should have to.
LONGEST = 255

_GRAMMAR = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?", re.ASCII)
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+", re.ASCII)


@total_ordering
@frozen(order=False, eq=False)
class GemVersion:
    """
    A version; ``text`` is its normal form, in which a dash has become ``.pre.``.

    Equal are those that Ruby holds for equal: ``1.0`` and ``1``, ``1.0.0.beta1`` and ``1.beta.1``.
    """

    text: str
    _segments: tuple[int | str, ...] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_segments", _canonical(self.text))

    def __str__(self) -> str:
        return self.text

    @property
    def prerelease(self) -> bool:
        """A letter anywhere makes it one."""
        return any(c.isalpha() for c in self.text)

    def __hash__(self) -> int:
        return hash(self._segments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GemVersion) and self._segments == other._segments

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, GemVersion):
            return NotImplemented
        for mine, theirs in zip_longest(self._segments, other._segments, fillvalue=0):
            if mine != theirs:
                # Words are below numbers.
                return mine < theirs if type(mine) is type(theirs) else isinstance(mine, str)
        return False


def _canonical(text: str) -> tuple[int | str, ...]:
    """Numbers and words, without the zeros that end the leading numbers and those that end all."""
    segments: list[int | str] = [int(s) if s.isdigit() else s for s in _SEGMENT.findall(text)]
    first_word = next((at for at, segment in enumerate(segments) if isinstance(segment, str)), len(segments))
    return (*_trimmed(segments[:first_word]), *_trimmed(segments[first_word:]))


def _trimmed(segments: list[int | str]) -> list[int | str]:
    while segments and segments[-1] == 0:
        segments.pop()
    return segments


def parse_gem_version(text: str) -> GemVersion:
    """
    Read a version as Ruby does: blanks around it are dropped, nothing at all is 0.

    :raises ValueError: it is none, or longer than :data:`LONGEST` characters.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a version has at most {LONGEST} characters")
    text = text.strip(" \t\r\n\f\v") or "0"
    if _GRAMMAR.fullmatch(text) is None:
        raise ValueError("not a version of a gem")
    return GemVersion(text.replace("-", ".pre."))


def is_of_release(gem: GemVersion, release: str) -> bool:
    """
    Whether a gem's version is that of a release.

    A gem of release ``1.0.0-beta.1`` is built as ``1.0.0.beta.1`` or ``1.0.0-beta.1``, which Ruby turns into
    ``1.0.0.pre.beta.1``; one of ``1.2.3+4`` as ``1.2.3`` or ``1.2.3.4``. Zeros that say nothing may be left out.
    """
    try:
        version = parse_version(release)
        number = ".".join(map(str, version.core))
        endings = [""]
        if version.prerelease is not None:
            endings = [f"-{version.prerelease}", "." + version.prerelease.replace("-", ".")]
        if version.build is not None:
            endings += [f"{ending}.{version.build.replace('-', '.')}" for ending in endings]
    except ValueError:
        return False
    return any(gem == found for found in map(_lenient, (number + ending for ending in endings)))


def _lenient(text: str) -> GemVersion | None:
    try:
        return parse_gem_version(text)
    except ValueError:
        return None
