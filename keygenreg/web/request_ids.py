"""Ids of requests: UUIDs that are unique and cheap, random in their first 62 bits and counted in the last 48."""

from __future__ import annotations

import itertools
import os
from uuid import UUID


def _prefix() -> bytes:
    # Twelve zero digits at the end are the counter's place.
    return str(UUID(bytes=os.urandom(10) + bytes(6), version=4)).encode("ascii")[:24]


class RequestIds:
    """A source of ids; each has a prefix of its own."""

    def __init__(self) -> None:
        self._prefix = _prefix()
        self._numbers = itertools.count(1)

    def __call__(self) -> bytes:
        return b"%s%012x" % (self._prefix, next(self._numbers))
