"""Documents of upstreams on record: found, stored, confirmed, missed, and gone for good."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from attrs import define
from twisted.logger import Logger

from keygenreg.database.pool import Database
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import NotFound, Unavailable
from keygenreg.mirror import queries
from keygenreg.mirror.adapter import Listing
from keygenreg.mirror.documents.document import DocumentKey
from keygenreg.mirror.policy import Policy

_log = Logger()

#: What upstream does not have is gone for good when it says so again after so many seconds.
SURE_AFTER = 60


@define(eq=False)
class Records:
    """Of one process. Times are Unix seconds; rows are those of :data:`queries.DOCUMENT`."""

    database: Database
    now: Callable[[], float] = time.time

    async def find(self, key: DocumentKey, policy: Policy) -> dict[str, Any] | None:
        """:raises NotFound: the name is claimed here."""
        row = await self.database.one(queries.DOCUMENT, upstream=policy.upstream, **key.parameters)
        if row["claimed"]:
            raise _claimed(key)
        return None if row["revision"] is None else row

    async def body(self, key: DocumentKey, row: Mapping[str, Any]) -> bytes:
        """A document's text, deflated. :raises Unavailable: there is another one by now."""
        found = await self.database.maybe(queries.DOCUMENT_BODY, revision=row["revision"], **key.parameters)
        if found is None:
            raise Unavailable(f"What is known of {key.name!r} changes at the moment.")
        return bytes(found["body"])

    async def used(self, key: DocumentKey) -> None:
        await self.database.execute(queries.DOCUMENT_USED, **key.parameters)

    async def confirmed(self, key: DocumentKey, row: dict[str, Any], until: float) -> dict[str, Any]:
        """What we have is what upstream has; the row as it is then."""
        await self.database.execute(
            queries.DOCUMENT_CONFIRMED, revision=row["revision"], fresh_until=_moment(until), **key.parameters
        )
        return row | {"fetched": _moment(self.now()), "fresh_until": _moment(until), "gone": None}

    async def missed(self, key: DocumentKey, until: float, *, with_files: bool) -> bool:
        """
        Upstream does not have it. It is not served any more, and removed when it was missed a while ago already.

        :param until: so long nobody needs to ask again. :param with_files: those of its name go with it.
        :return: whether it was removed.
        """

        async def work(transaction: Transaction) -> int:
            gone = await transaction.execute(queries.DOCUMENT_GONE, seconds=SURE_AFTER, **key.parameters)
            if gone and with_files:
                await transaction.execute(queries.FILES_GONE, account=key.account, engine=key.engine, name=key.name)
            if not gone:
                await transaction.execute(queries.DOCUMENT_MISSED, fresh_until=_moment(until), **key.parameters)
            return gone

        return bool(await self.database.transact(work))

    async def store(
        self, key: DocumentKey, policy: Policy, listing: Listing, *, headers: Mapping[str, str], **values: Any
    ) -> UUID:
        """
        Keep a document in place of what we had.

        :param headers: of its answer. :param values: ``url``, ``body`` (deflated), ``size`` of the text, ``until``.
        :return: its revision. :raises NotFound: the name is claimed here.
        """
        revision = uuid4()
        until = values.pop("until")

        async def work(transaction: Transaction) -> int:
            stored = await transaction.execute(
                queries.DOCUMENT_STORED,
                upstream=policy.upstream,
                revision=revision,
                content_type=headers.get("content-type", "")[:255],
                etag=_short(headers.get("etag")),
                last_modified=_short(headers.get("last-modified")),
                serial=listing.serial,
                fresh_until=_moment(until),
                **key.parameters,
                **values,
            )
            if stored and listing.complete:
                await _remove_unlisted(transaction, key, listing)
            return stored

        if not await self.database.transact(work):
            raise _claimed(key)
        return revision


async def _remove_unlisted(transaction: Transaction, key: DocumentKey, listing: Listing) -> None:
    """Files that upstream has taken away, or has put others in place of, are not served from our copies."""
    name = {"account": key.account, "engine": key.engine, "name": key.name}
    for kept in await transaction.rows(queries.FILES_KEPT, **name):
        listed = listing.files.get(kept["key"])
        if listed is None or listed.digest != kept["digest"]:
            await transaction.execute(queries.FILE_GONE, **name, **kept)
            _log.info("{engine} file {file!r} is gone upstream, and so here", engine=key.engine, file=kept["key"])


def _claimed(key: DocumentKey) -> NotFound:
    return NotFound(f"The name {key.name!r} belongs to this registry.")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _short(text: str | None) -> str | None:
    """A validator to be sent back; one of an absurd length, or with what no header may hold, is not kept."""
    return text if text and len(text) <= 512 and text.isprintable() and text.isascii() else None
