"""The Simple Repository API as HTML 5 (PEP 503, 592, 629, 658, 714, 792; frozen at version 1.4 by PEP 833)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from keygenreg.engines.pypi.project import Project, ProjectFile, ProjectLink

REPOSITORY_VERSION = "1.4"

# ``data-`` names whose values we compute, so that nobody's metadata can state them a second time.
_COMPUTED = frozenset(
    {
        "data-requires-python",
        "data-yanked",
        "data-core-metadata",
        "data-dist-info-metadata",
        "data-gpg-sig",
        "data-provenance",
    }
)
_ATTRIBUTE = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)
# Scrapers read pages by the line, and HTML folds a raw carriage return, so both travel as references.
_LINE_BREAKS = str.maketrans({"\n": "&#10;", "\r": "&#13;", "\x00": "\ufffd"})


def project_list(projects: Iterable[ProjectLink], *, account: str) -> bytes:
    """Every project's link, in the order given; ``account`` is the name to show in the title."""
    anchors = (_anchor(link.url, link.name, _extra(link.extra_attributes)) for link in projects)
    return _document(f"Packages of {account}", anchors)


def project_detail(project: Project, *, account: str) -> bytes:
    """One project's page: one anchor, on a line of its own, per file in the order given."""
    return with_entries(project, map(entry, project.offered), account=account)


def entry(file: ProjectFile) -> bytes:
    """One file as it stands in the page of its project."""
    return _anchor(_href(file), file.filename, _attributes(file))


def with_entries(project: Project, entries: Iterable[bytes], *, account: str) -> bytes:
    """The page of a project whose files are given as :func:`entry` made them."""
    metas = []
    if project.status.status != "active":
        metas.append(_meta("pypi:project-status", project.status.status))
        if project.status.reason:
            metas.append(_meta("pypi:project-status-reason", project.status.reason))
    return _document(f"Links for {project.display_name} of {account}", entries, metas)


def _document(title: str, anchors: Iterable[bytes], metas: Iterable[str] = ()) -> bytes:
    shown = _escape(title)
    head = (
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        _meta("pypi:repository-version", REPOSITORY_VERSION),
        *metas,
        f"<title>{shown}</title>",
        "</head>",
        "<body>",
        f"<h1>{shown}</h1>",
    )
    return b"\n".join((_bytes("\n".join(head)), *anchors, b"</body>", b"</html>", b""))


def _anchor(url: str, text: str, attributes: Iterable[tuple[str, str]]) -> bytes:
    data = "".join(f' {name}="{_escape(value)}"' for name, value in attributes)
    return _bytes(f'<a href="{_escape(url)}"{data}>{_escape(text)}</a><br>')


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _href(file: ProjectFile) -> str:
    for algorithm, digest in file.known_hashes.items():
        return f"{file.url}#{algorithm}={digest}"
    return file.url


def _attributes(file: ProjectFile) -> Iterator[tuple[str, str]]:
    requires_python = file.effective_requires_python
    if requires_python:
        yield "data-requires-python", requires_python
    if file.yanked is not False:
        yield "data-yanked", file.yanked if isinstance(file.yanked, str) else ""
    if file.core_metadata_sha256:
        yield "data-core-metadata", f"sha256={file.core_metadata_sha256}"
        yield "data-dist-info-metadata", f"sha256={file.core_metadata_sha256}"
    if file.provenance:
        yield "data-provenance", file.provenance
    for name, value in _extra(file.extra_attributes):
        if name not in _COMPUTED:
            yield name, value


def _extra(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A vendor's metadata as ``data-`` attributes: strings as they are, other values as JSON, null left out.

    Keys that are no attribute names are left out, and so is a key that becomes the same name as one before it:
    HTML keeps the first of two equal attributes, parsers of scrapers often the last.
    """
    seen = set()
    for key, value in metadata.items():
        name = key.lower().replace("_", "-")
        if value is None or name in seen or not _ATTRIBUTE.fullmatch(name):
            continue
        seen.add(name)
        yield f"data-{name}", value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    # Not orjson: it refuses integers beyond 64 bits, which jsonb holds.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _meta(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{_escape(content)}">'


def _escape(text: str) -> str:
    return escape(text, quote=True).translate(_LINE_BREAKS)
