"""An artifact's bytes as an answer: streamed, or a redirect to a signed link (decisions 2-4, api.md 5.4)."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from keygenreg.database.queries.artifacts import CLOCK, START_CLOCK
from keygenreg.domain.expiry import at_first_download
from keygenreg.domain.failures import NotFound
from keygenreg.domain.grant import Grant
from keygenreg.formats.content_disposition import attachment
from keygenreg.formats.media_types import by_filename
from keygenreg.web.delivery import DownloadTicket
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import BlobReply, Headers, Reply

# The tag decides: an answer that somebody kept is asked for again, so that revocation shows at once (decision 8).
_FOR_ALL = "public, no-transform, no-cache"
_FOR_ONE = "private, no-transform, no-cache"


@frozen
class StoredFile:
    """
    Bytes in the blob store under a file name.

    ``sha256`` is empty for an imported artifact whose bytes did not come along; ``modified`` is in Unix seconds;
    ``public`` says that anybody may read it.
    """

    sha256: str
    size: int
    filename: str
    content_type: str
    modified: float | None = None
    public: bool = False

    @classmethod
    def of(cls, row: dict[str, Any]) -> StoredFile | None:
        """
        What a row of ``visible_artifacts`` holds; ``None`` while there is nothing to fetch: not uploaded, or yanked.

        :param row: ``public`` counts when the query selected it.
        """
        if row["status"] != "UPLOADED" or row["release_status"] == "YANKED":
            return None
        return cls(
            row["blob_sha256"] or "",
            row["content_length"] or 0,
            row["filename"],
            row["content_type"] or by_filename(row["filename"]),
            row["updated"].timestamp(),
            bool(row.get("public")),
        )

    def headers(self, *, anonymous: bool) -> Headers:
        """The header fields that come with the bytes."""
        digest = b64encode(bytes.fromhex(self.sha256)).decode("ascii")
        return (
            ("Content-Type", self.content_type),
            ("Content-Disposition", attachment(self.filename)),
            ("Cache-Control", _FOR_ALL if self.public and anonymous else _FOR_ONE),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
            ("Digest", f"sha-256={digest}"),
            ("Repr-Digest", f"sha-256=:{digest}:"),
        )


async def deliver(exchange: Exchange, parts: Parts, grant: Grant, row: dict[str, Any]) -> Reply | BlobReply:
    """
    The bytes of an artifact that the caller may read: themselves, or a redirect to them, as the daemon is set up.

    :param row: of ``visible_artifacts``, ``permitted``.
    :raises NotFound: there is nothing to fetch.
    """
    file = StoredFile.of(row)
    if file is None:
        raise NotFound("This file cannot be downloaded.")
    if parts.delivery.redirects(file.size):
        await count_download(exchange, parts, grant)
        return Reply(303, b"", (("Location", link(exchange, parts, file)),))
    return await stream(exchange, parts, grant, file)


def link(exchange: Exchange, parts: Parts, file: StoredFile, seconds: int | None = None) -> str:
    """
    A signed, absolute URL of a file that needs no credentials.

    :param seconds: its life, brought within bounds; ``None``: as configured.
    """
    ticket = DownloadTicket(file.sha256, file.filename, file.content_type, file.modified)
    return parts.delivery.download_url(exchange.base_url, ticket, seconds)


async def stream(
    exchange: Exchange, parts: Parts, grant: Grant, file: StoredFile, *, counted: bool = True
) -> BlobReply:
    """
    The bytes of a file.

    :param counted: whether this is a download that may start a license's time.
    :raises NotFound: the store does not have them.
    """
    blob = await parts.blobs.open(file.sha256)
    try:
        if counted:
            await count_download(exchange, parts, grant)
    except BaseException:
        blob.close()
        raise
    exchange.keep(shared=False)
    headers = (("Vary", "Accept, Prefer"), *file.headers(anonymous=grant.bearer is None))
    return BlobReply(blob, etag_of(file.sha256), file.modified, headers)


def etag_of(sha256: str) -> str:
    """The strong entity tag of stored bytes."""
    return f'"sha256:{sha256}"'


async def count_download(exchange: Exchange, parts: Parts, grant: Grant) -> None:
    """Let the first download of a license start its time, where its policy says so (api.md 4.7)."""
    if grant.role != "license" or exchange.method == "HEAD" or not await exchange.may_start_clock():
        return
    exchange.keeping.lasts_until(0)  # the next download may be the first one
    clock = await parts.database.maybe(CLOCK, license=grant.bearer.id)
    if clock is None:
        return
    now = datetime.now(UTC)
    expiry = at_first_download(None, basis=clock["expiration_basis"], duration=clock["duration"], now=now)
    await parts.database.execute(START_CLOCK, license=grant.bearer.id, expiry=expiry)
