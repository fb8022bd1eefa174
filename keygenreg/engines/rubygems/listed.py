"""Gems as the indexes list them: one gem file each, and the order they come in."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from keygenreg.engines.rubygems.gemspec import Gemspec


@frozen
class ListedGem:
    """
    A gem file of a package.

    :ivar package: the package's key, under which it is listed.
    :ivar sha256: of the file, in hex; empty where nobody knows.
    """

    package: str
    gemspec: Gemspec
    sha256: str


def by_package(gems: Iterable[ListedGem]) -> dict[str, list[ListedGem]]:
    """
    The gems of each package, packages by name; those of one by version, then platform.

    Of several files that a client could not tell apart the first counts.
    """
    found: dict[str, dict[str, ListedGem]] = {}
    for gem in gems:
        found.setdefault(gem.package, {}).setdefault(gem.gemspec.label, gem)
    return {package: sorted(found[package].values(), key=_order) for package in sorted(found)}


def _order(gem: ListedGem) -> tuple:
    return gem.gemspec.version, gem.gemspec.filed_platform, gem.gemspec.version.text
