"""Files that a web server in front of this one sends from the same disk: it gets their names instead of their bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from attrs import frozen
from twisted.web.http import Request

from keygenreg.web.reply import ReadableBlob

SMALLEST = 64 * 1024
"""Files below this size, in bytes, are sent as they are: naming them would cost as much."""

#: Conditions that nginx tests against a tag of its own instead of ours.
_OWN_CONDITIONS = ("If-Match", "If-Unmodified-Since")


@frozen
class Acceleration:
    """
    How the server in front is told of a file. It applies Range by itself.

    :param field: ``X-Accel-Redirect`` (nginx) or ``X-Sendfile`` (Apache, lighttpd).
    :param root: the directory that ``prefix`` stands for; files elsewhere are sent by us.
    :param prefix: the front server's internal location, such as ``/-/stored/``; ``None``: it takes file names.
    :param trusts: whether an address is that of a server that understands this.
    """

    field: str
    root: Path
    prefix: str | None
    trusts: Callable[[str], bool]

    def field_for(self, request: Request, blob: ReadableBlob) -> tuple[str, str] | None:
        """The header field that answers ``request`` with ``blob``; ``None`` where its bytes have to be sent."""
        path: Path | None = getattr(blob, "path", None)
        if path is None or blob.size < SMALLEST or request.method != b"GET":
            return None
        peer = getattr(request.getClientAddress(), "host", None)
        if not peer or not self.trusts(peer) or any(map(request.header, _OWN_CONDITIONS)):
            return None
        if not path.is_relative_to(self.root):
            return None
        if self.prefix is None:
            return self.field, str(path)
        return self.field, self.prefix + quote(path.relative_to(self.root).as_posix())


def acceleration(kind: str, prefix: str, root: Path, trusts: Callable[[str], bool]) -> Acceleration | None:
    """
    What ``delivery.accelerate`` asks for.

    :param kind: ``none``, ``x-accel-redirect`` or ``x-sendfile``.
    :param prefix: ``delivery.accelerate_prefix``.
    :param root: directory of the blobs, absolute.
    """
    if kind == "x-accel-redirect":
        return Acceleration("X-Accel-Redirect", root, f"/{prefix.strip('/')}/", trusts)
    if kind == "x-sendfile":
        return Acceleration("X-Sendfile", root, None, trusts)
    return None
