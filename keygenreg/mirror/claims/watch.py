"""
Whether names that are claimed here exist upstream too: asked soon after the claim, and daily (packages.md 1.9).

Clients that know this registry alone are safe, as claimed names never go upstream. Those that know both are not:
whoever has the name there can have them install what they like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from keygenreg.database.transactions import Transaction
from keygenreg.domain.failures import Failure, Unavailable
from keygenreg.mirror.claims import queries
from keygenreg.mirror.mirror import Mirror
from keygenreg.mirror.policy import Policy
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.failures import BadStatus, UpstreamFailure
from keygenreg.upstream_settings import Upstream

_log = Logger()

LOOK = 5.0
"""Seconds between looks for names that are due."""
AT_ONCE = 10
"""Names that one web process asks for in one look, one after the other."""
DAY = 86400.0
"""Seconds after which a name is asked for again."""
LEASE = 900.0
"""Seconds after which a name is asked for again whose asking did not come to an end."""
FIRST_REST, LAST_REST = 60.0, 3600.0
"""Seconds for which an upstream that fails is not asked, at first and after several times."""
#: Names as protocols have them. Packages may be called anything here; what is no name exists nowhere else.
_NAME = re.compile(r"(@[A-Za-z0-9~_-][A-Za-z0-9._~-]*/)?[A-Za-z0-9~_-][A-Za-z0-9._~-]*", re.ASCII)


@frozen
class _Group:
    """Accounts with one policy: one account, or all but those that have one of their own."""

    policy: Policy
    only: UUID | None = None
    but: tuple[UUID, ...] = ()

    def parameters(self, engine: str) -> dict[str, Any]:
        return {"engine": engine, "only": self.only, "but": list(self.but)}


@frozen
class _Rest:
    """Since an upstream failed: until when it is left alone, and for how many seconds that was."""

    until: float
    seconds: float


@define(eq=False)
class ClaimWatch:
    """
    :param mirrors: by engine; those that are made later count from then on.
    """

    settings: Upstream
    mirrors: Mapping[str, Mirror]
    database: Database
    figures: MirrorFigures
    reactor: Any
    _begun: set[str] = field(factory=set, init=False)
    _rests: dict[tuple[str, UUID | None], _Rest] = field(factory=dict, init=False)
    _loop: LoopingCall = field(init=False)
    _looking: Deferred[Any] | None = field(default=None, init=False)
    _asking: Deferred[Any] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._loop = LoopingCall(self._look_safely)
        self._loop.clock = self.reactor

    def start(self) -> None:
        self._looking = self._loop.start(LOOK, now=False)

    async def stop(self) -> None:
        """Give up what is being asked."""
        if not self._loop.running:
            return
        self._loop.stop()
        if self._asking is not None:
            self._asking.cancel()
        await self._looking

    async def look(self) -> None:
        """Ask for some of the names that are due."""
        left = AT_ONCE
        for engine, mirror in list(self.mirrors.items()):
            groups = await self._groups(mirror)
            if engine not in self._begun:
                await self._begin(engine, groups)
            for group in filter(lambda each: each.policy.warns, groups):
                while left and not self._rests_now(engine, group) and await self._next(mirror, group):
                    left -= 1
        counts = {row["engine"]: row["names"] for row in await self.database.rows(queries.COLLIDING)}
        for engine in self.mirrors:
            self.figures.colliding(engine, counts.get(engine, 0))

    async def _groups(self, mirror: Mirror) -> list[_Group]:
        names = list(self.settings.accounts)
        special = await self.database.rows(queries.ACCOUNTS, names=names) if names else []
        own = [_Group(mirror.policy_for(row["id"], row["slug"]), row["id"]) for row in special]
        return [_Group(mirror.common_policy, None, tuple(group.only for group in own)), *own]

    async def _begin(self, engine: str, groups: list[_Group]) -> None:
        """What was found under other settings is found anew, or forgotten."""
        for group in groups:
            if group.policy.warns:
                await self._write(queries.MOVED, upstream=group.policy.upstream, **group.parameters(engine))
            else:
                await self._write(queries.FORGOTTEN, **group.parameters(engine))
        self._begun.add(engine)

    async def _next(self, mirror: Mirror, group: _Group) -> bool:
        """Ask for one name that is due; False when none is."""
        engine, policy = mirror.adapter.engine, group.policy

        async def take(transaction: Transaction) -> dict[str, Any] | None:
            return await transaction.maybe(queries.TAKEN, lease=LEASE, **group.parameters(engine))

        row = await self.database.transact(take)
        if row is None:
            return False
        place = {"account": row["account_id"], "engine": engine, "name": row["name"]}
        name = mirror.adapter.normalize(row["key"] or row["name"])
        if not _may_be_asked(policy, name):
            await self._write(queries.NOT_ASKED, pause=DAY, **place)
            return True
        try:
            exists = await mirror.exists(policy, name)
        except UpstreamFailure as failure:
            await self._failed(group, place, failure)
            return True
        self._rests.pop((engine, group.only), None)
        await self._write(queries.ANSWERED, upstream=policy.upstream, exists=exists, pause=DAY, **place)
        known = row["since"] is not None and row["upstream"] == policy.upstream
        if exists != known:
            self._tell(engine, name, row["slug"], policy, exists=exists)
        return True

    def _rests_now(self, engine: str, group: _Group) -> bool:
        rest = self._rests.get((engine, group.only))
        return rest is not None and self.reactor.seconds() < rest.until

    async def _failed(self, group: _Group, place: dict[str, Any], failure: UpstreamFailure) -> None:
        """What was known of the name stays."""
        self.figures.failed(place["engine"], failure.word)
        _log.info(
            "Whether {engine} {name!r} exists at {upstream} is asked later: {why}",
            upstream=group.policy.upstream, why=failure.detail, **place,
        )  # fmt: skip
        if isinstance(failure, BadStatus) and failure.status < 500 and failure.status != 429:
            await self._write(queries.POSTPONED, pause=DAY, **place)  # it is about this name, and will be so
            return
        before = self._rests.get((place["engine"], group.only))
        seconds = FIRST_REST if before is None else min(2 * before.seconds, LAST_REST)
        self._rests[place["engine"], group.only] = _Rest(self.reactor.seconds() + seconds, seconds)

    @staticmethod
    def _tell(engine: str, name: str, account: str, policy: Policy, *, exists: bool) -> None:
        facts = {"engine": engine, "name": name, "account": account, "upstream": policy.upstream}
        if exists:
            _log.warn(
                "The {engine} name {name!r}, which account {account!r} has claimed, exists at {upstream} too: clients "
                "that look there as well may take that for yours",
                **facts,
            )
        else:
            _log.info("The {engine} name {name!r} of {account!r} does not exist at {upstream} any more", **facts)

    async def _write(self, query: Query, **parameters: Any) -> None:
        await self.database.execute(query, **parameters)

    def _look_safely(self) -> Deferred[Any]:
        self._asking = Deferred.fromCoroutine(self.look())

        def ended(reason: Any) -> None:
            if reason.check(Unavailable):
                _log.info("Claimed names are compared later: {why}", why=reason.value.detail)
            elif self._loop.running:
                _log.failure("Claimed names could not be compared with upstream's; it is tried again", failure=reason)

        return self._asking.addErrback(ended)


def _may_be_asked(policy: Policy, name: str) -> bool:
    """Not where the operator's lists keep it from being looked up for anybody."""
    try:
        policy.judge(name)
    except Failure:
        return False
    return _NAME.fullmatch(name) is not None
