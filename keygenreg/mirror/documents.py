"""Documents of upstreams: at hand while fresh, asked for anew in the background, kept in use while upstream is away."""

from __future__ import annotations

import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from attrs import define, field
from twisted.logger import Logger

from keygenreg.database.pool import Database
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import NotFound, Unavailable
from keygenreg.mirror import queries
from keygenreg.mirror.adapter import Adapter, Listing, Unusable
from keygenreg.mirror.briefly import Briefly
from keygenreg.mirror.clients import Clients
from keygenreg.mirror.document import DocumentKey, MirroredDocument
from keygenreg.mirror.failures import as_failure
from keygenreg.mirror.freshness import SHORTEST, Age, lifetime
from keygenreg.mirror.policy import Policy
from keygenreg.mirror.readings import Readings
from keygenreg.mirror.single_flight import Background, SingleFlight
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.client import Document
from keygenreg.upstream.failures import Broken, UpstreamFailure

_log = Logger()

#: A document is noted as used at most this often, in seconds.
USED_EVERY = 300.0
#: A stale document is asked for at most this often, in seconds, however many want it.
ASKED_EVERY = 5.0
#: What an adapter may want to know of an answer's head, when it reads our copy too.
_READ_HEADERS = ("content-type", "x-pypi-last-serial")


