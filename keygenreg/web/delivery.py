"""Signed, expiring URLs of this daemon for uploads and downloads; they need no credentials and no database."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote
from uuid import UUID

from attrs import field, frozen

from keygenreg.formats.signed_token import sign, verify

#: Paths of the signed URLs, on every host.
UPLOADS = "/-/uploads/"
BLOBS = "/-/blobs/"

_UPLOAD = "upload"
_DOWNLOAD = "download"
#: Bounds of a download link's life that its maker may ask for, in seconds (api.md 5.4).
SHORTEST_LINK, LONGEST_LINK = 60, 7 * 24 * 3600


@frozen
class UploadTicket:
    """Permission to store one artifact's bytes. ``size`` is the declared length in bytes, ``None`` without one."""

    account_id: UUID
    artifact_id: UUID
    size: int | None
    algorithms: tuple[str, ...] = ()


@frozen
class DownloadTicket:
    """Permission to fetch one stored blob under a file name."""

    sha256: str
    filename: str
    content_type: str
    modified: float | None = None


def link_name(filename: str) -> str:
    """The last part of a download link: what a client calls the file that it saves."""
    return filename.rpartition("/")[2] or "file"


@frozen
class Delivery:
    """
    Makes and checks signed URLs.

    :param key: the installation's signing key, shared by all its processes.
    :param upload_seconds: life of an upload URL; ``link_seconds``: of a download URL.
    :param redirect: send package clients to signed URLs always (``delivery.mode = "redirect"``).
    :param redirect_above_bytes: and above this size in any mode, ``None`` for never.
    """

    key: bytes = field(repr=False)
    upload_seconds: int = 3600
    link_seconds: int = 3600
    redirect: bool = False
    redirect_above_bytes: int | None = None
    now: Callable[[], float] = time.time

    def upload_url(self, base: str, ticket: UploadTicket) -> str:
        payload = {
            "a": str(ticket.account_id),
            "i": str(ticket.artifact_id),
            "s": ticket.size,
            "h": list(ticket.algorithms),
        }
        return base + UPLOADS + sign(self.key, _UPLOAD, payload, int(self.now()) + self.upload_seconds)

    def read_upload(self, token: str) -> UploadTicket:
        """:raises ValueError: forged, altered or expired."""
        payload = verify(self.key, _UPLOAD, token, int(self.now()))
        return UploadTicket(UUID(payload["a"]), UUID(payload["i"]), payload["s"], tuple(payload["h"]))

    def download_url(self, base: str, ticket: DownloadTicket, seconds: int | None = None) -> str:
        """:param seconds: life of the link, brought within the allowed bounds; ``None``: the default."""
        life = self.link_seconds if seconds is None else min(max(seconds, SHORTEST_LINK), LONGEST_LINK)
        payload = {"b": ticket.sha256, "f": ticket.filename, "t": ticket.content_type, "m": ticket.modified}
        token = sign(self.key, _DOWNLOAD, payload, int(self.now()) + life)
        return f"{base}{BLOBS}{token}/{quote(link_name(ticket.filename), safe='')}"

    def read_download(self, token: str) -> DownloadTicket:
        """:raises ValueError: forged, altered or expired."""
        payload = verify(self.key, _DOWNLOAD, token, int(self.now()))
        return DownloadTicket(payload["b"], payload["f"], payload["t"], payload["m"])

    def redirects(self, size: int) -> bool:
        """Whether a package client is sent to a signed URL for a blob of this size."""
        return self.redirect or (self.redirect_above_bytes is not None and size > self.redirect_above_bytes)
