"""The page's files, read once: their bytes, plain and compressed, with the headers that describe them."""

from __future__ import annotations

import gzip
from hashlib import sha256
from html import escape
from pathlib import Path

from attrs import field, frozen

from keygenreg.formats.media_types import HTML_UTF8

#: Of the files that the page consists of; a file of any other kind is a mistake.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": HTML_UTF8,
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
INDEX = "index.html"
#: What stands in the index for the folder of the other files, and for where the registry is.
_FOLDER, _REGISTRY = "{{folder}}", "{{registry}}"
#: What stands there for all modules, so that browsers fetch them at once and not as they find them.
_MODULES = "{{modules}}"
_DIGEST_LENGTH = 16


@frozen
class Asset:
    """One file. ``etag`` is strong, with its quotes; ``packed`` is the body as gzip."""

    body: bytes = field(repr=False)
    media_type: str
    etag: str
    packed: bytes = field(repr=False)

    @classmethod
    def of(cls, body: bytes, media_type: str) -> Asset:
        packed = gzip.compress(body, compresslevel=9, mtime=0)
        return cls(body, media_type, f'"{sha256(body).hexdigest()[:32]}"', packed)


@frozen
class Bundle:
    """
    All files by their paths below the folder.

    ``digest`` is of all of them together: below a folder of that name they never change, so browsers may keep them.
    """

    files: dict[str, Asset]
    digest: str
    _index: str = field(repr=False)

    @classmethod
    def read(cls, folder: Path = Path(__file__).parent / "assets") -> Bundle:
        """
        Read all files of a folder.

        :raises KeyError: one is of a kind that the page does not consist of.
        """
        files, together = {}, sha256()
        for path in sorted(folder.rglob("*.*")):
            name, body = path.relative_to(folder).as_posix(), path.read_bytes()
            files[name] = Asset.of(body, MEDIA_TYPES[path.suffix])
            together.update(b"%s\0%d\0%s" % (name.encode(), len(body), body))
        index = files.pop(INDEX).body.decode()
        return cls(files, together.hexdigest()[:_DIGEST_LENGTH], index)

    def index(self, folder: str, registry: str) -> Asset:
        """
        The document that browsers open.

        :param folder: path of the other files, without a slash at its end.
        :param registry: where customers reach the registry: scheme, host and port.
        """
        names = (name for name in self.files if name.endswith(".js"))
        modules = "\n".join(f'<link rel="modulepreload" href="{_FOLDER}/{escape(name)}">' for name in names)
        text = self._index.replace(_MODULES, modules)
        text = text.replace(_FOLDER, escape(folder)).replace(_REGISTRY, escape(registry))
        return Asset.of(text.encode(), HTML_UTF8)
