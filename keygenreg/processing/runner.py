"""Who runs which job when: a bounded number at a time in this process, shared with all others through the database."""

from __future__ import annotations

from collections import deque
from typing import Any
from uuid import UUID

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from keygenreg.database.pool import Database
from keygenreg.database.queries.processing import CLAIM, CLAIM_NEXT, EXTEND
from keygenreg.processing.reading_job import NotNow, ReadingJob

_log = Logger()

#: How long an uploader waits for the outcome, in seconds; then it is answered while processing goes on.
PATIENCE = 10.0
#: Life of a lease and how often its holder extends it, in seconds.
LEASE = 30.0
HEARTBEAT = 10.0
#: After a fault of ours the job rests this long, in seconds.
REST = 15.0
#: Uploads that wait for a thread here; more are left to the polls of all processes.
MOST_QUEUED = 64


class Runner:
    """
    Runs processing jobs.

    :param slots: how many at the same time.
    """

    def __init__(self, job: ReadingJob, database: Database, slots: int, reactor: Any) -> None:
        self._job = job
        self._database = database
        self._slots = slots
        self._reactor = reactor
        self._running: set[UUID] = set()
        self._queue: deque[UUID] = deque()
        self._waiters: dict[UUID, list[Deferred[None]]] = {}
        self._stopped: Deferred[None] | None = None
        self._stopping = False
        self._polling = False
        self._claiming = DeferredLock()

    async def process(self, artifact_id: UUID) -> None:
        """Run the artifact's job; returns when it is done, or after a while, or at once when too many are waiting."""
        known = artifact_id in self._running or artifact_id in self._queue
        if self._stopping or (not known and self._is_full()):
            return
        waiter: Deferred[None] = Deferred()
        self._waiters.setdefault(artifact_id, []).append(waiter)
        waiter.addTimeout(PATIENCE, self._reactor, onTimeoutCancel=_still_running)
        if not known and len(self._running) < self._slots:
            self._start(artifact_id)
        elif not known:
            self._queue.append(artifact_id)
        await waiter

    def _is_full(self) -> bool:
        return len(self._running) >= self._slots and len(self._queue) >= MOST_QUEUED

    async def poll(self) -> None:
        """Take up jobs that nobody has, as far as there is room."""
        if self._polling:
            return
        self._polling = True
        try:
            while not self._stopping and len(self._running) < self._slots:
                async with self._claiming:
                    row = await self._database.maybe(CLAIM_NEXT, lease=LEASE)
                    if row is None:
                        return
                    if self._stopping or row["artifact_id"] in self._running:
                        await self._database.execute(EXTEND, artifact=row["artifact_id"], lease=0)
                        return
                    self._start(row["artifact_id"], row)
        finally:
            self._polling = False

    def stop(self) -> Deferred[None]:
        """Begin nothing more; fires when what runs has ended. What was queued is left to others."""
        self._stopping = True
        queued, self._queue = list(self._queue), deque()
        for artifact_id in queued:
            self._tell(artifact_id)
        self._stopped = Deferred()
        if not self._running:
            self._stopped.callback(None)
        return self._stopped

    def _start(self, artifact_id: UUID, claimed: dict[str, Any] | None = None) -> None:
        self._running.add(artifact_id)
        running = Deferred.fromCoroutine(self._run(artifact_id, claimed))
        running.addErrback(_log_defect, artifact_id)
        running.addBoth(lambda _: self._ended(artifact_id))

    async def _run(self, artifact_id: UUID, claimed: dict[str, Any] | None) -> None:
        row = claimed
        if row is None:
            # Not while a poll of ours may have taken it: the uploader would not be told how it ends.
            async with self._claiming:
                row = await self._database.maybe(CLAIM, artifact=artifact_id, lease=LEASE)
        if row is None:
            return  # somebody else has it, or has done it
        heartbeat = LoopingCall(self._extend, artifact_id)
        heartbeat.clock = self._reactor
        heartbeat.start(HEARTBEAT, now=False)
        try:
            await self._job.run(artifact_id, row["attempts"])
        except NotNow:
            await self._database.execute(EXTEND, artifact=artifact_id, lease=REST)
        finally:
            heartbeat.stop()

    def _extend(self, artifact_id: UUID) -> Deferred[None]:
        extending = Deferred.fromCoroutine(self._database.execute(EXTEND, artifact=artifact_id, lease=LEASE))
        return extending.addErrback(lambda reason: _log.failure("A lease could not be extended", failure=reason))

    def _ended(self, artifact_id: UUID) -> None:
        self._running.discard(artifact_id)
        self._tell(artifact_id)
        if self._stopping:
            if not self._running and self._stopped is not None and not self._stopped.called:
                self._stopped.callback(None)
        elif self._queue:
            self._start(self._queue.popleft())

    def _tell(self, artifact_id: UUID) -> None:
        for waiter in self._waiters.pop(artifact_id, ()):
            if not waiter.called:
                waiter.callback(None)


def _still_running(_result: object, _timeout: float) -> None:
    """The uploader is answered now."""


def _log_defect(reason: Failure, artifact_id: UUID) -> None:
    if not reason.check(CancelledError):
        _log.failure("Processing of {artifact} ended badly", failure=reason, artifact=artifact_id)
