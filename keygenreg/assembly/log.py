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

_least = LogLevelFilterPredicate()


def begin_logging(level: str) -> None:
    """Write messages of a level and above to standard error; what others print stays where they print it."""
    set_level(level)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [_least])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def set_level(level: str) -> None:
    """Write messages of this level and above from now on; of no effect where somebody else began the logging."""
    _least.clearLogLevels()
    _least.setLogLevelForNamespace("", LogLevel.lookupByName(level))
    if level == "info":
        # Twisted tells of every factory and port, which says nothing to operators.
        for namespace in ("twisted", "log_legacy"):
            _least.setLogLevelForNamespace(namespace, LogLevel.warn)
