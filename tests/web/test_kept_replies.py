"""Replies and rows kept for all who see the same: whatever changes meanwhile, nobody gets what is not theirs."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from keygenreg.access.views import LICENSES, Views
from keygenreg.caches.generations import Generations
from keygenreg.domain.account import Account
from keygenreg.domain.failures import NotFound, Unavailable
from keygenreg.domain.grant import Bearer, Grant
from keygenreg.web.keeping.keeping_answer import KeepingAnswer, Memory
from keygenreg.web.keeping.kept_replies import KeptReplies, Settled
from keygenreg.web.links import Origin
from keygenreg.web.reply import Reply

ACCOUNT = Account(
    id=UUID(int=7), slug="a", name=None, status="SUBSCRIBED", protected=True, api_version=None, settings={},
    secret_key="", ed25519_private_key="",
)  # fmt: skip
PRODUCT, EXTRA = UUID(int=11), UUID(int=12)
NOW = 1_000_000.0


def row(*holds: UUID, **facts: Any) -> dict[str, Any]:
    return {"product_id": PRODUCT, "expiry": None, "expiration_strategy": "RESTRICT_ACCESS", "sound": True,
            "holds": list(holds), "untimed": False, **facts}  # fmt: skip


@define
class World:
    """A database of nothing but licenses by bearer, and a process that remembers what it reads there."""

    licenses: dict[UUID, list[dict[str, Any]]] = field(factory=dict)
    newest: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    limit: int = 1_000_000
    asked: int = 0
    down: bool = False
    generations: Generations = field(factory=Generations)
    memory: Memory = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.generations.begin_hearing()
        views = Views(self, self.generations, self.limit, lambda: NOW)
        self.memory = Memory(self.generations, KeptReplies(self.generations, views, self.limit))

    async def rows(self, query: Any, scope: Any) -> list[dict[str, Any]]:
        assert query is LICENSES
        if self.down:
            raise Unavailable("down")
        self.asked += 1
        return self.licenses[scope.bearer_id]

    async def one(self, query: Any, account: UUID) -> dict[str, Any]:
        return {"newest": self.newest}

    def license(self, *holds: UUID, **facts: Any) -> Grant:
        """A new bearer."""
        identifier = uuid4()
        self.licenses[identifier] = [row(*holds, **facts)]
        return Grant(ACCOUNT, None, Bearer("licenses", identifier, "license", frozenset({"release.read"})))

    def change(self, grant: Grant, *holds: UUID, heard: bool = True, **facts: Any) -> None:
        self.licenses[grant.bearer.id] = [row(*holds, **facts)]
        if heard:
            self.generations.move(f"bearers {ACCOUNT.id}")

    def request(self, grant: Grant, target: bytes = b"/x", engine: str = "npm", **fields: str) -> Visit:
        return Visit(self, grant, target, engine, fields)


class Visit:
    """A request of a bearer, up to where the handler begins."""

    def __init__(self, world: World, grant: Grant, target: bytes, engine: str, fields: dict[str, str]) -> None:
        self.keeping = KeepingAnswer(world.memory, NOW)
        self.keeping.allow(inf, shared=True)
        self.keeping.watch(ACCOUNT)
        self.exchange = SimpleNamespace(
            request=SimpleNamespace(engine=engine), origin=Origin("http", "t"), method="GET", raw_target=target,
            _field=lambda name: fields.get(name.replace("-", "_")), grant=grant,
        )  # fmt: skip
        self.grant = grant

    def settled(self) -> bytes | None:
        """The kept reply's body, if there is one for this bearer."""
        try:
            result(self.keeping.settle(self.exchange, self.grant))
        except Settled as settled:
            return settled.kept.value.body
        finally:
            self.keeping.ended()  # lets others go on who wait for this one's reply
        return None

    def made(self, body: bytes, status: int = 200) -> None:
        result(self.keeping.made(self.exchange, Reply(status, body)))

    def row(self, name: str, value: Any, meanwhile: Any = None) -> Any:
        async def make() -> Any:
            if meanwhile is not None:
                meanwhile()
            return value

        return result(self.keeping.shared(self.exchange, name, make))


def result(coroutine: Any) -> Any:
    """What a coroutine that waits for nothing gives."""
    found: list[Any] = []
    running = Deferred.fromCoroutine(coroutine)
    running.addCallbacks(found.append, lambda reason: found.append(reason.value))
    (value,) = found
    if isinstance(value, BaseException):
        raise value
    return value


