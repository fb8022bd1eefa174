"""``python -m bench.watched FILE OPTION serve ...``: the daemon, and in it a watcher that says why timers are late.

A timer that should run every 20 ms looks how late it is. Where that is more than 30 ms, a line of JSON in the file says
what the reactor's thread did meanwhile, by the kernel's accounts: how long it ran; how long it was ready and waited for
a core, which is nothing that the daemon could do better; how long it slept until something happens, from which it is
woken late when the machine is busy; the rest it waited for a disk, or for a thread that holds the interpreter. With
OPTION ``stacks``, and not with ``no``, where it was, every 10 ms.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

from attrs import define, field

from keygenreg.command.group import main as serve

TICK = 0.02
LATE = 0.03
_LOOK = 0.01
_DEPTH = 14
_MOST_KINDS = 20


@define(eq=False)
class Watch:
    """Seconds everywhere; :meth:`start` is called in the reactor's thread."""

    reactor: Any
    out: TextIO
    stacks: bool
    # What there is since the process began.
    _accounts: int = field(init=False, default=-1)
    _due: float = field(init=False, default=0.0)
    _before: dict[str, float] = field(init=False, factory=dict)
    _timed: _Timed = field(init=False, default=None)
    _collecting: float = field(init=False, default=0.0)
    _collected: float = field(init=False, default=0.0)
    _kinds: Counter[str] = field(init=False, factory=Counter)
    _ticks: int = field(init=False, default=0)
    _seen: list[list[str]] = field(init=False, factory=list)

    def start(self) -> None:
        self._timed = self.reactor._poller = _Timed(self.reactor._poller)
        self._accounts = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        gc.callbacks.append(self._collector)
        self.reactor.addSystemEventTrigger("after", "shutdown", self._end)
        if self.stacks:
            threading.Thread(target=self._look, args=(threading.get_ident(),), daemon=True).start()
        self._wait()

    def _wait(self) -> None:
        self._before = self._now()
        self._due = self._before["wall"] + TICK
        self.reactor.callLater(TICK, self._tick)

    def _now(self) -> dict[str, float]:
        ran, waited, _ = os.pread(self._accounts, 100, 0).split()
        own = int(ran) / 1e9
        return {
            "wall": time.monotonic(),
            "ran": own,
            "for_core": int(waited) / 1e9,
            "other_threads": time.process_time() - own,
            "asleep": self._timed.slept,
            "garbage": self._collected,
        }

    def _tick(self) -> None:
        self._ticks += 1
        now = self._now()
        late = now["wall"] - self._due
        if late > LATE:
            spent = {name: now[name] - self._before[name] for name in now}
            self._say(at=time.time(), late=late, **spent, stacks=self._seen)
        self._seen = []
        self._wait()

    def _collector(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            # Looking takes long, and is no part of what is measured.
            self._kinds = self._alive() if about["generation"] else Counter()
            self._collecting = time.thread_time()
            return
        took = time.thread_time() - self._collecting
        self._collected += took
        if took > LATE / 3:
            freed = self._kinds - self._alive()
            self._say(at=time.time(), garbage_took=took, **about, freed=dict(freed.most_common(_MOST_KINDS)))

    def _alive(self) -> Counter[str]:
        """What there is of each kind; nothing without stacks."""
        return Counter(type(each).__qualname__ for each in gc.get_objects()) if self.stacks else Counter()

    def _look(self, thread: int) -> None:
        while True:
            time.sleep(_LOOK)
            if time.monotonic() > self._due + LATE / 2 and (frame := sys._current_frames().get(thread)):
                found = traceback.extract_stack(frame)[-_DEPTH:]
                self._seen.append([f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in found])

    def _say(self, **what: object) -> None:
        self.out.write(json.dumps(what) + "\n")
        self.out.flush()

    def _end(self) -> None:
        self._say(ticks=self._ticks)


class _Timed:
    """An epoll object whose waits are counted; to be in its place before the daemon takes its ``poll``."""

    def __init__(self, poller: Any) -> None:
        self.slept = 0.0
        self._poller = poller
        poll, now = poller.poll, time.monotonic

        def timed(timeout: float, most: int) -> list[tuple[int, int]]:
            if not timeout:
                return poll(timeout, most)
            began = now()
            events = poll(timeout, most)
            self.slept += now() - began
            return events

        self.poll = timed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)


def main() -> None:
    from twisted.internet import reactor

    path, stacks, *rest = sys.argv[1:]
    with Path(path).open("a") as out:
        reactor.callWhenRunning(Watch(reactor, out, stacks == "stacks").start)
        sys.argv = ["keygenreg", *rest]
        serve()


if __name__ == "__main__":
    main()
