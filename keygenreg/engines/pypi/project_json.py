"""The project documents that warehouse serves at ``/pypi/<name>/json`` and ``/pypi/<name>/<version>/json``.

pip-tools reads digests from the first, other tools the summary and versions. Members that only warehouse can know
(downloads, vulnerabilities, serials) hold its own neutral values. Source: https://docs.pypi.org/api/json/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from attrs import frozen
from packaging.version import Version

from keygenreg.engines.pypi.project import Project, ProjectFile
from keygenreg.engines.pypi.simple_json import utc_text

_NO_DOWNLOADS = {"last_day": -1, "last_month": -1, "last_week": -1}


@frozen(kw_only=True)
class Described:
    """A project with what its core metadata says.

    :ivar facts: core metadata fields under the snake_case keys of :mod:`keygenreg.engines.pypi.core_metadata`,
        of the version that is asked for (or :func:`chosen_version`); may be empty.
    :ivar project_url: absolute URL of the project's simple page, for the members that link to a web page.
    """

    project: Project
    facts: Mapping[str, Any]
    project_url: str


def chosen_version(project: Project) -> Version | None:
    """The version a document without a version describes, None for a project without files.

    The highest of: stable and not yanked; else a prerelease that is not yanked; else yanked.
    """
    usable = {file.version for file in project.offered if not file.yanked}
    return max(
        project.versions,
        key=lambda version: (version in usable, not version.is_prerelease, version),
        default=None,
    )


def project_document(described: Described) -> bytes:
    """The document of a whole project: ``urls`` holds the chosen version's files, ``releases`` all of them."""
    project = described.project
    releases: dict[str, list[dict[str, Any]]] = {}
    for file in project.offered:
        releases.setdefault(str(file.version), []).append(_file(file))
    return orjson.dumps(_document(described, chosen_version(project)) | {"releases": releases})


def version_document(described: Described, version: Version) -> bytes | None:
    """The document of one version, which has no ``releases``; None when the project has no file of that version."""
    if version not in described.project.versions:
        return None
    return orjson.dumps(_document(described, version))


def _document(described: Described, version: Version | None) -> dict[str, Any]:
    files = [file for file in described.project.offered if file.version == version]
    return {
        "info": _info(described, version, files),
        "last_serial": 0,
        "urls": [_file(file) for file in files],
        "vulnerabilities": [],
    }


def _info(described: Described, version: Version | None, files: list[ProjectFile]) -> dict[str, Any]:
    facts, url = described.facts, described.project_url
    yanked = bool(files) and all(file.yanked for file in files)
    reasons = [file.yanked for file in files if isinstance(file.yanked, str)]
    constraints = [file.effective_requires_python for file in files if file.effective_requires_python]
    texts = ("author", "author_email", "maintainer", "maintainer_email", "summary", "home_page", "description")
    options = ("license", "license_expression", "license_files", "description_content_type", "project_urls")
    lists = ("requires_dist", "provides_extra", "dynamic")
    return {
        **{key: facts.get(key) or "" for key in texts},
        **{key: facts.get(key) or None for key in (*options, *lists)},
        "name": described.project.display_name,
        "version": str(version) if version is not None else "",
        "classifiers": facts.get("classifiers") or [],
        "keywords": ",".join(facts.get("keywords") or ()),
        "platform": ",".join(facts.get("platforms") or ()),
        "download_url": facts.get("download_url") or "",
        "requires_python": constraints[0] if constraints else None,
        "bugtrack_url": None,
        "docs_url": None,
        "downloads": _NO_DOWNLOADS,
        "package_url": url,
        "project_url": url,
        "release_url": url,
        "yanked": yanked,
        "yanked_reason": reasons[0] if yanked and reasons else None,
    }


def _file(file: ProjectFile) -> dict[str, Any]:
    moment = utc_text(file.upload_time) if file.upload_time is not None else None
    return {
        "comment_text": None,
        "digests": file.known_hashes,
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": file.known_hashes.get("md5"),
        "packagetype": file.distribution.kind.value,
        "python_version": file.distribution.python,
        "requires_python": file.effective_requires_python,
        "size": file.size,
        "upload_time": moment.partition(".")[0] if moment else None,
        "upload_time_iso_8601": moment,
        "url": file.url,
        "yanked": bool(file.yanked),
        "yanked_reason": file.yanked if isinstance(file.yanked, str) else None,
    }