@pytest.fixture
def world() -> World:
    return World()


def test_who_sees_the_same_gets_the_same(world):
    """One that was made for a license is good for every other with its rights."""
    first, equal = world.license(EXTRA), world.license(EXTRA)
    visit = world.request(first)
    assert visit.settled() is None
    visit.made(b"list")
    assert world.request(equal).settled() == world.request(first).settled() == b"list"


def test_who_sees_another_thing_does_not(world):
    """Other rights, another path, another engine, another Accept."""
    first = world.license(EXTRA)
    visit = world.request(first)
    visit.settled()
    visit.made(b"list")
    assert world.request(world.license()).settled() is None
    assert world.request(world.license(EXTRA, sound=False)).settled() is None
    assert world.request(first, b"/y").settled() is None
    assert world.request(first, engine="raw").settled() is None
    assert world.request(first, Accept="text/html").settled() is None
    assert world.request(Grant(ACCOUNT)).settled() is None
    assert world.request(evolve(first, bearer=evolve(first.bearer, permissions=frozenset()))).settled() is None
    assert world.request(first).settled() == b"list"


@pytest.mark.parametrize("change", [None, f"catalogue {ACCOUNT.id}", f"bearers {ACCOUNT.id}", "everything"])
def test_who_waits_for_anothers_reply_gets_it_only_if_nothing_has_changed(world, change):
    """Else it makes its own; and nobody waits for ever."""
    first, second = world.request(world.license(EXTRA)), world.request(world.license(EXTRA))
    outcomes: list[Any] = []
    for visit in (first, second):
        running = Deferred.fromCoroutine(visit.keeping.settle(visit.exchange, visit.grant))
        running.addCallbacks(outcomes.append, lambda reason: outcomes.append(reason.value))
    assert outcomes == [None]
    if change:
        world.generations.move(change)
    first.made(b"list")
    assert len(outcomes) == 1
    first.keeping.ended()
    assert len(outcomes) == 2
    assert isinstance(outcomes[1], Settled) == (change is None)


@pytest.mark.parametrize("heard", [True, False])
def test_rights_that_change_while_a_reply_is_made(world, heard):
    """
    It shows what the new rights allow. Whoever has the old ones never gets it, whether the change was heard of before
    the reply was complete or will be later.
    """
    growing, other = world.license(), world.license()
    visit = world.request(growing)
    assert visit.settled() is None
    world.change(growing, EXTRA, heard=heard)
    visit.made(b"with the extra")
    assert world.request(other).settled() is None
    world.generations.move(f"bearers {ACCOUNT.id}")
    assert world.request(other).settled() is None


@pytest.mark.parametrize("heard", [True, False])
def test_rights_that_change_while_a_row_is_found(world, heard):
    """The same for rows."""
    growing, other = world.license(), world.license()
    found = world.request(growing).row("file", "secret", lambda: world.change(growing, EXTRA, heard=heard))
    assert found == "secret"
    assert world.request(other).row("file", None) is None
    world.generations.move(f"bearers {ACCOUNT.id}")
    assert world.request(other).row("file", None) is None


def test_rights_that_were_remembered_and_are_out_of_date(world):
    """The process has not heard yet that a license lost its entitlement, and another process has answered so."""
    shrinking, full = world.license(EXTRA), world.license(EXTRA)
    assert world.request(shrinking).settled() is None  # its rights are in memory
    world.change(shrinking, heard=False)
    visit = world.request(shrinking)
    assert visit.settled() is None
    visit.made(b"without the extra")
    assert world.request(full).settled() is None


@pytest.mark.parametrize("message", [f"catalogue {ACCOUNT.id}", f"account {ACCOUNT.id}", "everything"])
def test_a_catalogue_that_changes_while_a_reply_is_made(world, message):
    grant = world.license()
    visit = world.request(grant)
    assert visit.settled() is None
    world.generations.move(message)
    visit.made(b"old")
    assert world.request(grant).settled() is None


