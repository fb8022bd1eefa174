"""The PyPI engine's upstream: Simple pages of another index, in JSON or HTML, as projects of ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import orjson
from attrs import frozen

from keygenreg.engines.pypi.names import basename, distribution, normalize
from keygenreg.engines.pypi.project import STATUSES, Project, ProjectFile, ProjectStatus
from keygenreg.engines.pypi.upstream_html import Anchor, Page, read_page
from keygenreg.formats.json_reader import JsonReader
from keygenreg.formats.media_types import by_filename
from keygenreg.mirror.adapter import Listing, RemoteFile, Unusable
from keygenreg.upstream.addresses import join
from keygenreg.upstream.failures import Refused

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_ALGORITHMS = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5")
_LENGTHS = {name: hashlib.new(name, usedforsecurity=False).digest_size * 2 for name in _ALGORITHMS}
_LARGEST = 2**53
_LONGEST = 4096
# Longer pages take so long to read, in bytes, that other threads must not wait for the end.
_LONG = 512 * 1024
METADATA = ".metadata"


@frozen(kw_only=True)
class Stated:
    """What a page says of one file, not believed yet."""

    filename: Any
    url: Any
    hashes: Any = None
    requires_python: Any = None
    yanked: Any = False
    size: Any = None
    uploaded: Any = None
    core_metadata: Any = None
    provenance: Any = None


class PypiUpstream:
    """A :class:`keygenreg.mirror.adapter.Adapter`. A listing's document is a :class:`Project` without URLs."""

    engine = "pypi"

    def normalize(self, name: str) -> str:
        return normalize(name)

    def url(self, upstream: str, name: str, variant: str) -> str:
        return f"{upstream}{quote(name, safe='')}/"

    def accept(self, variant: str) -> str:
        return _ACCEPT

    def lists_files(self, variant: str) -> bool:
        return True

    def grows(self, variant: str) -> bool:
        return False

    def read(self, body: bytes, *, headers: Mapping[str, str], url: str, name: str, variant: str) -> Listing:
        # By its looks: servers are known to send JSON under another type.
        if body.lstrip()[:1] == b"{":
            status, stated = _from_json(body, name)
        else:
            status, stated = _from_html(body, url, name)
        files: list[ProjectFile] = []
        remote: dict[str, RemoteFile] = {}
        for each in () if status.status == "quarantined" else stated:
            found = _file(each, url, name)
            if found is not None and found.filename not in remote:
                files.append(found)
                remote |= {file.key: file for file in _remote(found)}
        project = Project(name=name, display_name=name, files=tuple(files), status=status)
        return Listing(document=project, files=remote, serial=_serial(headers.get("x-pypi-last-serial")))


def _from_json(body: bytes, name: str) -> tuple[ProjectStatus, list[Stated]]:
    page = _read_at_once(body) if len(body) < _LONG else _read_by_member(body)
    meta, files = page.get("meta"), page.get("files")
    version = meta.get("api-version") if isinstance(meta, dict) else None
    if not isinstance(version, str) or not version.startswith("1.") or not isinstance(files, list):
        raise Unusable("it is no page of version 1 of the Simple API")
    called = page.get("name", name)
    if not isinstance(called, str) or normalize(called) != name:
        raise Unusable("it is the page of another project")
    stated = page.get("project-status")
    status = ProjectStatus()
    if isinstance(stated, dict):
        status = _status(stated.get("status"), stated.get("reason"))
    return status, files


def _read_at_once(body: bytes) -> dict[str, Any]:
    """The members of a page, its files as what they state."""
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unusable("it is no JSON") from None
    if isinstance(page.get("files"), list):
        page["files"] = [_stated(each) for each in page["files"] if isinstance(each, dict)]
    return page


def _read_by_member(body: bytes) -> dict[str, Any]:
    """The same of a page of megabytes, in steps between which other threads get their turn."""
    try:
        reader = JsonReader(body)
        page: dict[str, Any] = {}
        for member in reader.members():
            # Each file is read at once: thousands of objects would be long to look through for garbage, and to free.
            if member == "files" and reader.at_array():
                page[member] = [_stated(each) for each in reader.items() if isinstance(each, dict)]
            else:
                page[member] = reader.value()
        reader.end()
    except ValueError:
        raise Unusable("it is no JSON, or too deeply nested") from None
    return page


def _stated(file: dict[str, Any]) -> Stated:
    return Stated(
        filename=file.get("filename"),
        url=file.get("url"),
        hashes=file.get("hashes"),
        requires_python=file.get("requires-python"),
        yanked=file.get("yanked"),
        size=file.get("size"),
        uploaded=file.get("upload-time"),
        core_metadata=file.get("core-metadata", file.get("dist-info-metadata")),
        provenance=file.get("provenance"),
    )


