"""A bound on what is under way at the same time, with a bound on who waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field
from twisted.internet.defer import DeferredSemaphore

from keygenreg.upstream.failures import Busy


@define(eq=False)
class Slots:
    """
    :param limit: how many may be under way. :param waiters: how many more may wait.
    """

    limit: int
    waiters: int = 256
    _semaphore: DeferredSemaphore = field(init=False)
    _waiting: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._semaphore = DeferredSemaphore(self.limit)

    @property
    def taken(self) -> int:
        """How many are under way."""
        return self.limit - self._semaphore.tokens

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for one and keep it while inside. :raises Busy: too many wait already."""
        if self._waiting >= self.waiters:
            raise Busy("Too many requests to the upstream are waiting.")
        self._waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._semaphore.release()
