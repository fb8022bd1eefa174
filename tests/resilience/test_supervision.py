"""Which web processes the daemon starts, replaces and kills, and when."""

from __future__ import annotations

import pickle
import signal

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from keygenreg.assembly.program import FINGERPRINT_BYTES, OTHER_PROGRAM, ProgramReplaced, fingerprint
from keygenreg.assembly.worker_orders import Orders
from keygenreg.assembly.worker_process import WorkerProcess
from keygenreg.assembly.worker_words import ANSWER_DESCRIPTOR, FIGURES, LEAVE, READY, TELL_FIGURES, framed
from keygenreg.assembly.workers import ASK_EVERY, LAST_DELAY, MOST_UNANSWERED, START_PATIENCE, STEADY, Workers
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.settings import Operator, Server, Settings

SETTINGS = Settings(server=Server(workers=2), operator=Operator(port=0))


class Child:
    """A process that does what the test says; also its transport."""

    def __init__(self, protocol: WorkerProcess) -> None:
        self.protocol = protocol
        self.heard = b""
        self.signals: list[int] = []
        self.alive = True
        self.reacts = True
        protocol.transport = self

    def write(self, data: bytes) -> None:
        self.heard += data
        if self.reacts and data == framed(TELL_FIGURES):
            self.say(FIGURES + b"[]")

    def signalProcess(self, number: int) -> None:
        if not self.alive:
            raise ProcessExitedAlready
        self.signals.append(number)
        if number == signal.SIGKILL:
            self.end(signal=number)

    def say(self, word: bytes) -> None:
        self.protocol.childDataReceived(ANSWER_DESCRIPTOR, framed(word))

    def end(self, **how: int) -> None:
        self.alive = False
        self.protocol.processEnded(Failure(ProcessTerminated(**how)))

    @property
    def orders(self) -> Orders:
        return pickle.loads(self.heard[8 + FINGERPRINT_BYTES : 8 + int.from_bytes(self.heard[:8], "big")])

    @property
    def told_to_leave(self) -> bool:
        return self.heard.endswith(framed(LEAVE))


class Stage(Clock):
    """A reactor without processes, with web processes on it."""

    def __init__(self) -> None:
        super().__init__()
        self.children: list[Child] = []
        self.given_up: list[ProgramReplaced] = []
        self.workers = Workers(self, SETTINGS, 3, 4, self.given_up.append)

    def spawnProcess(self, protocol: WorkerProcess, *_: object, **__: object) -> None:
        self.children.append(Child(protocol))

    @property
    def alive(self) -> list[Child]:
        return [child for child in self.children if child.alive]

    def start(self) -> Deferred[None]:
        self.workers.load()
        login = ConnectionSettings("/nowhere", 5432, "user", "password", "database")
        return Deferred.fromCoroutine(self.workers.start(Orders(SETTINGS, login, b"key", 2)))

    def until_another(self) -> float:
        """Seconds until a further process is started."""
        known, waited = len(self.children), 0.0
        while len(self.children) == known:
            self.advance(0.1)
            waited += 0.1
            assert waited < 2 * LAST_DELAY
        return waited


@pytest.fixture
def stage() -> Stage:
    """Two web processes that answer."""
    made = Stage()
    started = made.start()
    assert not started.called
    for child in made.children:
        child.say(READY)
    assert started.called
    return made


def test_settings_cross_the_pipe(stage: Stage) -> None:
    """Each has a number of its own, and no operator port."""
    assert [child.orders.number for child in stage.children] == [0, 1]
    assert {child.orders.settings.server.workers for child in stage.children} == {2}
    assert {child.orders.own_settings.operator.port for child in stage.children} == {0}


def test_they_load_while_the_database_starts() -> None:
    stage = Stage()
    stage.workers.load()
    assert [child.heard for child in stage.children] == [b"", b""]


def test_they_are_told_which_program_the_daemons_is(stage: Stage) -> None:
    assert {child.heard[8 : 8 + FINGERPRINT_BYTES] for child in stage.children} == {fingerprint()}


def test_a_start_fails_with_the_first_that_ends() -> None:
    stage = Stage()
    started = stage.start()
    failures: list[Failure] = []
    started.addErrback(failures.append)
    stage.children[1].end(status=1)
    assert failures[0].check(ProcessTerminated)
    stage.children[0].end(status=1)
    stopped = Deferred.fromCoroutine(stage.workers.stop())
    assert stopped.called and stage.alive == []


