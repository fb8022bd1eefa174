"""Gems as the indexes list them: one gem file each, and the order they come in."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from keygenreg.engines.rubygems.gem_version import GemVersion
from keygenreg.engines.rubygems.gemspec import ANY, Gemspec, Requirement


@frozen
class Listing:
    """
    What indexes say of a specification, ready to be written: there may be many thousands.

    ``label`` is version and platform, ``dependencies`` those at run time, ``needs`` begins with a comma unless empty.
    """

    version: GemVersion
    platform: str
    label: str
    dependencies: str
    needs: str

    @classmethod
    def of(cls, gemspec: Gemspec) -> Listing:
        dependencies = (f"{each.name}:{_stated(each.requirement)}" for each in gemspec.runtime_dependencies)
        required = (("ruby", gemspec.required_ruby_version), ("rubygems", gemspec.required_rubygems_version))
        return cls(
            gemspec.version,
            gemspec.filed_platform,
            gemspec.label,
            ",".join(dependencies),
            "".join(f",{name}:{_stated(needed)}" for name, needed in required if needed != ANY),
        )


def _stated(requirement: Requirement) -> str:
    return "&".join(sorted(f"{operator} {version}" for operator, version in requirement))


@frozen
class ListedGem:
    """
    A gem file of a package.

    :ivar package: the package's key, under which it is listed.
    :ivar sha256: of the file, in hex; empty where nobody knows.
    """

    package: str
    listing: Listing
    sha256: str


def by_package(gems: Iterable[ListedGem]) -> dict[str, list[ListedGem]]:
    """
    The gems of each package, packages by name; those of one by version, then platform.

    Of several files that a client could not tell apart the first counts.
    """
    found: dict[str, dict[str, ListedGem]] = {}
    for gem in gems:
        found.setdefault(gem.package, {}).setdefault(gem.listing.label, gem)
    return {package: sorted(found[package].values(), key=_order) for package in sorted(found)}


def _order(gem: ListedGem) -> tuple:
    return gem.listing.version, gem.listing.platform, gem.listing.label
