"""The mirrors of a web process: made for its engines, and the housekeeping of what they keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from keygenreg.database.pool import Database
from keygenreg.domain.failures import Unavailable
from keygenreg.mirror import queries
from keygenreg.mirror.adapter import Adapter
from keygenreg.mirror.claims.watch import ClaimWatch
from keygenreg.mirror.clients import Clients
from keygenreg.mirror.documents.documents import Documents
from keygenreg.mirror.files.fetching import Fetching
from keygenreg.mirror.files.files import Files
from keygenreg.mirror.files.quota import Quotas
from keygenreg.mirror.files.ranges import PassedParts
from keygenreg.mirror.mirror import Mirror
from keygenreg.mirror.single_flight import Background
from keygenreg.storage.interface import BlobStore
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream_settings import Upstream

_log = Logger()

SWEEP = 30.0
"""Seconds between looks at the quotas."""

MOST_DOCUMENTS = 100_000
"""Documents kept of one account's upstream."""


@define(eq=False)
class Mirrors:
    """
    :param threads: started and stopped by somebody else; documents are read in them.
    :param room: what is free on the disk of the blobs, in bytes; may block.
    """

    settings: Upstream
    database: Database
    blobs: BlobStore
    reactor: Any
    threads: ThreadPool
    figures: MirrorFigures
    room: Callable[[], int]
    clients: Clients = field(init=False)
    quotas: Quotas = field(init=False)
    background: Background = field(factory=Background, init=False)
    claims: ClaimWatch = field(init=False)
    _made: dict[str, Mirror] = field(factory=dict, init=False)
    _loop: LoopingCall = field(init=False)
    _sweeping: Deferred[Any] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.clients = Clients(self.reactor)
        self.figures.watch_origins(self.clients.states)
        self.claims = ClaimWatch(self.settings, self._made, self.database, self.figures, self.reactor)
        self.quotas = Quotas(self.database, self.blobs, self.background, self.figures, self.reactor)
        self._loop = LoopingCall(lambda: Deferred.fromCoroutine(self._sweep_safely()))
        self._loop.clock = self.reactor

    def of(self, adapter: Adapter) -> Mirror:
        """The mirror of an engine, made when it is first asked for."""
        found = self._made.get(adapter.engine)
        if found is None:
            documents = Documents(
                adapter, self.database, self.clients, self.background, self.figures, self.in_thread
            )
            files = self._files(documents)
            found = self._made[adapter.engine] = Mirror(adapter, documents, files, self.settings)
        return found

    def _files(self, documents: Documents) -> Files:
        clients, background, figures = self.clients, self.background, self.figures
        fetching = Fetching(
            self.database,
            self.blobs,
            clients,
            background,
            figures,
            self.quotas,
            self.reactor,
            self.in_thread,
            self.room,
            documents.now,
        )
        parts = PassedParts(clients, background, figures)
        return Files(documents, self.database, self.blobs, fetching, parts, background, figures)

    def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(self.reactor, self.threads, work, *arguments)

    def start(self) -> None:
        self._sweeping = self._loop.start(SWEEP, now=False)
        self.claims.start()

    async def stop(self) -> None:
        """Give up what is being fetched, and close all connections to upstreams."""
        await self.claims.stop()
        if self._loop.running:
            self._loop.stop()
            await self._sweeping
        self.quotas.stop()
        await self.background.stop()
        await self.clients.close()

    async def sweep(self) -> None:
        """Keep every account within its quota; remove what was claimed while it was fetched."""
        await self.database.execute(queries.CLAIMED_DOCUMENTS_SWEPT)
        await self.database.execute(queries.CLAIMED_FILES_SWEPT)
        totals = {engine: [0, 0] for engine in self._made}
        for row in await self.database.rows(queries.OWNERS):
            mirror = self._made.get(row["engine"])
            if mirror is None:
                continue
            await self._evict(mirror, row)
            totals[row["engine"]][0] += row["files"] or 0
            totals[row["engine"]][1] += row["bytes"] or 0
        for engine, (files, size) in totals.items():
            self.figures.kept(engine, files=files, size=size, beyond=self.quotas.beyond(engine))

    async def _evict(self, mirror: Mirror, row: dict[str, Any]) -> None:
        policy = mirror.policy_for(row["account_id"], row["slug"])
        await self.quotas.enforce(policy, row["account_id"], row["engine"], row["bytes"] or 0)
        if (row["documents"] or 0) > MOST_DOCUMENTS:
            owner = {"account": row["account_id"], "engine": row["engine"], **policy.pins.parameters}
            evicted = await self.database.execute(queries.DOCUMENTS_EVICTED, most=MOST_DOCUMENTS, **owner)
            self.figures.evicted(row["engine"], "document", evicted)

    async def _sweep_safely(self) -> None:
        try:
            await self.sweep()
        except Unavailable as away:
            _log.info("The mirror's housekeeping is put off: {why}", why=away.detail)
        except Exception:
            _log.failure("The mirror's housekeeping failed; it is tried again")
