"""Versions as they stand in the documents of their package; kept by :mod:`keygenreg.web.kept_entries`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from attrs import frozen

from keygenreg.engines.npm import documents, paths
from keygenreg.engines.npm.versions import package_version


@frozen
class Place:
    """What an entry is made from beside the row: the package's name, the registry's root in URLs, and the form."""

    package: str
    base: str
    media_type: str

    @property
    def text(self) -> str:
        """As JSON, so that nobody can say where another text ends and this begins."""
        return orjson.dumps([self.package, self.base, self.media_type]).decode()


def entry(row: Mapping[str, Any], place: Place) -> documents.Entry | None:
    """
    The entry of a row of :data:`~keygenreg.engines.npm.queries.VERSIONS`; None for an imported manifest that is no JSON
    object.
    """
    version = package_version(row["of_version"], place.package, paths.tarball_urls(place.base, place.package))
    return None if version is None else documents.entry(version, place.media_type)


def first_of_each(entries: Iterable[documents.Entry]) -> list[documents.Entry]:
    """In their order; of several tarballs of one version the first counts."""
    found: dict[str, documents.Entry] = {}
    for each in entries:
        found.setdefault(each.version, each)
    return list(found.values())
