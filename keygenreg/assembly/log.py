"""Where a process writes what it has to say."""

from __future__ import annotations

import sys

from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)


def begin_logging(level: str) -> None:
    """Write messages of a level and above to standard error; what others print stays where they print it."""
    least = LogLevelFilterPredicate(LogLevel.lookupByName(level))
    if level == "info":
        # Twisted tells of every factory and port, which says nothing to operators.
        for namespace in ("twisted", "log_legacy"):
            least.setLogLevelForNamespace(namespace, LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [least])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
