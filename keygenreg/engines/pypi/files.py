"""Rows of the database as the files of a project."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from keygenreg.domain.checksum import infer
from keygenreg.engines.pypi.names import basename, distribution
from keygenreg.engines.pypi.project import ProjectFile

_DIGESTS = ("sha256", "sha512", "sha1", "md5")


def project_files(
    rows: Iterable[dict[str, Any]], project: str, url_of: Callable[[dict[str, Any]], str]
) -> tuple[ProjectFile, ...]:
    """
    Those rows that are wheels or source distributions of the (normalised) project, in their order; of several with one
    name (in different releases) the first.

    :param url_of: the absolute URL of a row's file.
    """
    found = []
    seen = set()
    for row in rows:
        file = distribution(basename(row["filename"]), project)
        if file is None or file.filename in seen:
            continue
        seen.add(file.filename)
        digest = row["core_digest"]
        found.append(
            ProjectFile(
                distribution=file,
                url=url_of(row),
                hashes=_hashes(row),
                requires_python=row["requires_python"],
                yanked=_yanked(row),
                size=row["size"],
                upload_time=row["created"],
                core_metadata_sha256=digest.removeprefix("sha256:") if digest else None,
                extra_attributes={key: value for key, value in row["metadata"].items() if key not in _YANK_KEYS},
            )
        )
    return tuple(found)


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
