"""The bounded pool by itself: fake sessions, a clock, and any order of events."""

from __future__ import annotations

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from keygenreg.database.faults import SessionLost
from keygenreg.database.session_pool import LAST_DELAY, SessionPool
from keygenreg.domain.failures import Unavailable

SIZE, WAITERS, PATIENCE = 3, 4, 5.0


class FakeSession:
    """Alive until broken or closed."""

    def __init__(self) -> None:
        self.closed = False
        self.in_transaction = False
        self.on_lost = None

    def is_idle(self) -> bool:
        return not self.closed and not self.in_transaction

    is_alive = is_idle

    def close(self) -> None:
        self.closed = True

    def die(self) -> None:
        self.closed = True
        if self.on_lost is not None:
            self.on_lost(self)


class FakeServer:
    """Opens a session when told to, or refuses."""

    def __init__(self) -> None:
        self.opening: list[Deferred[FakeSession]] = []
        self.sessions: list[FakeSession] = []

    async def open(self) -> FakeSession:
        opened: Deferred[FakeSession] = Deferred()
        self.opening.append(opened)
        return await opened

    def accept(self) -> FakeSession:
        session = FakeSession()
        self.sessions.append(session)
        self.opening.pop(0).callback(session)
        return session

    def refuse(self) -> None:
        self.opening.pop(0).errback(SessionLost("refused"))


class PoolMachine(RuleBasedStateMachine):
    """Callers come and leave, sessions break, the server comes and goes, time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.server = FakeServer()
        self.pool = SessionPool(self.clock, self.server.open, size=SIZE, waiters=WAITERS, patience=PATIENCE)
        self.held: list[FakeSession] = []
        self.waiting: list[Deferred] = []

    @rule()
    def come(self) -> None:
        caller = self.pool.acquire()
        self.waiting.append(caller)
        caller.addCallbacks(self.got, self.not_got, callbackArgs=(caller,), errbackArgs=(caller,))

    def got(self, session: FakeSession, caller: Deferred) -> None:
        assert session.is_alive()
        assert session not in self.held
        self.held.append(session)
        self.waiting.remove(caller)

    def not_got(self, failure, caller: Deferred) -> None:
        failure.trap(Unavailable, CancelledError)
        self.waiting.remove(caller)

    @precondition(lambda self: self.waiting)
    @rule(data=strategies.data())
    def leave(self, data) -> None:
        caller = data.draw(strategies.sampled_from(self.waiting))
        caller.cancel()
        assert caller not in self.waiting

    @precondition(lambda self: self.held)
    @rule(data=strategies.data(), end=strategies.sampled_from(["well", "lost", "in a transaction"]))
    def give_back(self, data, end: str) -> None:
        session = data.draw(strategies.sampled_from(self.held))
        self.held.remove(session)
        if end == "lost":
            session.die()
        session.in_transaction = end == "in a transaction"
        self.pool.release(session)

    @precondition(lambda self: self.server.opening)
    @rule(works=strategies.booleans())
    def answer(self, works: bool) -> None:
        if works:
            self.server.accept()
        else:
            self.server.refuse()

    @rule()
    def break_an_idle_one(self) -> None:
        for session in self.server.sessions:
            if not session.closed and session not in self.held:
                session.die()
                return

    @rule(seconds=strategies.sampled_from([0.01, LAST_DELAY, PATIENCE]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def bounds_hold(self) -> None:
        living = [session for session in self.server.sessions if not session.closed]
        assert len(living) + len(self.server.opening) <= SIZE
        assert len(self.waiting) <= WAITERS
        assert self.pool.state.waiting == len(self.waiting)
        assert self.pool.state.busy == len(self.held)

    @invariant()
    def nobody_waits_beside_a_free_session(self) -> None:
        assert not (self.waiting and self.pool.state.idle)

    @invariant()
    def somebody_opens_for_those_who_wait(self) -> None:
        assert not self.waiting or self.pool.state.opening or len(self.held) == SIZE

    def teardown(self) -> None:
        """When the server works again and all is given back, everybody is served."""
        for _ in range(SIZE + WAITERS + 2):
            while self.held:
                self.pool.release(self.held.pop())
            while self.server.opening:
                self.server.accept()
            self.clock.advance(LAST_DELAY / 4)
        assert not self.waiting
        closing = Deferred.fromCoroutine(self.pool.close(1.0))
        while self.held:
            self.pool.release(self.held.pop())
        self.clock.advance(LAST_DELAY)
        assert closing.called
        assert all(session.closed for session in self.server.sessions)
        assert not self.clock.getDelayedCalls()


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
PoolMachineTests = PoolMachine.TestCase


class AwayTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.server = FakeServer()
        self.pool = SessionPool(self.clock, self.server.open, size=SIZE, waiters=WAITERS, patience=PATIENCE)

    def test_short_absence_goes_unnoticed(self):
        """A server that comes back within their patience serves those who waited, over as many sessions as before."""
        callers = [self.pool.acquire() for _ in range(3)]
        for _ in range(3):
            self.server.refuse()
        self.assertEqual(len(self.server.opening), 0)
        self.clock.advance(1.0)
        self.server.accept()
        while self.server.opening:
            self.server.accept()
        self.assertEqual({self.successResultOf(caller) for caller in callers}, set(self.server.sessions))

    def test_one_loop_tries_while_the_server_is_away(self):
        """However many wait, the server sees one attempt at a time, ever more seldom."""
        for _ in range(WAITERS):
            self.pool.acquire().addErrback(lambda failure: failure.trap(Unavailable))
        while self.server.opening:
            self.server.refuse()
        attempts = 0
        for _ in range(600):
            self.clock.advance(0.1)
            self.assertLessEqual(len(self.server.opening), 1)
            if self.server.opening:
                attempts += 1
                self.server.refuse()
        self.assertLess(attempts, 60 / LAST_DELAY + 10)
        self.failureResultOf(self.pool.acquire(), Unavailable)
        self.clock.advance(LAST_DELAY)
        session = self.server.accept()
        self.assertIs(self.successResultOf(self.pool.acquire()), session)

    def test_close_does_not_wait_for_ever(self):
        """Work that does not end within the grace loses its session."""
        caller = self.pool.acquire()
        session = self.server.accept()
        self.successResultOf(caller)
        closing = Deferred.fromCoroutine(self.pool.close(3.0))
        self.assertNoResult(closing)
        self.clock.advance(3.0)
        self.successResultOf(closing)
        self.assertTrue(session.closed)
