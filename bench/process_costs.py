"""What a daemon and its PostgreSQL have used, from /proc by way of psutil."""

from __future__ import annotations

import psutil
from attrs import frozen


@frozen
class Costs:
    """CPU in seconds since each process began, resident memory of the daemon's own processes in bytes."""

    daemon_cpu: float
    database_cpu: float
    memory: int


def costs_of(pid: int) -> Costs:
    """Of a daemon, or of any other server, with all its children."""
    parent = psutil.Process(pid)
    daemon_cpu = database_cpu = 0.0
    memory = 0
    for process in [parent, *parent.children(recursive=True)]:
        try:
            times = process.cpu_times()
            used = times.user + times.system
            if process.name() == "postgres":
                database_cpu += used
            else:
                daemon_cpu += used
                memory += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return Costs(daemon_cpu, database_cpu, memory)
