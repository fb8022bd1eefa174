"""The Simple Repository API as JSON (PEP 691, 700, 714, 740, 792), version 1.4."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from keygenreg.engines.pypi.project import Project, ProjectFile, ProjectLink

# 1.5 would announce the namespaces of PEP 752, which we do not have.
API_VERSION = "1.4"
# What is left to say where another index, whose page is passed on, does not tell the sizes that 1.1 demands.
_WITHOUT_SIZES = "1.0"


def project_list(projects: Iterable[ProjectLink]) -> bytes:
    """Every project's name, in the order given and as the vendor spells it."""
    return orjson.dumps(
        {
            "meta": {"api-version": API_VERSION},
            "projects": [{"name": link.name} for link in projects],
        }
    )


def project_detail(project: Project) -> bytes:
    """One project's files, in the order given."""
    sized = all(file.size is not None for file in project.offered)
    versions = list(map(str, project.versions))
    return _detail(project, versions, [_file(file) for file in project.offered], sized=sized)


def with_entries(project: Project, versions: list[str], entries: Iterable[bytes]) -> bytes:
    """
    The same of a project whose files are given as :func:`entry` made them.

    :param versions: of the files: distinct, lowest first.
    """
    return _detail(project, versions, list(map(orjson.Fragment, entries)), sized=True)


def entry(file: ProjectFile) -> bytes:
    """One file, of known size, as it stands in the page of its project."""
    return orjson.dumps(_file(file))


def _detail(project: Project, versions: list[str], files: list[Any], *, sized: bool) -> bytes:
    status = {"status": project.status.status}
    if project.status.reason:
        status["reason"] = project.status.reason
    return orjson.dumps(
        {
            "meta": {"api-version": API_VERSION if sized else _WITHOUT_SIZES},
            "name": project.name,
            "project-status": status,
            "versions": versions,
            "files": files,
        }
    )


def utc_text(moment: datetime) -> str:
    """An aware time as PEP 700 writes it: UTC, six fractional digits, ``Z``."""
    # Not strftime: it takes five times as long, for each file of a page.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _file(file: ProjectFile) -> dict[str, Any]:
    core_metadata: dict[str, str] | bool = False
    if file.core_metadata_sha256:
        core_metadata = {"sha256": file.core_metadata_sha256}
    entry: dict[str, Any] = {
        "filename": file.filename,
        "url": file.url,
        "hashes": file.known_hashes,
        "requires-python": file.effective_requires_python,
        "core-metadata": core_metadata,
        "dist-info-metadata": core_metadata,
        "yanked": file.yanked or False,
        "provenance": file.provenance,
    }
    if file.size is not None:
        entry["size"] = file.size
    if file.upload_time is not None:
        entry["upload-time"] = utc_text(file.upload_time)
    return entry