class TestDeath:
    def test_one_that_ran_for_long_is_replaced_almost_at_once(self, stage: Stage) -> None:
        stage.advance(STEADY + 1)
        stage.children[0].end(signal=signal.SIGKILL)
        assert stage.until_another() < 0.3
        assert stage.children[-1].orders.number == 0

    def test_one_that_ends_at_once_again_and_again_is_started_ever_less_often(self, stage: Stage) -> None:
        delays = []
        for _ in range(9):
            stage.alive[-1].end(status=1)
            delays.append(stage.until_another())
        assert delays == sorted(delays)
        assert delays[-1] == pytest.approx(LAST_DELAY, abs=0.2)
        assert stage.children[0].alive  # the other one is none the worse for it

    def test_a_long_life_resets_the_delay(self, stage: Stage) -> None:
        for _ in range(5):
            stage.alive[-1].end(status=1)
            stage.until_another()
        stage.alive[-1].say(READY)
        stage.advance(STEADY + 1)
        stage.alive[-1].end(status=1)
        assert stage.until_another() < 0.3

    def test_one_that_does_not_react_is_killed_and_replaced(self, stage: Stage) -> None:
        quick, hung = stage.children
        hung.reacts = False
        for _ in range(MOST_UNANSWERED + 1):
            assert hung.alive
            stage.advance(ASK_EVERY)
        assert hung.signals == [signal.SIGKILL]
        assert quick.signals == []
        stage.until_another()

    def test_what_it_counted_last_is_kept(self, stage: Stage) -> None:
        stage.children[0].reacts = False
        told = b'[["requests", "Requests", "counter", [["requests_total", {}, 5]]]]'
        stage.children[0].say(FIGURES + told)
        stage.children[0].end(signal=signal.SIGKILL)
        values = [sample.value for family in stage.workers._figures.collect() for sample in family.samples]
        assert values == [5]


    def test_one_that_neither_answers_nor_ends_is_killed_and_replaced(self, stage: Stage) -> None:
        stage.children[0].end(signal=signal.SIGKILL)
        stage.until_another()
        stage.advance(START_PATIENCE)
        assert stage.children[2].signals == [signal.SIGKILL]
        stage.until_another()
        assert stage.children[1].alive


class TestOtherProgram:
    """Another version was installed while the daemon ran: what would serve by it does not begin."""

    def test_the_others_go_on(self, stage: Stage) -> None:
        stage.children[0].end(signal=signal.SIGKILL)
        stage.until_another()
        stage.children[2].end(exitCode=OTHER_PROGRAM)
        assert stage.children[1].alive and not stage.given_up
        stage.until_another()  # in case that it is put back

    def test_when_none_is_left_the_daemon_ends(self, stage: Stage) -> None:
        for child in stage.children[:2]:
            child.end(signal=signal.SIGKILL)
        assert not stage.given_up
        stage.until_another()
        stage.alive[0].end(exitCode=OTHER_PROGRAM)
        assert len(stage.given_up) == 1

    def test_none_is_replaced(self, stage: Stage) -> None:
        stage.workers.replace(SETTINGS)
        stage.children[2].end(exitCode=OTHER_PROGRAM)
        stage.advance(LAST_DELAY)
        assert stage.alive == stage.children[:2] and not stage.given_up
        assert not any(child.told_to_leave for child in stage.alive)


