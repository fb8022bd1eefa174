"""Processing as a service of a web process: the runner, and housekeeping at its intervals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from keygenreg.database.pool import Database
from keygenreg.domain.failures import Unavailable
from keygenreg.processing.collector import BlobCollector
from keygenreg.processing.reading_job import Reader, ReadingJob
from keygenreg.processing.runner import Runner
from keygenreg.processing.size_limits import SizeLimit, size_limits
from keygenreg.processing.sweeper import Sweeper
from keygenreg.storage.interface import BlobStore

_log = Logger()

#: Seconds between looks for jobs that nobody has, for artifacts that wait too long, for bytes that nobody needs.
POLL, SWEEP, COLLECT = 10.0, 30.0, 600.0


class ProcessingService(Service):
    """
    Reads what was uploaded and cleans up.

    :param readers: by engine key.
    :param threads: started and stopped by somebody else, after this service.
    :param waiting_seconds: how long an artifact may be without bytes.
    """

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        readers: Mapping[str, Reader],
        threads: ThreadPool,
        reactor: Any,
        waiting_seconds: float,
        limits: Mapping[str, SizeLimit] | None = None,
    ) -> None:
        limits = size_limits() if limits is None else limits
        job = ReadingJob(database, blobs, readers, limits, threads, reactor)
        self.runner = Runner(job, database, threads.max, reactor)
        self.sweeper = Sweeper(database, blobs, waiting_seconds)
        self.collector = BlobCollector(database, blobs)
        self._loops = [
            (_loop(reactor, self.runner.poll), POLL, True),
            (_loop(reactor, self.sweeper.sweep_artifacts), SWEEP, True),
            (_loop(reactor, self.sweeper.sweep_files), COLLECT, False),
            (_loop(reactor, self.collector.collect), COLLECT, False),
        ]
        self._ending: list[Deferred[LoopingCall]] = []

    async def process(self, artifact_id: UUID) -> None:
        """Process an uploaded artifact; returns when it is done or set aside."""
        await self.runner.process(artifact_id)

    def startService(self) -> None:
        super().startService()
        self._ending = [loop.start(interval, now=now) for loop, interval, now in self._loops]

    def stopService(self) -> Deferred[None]:
        """Fires when nothing of ours runs any more."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for loop, _interval, _now in self._loops:
            if loop.running:
                loop.stop()
        await self.runner.stop()
        # Each fires when the call of its loop that is under way has ended.
        for ended in self._ending:
            await ended


def _loop(reactor: Any, work: Callable[[], Awaitable[Any]]) -> LoopingCall:
    async def once() -> None:
        try:
            await work()
        except Unavailable as away:
            _log.info("Housekeeping is put off: {why}", why=away.detail)
        except Exception:
            _log.failure("Housekeeping failed; it is tried again")

    loop = LoopingCall(lambda: Deferred.fromCoroutine(once()))
    loop.clock = reactor
    return loop
