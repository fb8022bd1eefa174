"""Who runs jobs when: bounded, shared between processes, never lost, and ended in an orderly way."""

from __future__ import annotations

from threading import Event, Lock

from twisted.internet.defer import Deferred

from keygenreg.processing import runner as running
from tests.processing.conftest import Works, eventually


class Gate:
    """A reader that waits until it is let go, and counts."""

    def __init__(self) -> None:
        self.open = Event()
        self.inside = self.most = self.calls = 0
        self._lock = Lock()

    def __call__(self, *_):
        with self._lock:
            self.inside += 1
            self.calls += 1
            self.most = max(self.most, self.inside)
        self.open.wait(20)
        with self._lock:
            self.inside -= 1


def start(works: Works, *artifacts) -> list[Deferred]:
    """Begin to process without waiting."""
    return [works.thread.call(lambda a=a: Deferred.fromCoroutine(works.service.process(a))) for a in artifacts]


def test_patience_ends(works: Works, monkeypatch):
    """An uploader does not wait for a long reading, which goes on."""
    monkeypatch.setattr(running, "PATIENCE", 0.05)
    works.readers["raw"] = gate = Gate()
    artifact = works.artifact(b"x")
    works.process(artifact)
    assert works.outcome(artifact)[0] == "PROCESSING"
    gate.open.set()
    eventually(lambda: works.outcome(artifact)[0] == "UPLOADED")


def test_bounded(works: Works):
    """No more readings at once than there are threads; the others follow."""
    works.readers["raw"] = gate = Gate()
    artifacts = [works.artifact(b"x") for _ in range(5)]
    waiting = start(works, *artifacts)
    eventually(lambda: gate.inside == 2)
    gate.open.set()
    eventually(lambda: all(one.called for one in waiting))
    assert (gate.most, gate.calls) == (2, 5)
    assert {works.outcome(one)[0] for one in artifacts} == {"UPLOADED"}


def test_two_waiters_of_one_job(works: Works):
    works.readers["raw"] = gate = Gate()
    artifact = works.artifact(b"x")
    waiting = start(works, artifact, artifact)
    eventually(lambda: gate.inside == 1)
    gate.open.set()
    eventually(lambda: all(one.called for one in waiting))
    assert gate.calls == 1


def test_full_queue_sets_aside(works: Works, monkeypatch):
    """When too many wait, an uploader is answered at once; a later poll does the work."""
    monkeypatch.setattr(running, "MOST_QUEUED", 1)
    works.readers["raw"] = gate = Gate()
    artifacts = [works.artifact(b"x") for _ in range(4)]
    waiting = start(works, *artifacts)
    eventually(lambda: gate.inside == 2)
    assert [one.called for one in waiting] == [False, False, False, True]
    gate.open.set()
    eventually(lambda: all(one.called for one in waiting))
    works.run(works.service.runner.poll())
    eventually(lambda: works.outcome(artifacts[3])[0] == "UPLOADED")


def test_job_of_somebody_else(works: Works):
    """A job under a lease is left to its holder; one whose lease ran out is taken up by the next poll."""
    works.readers["raw"] = gate = Gate()
    gate.open.set()
    artifact = works.artifact(b"x")
    works.sql(
        "UPDATE processing_jobs SET leased_until = now() + interval '1 minute', attempts = 1 WHERE artifact_id = %s",
        str(artifact),
    )
    works.process(artifact)
    works.run(works.service.runner.poll())
    assert gate.calls == 0
    works.free_jobs()
    works.run(works.service.runner.poll())
    eventually(lambda: works.outcome(artifact)[0] == "UPLOADED")


def test_poll_beside_an_upload(works: Works):
    """Whichever of the two takes the job, who uploads is told how it ends, and it is done once."""
    works.readers["raw"] = gate = Gate()
    artifact = works.artifact(b"x")
    service = works.service
    polling, waiting = works.thread.call(
        lambda: [Deferred.fromCoroutine(service.runner.poll()), Deferred.fromCoroutine(service.process(artifact))]
    )
    eventually(lambda: gate.inside == 1 and polling.called)
    assert not waiting.called
    gate.open.set()
    eventually(lambda: waiting.called)
    assert (gate.calls, works.outcome(artifact)[0]) == (1, "UPLOADED")


def test_lease_is_kept_while_reading(works: Works, monkeypatch):
    monkeypatch.setattr(running, "LEASE", 0.4)
    monkeypatch.setattr(running, "HEARTBEAT", 0.1)
    works.readers["raw"] = gate = Gate()
    artifact = works.artifact(b"x")
    start(works, artifact)
    eventually(lambda: gate.inside == 1)
    [(first,)] = works.sql("SELECT leased_until FROM processing_jobs WHERE artifact_id = %s", str(artifact))
    other = works.make_service()
    eventually(lambda: works.sql("SELECT now() > %s", first) == [(True,)])
    works.run(other.runner.poll())
    assert gate.calls == 1
    gate.open.set()
    eventually(lambda: works.outcome(artifact)[0] == "UPLOADED")


def test_processes_share_the_work(works: Works):
    """Two processes that poll at the same time do every job once."""
    works.readers["raw"] = gate = Gate()
    gate.open.set()
    artifacts = [works.artifact(b"x") for _ in range(8)]
    services = [works.service, works.make_service()]
    while any(works.job(one) is not None for one in artifacts):
        polls = [works.thread.call(lambda s=s: Deferred.fromCoroutine(s.runner.poll())) for s in services]
        eventually(lambda: all(one.called for one in polls))  # noqa: B023
        eventually(lambda: not any(service.runner._running for service in services))
    assert gate.calls == 8
    assert {works.outcome(one)[0] for one in artifacts} == {"UPLOADED"}


def test_stop_waits_for_what_runs(works: Works):
    works.readers["raw"] = gate = Gate()
    running_one, queued = [works.artifact(b"x") for _ in range(2)], works.artifact(b"x")
    waiting = start(works, *running_one, queued)
    eventually(lambda: gate.inside == 2)
    stopped = works.thread.call(works.service.runner.stop)
    eventually(lambda: waiting[2].called)
    assert not stopped.called
    gate.open.set()
    eventually(lambda: stopped.called)
    assert {works.outcome(one)[0] for one in running_one} == {"UPLOADED"}
    assert (works.outcome(queued)[0], works.job(queued)) == ("PROCESSING", 0)
    works.process(queued)
    assert works.outcome(queued)[0] == "PROCESSING"


def test_service_resumes_at_its_start(works: Works):
    """Jobs that a crash left behind, and artifacts that have lost their job, are done when a process starts."""
    left = works.artifact(b"x")
    orphan = works.artifact(b"x", job=False)
    stale = works.artifact(None, status="WAITING", job=False)
    works.sql("UPDATE artifacts SET created = now() - interval '2 hours' WHERE id = %s", str(stale))
    service = works.make_service()
    works.thread.call(service.startService)
    eventually(lambda: works.outcome(left)[0] == "UPLOADED")
    eventually(lambda: works.outcome(stale)[0] == "FAILED")
    eventually(lambda: works.job(orphan) is not None or works.outcome(orphan)[0] == "UPLOADED")
    works.thread.wait(_stopped(service))
    works.process(orphan)
    assert works.outcome(orphan)[0] == "UPLOADED"


async def _stopped(service) -> None:
    await service.stopService()
