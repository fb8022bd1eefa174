"""What an account's mirrored files may take: the longest unused go when others come, and their bytes soon after."""

from __future__ import annotations

from collections import deque
from typing import Any
from uuid import UUID

from attrs import define, field
from twisted.logger import Logger

from keygenreg.database.pool import Database
from keygenreg.database.queries.processing import COLLECT
from keygenreg.database.queries.uploads import LOCK_BLOB
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Unavailable
from keygenreg.mirror import queries
from keygenreg.mirror.policy import Policy
from keygenreg.mirror.single_flight import Background, SingleFlight
from keygenreg.storage.interface import BlobStore
from keygenreg.telemetry.mirror_figures import MirrorFigures

_log = Logger()

LINGER = 15.0
"""Seconds from an eviction to the removal of its bytes: for processes that remember the file, and web servers in front
that are about to open it. Who has it open reads on."""

_SHARE = 8
"""A process looks anew when it has adopted this part of what was left: so many may do so at the same time."""

_SPARE = 64
"""Eviction leaves this part of the quota free, so that not every adoption is one."""


def room_of(policy: Policy) -> int:
    """What an account's files take at most after an eviction, in bytes."""
    return policy.cache_bytes - policy.cache_bytes // _SPARE


@define
class _Owner:
    """What a process knows of one account's files; in bytes. ``left`` may be adopted before it looks again."""

    left: int = 0
    adopted: int = 0
    beyond: int = 0


@define(eq=False)
class Quotas:
    """The quotas of all accounts, kept by one process."""

    database: Database
    blobs: BlobStore
    background: Background
    figures: MirrorFigures
    reactor: Any
    _owners: dict[tuple[UUID, str], _Owner] = field(factory=dict, init=False)
    _flights: SingleFlight = field(init=False)
    _leaving: deque[tuple[float, str]] = field(factory=deque, init=False)
    _timer: Any = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._flights = SingleFlight(self.background)

    def adopted(self, policy: Policy, account: UUID, engine: str, size: int) -> None:
        """A file was kept, of ``size`` bytes: make room in the background where that may be too much."""
        owner = self._owners.setdefault((account, engine), _Owner())
        owner.adopted += size
        if policy.cache_bytes and owner.adopted > owner.left:
            self._flights.begin((account, engine), lambda: self._settle(policy, account, engine))

    def beyond(self, engine: str) -> int:
        """By how many bytes pinned files alone are more than quotas allow, as of the last looks."""
        return sum(owner.beyond for (_, each), owner in self._owners.items() if each == engine)

    async def enforce(self, policy: Policy, account: UUID, engine: str, size: int) -> None:
        """:param size: what is kept of the account, in bytes, as somebody has just seen: others keep files too."""
        if not policy.cache_bytes:
            return
        owner = self._owners.setdefault((account, engine), _Owner())
        owner.left = min(owner.left, max(0, policy.cache_bytes - size) // _SHARE)
        if size > policy.cache_bytes or owner.beyond:
            await self._flights.run((account, engine), lambda: self._settle(policy, account, engine))

    async def _settle(self, policy: Policy, account: UUID, engine: str) -> None:
        owner = self._owners.setdefault((account, engine), _Owner())
        try:
            while True:
                owner.adopted = 0
                kept, pinned = await self._made_room(policy, account, engine)
                owner.left = max(0, policy.cache_bytes - kept) // _SHARE
                self._tell(policy, account, engine, owner, pinned)
                if owner.adopted <= owner.left:
                    return
        except Unavailable as away:
            owner.left = 0
            _log.info("Making room in the mirror is put off: {why}", why=away.detail)

    async def _made_room(self, policy: Policy, account: UUID, engine: str) -> tuple[int, int]:
        """What is kept after evictions, and what of it is pinned, in bytes."""
        parameters = {"account": account, "engine": engine, **policy.pins.parameters}

        async def work(transaction: Transaction) -> tuple[int, int, list[dict[str, Any]]]:
            await transaction.rows(queries.LOCK_OWNER, account=account, engine=engine)
            size = await transaction.one(queries.FILES_SIZE, **parameters)
            if not policy.cache_bytes or size["bytes"] <= policy.cache_bytes:
                return size["bytes"], size["pinned"], []
            gone = await transaction.rows(queries.FILES_EVICTED, room=room_of(policy), **parameters)
            return size["bytes"] - sum(row["size"] for row in gone), size["pinned"], gone

        kept, pinned, gone = await self.database.transact(work)
        if gone:
            self.figures.evicted(engine, "file", len(gone))
            _log.info(
                "{n} files of account {account} made room in the {engine} mirror",
                n=len(gone), account=account, engine=engine,
            )  # fmt: skip
            self._leave([row["blob_sha256"] for row in gone])
        return kept, pinned

    def _tell(self, policy: Policy, account: UUID, engine: str, owner: _Owner, pinned: int) -> None:
        beyond = max(0, pinned - policy.cache_bytes) if policy.cache_bytes else 0
        if beyond and not owner.beyond:
            _log.warn(
                "Pinned files of account {account} in the {engine} mirror take {pinned} bytes, more than its quota of"
                " {quota}: nothing else is kept there",
                account=account, engine=engine, pinned=pinned, quota=policy.cache_bytes,
            )  # fmt: skip
        owner.beyond = beyond

    # Bytes that nobody refers to any more

    def _leave(self, digests: list[str]) -> None:
        due = self.reactor.seconds() + LINGER
        self._leaving.extend((due, digest) for digest in digests)
        if self._timer is None:
            self._timer = self.reactor.callLater(LINGER, self._due)

    def _due(self) -> None:
        self._timer = None
        self.background.start(self._remove_due())

    async def _remove_due(self) -> None:
        try:
            while self._leaving and self._leaving[0][0] <= self.reactor.seconds():
                await self._remove(self._leaving.popleft()[1])
        except Unavailable as away:
            # The collector of blobs finds them too.
            _log.info("Removing what was evicted is left to the next collection: {why}", why=away.detail)
        finally:
            if self._leaving and self._timer is None:
                wait = max(0.0, self._leaving[0][0] - self.reactor.seconds())
                self._timer = self.reactor.callLater(wait, self._due)

    async def _remove(self, sha256: str) -> None:
        async def work(transaction: Transaction) -> None:
            # As the collector does (processing/collector.py): whoever adopts the same content waits, and makes it anew.
            await transaction.rows(LOCK_BLOB, sha256=sha256)
            if await transaction.execute(COLLECT, sha256=sha256, grace=LINGER - 1):
                await self.blobs.remove(sha256)

        await self.database.transact(work)

    def stop(self) -> None:
        """What is still to be removed is left to the collector of blobs."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._leaving.clear()