@define(eq=False)
class Documents:
    """
    One engine's documents in one process.

    :param in_thread: runs a function with its arguments in a thread.
    """

    adapter: Adapter
    database: Database
    clients: Clients
    background: Background
    figures: MirrorFigures
    in_thread: Callable[..., Awaitable[Any]]
    now: Callable[[], float] = time.time
    absent: Briefly = field(init=False)
    _asked: Briefly = field(init=False)
    _used: Briefly = field(init=False)
    _readings: Readings = field(factory=Readings, init=False)
    _flights: SingleFlight = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.absent, self._asked, self._used = Briefly(self.now), Briefly(self.now), Briefly(self.now)
        self._flights = SingleFlight(self.background)

    async def get(self, policy: Policy, account: UUID, name: str, variant: str = "") -> MirroredDocument:
        """
        What upstream says of a name. The caller has asked the policy already.

        :param name: normalised.
        :raises NotFound: upstream has no such name, or it is claimed here. Unavailable, BadUpstream: upstream does not
            tell, and we have nothing that is young enough.
        """
        key = DocumentKey(account, self.adapter.engine, name, variant)
        row = await self._row(key, policy)
        if row is None:
            if (key, policy.upstream) in self.absent:
                self.figures.answered(key.engine, "document", "absent")
                raise _absent(name)
            return await self._fetched(key, policy, None)
        age = Age(row["fresh_until"].timestamp(), self.now())
        if age.fresh:
            self.figures.answered(key.engine, "document", "hit")
            return await self._kept(key, row, stale=False)
        if age.usable_meanwhile(policy):
            self.refresh_in_background(policy, key)
            self.figures.answered(key.engine, "document", "stale")
            return await self._kept(key, row, stale=True)
        return await self._fetched(key, policy, row)

    def refresh_in_background(self, policy: Policy, key: DocumentKey) -> None:
        """Ask for a document anew, unless that is under way or was done just now."""

        async def refresh() -> MirroredDocument:
            return await self._refresh(key, policy, await self._row(key, policy))

        if key not in self._asked:
            self._asked.remember(key, ASKED_EVERY)
            self._flights.begin(key, refresh)

    async def refresh_now(self, policy: Policy, account: UUID, name: str, variant: str = "") -> MirroredDocument:
        """Ask upstream whatever we have, such as when a file is wanted that our copy does not list."""
        key = DocumentKey(account, self.adapter.engine, name, variant)
        row = await self._row(key, policy)
        return await self._flights.run(key, lambda: self._refresh(key, policy, row))

    async def _row(self, key: DocumentKey, policy: Policy) -> dict[str, Any] | None:
        row = await self.database.one(queries.DOCUMENT, upstream=policy.upstream, **key.parameters)
        if row["claimed"]:
            raise NotFound(f"The name {key.name!r} belongs to this registry.")
        if row["revision"] is None:
            return None
        if self.now() - row["accessed"].timestamp() > USED_EVERY and key not in self._used:
            self._used.remember(key, USED_EVERY)
            self.background.start(self.database.execute(queries.DOCUMENT_USED, **key.parameters))
        return row

    async def _fetched(self, key: DocumentKey, policy: Policy, row: dict[str, Any] | None) -> MirroredDocument:
        """Ask upstream and wait for it; what we have is the second choice."""
        joined = key in self._flights
        try:
            found = await self._flights.run(key, lambda: self._refresh(key, policy, row))
        except UpstreamFailure as failure:
            if row is None or not Age(row["fresh_until"].timestamp(), self.now()).usable_instead(policy):
                self.figures.answered(key.engine, "document", "error")
                raise as_failure(failure) from None
            _log.warn("{engine} {name!r}: the old copy is used", engine=key.engine, name=key.name)
            self.figures.answered(key.engine, "document", "stale")
            return await self._kept(key, row, stale=True)
        self.figures.answered(key.engine, "document", "joined" if joined else "miss")
        return found

    async def _kept(self, key: DocumentKey, row: dict[str, Any], *, stale: bool) -> MirroredDocument:
        listing = self._readings.get(key, row["revision"])
        if listing is None:
            found = await self.database.maybe(queries.DOCUMENT_BODY, revision=row["revision"], **key.parameters)
            if found is None:
                raise Unavailable(f"What is known of {key.name!r} changes at the moment.")
            headers = {"content-type": row["content_type"]}
            if row["serial"] is not None:
                headers["x-pypi-last-serial"] = str(row["serial"])
            listing = await self.in_thread(self._read_kept, key, bytes(found["body"]), headers, row["url"])
            self._readings.keep(key, row["revision"], listing, row["size"])
        fetched = row["fetched"].timestamp()
        fresh_until = self.now() + ASKED_EVERY if stale else row["fresh_until"].timestamp()
        return MirroredDocument(listing, row["url"], row["revision"], fetched, fresh_until, stale)

    def _read_kept(self, key: DocumentKey, deflated: bytes, headers: Mapping[str, str], url: str) -> Listing:
        body = zlib.decompress(deflated)
        return self.adapter.read(body, headers=headers, url=url, name=key.name, variant=key.variant)

    async def _refresh(self, key: DocumentKey, policy: Policy, row: dict[str, Any] | None) -> MirroredDocument:
        """:raises UpstreamFailure: it does not answer, or not with a document. NotFound: it has none."""
        try:
            return await self._ask(key, policy, row)
        except UpstreamFailure as failure:
            self.figures.failed(key.engine, failure.word)
            _log.warn(
                "{engine} {name!r} cannot be had from {upstream}: {why}",
                engine=key.engine,
                name=key.name,
                upstream=policy.upstream,
                why=failure.detail,
            )
            raise
        finally:
            for origin, state in self.clients.of(policy).states.items():
                self.figures.circuit(origin, state)

    async def _ask(self, key: DocumentKey, policy: Policy, row: dict[str, Any] | None) -> MirroredDocument:
        answer = await self.clients.of(policy).document(
            self.adapter.url(policy.upstream, key.name, key.variant),
            accept=self.adapter.accept(key.variant),
            etag=row and row["etag"],
            last_modified=row and row["last_modified"],
        )
        self.figures.received(key.engine, "document", len(answer.body))
        if answer.status == 404:
            await self._gone(key, policy)
            raise _absent(key.name)
        if answer.status == 304:
            if row is None:
                raise Broken("The upstream says that nothing has changed, to whom has nothing.")
            return await self._confirmed(key, row, lifetime(answer.headers, policy.fresh))
        try:
            listing, deflated = await self.in_thread(self._read_new, key, answer)
        except Unusable as unusable:
            raise Broken(f"The upstream's document cannot be used: {unusable}", word="garbage") from None
        except Exception:
            _log.failure("{engine} {name!r} cannot be read; please report this", engine=key.engine, name=key.name)
            raise Broken("The upstream's document cannot be read.", word="garbage") from None
        if row is not None and _older(listing.serial, row["serial"]):
            # A lagging node of a content network; what we have is newer.
            return await self._confirmed(key, row, min(SHORTEST, policy.fresh))
        return await self._store(key, policy, answer, listing, deflated)

    def _read_new(self, key: DocumentKey, answer: Document) -> tuple[Listing, bytes]:
        headers = {name: answer.headers[name] for name in _READ_HEADERS if name in answer.headers}
        listing = self.adapter.read(answer.body, headers=headers, url=answer.url, name=key.name, variant=key.variant)
        return listing, zlib.compress(answer.body, 6)

    async def _confirmed(self, key: DocumentKey, row: dict[str, Any], seconds: int) -> MirroredDocument:
        until = self.now() + seconds
        await self.database.execute(
            queries.DOCUMENT_CONFIRMED, revision=row["revision"], fresh_until=_moment(until), **key.parameters
        )
        return await self._kept(key, row | {"fetched": _moment(self.now()), "fresh_until": _moment(until)}, stale=False)

    async def _gone(self, key: DocumentKey, policy: Policy) -> None:
        """Upstream has taken the name away, or never had it: nothing of it is served any more."""
        self.absent.remember((key, policy.upstream), policy.absent)
        self._readings.forget(key)

        async def work(transaction: Transaction) -> int:
            gone = await transaction.execute(queries.DOCUMENT_GONE, **key.parameters)
            if gone:
                await transaction.execute(queries.FILES_GONE, account=key.account, engine=key.engine, name=key.name)
            return gone

        if await self.database.transact(work):
            _log.info("{engine} {name!r} is gone upstream, and so here", engine=key.engine, name=key.name)

    async def _store(
        self, key: DocumentKey, policy: Policy, answer: Document, listing: Listing, deflated: bytes
    ) -> MirroredDocument:
        revision = uuid4()
        until = self.now() + lifetime(answer.headers, policy.fresh)
        values = {
            "upstream": policy.upstream,
            "revision": revision,
            "url": answer.url,
            "content_type": answer.headers.get("content-type", "")[:255],
            "body": deflated,
            "size": len(answer.body),
            "etag": _short(answer.headers.get("etag")),
            "last_modified": _short(answer.headers.get("last-modified")),
            "serial": listing.serial,
            "fresh_until": _moment(until),
        }

        async def work(transaction: Transaction) -> int:
            stored = await transaction.execute(queries.DOCUMENT_STORED, **key.parameters, **values)
            if stored and listing.complete:
                await self._remove_unlisted(transaction, key, listing)
            return stored

        if not await self.database.transact(work):
            raise NotFound(f"The name {key.name!r} belongs to this registry.")
        self.absent.forget((key, policy.upstream))
        self._readings.keep(key, revision, listing, len(answer.body))
        return MirroredDocument(listing, answer.url, revision, self.now(), until)

    async def _remove_unlisted(self, transaction: Transaction, key: DocumentKey, listing: Listing) -> None:
        """Files that upstream has taken away, or has put others in place of, are not served from our copies."""
        name = {"account": key.account, "engine": key.engine, "name": key.name}
        for kept in await transaction.rows(queries.FILES_KEPT, **name):
            listed = listing.files.get(kept["key"])
            if listed is None or listed.digest != kept["digest"]:
                await transaction.execute(queries.FILE_GONE, **name, **kept)
                _log.info("{engine} file {file!r} is gone upstream, and so here", engine=key.engine, file=kept["key"])


def _absent(name: str) -> NotFound:
    return NotFound(f"There is no {name!r}, neither here nor in the registry that this one passes through.")


def _older(serial: int | None, known: int | None) -> bool:
    return serial is not None and known is not None and serial < known


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _short(text: str | None) -> str | None:
    """A validator to be sent back; one of an absurd length, or with what no header may hold, is not kept."""
    return text if text and len(text) <= 512 and text.isprintable() and text.isascii() else None