@pytest.mark.parametrize("message", [f"catalogue {ACCOUNT.id}", f"account {ACCOUNT.id}", "everything"])
def test_a_catalogue_that_changes_afterwards(world, message):
    grant = world.license()
    visit = world.request(grant)
    visit.settled()
    visit.made(b"old")
    assert world.request(grant).settled() == b"old"
    assert world.request(grant).row("x", "old row") == "old row"
    world.generations.move(message)
    assert world.request(grant).settled() is None
    assert world.request(grant).row("x", "new row") == "new row"


def test_bearers_that_change_afterwards(world):
    """Replies stay, as they follow from rights; who has which is looked up anew."""
    grant, other = world.license(), world.license()
    visit = world.request(grant)
    visit.settled()
    visit.made(b"list")
    world.change(other, sound=False)
    assert world.request(grant).settled() == b"list"
    assert world.request(other).settled() is None


def test_while_deaf_nothing_is_found_and_nothing_kept(world):
    grant = world.license()
    visit = world.request(grant)
    visit.settled()
    visit.made(b"list")
    world.generations.end_hearing()
    assert world.request(grant).settled() is None
    assert world.request(grant).row("x", 1) == 1 and world.request(grant).row("x", 2) == 2
    world.generations.begin_hearing()
    assert world.request(grant).settled() is None


def test_a_license_whose_time_would_start_is_on_its_own(world):
    """Each of its downloads is counted; nobody else's reply serves it."""
    timed, untimed = world.license(), world.license(untimed=True)
    visit = world.request(timed)
    visit.settled()
    visit.made(b"list")
    assert world.request(untimed).settled() is None
    assert result(world.request(untimed).keeping.view(untimed)).untimed
    assert world.request(untimed).row("x", 1) == 1 and world.request(untimed).row("x", 2) == 2


def test_a_reply_made_with_another_field_in_mind_is_not_kept(world):
    grant = world.license()
    for name in ("User-Agent", "X-Whatever"):
        visit = world.request(grant)
        visit.settled()
        visit.keeping.depends_on(name)
        visit.made(b"for that agent")
        assert world.request(grant).settled() is None


@pytest.mark.parametrize("status", [206, 303, 401, 404, 500])
def test_replies_of_other_kinds_are_not_kept(world, status):
    grant = world.license()
    visit = world.request(grant)
    visit.settled()
    visit.made(b"x", status)
    assert world.request(grant).settled() is None


def test_a_database_that_is_down_costs_no_reply(world):
    """It cannot say whether rights are as before: the reply is sent, and not kept."""
    grant = world.license()
    visit = world.request(grant)
    visit.settled()
    world.down = True
    visit.made(b"good")
    assert world.request(grant).settled() is None


def test_a_database_that_is_down_costs_no_refusal(world):
    """Nor does the answer of a handler that raised before the caller's rights were looked at."""
    visit = world.request(world.license())
    visit.exchange.authorization, visit.exchange.authenticated = b"License known", None
    assert result(visit.keeping.permission(visit.exchange, NotFound("nothing"))) is not None
    world.generations.move(f"bearers {ACCOUNT.id}")
    world.down = True
    visit = world.request(visit.grant)
    visit.exchange.authorization, visit.exchange.authenticated = b"License known", None
    assert result(visit.keeping.permission(visit.exchange, NotFound("nothing"))) is None


def test_a_guard_is_not_renewed(world):
    """An account that is looked for twice in a request: what was remembered in between counts no longer for it."""
    visit = world.request(world.license())
    before = visit.keeping.guard
    world.generations.move(f"bearers {ACCOUNT.id}")
    visit.keeping.watch(ACCOUNT)
    assert not world.generations.holds(before) and world.generations.holds(visit.keeping.guard)


def test_clients_cannot_make_it_grow(world):
    """Long paths and fields count in full, whatever they ask for."""
    grant = world.license()
    for number in range(300):
        visit = world.request(grant, b"/x?" + b"%d" % number * 2000, Accept="a" * 8000, Range=f"{number}" * 2000)
        visit.settled()
        visit.made(b"small")
    kept = world.memory.replies._kept
    real = sum(
        len(key[3]) + sum(len(text or "") for text in key[4]) for half in (kept.young, kept._old) for key in half
    )
    assert 0 < real <= kept.used <= world.limit


def test_without_room_nothing_is_kept():
    """``cache.replies_bytes = 0``."""
    world = World(limit=0)
    grant = world.license()
    visit = world.request(grant)
    visit.settled()
    visit.made(b"")
    assert world.request(grant).settled() is None
