"""Files as they stand in the page of their project; kept by :mod:`keygenreg.web.kept_entries`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from attrs import frozen
from packaging.version import Version

from keygenreg.engines.pypi import simple_html, simple_json
from keygenreg.engines.pypi.files import project_file
from keygenreg.web.links import artifact_url


@frozen
class Entry:
    """``text`` is the entry; ``digest`` tells different texts apart; ``spelled`` is the version as text."""

    filename: str
    version: Version
    spelled: str
    text: bytes
    digest: bytes


@frozen
class Place:
    """What an entry is made from beside the row: project (normalised), address and account that URLs begin with."""

    project: str
    base_url: str
    account: str
    is_json: bool

    @property
    def text(self) -> str:
        """As JSON, so that nobody can say where another text ends and this begins."""
        return orjson.dumps([self.project, self.base_url, self.account, self.is_json]).decode()


def entry(row: Mapping[str, Any], place: Place) -> Entry | None:
    """Of a row of :data:`~keygenreg.engines.pypi.queries.FILES`; None for what is no distribution of the project."""
    file = project_file(row["of_file"], place.project, partial(artifact_url, place.base_url, place.account))
    if file is None:
        return None
    text = simple_json.entry(file) if place.is_json else simple_html.entry(file)
    digest = hashlib.blake2b(text, digest_size=16).digest()
    return Entry(file.filename, file.version, str(file.version), text, digest)


def first_of_each(entries: Iterable[Entry]) -> list[Entry]:
    """In their order; of several with one file name (in different releases) the first."""
    found: dict[str, Entry] = {}
    for each in entries:
        found.setdefault(each.filename, each)
    return list(found.values())


def spelled_versions(entries: Sequence[Entry]) -> list[str]:
    """:attr:`Project.versions <keygenreg.engines.pypi.project.Project.versions>` of files that are entries, as text."""
    found: dict[Version, str] = {}
    for entry in reversed(entries):
        found.setdefault(entry.version, entry.spelled)
    return [found[version] for version in sorted(found)]
