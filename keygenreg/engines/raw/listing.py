"""The list of a release's files: names one per line, or a JSON document."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from attrs import frozen

from keygenreg.engines.raw.side_files import ALGORITHMS, digest
from keygenreg.formats.accept import best_match
from keygenreg.formats.media_types import JSON, JSON_API, JSON_API_UTF8, JSON_UTF8, PLAIN, PLAIN_UTF8
from keygenreg.formats.timestamps import api_time

Row = Mapping[str, Any]
_OFFERED = (PLAIN, JSON, JSON_API)


@frozen
class Page:
    """A listing as bytes."""

    body: bytes
    content_type: str

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


def page(release: Row, files: Iterable[Row], url_of: Callable[[Row], str], accept: str | None) -> Page:
    """
    The files of a release in the form that the client likes best; text where it says nothing.

    :param url_of: the address of a file.
    """
    chosen = best_match(accept, _OFFERED) or PLAIN
    if chosen == PLAIN:
        text = "".join(f"{row['filename']}\n" for row in files)
        return Page(text.encode("utf-8"), PLAIN_UTF8)
    document = {"release": _release(release), "artifacts": [_file(row, url_of(row)) for row in files]}
    return Page(orjson.dumps(document), JSON_UTF8 if chosen == JSON else JSON_API_UTF8)


def _release(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "version": row["version"],
        "channel": row["channel"],
        "tag": row["tag"],
        "status": row["status"],
        "name": row["name"],
        "description": row["description"],
        "created": api_time(row["created"]),
    }


def _file(row: Row, url: str) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "filename": row["filename"],
        "url": url,
        "size": row["size"],
        "filetype": row["filetype"],
        "platform": row["platform"],
        "arch": row["arch"],
        "signature": row["signature"],
        "digests": {name: found for name in ALGORITHMS if (found := digest(row, name)) is not None},
        "created": api_time(row["created"]),
    }