class TestReplacement:
    def test_one_after_the_other_and_the_new_one_first(self, stage: Stage) -> None:
        old = list(stage.children)
        stage.workers.replace(SETTINGS)
        assert len(stage.children) == 3
        assert not any(child.told_to_leave for child in old)
        stage.children[2].say(READY)
        assert [child.told_to_leave for child in old] == [True, False]
        assert len(stage.children) == 4
        stage.children[3].say(READY)
        assert [child.told_to_leave for child in old] == [True, True]
        assert len({child.orders.number for child in stage.children}) == 4
        for child in old:
            child.end(status=0)
        stage.advance(LAST_DELAY)
        assert stage.alive == stage.children[2:] and len(stage.children) == 4

    def test_the_new_ones_have_the_new_settings_but_for_what_the_daemon_holds(self, stage: Stage) -> None:
        fresh = evolve(
            SETTINGS,
            server=evolve(SETTINGS.server, workers=7, port=1, drain_seconds=5.0),
            logging=evolve(SETTINGS.logging, level="debug"),
        )
        stage.workers.replace(fresh)
        settings = stage.children[2].orders.settings
        assert (settings.server.workers, settings.server.port) == (2, SETTINGS.server.port)
        assert (settings.server.drain_seconds, settings.logging.level) == (5.0, "debug")

    def test_a_new_one_that_cannot_start_leaves_the_old_ones_alone(self, stage: Stage) -> None:
        stage.workers.replace(SETTINGS)
        stage.children[2].end(status=1)
        stage.advance(LAST_DELAY)
        assert stage.alive == stage.children[:2]
        assert not any(child.told_to_leave for child in stage.alive)
        stage.workers.replace(SETTINGS)
        assert len(stage.children) == 4

    def test_settings_that_none_can_serve_by_are_no_ones(self, stage: Stage) -> None:
        """A web process that dies later is replaced by one with the settings of the others."""
        stage.workers.replace(evolve(SETTINGS, logging=evolve(SETTINGS.logging, level="debug")))
        stage.children[2].end(status=1)
        stage.children[0].end(signal=signal.SIGKILL)
        stage.until_another()
        assert stage.children[3].orders.settings.logging.level == SETTINGS.logging.level

    def test_asked_again_after_settings_that_none_can_serve_by(self, stage: Stage) -> None:
        """The better ones are tried, although the first attempt was still under way."""
        stage.workers.replace(SETTINGS)
        stage.workers.replace(evolve(SETTINGS, logging=evolve(SETTINGS.logging, level="warn")))
        stage.children[2].end(status=1)
        assert stage.children[3].orders.settings.logging.level == "warn"

    def test_a_new_one_that_never_answers_is_given_up(self, stage: Stage) -> None:
        stage.workers.replace(SETTINGS)
        stage.advance(START_PATIENCE)
        assert stage.children[2].signals == [signal.SIGKILL]
        assert stage.alive == stage.children[:2]

    def test_asked_for_twice_it_is_done_twice(self, stage: Stage) -> None:
        """The second time with the settings of the second time."""
        stage.workers.replace(SETTINGS)
        fresh = evolve(SETTINGS, logging=evolve(SETTINGS.logging, level="warn"))
        stage.workers.replace(fresh)
        for index in range(2, 6):
            stage.children[index].say(READY)
        assert len(stage.children) == 6
        assert [child.orders.settings.logging.level for child in stage.children[4:]] == ["warn", "warn"]
        assert all(child.told_to_leave for child in stage.children[:4])

    def test_one_that_dies_meanwhile_is_replaced_once(self, stage: Stage) -> None:
        stage.workers.replace(SETTINGS)
        stage.children[0].end(signal=signal.SIGKILL)
        stage.children[2].say(READY)
        stage.children[3].say(READY)
        stage.children[1].end(status=0)
        stage.advance(2 * LAST_DELAY)
        assert stage.alive == stage.children[2:] and len(stage.children) == 4

    def test_a_stop_ends_old_and_new(self, stage: Stage) -> None:
        stage.workers.replace(SETTINGS)
        stopped = Deferred.fromCoroutine(stage.workers.stop())
        for child in stage.children:
            assert child.signals == [signal.SIGTERM]
            child.end(status=0)
        assert stopped.called
        stage.advance(2 * LAST_DELAY)
        assert len(stage.children) == 3


class TestFigures:
    @pytest.fixture(autouse=True)
    def slow(self, stage: Stage) -> None:
        for child in stage.children:
            child.reacts = False

    def test_whoever_looks_waits_for_those_of_all(self, stage: Stage) -> None:
        looked = Deferred.fromCoroutine(stage.workers.refresh())
        for child in stage.children:
            assert child.heard.endswith(framed(TELL_FIGURES))
            assert not looked.called
            child.say(FIGURES + b"[]")
        assert looked.called

    def test_but_not_for_one_that_is_busy_or_ends(self, stage: Stage) -> None:
        looked = Deferred.fromCoroutine(stage.workers.refresh())
        stage.children[0].end(signal=signal.SIGKILL)
        assert not looked.called
        stage.advance(1.0)
        assert looked.called
        stage.children[1].say(FIGURES + b"[]")  # too late, and no harm


def test_one_that_does_not_end_is_killed(stage: Stage) -> None:
    stopped = Deferred.fromCoroutine(stage.workers.stop())
    stage.children[0].end(status=0)
    stage.advance(SETTINGS.server.drain_seconds)
    assert stage.children[1].alive
    stage.advance(60)
    assert stage.children[1].signals == [signal.SIGTERM, signal.SIGKILL]
    assert stopped.called
