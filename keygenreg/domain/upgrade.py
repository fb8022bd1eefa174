"""Upgrades: what a version constraint allows, and which releases are upgrades of another, best first.

Two readers share one grammar of versions. :func:`parse_constraint` is the management API's: an operator may stand in
front and means nothing (api.md 5.8). :func:`parse_range` is for updaters: operators and ranges are honoured, a plain
version means the same as in the API (engines.md 5, decisions.md 29).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

from attrs import frozen

from keygenreg.domain.failures import BadRequest, Source
from keygenreg.domain.version import MAX_LENGTH, Version, words_of

T = TypeVar("T")

_MAX_PARTS = 20

_VERSION = r"([0-9]+)(?:\.([0-9]+)(?:\.([0-9]+))?)?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
_CONSTRAINT = re.compile(rf"(?:~>|~|>=|<=|=|>|<)? *{_VERSION}", re.ASCII)
_COMPARATOR = re.compile(rf"(~>|~|\^|>=|<=|==|=|>|<)? *{_VERSION}", re.ASCII)
_SEPARATOR = re.compile(r" *, *| +", re.ASCII)


@frozen
class Bound:
    """A version as a constraint names it: ``minor`` and ``patch`` are None where it does not go that far."""

    major: int
    minor: int | None = None
    patch: int | None = None
    prerelease: str | None = None
    build: str | None = None

    @property
    def version(self) -> Version:
        """The lowest version meant, parts that were left out being zero."""
        return Version(self.major, self.minor or 0, self.patch or 0, self.prerelease, self.build)

    @property
    def given(self) -> tuple[int, ...]:
        """The numbers that were written, one to three."""
        return tuple(number for number in (self.major, self.minor, self.patch) if number is not None)


@frozen
class Comparator:
    """One operator and bound; ``operator`` is empty for a plain version."""

    operator: str
    bound: Bound

    def allows(self, version: Version) -> bool:
        return _RULES[self.operator](self.bound, version)


@frozen
class Constraint:
    """Alternatives, each a tuple of comparators that must all allow a version."""

    alternatives: tuple[tuple[Comparator, ...], ...]

    def allows(self, version: Version) -> bool:
        """Whether a release of this version may be offered."""
        return any(all(one.allows(version) for one in comparators) for comparators in self.alternatives)


def parse_constraint(text: str) -> Constraint:
    """
    Read the management API's ``constraint``: ``M``, ``M.m`` or ``M.m.p``, with ``-pre`` and ``+build`` if need be;
    a leading operator is ignored.

    :raises BadRequest: ``CONSTRAINT_INVALID``, parameter ``constraint``.

    Source: api.md 5.8.
    """
    match = _CONSTRAINT.fullmatch(text.strip(" ")) if len(text) <= MAX_LENGTH else None
    if match is None:
        _refuse()
    return Constraint(((Comparator("", _bound(*match.groups())),),))


def parse_range(text: str) -> Constraint:
    """
    Read an updater's ``constraint``: plain as above, or comparators with ``= == > >= < <= ~ ~> ^``, all of which must
    hold, separated by spaces or commas; ``||`` separates alternatives. ``>=1.0 <2.0``, ``~> 2.3``, ``^1.2.3 || 3``.

    :raises BadRequest: ``CONSTRAINT_INVALID``, parameter ``constraint``.
    """
    if len(text) > MAX_LENGTH:
        _refuse()
    return Constraint(tuple(_comparators(alternative.strip(" ")) for alternative in text.split("||")))


def _comparators(text: str) -> tuple[Comparator, ...]:
    found, position = [], 0
    while True:
        match = _COMPARATOR.match(text, position)
        if match is None or len(found) == _MAX_PARTS:
            _refuse()
        operator, *numbers = match.groups()
        found.append(Comparator(operator or "", _bound(*numbers)))
        if match.end() == len(text):
            return tuple(found)
        # "1.0<2.0" needs no separator, since an operator starts the next comparator.
        separator = _SEPARATOR.match(text, match.end())
        position = separator.end() if separator else match.end()
        if separator is None and text[position] not in "~^=<>":
            _refuse()


def _bound(major: str, minor: str | None, patch: str | None, prerelease: str | None, build: str | None) -> Bound:
    return Bound(
        int(major), None if minor is None else int(minor), None if patch is None else int(patch), prerelease, build
    )


def _refuse() -> NoReturn:
    raise BadRequest(
        "The constraint must look like 1, 1.2 or 1.2.3, with an operator if need be.",
        "CONSTRAINT_INVALID",
        Source(parameter="constraint"),
    )


def _plain(bound: Bound, version: Version) -> bool:
    """Same major; from the given minor on; or of the same minor, from the given patch on. Given words are equal."""
    if version.major != bound.major or not _same_words(bound, version):
        return False
    if bound.minor is None:
        return True
    if bound.patch is None:
        return version.minor >= bound.minor
    return version.minor == bound.minor and version.patch >= bound.patch


def _same_words(bound: Bound, version: Version) -> bool:
    for wanted, found in ((bound.prerelease, version.prerelease), (bound.build, version.build)):
        if wanted is None:
            continue
        want, have = words_of(wanted), words_of(found)
        if want.word not in (None, have.word) or want.number not in (None, have.number):
            return False
    return True


def _equal(bound: Bound, version: Version) -> bool:
    """Equal as far as the bound goes; a whole version also has the same prerelease, its build only counts if given."""
    if version.core[: len(bound.given)] != bound.given or bound.build not in (None, version.build):
        return False
    if bound.prerelease is None and bound.patch is None:
        return True
    return version.prerelease == bound.prerelease


def _compare(bound: Bound, version: Version) -> int:
    """Below 0, 0 or above 0 as the version is below, within or above the bound; ``1.2`` holds all of 1.2.x."""
    if bound.patch is None and bound.prerelease is None:
        core = version.core[: len(bound.given)]
        return (core > bound.given) - (core < bound.given)
    ours, theirs = version, bound.version
    pair = (ours.precedence_key, theirs.precedence_key) if bound.build is None else (ours.sort_key, theirs.sort_key)
    return (pair[0] > pair[1]) - (pair[0] < pair[1])


def _at_least(bound: Bound, version: Version) -> bool:
    # ">=1.2" does not want 1.2.0-beta.1: the lowest version meant is 1.2.0.
    return version.precedence_key >= bound.version.precedence_key and (bound.build is None or version >= bound.version)


def _below(bound: Bound, version: Version) -> bool:
    # "<2.0" is said by people who do not want 2.0.0-beta.1 either.
    if bound.prerelease is None and version.core == bound.version.core:
        return False
    return version.precedence_key < bound.version.precedence_key


def _up_to(kept: int, bound: Bound, version: Version) -> bool:
    """At least the bound, with its first ``kept`` numbers unchanged."""
    return _at_least(bound, version) and version.core[:kept] == bound.version.core[:kept]


def _caret(bound: Bound, version: Version) -> bool:
    """No change of the leftmost number that is not zero; of ``0``, ``0.0`` the last one written."""
    numbers = bound.given
    leading = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    return _up_to(leading + 1, bound, version)


_RULES: dict[str, Callable[[Bound, Version], bool]] = {
    "": _plain,
    "=": _equal,
    "==": _equal,
    ">": lambda bound, version: _compare(bound, version) > 0,
    ">=": _at_least,
    "<": _below,
    "<=": lambda bound, version: _compare(bound, version) <= 0,
    "~": lambda bound, version: _up_to(min(len(bound.given), 2), bound, version),
    "~>": lambda bound, version: _up_to(max(len(bound.given) - 1, 1), bound, version),
    "^": _caret,
}


def upgrades(
    current: Version, candidates: Iterable[T], version_of: Callable[[T], Version], constraint: Constraint | None = None
) -> list[T]:
    """
    The candidates that are upgrades of ``current``: strictly greater, within the constraint; best first.

    Greater includes a later prerelease, a final release after its prereleases, and a later build. Of equal versions the
    one that comes first among the candidates stays first.
    """
    found = [(version_of(candidate), candidate) for candidate in candidates]
    found = [pair for pair in found if pair[0] > current and (constraint is None or constraint.allows(pair[0]))]
    found.sort(key=lambda pair: pair[0].sort_key, reverse=True)
    return [candidate for _, candidate in found]
