"""Rows of the database as the files of a project."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson

from keygenreg.domain.checksum import infer
from keygenreg.engines.pypi.names import basename, distribution
from keygenreg.engines.pypi.project import ProjectFile
from keygenreg.engines.pypi.queries import OF_FILE

UrlOf = Callable[[str, str], str]
"""Id and file name of an artifact -> its absolute URL."""

_DIGESTS = ("sha256", "sha512", "sha1", "md5")


def project_files(
    rows: Iterable[dict[str, Any]], project: str, url_of: UrlOf
) -> tuple[ProjectFile, ...]:
    """
    Those rows that are wheels or source distributions of the (normalised) project, in their order; of several with one
    name (in different releases) the first.

    :param rows: of :data:`~keygenreg.engines.pypi.queries.FILES`.
    """
    found: dict[str, ProjectFile] = {}
    for row in rows:
        file = project_file(row["of_file"], project, url_of)
        if file is not None:
            found.setdefault(file.filename, file)
    return tuple(found.values())


def project_file(of_file: str, project: str, url_of: UrlOf) -> ProjectFile | None:
    """The file in one row's ``of_file``; None where it is no distribution of the project."""
    row = dict(zip(OF_FILE, orjson.loads(of_file), strict=True))
    file = distribution(basename(row["filename"]), project)
    if file is None:
        return None
    digest = row["core_digest"]
    return ProjectFile(
        distribution=file,
        url=url_of(row["id"], row["filename"]),
        hashes=_hashes(row),
        requires_python=row["requires_python"],
        yanked=_yanked(row),
        size=row["size"],
        upload_time=datetime.fromisoformat(row["created"]),
        core_metadata_sha256=digest.removeprefix("sha256:") if digest else None,
        extra_attributes={key: value for key, value in row["metadata"].items() if key not in _YANK_KEYS},
    )


def _hashes(row: dict[str, Any]) -> dict[str, str]:
    """What we computed; for bytes we do not hold, what the vendor stated (decision 13)."""
    hashes = {name: row[name] for name in _DIGESTS if row[name]}
    if not hashes and (stated := infer(row["checksum"] or "")) is not None:
        hashes[stated.algorithm] = stated.hex
    return hashes


_YANK_KEYS = frozenset({"yanked", "yanked_reason"})


def _yanked(row: dict[str, Any]) -> bool | str:
    """PEP 592: a yanked release, or a file that its vendor's metadata marks; the reason is metadata too."""
    for metadata, yanked in (
        (row["metadata"], row["metadata"].get("yanked")),
        (row["release_metadata"], row["release_status"] == "YANKED" or row["release_metadata"].get("yanked")),
    ):
        if yanked:
            reason = metadata.get("yanked_reason") or yanked
            return reason if isinstance(reason, str) else True
    return False
