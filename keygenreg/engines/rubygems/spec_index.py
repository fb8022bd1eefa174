"""The older indexes: lists of names, versions and platforms, and whole specifications, in Ruby's Marshal format."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keygenreg.engines.rubygems.gem_version import GemVersion
from keygenreg.engines.rubygems.gemspec import Dependency, Gemspec, Requirement
from keygenreg.engines.rubygems.listed import ListedGem
from keygenreg.engines.rubygems.platform import RUBY, parse_platform
from keygenreg.engines.rubygems.ruby_marshal import RubyObject, Symbol, UserDump, UserMarshal, dumps

Packages = Mapping[str, Sequence[ListedGem]]


def released(packages: Packages) -> bytes:
    """``specs.4.8``: every gem that is no prerelease."""
    return _packed(gem for gems in packages.values() for gem in gems if not gem.listing.version.prerelease)


def prereleased(packages: Packages) -> bytes:
    """``prerelease_specs.4.8``: all others."""
    return _packed(gem for gems in packages.values() for gem in gems if gem.listing.version.prerelease)


def latest(packages: Packages) -> bytes:
    """``latest_specs.4.8``: of those that are no prerelease, the highest version for each platform."""
    found = []
    for gems in packages.values():
        by_platform = {gem.listing.platform: gem for gem in gems if not gem.listing.version.prerelease}
        found += [gem for gem in gems if by_platform.get(gem.listing.platform) is gem]
    return _packed(found)


def _packed(gems: Iterable[ListedGem]) -> bytes:
    """Name, version and platform of each; compressed without a time, so that equal lists are equal bytes."""
    triples = [[gem.package, _version(gem.listing.version.text), gem.listing.platform] for gem in gems]
    return gzip.compress(dumps(triples), mtime=0)


def quick(gemspec: Gemspec) -> bytes:
    """``quick/Marshal.4.8/<gem>.gemspec.rz``: one specification, as ``Gem::Specification#_dump`` makes it."""
    return zlib.compress(dumps(UserDump("Gem::Specification", dumps(_members(gemspec)))))


def _members(gemspec: Gemspec) -> list[Any]:
    return [
        gemspec.rubygems_version,
        gemspec.specification_version,
        gemspec.name,
        _version(gemspec.version.text),
        _time(gemspec.date),
        gemspec.summary,
        _requirement(gemspec.required_ruby_version),
        _requirement(gemspec.required_rubygems_version),
        gemspec.platform,
        list(map(_dependency, gemspec.dependencies)),
        "",
        gemspec.email if isinstance(gemspec.email, str | None) else list(gemspec.email),
        list(gemspec.authors),
        gemspec.description,
        gemspec.homepage,
        True,
        _platform(gemspec.platform),
        list(gemspec.licenses),
        dict(gemspec.metadata),
    ]


def _version(text: str) -> UserMarshal:
    return UserMarshal("Gem::Version", [text])


def _requirement(requirement: Requirement) -> UserMarshal:
    pairs = [[operator, _version(version)] for operator, version in requirement]
    return UserMarshal("Gem::Requirement", [pairs])


def _dependency(dependency: Dependency) -> RubyObject:
    requirement = _requirement(dependency.requirement)
    variables = {
        "@name": dependency.name,
        "@requirement": requirement,
        "@type": Symbol(dependency.kind),
        "@prerelease": any(GemVersion(version).prerelease for _, version in dependency.requirement),
        "@version_requirements": requirement,
    }
    return RubyObject("Gem::Dependency", variables)


def _platform(text: str) -> str | RubyObject:
    platform = parse_platform(text)
    if platform is None:
        return RUBY
    variables = {"@cpu": platform.cpu, "@os": platform.os, "@version": platform.version}
    return RubyObject("Gem::Platform", variables)


def _time(date: str) -> UserDump:
    """Midnight of a day like ``2026-01-31``, in UTC, as ``Time#_dump`` packs it into two words."""
    year, month, day = map(int, date.split("-"))
    first = 1 << 31 | 1 << 30 | (year - 1900) << 14 | (month - 1) << 10 | day << 5
    return UserDump("Time", first.to_bytes(4, "little") + bytes(4), {"zone": "UTC"})
