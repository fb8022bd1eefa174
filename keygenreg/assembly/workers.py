"""Web processes beside the daemon: started, watched, replaced and stopped by it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field
from prometheus_client import CollectorRegistry, Counter
from twisted.internet.defer import CancelledError, Deferred, DeferredList, FirstError, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from keygenreg.assembly.operator_endpoint import OperatorEndpoint
from keygenreg.assembly.program import ProgramReplaced, fingerprint
from keygenreg.assembly.telemetry import process_registry
from keygenreg.assembly.worker_orders import Orders
from keygenreg.assembly.worker_process import WorkerProcess
from keygenreg.settings import Settings
from keygenreg.telemetry.figures import Gathered, snapshot

T = TypeVar("T")
_log = Logger()

# Seconds.
FIRST_DELAY = 0.1
LAST_DELAY = 30.0
#: A web process that ends sooner than this doubles the delay before the next one is started.
STEADY = 30.0
#: In which a web process that takes another one's place has to answer.
START_PATIENCE = 60.0
#: What a web process gets beyond its drain time to end by itself.
END_PATIENCE = 20.0
#: How often each is asked for its figures, so that little is lost with one that is killed ...
ASK_EVERY = 5.0
#: ... and how long somebody who looks at them waits for those of all.
ASK_PATIENCE = 1.0
#: Questions without an answer after which a web process is taken for hung.
MOST_UNANSWERED = 12


@define(eq=False)
class _Place:
    """One of the web processes that there should be, whichever has its place at the moment."""

    worker: WorkerProcess | None = None
    delay: float = FIRST_DELAY
    born: float = 0.0
    restart: IDelayedCall | None = None

    def cancel_restart(self) -> None:
        if self.restart is not None and self.restart.active():
            self.restart.cancel()


@define(eq=False)
class Workers:
    """
    A number of web processes on one socket: :meth:`load`, :meth:`start`, :meth:`stop`, each once.

    :param listener: descriptor of the listening socket; ``generations``: of the memory that all share.
    :param give_up: called when there is no web process left and can be none.
    """

    reactor: Any
    settings: Settings
    listener: int
    generations: int
    give_up: Callable[[ProgramReplaced], object] = field(default=lambda reason: None)
    _program: bytes = field(default=b"", init=False, repr=False)
    #: Those that a web process has been able to serve by, and those that are to be tried.
    _orders: Orders | None = field(default=None, init=False, repr=False)
    _fresh_orders: Orders | None = field(default=None, init=False, repr=False)
    _places: list[_Place] = field(factory=list, init=False)
    _running: set[WorkerProcess] = field(factory=set, init=False)
    _stopping: bool = field(default=False, init=False)
    _replacing: Deferred[None] | None = field(default=None, init=False)
    _again: bool = field(default=False, init=False)
    _figures: Gathered = field(factory=Gathered, init=False)
    _own: CollectorRegistry = field(factory=process_registry, init=False)
    _ends: Counter = field(init=False)
    _endpoint: OperatorEndpoint = field(init=False)
    _asking: LoopingCall = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ends = Counter("keygenreg_web_process_ends", "Web processes that ended unasked", registry=self._own)
        shown = CollectorRegistry()
        shown.register(self._figures)
        self._endpoint = OperatorEndpoint(self.settings.operator, self.reactor, shown, self.refresh)
        self._asking = LoopingCall(self._ask)
        self._asking.clock = self.reactor

    # Start

    def load(self) -> None:
        """Start the programs, which load while the database starts."""
        for _ in range(self.settings.server.workers):
            place = _Place()
            self._places.append(place)
            place.worker = self._spawn()
            place.born = self.reactor.seconds()
        self._program = fingerprint()

    async def start(self, orders: Orders) -> None:
        """Let all serve; returns when each answers. Raises ProcessTerminated when one of them ends instead."""
        self._orders = orders
        first = [place.worker for place in self._places]
        for worker in first:
            worker.give(orders, self._program)
        try:
            await gatherResults([worker.ready for worker in first], consumeErrors=True)
        except FirstError as error:
            raise error.subFailure.value from None
        self._endpoint.start()
        self._asking.start(ASK_EVERY, now=False)

    def _spawn(self, orders: Orders | None = None) -> WorkerProcess:
        taken = {worker.number for worker in self._running}
        number = next(number for number in range(len(taken) + 1) if number not in taken)
        worker = WorkerProcess(number, self._told)
        worker.start(self.reactor, self.listener, self.generations)
        self._running.add(worker)
        worker.ended.addCallback(self._ended, worker)
        if orders is not None:
            worker.give(orders, self._program)
        return worker

    # Supervision

    def _ended(self, why: str, worker: WorkerProcess) -> None:
        self._running.discard(worker)
        self._figures.retire(worker)
        if worker.other_program:
            _log.error("{what}", what=str(ProgramReplaced()))
        place = next((place for place in self._places if place.worker is worker), None)
        if place is None or self._stopping or self._orders is None:
            return
        self._ends.inc()
        if self.reactor.seconds() - place.born > STEADY:
            place.delay = FIRST_DELAY
        _log.error("Web process {number} ended ({why})", number=worker.number, why=why)
        place.worker = None
        if worker.other_program and not self._anybody_answers():
            self.give_up(ProgramReplaced())
        else:
            self._fill_later(place)

    def _anybody_answers(self) -> bool:
        return any(worker.is_ready for worker in self._running)

    def _fill_later(self, place: _Place) -> None:
        _log.info("Another web process starts in {delay} seconds", delay=place.delay)
        place.restart = self.reactor.callLater(place.delay, self._fill, place)
        place.delay = min(max(place.delay * 2, 1.0), LAST_DELAY)

    def _fill(self, place: _Place) -> None:
        place.born = self.reactor.seconds()
        try:
            worker = place.worker = self._spawn(self._orders)
        except OSError as error:
            _log.error("No web process can be started: {error}", error=str(error))
            self._fill_later(place)
            return
        self._be_patient(worker)
        # Should it end before it is ready, it is replaced like any other.
        worker.ready.addErrback(lambda _: None)

    def _be_patient(self, worker: WorkerProcess) -> None:
        """Kill one that neither answers nor ends."""
        patience = self.reactor.callLater(START_PATIENCE, worker.signal, signal.SIGKILL)

        def over(result: T) -> T:
            if patience.active():
                patience.cancel()
            return result

        worker.ready.addBoth(over)

    # Replacement

    def replace(self, fresh: Settings) -> None:
        """
        Put a new web process into the place of each, one after the other: it answers before the old one takes no more
        connections. When one of them cannot start, the old ones go on, and further ones have the old settings.
        """
        if self._orders is None or self._stopping:
            return
        self._fresh_orders = self._orders.renewed(fresh)
        if self._replacing is not None:
            self._again = True
            return
        self._replacing = Deferred.fromCoroutine(self._replace_all())
        self._replacing.addBoth(self._replaced)

    def _replaced(self, result: object) -> None:
        self._replacing = None
        if isinstance(result, Failure) and not result.check(CancelledError):
            _log.failure("Web processes cannot be replaced; the old ones go on", failure=result)

    async def _replace_all(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            orders = self._fresh_orders
            for place in self._places:
                if not await self._replace_one(place, orders):
                    break
            else:
                _log.info("All web processes were replaced")

    async def _replace_one(self, place: _Place, orders: Orders) -> bool:
        fresh = self._spawn(orders)
        self._be_patient(fresh)
        try:
            await fresh.ready
        except CancelledError:
            raise
        except Exception as error:
            _log.error("A new web process does not start ({why}); the old ones go on", why=str(error))
            return False
        self._orders = orders
        place.cancel_restart()
        old, place.worker = place.worker, fresh
        place.born, place.delay = self.reactor.seconds(), FIRST_DELAY
        if old is not None:
            old.leave()
        return True

    def reopen_log(self) -> None:
        """Let each go on in a new access log."""
        for worker in self._running:
            if worker.is_ready:
                worker.signal(signal.SIGHUP)

    # Figures

    def _told(self, worker: WorkerProcess, figures: bytes) -> None:
        self._figures.take(worker, str(worker.number), figures)

    def _ask(self) -> None:
        for worker in list(self._running):
            if worker.unanswered >= MOST_UNANSWERED:
                _log.error("Web process {number} does not react; it is killed", number=worker.number)
                worker.signal(signal.SIGKILL)
            elif worker.is_ready:
                worker.unanswered += 1
                worker.ask_figures()

    async def refresh(self) -> None:
        """Bring the sums up to date; what does not answer soon counts as it last was."""
        self._figures.take(self, "daemon", snapshot(self._own))
        answers = DeferredList(
            [worker.ask_figures() for worker in self._running if worker.is_ready], consumeErrors=True
        )
        answers.addTimeout(ASK_PATIENCE, self.reactor, onTimeoutCancel=lambda result, _seconds: result)
        await answers

    # Stop

    async def stop(self) -> None:
        """Ask all to drain and end; returns when they have, in the end by force."""
        self._stopping = True
        self._endpoint.stop()
        if self._asking.running:
            self._asking.stop()
        if self._replacing is not None:
            self._replacing.cancel()
        for place in self._places:
            place.cancel_restart()
        leaving = list(self._running)
        for worker in leaving:
            worker.ready.addErrback(lambda _: None)
            worker.signal(signal.SIGTERM)
        force = self.reactor.callLater(self.settings.server.drain_seconds + END_PATIENCE, self._kill)
        for worker in leaving:
            await worker.ended
        if force.active():
            force.cancel()

    def _kill(self) -> None:
        for worker in list(self._running):
            _log.error("Web process {number} does not end; it is killed", number=worker.number)
            worker.signal(signal.SIGKILL)