def _from_html(body: bytes, url: str, name: str) -> tuple[ProjectStatus, list[Stated]]:
    page = read_page(body.decode("utf-8", "replace"))
    version = page.metas.get("pypi:repository-version")
    if version is not None and not version.startswith("1."):
        raise Unusable("it is no page of version 1 of the Simple API")
    stated = [_anchored(anchor, page) for anchor in page.anchors if "href" in anchor.attributes]
    if version is None and not any(_distribution(each.filename, name) for each in stated):
        # Somebody's login page must not become a project without files.
        raise Unusable("it is a web page, but not one of an index")
    status = page.metas.get("pypi:project-status"), page.metas.get("pypi:project-status-reason")
    return _status(*status), stated


def _anchored(anchor: Anchor, page: Page) -> Stated:
    given = anchor.attributes
    url, _, fragment = given["href"].partition("#")
    algorithm, _, value = fragment.partition("=")
    text = anchor.text
    named = unquote(basename(_path_of(url)))
    core, _, digest = given.get("data-core-metadata", given.get("data-dist-info-metadata", "")).partition("=")
    return Stated(
        filename=text if text else named,
        url=url if page.base is None else _joined(page.base, url),
        hashes={algorithm: value} if value else None,
        requires_python=given.get("data-requires-python"),
        yanked=given["data-yanked"] or True if "data-yanked" in given else False,
        core_metadata={core: digest} if digest else None,
        provenance=given.get("data-provenance"),
    )


def _path_of(url: str) -> str:
    """The path of a URL; empty for what is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _joined(base: str, url: str) -> str:
    try:
        return join(base, url)
    except Refused:
        return url


def _distribution(filename: Any, name: str):
    return distribution(filename, name) if isinstance(filename, str) else None


def _file(stated: Stated, page_url: str, name: str) -> ProjectFile | None:
    """A file that can be listed; None for kinds that installers do not take, and for what cannot be right."""
    found = _distribution(stated.filename, name)
    if found is None or not isinstance(stated.url, str) or not 0 < len(stated.url) <= _LONGEST:
        return None
    try:
        url = join(page_url, stated.url.partition("#")[0])
    except Refused:
        return None
    core = _hashes(stated.core_metadata)
    requires = stated.requires_python
    yanked = stated.yanked
    return ProjectFile(
        distribution=found,
        url=url,
        hashes=_hashes(stated.hashes),
        requires_python=requires if isinstance(requires, str) and _is_line(requires) else None,
        yanked=_whole(yanked) if isinstance(yanked, str) else bool(yanked),
        size=_size(stated.size),
        upload_time=_time(stated.uploaded),
        core_metadata_sha256=core.get("sha256"),
        extra_attributes={"provenance": stated.provenance} if isinstance(stated.provenance, str) else {},
    )


def _remote(file: ProjectFile) -> Iterator[RemoteFile]:
    """The file, and its metadata sibling where upstream tells its hash: others we do not advertise."""
    remote = RemoteFile(
        key=file.filename,
        url=file.url,
        hashes=dict(file.hashes),
        size=file.size,
        uploaded=file.upload_time,
        content_type=by_filename(file.filename),
    )
    yield remote
    if file.core_metadata_sha256:
        path, mark, query = file.url.partition("?")
        yield RemoteFile(
            key=file.filename + METADATA,
            url=path + METADATA + mark + query,
            hashes={"sha256": file.core_metadata_sha256},
            uploaded=file.upload_time,
            # Clients put the suffix to the file's URL, which tells the file's hash.
            told=remote.digest,
        )


def _status(status: Any, reason: Any) -> ProjectStatus:
    if not isinstance(status, str) or status not in STATUSES:
        return ProjectStatus()
    return ProjectStatus(status, _whole(reason) if isinstance(reason, str) and reason else None)


def _hashes(stated: Any) -> dict[str, str]:
    """The digests that can be checked; what is none is passed over."""
    found = {}
    for algorithm in _ALGORITHMS:
        value = stated.get(algorithm) if isinstance(stated, dict) else None
        value = value.lower() if isinstance(value, str) else ""
        if len(value) == _LENGTHS[algorithm] and _HEX.fullmatch(value):
            found[algorithm] = value
    return found


def _size(stated: Any) -> int | None:
    return stated if type(stated) is int and 0 <= stated < _LARGEST else None


def _time(stated: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stated) if isinstance(stated, str) else None
        if moment is None:
            return None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _serial(stated: str | None) -> int | None:
    return int(stated) if stated and stated.isascii() and stated.isdigit() and len(stated) < 18 else None


def _whole(text: str) -> str:
    """Without halves of characters, which JSON can state and nobody can write down."""
    return text.encode("utf-8", "replace").decode()


def _is_line(text: str) -> bool:
    return len(text) <= 1024 and text.isprintable()
