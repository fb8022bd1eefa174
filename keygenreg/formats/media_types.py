"""Media types: names used in several places, reading a Content-Type, and guessing one from a file's name."""

from __future__ import annotations

import re
from types import MappingProxyType

from attrs import field, frozen

JSON_API = "application/vnd.api+json"
JSON_API_ALIAS = "application/vnd.keygen+json"
JSON = "application/json"
OCTET_STREAM = "application/octet-stream"
HTML = "text/html"
PLAIN = "text/plain"

JSON_API_UTF8 = f"{JSON_API}; charset=utf-8"
JSON_UTF8 = f"{JSON}; charset=utf-8"
HTML_UTF8 = f"{HTML}; charset=utf-8"
PLAIN_UTF8 = f"{PLAIN}; charset=utf-8"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ESSENCE = re.compile(rf"[ \t]*({_TOKEN})/({_TOKEN})[ \t]*(?=;|$)", re.ASCII)
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=("(?:[^"\\]|\\.)*"|{_TOKEN}))?[ \t]*(?=;|$)', re.ASCII)
_QUOTED_PAIR = re.compile(r"\\(.)")
_LONGEST = 1024

_BY_ENDING = MappingProxyType(
    {
        "json": JSON,
        "html": HTML,
        "txt": PLAIN,
        "md": "text/markdown",
        "yml": "application/yaml",
        "yaml": "application/yaml",
        "xml": "application/xml",
        "zip": "application/zip",
        "whl": "application/zip",
        "gz": "application/gzip",
        "tgz": "application/gzip",
        "bz2": "application/x-bzip2",
        "xz": "application/x-xz",
        "zst": "application/zstd",
        "tar": "application/x-tar",
        "gem": "application/x-tar",
        "7z": "application/x-7z-compressed",
        "dmg": "application/x-apple-diskimage",
        "msi": "application/x-msi",
        "deb": "application/vnd.debian.binary-package",
        "rpm": "application/x-rpm",
        "apk": "application/vnd.android.package-archive",
        "jar": "application/java-archive",
        "wasm": "application/wasm",
        "pdf": "application/pdf",
        "png": "image/png",
        "svg": "image/svg+xml",
        "sig": PLAIN,
        "asc": "application/pgp-signature",
    }
)


@frozen
class MediaType:
    """A media type in lower case, and its parameters (names in lower case, first one of a name counts)."""

    essence: str
    parameters: tuple[tuple[str, str], ...] = field(default=())

    def parameter(self, name: str) -> str | None:
        return next((value for known, value in self.parameters if known == name), None)


def parse_media_type(text: str) -> MediaType:
    """
    Read a Content-Type header's value.

    :raises ValueError: it does not follow RFC 9110, 8.3.1, or is longer than a kilobyte.
    """
    if len(text) > _LONGEST:
        raise ValueError("media type too long")
    match = _ESSENCE.match(text)
    if match is None:
        raise ValueError("not a media type")
    essence, position = f"{match[1]}/{match[2]}".lower(), match.end()
    parameters = []
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise ValueError("not a media type's parameter")
        position = match.end()
        if match[1]:
            parameters.append((match[1].lower(), _unquoted(match[2])))
    return MediaType(essence, tuple(parameters))


def _unquoted(value: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def storable(content_type: str | None) -> str | None:
    """A Content-Type that a client gave for stored bytes, if it is safe to send back in a header; else None."""
    if not content_type:
        return None
    try:
        parse_media_type(content_type)
    except ValueError:
        return None
    text = content_type.strip()
    return text if text.isascii() and text.isprintable() and len(text) <= 255 else None


def is_json_request(content_type: str | None) -> bool:
    """
    Whether a request's body is to be read as JSON: JSON:API, JSON and their kin, also without a type or with one of
    a form or of text, which clients send without thinking (api.md 2.2).
    """
    if not content_type or not content_type.strip():
        return True
    try:
        essence = parse_media_type(content_type).essence
    except ValueError:
        return False
    kind, _, subtype = essence.partition("/")
    return (
        kind == "text"
        or subtype == "json"
        or subtype.endswith("+json")
        or essence in ("application/x-www-form-urlencoded", "multipart/form-data", OCTET_STREAM)
    )


def by_filename(filename: str) -> str:
    """A stored file's type where nobody gave one; unknown endings are ``application/octet-stream``."""
    return _BY_ENDING.get(filename.rpartition(".")[2].lower(), OCTET_STREAM)
