"""Documents of upstreams: at hand while fresh, asked for anew in the background, kept in use while upstream is away."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from attrs import define, field
from twisted.logger import Logger

from keygenreg.database.pool import Database
from keygenreg.domain.failures import NotFound
from keygenreg.mirror.adapter import Adapter, Listing
from keygenreg.mirror.briefly import Briefly
from keygenreg.mirror.clients import Clients
from keygenreg.mirror.documents.asking import Answered, Asking
from keygenreg.mirror.documents.document import DocumentKey, MirroredDocument
from keygenreg.mirror.documents.freshness import SHORTEST, SHORTEST_OF_ALL, Age, lifetime
from keygenreg.mirror.documents.readings import Readings
from keygenreg.mirror.documents.records import Records
from keygenreg.mirror.documents.renderings import Renderings
from keygenreg.mirror.failures import as_failure
from keygenreg.mirror.policy import Policy
from keygenreg.mirror.single_flight import Background, SingleFlight
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.failures import BadStatus, UpstreamFailure

_log = Logger()

#: A document is noted as used at most this often, in seconds.
USED_EVERY = 300.0
#: A stale document is asked for at most this often, in seconds, however many want it.
ASKED_EVERY = 5.0


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
    renderings: Renderings = field(init=False)
    _asked: Briefly = field(init=False)
    _used: Briefly = field(init=False)
    _records: Records = field(init=False)
    _asking: Asking = field(init=False)
    _readings: Readings = field(factory=Readings, init=False)
    _flights: SingleFlight = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.absent, self._asked, self._used = Briefly(self.now), Briefly(self.now), Briefly(self.now)
        self._records = Records(self.database, self.now)
        self._asking = Asking(self.adapter, self._records, self.clients, self.figures, self.in_thread)
        self._flights = SingleFlight(self.background)
        self.renderings = Renderings(self.in_thread, self.background, self.now)

    async def get(self, policy: Policy, account: UUID, name: str, variant: str = "") -> MirroredDocument:
        """
        What upstream says of a name. The caller has asked the policy already.

        :param name: normalised.
        :raises NotFound: upstream has no such name, or it is claimed here. Unavailable, BadUpstream: upstream does not
            tell, and we have nothing that is young enough.
        """
        key = DocumentKey(account, self.adapter.engine, name, variant)
        row = await self._row(key, policy)
        age = None if row is None else Age(row["fresh_until"].timestamp(), self.now())
        if age is None or row["gone"] is not None:
            # Who missed it noted how long that is believed: here, or with what we have of it.
            if (key, policy.upstream) in self.absent if age is None else age.fresh:
                self.figures.answered(key.engine, "document", "absent")
                raise _absent(name)
            return await self._fetched(key, policy, row)
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
        row = await self._records.find(key, policy)
        if row is not None and self.now() - row["accessed"].timestamp() > USED_EVERY and key not in self._used:
            self._used.remember(key, USED_EVERY)
            self.background.start(self._records.used(key))
        return row

    async def _fetched(self, key: DocumentKey, policy: Policy, row: dict[str, Any] | None) -> MirroredDocument:
        """Ask upstream and wait for it; what we have is the second choice."""
        joined = key in self._flights
        try:
            found = await self._flights.run(key, lambda: self._refresh(key, policy, row))
        except UpstreamFailure as failure:
            if not self._usable_instead(row, policy):
                self.figures.answered(key.engine, "document", "error")
                raise as_failure(failure) from None
            _log.warn("{engine} {name!r}: the old copy is used", engine=key.engine, name=key.name)
            self.figures.answered(key.engine, "document", "stale")
            return await self._kept(key, row, stale=True)
        except NotFound:
            self.figures.answered(key.engine, "document", "absent")
            raise
        self.figures.answered(key.engine, "document", "joined" if joined else "miss")
        return found

    def _usable_instead(self, row: dict[str, Any] | None, policy: Policy) -> bool:
        """Not what upstream said last that it does not have."""
        if row is None or row["gone"] is not None:
            return False
        return Age(row["fresh_until"].timestamp(), self.now()).usable_instead(policy)

    async def _kept(self, key: DocumentKey, row: dict[str, Any], *, stale: bool) -> MirroredDocument:
        revision = row["revision"]
        listing = self._readings.get(key, revision)
        if listing is None:

            async def read() -> Listing:
                read = await self._asking.read_kept(key, row)
                self._readings.keep(key, revision, read, row["size"])
                return read

            listing = await self._flights.run((key, revision), read)
        fetched = row["fetched"].timestamp()
        fresh_until = self.now() + ASKED_EVERY if stale else row["fresh_until"].timestamp()
        return MirroredDocument(listing, row["url"], revision, row["size"], fetched, fresh_until, stale)

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
        answer = await self._asking.ask(key, policy, row)
        if answer.status == 404:
            if row is not None and self.adapter.grows(key.variant):
                # No registry takes away the list of all that it has.
                raise BadStatus("The upstream's list is not there any more.", status=404)
            await self._missed(key, policy)
            raise _absent(key.name)
        shortest = SHORTEST_OF_ALL if self.adapter.grows(key.variant) else SHORTEST
        until = self.now() + lifetime(answer.headers, policy.fresh, shortest)
        if answer.status == 304:
            return await self._kept(key, await self._records.confirmed(key, row, until), stale=False)
        if row is not None and _older(answer.listing.serial, row["serial"]):
            # A lagging node of a content network; what we have is newer.
            until = self.now() + min(SHORTEST, policy.fresh)
            return await self._kept(key, await self._records.confirmed(key, row, until), stale=False)
        return await self._store(key, policy, answer, until)

    async def _missed(self, key: DocumentKey, policy: Policy) -> None:
        """Upstream has taken the name away, or never had it: nothing of it is served any more."""
        self.absent.remember((key, policy.upstream), policy.absent)
        with_files = self.adapter.lists_files(key.variant)
        if await self._records.missed(key, self.now() + policy.absent, with_files=with_files):
            self._readings.forget(key)
            _log.info("{engine} {name!r} is gone upstream, and so here", engine=key.engine, name=key.name)

    async def _store(self, key: DocumentKey, policy: Policy, answer: Answered, until: float) -> MirroredDocument:
        listing = answer.listing
        revision = await self._records.store(
            key, policy, listing, headers=answer.headers, url=answer.url, body=answer.deflated, size=answer.size,
            until=until,
        )  # fmt: skip
        self.absent.forget((key, policy.upstream))
        self._readings.keep(key, revision, listing, answer.size)
        return MirroredDocument(listing, answer.url, revision, answer.size, self.now(), until)


def _absent(name: str) -> NotFound:
    return NotFound(f"There is no {name!r}, neither here nor in the registry that this one passes through.")


def _older(serial: int | None, known: int | None) -> bool:
    return serial is not None and known is not None and serial < known
