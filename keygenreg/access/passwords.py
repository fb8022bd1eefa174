"""Hashing and checking of passwords, in a bounded pool of threads and never in the reactor."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from attrs import field, frozen
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from keygenreg.domain.failures import Unavailable

#: argon2id with 19 MiB and two passes: the OWASP Password Storage Cheat Sheet's first choice for argon2id.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: Waiting hashes beyond this are refused: each holds a thread for tens of milliseconds.
MOST_WAITING = 64


def _bytes(password: str) -> bytes:
    # A lone surrogate, which JSON can spell, is no reason to fail.
    return password.encode("utf-8", "surrogatepass")


def hash_password(password: str) -> str:
    """The argon2id hash of a password, in its PHC string form. Slow on purpose: never call it in the reactor."""
    return _HASHER.hash(_bytes(password))


@cache
def _nobody() -> str:
    """What an unknown user's password is compared with; nobody knows a password that fits."""
    return hash_password(secrets.token_hex())


def verify_password(stored: str | None, password: str) -> bool:
    """Whether a password fits a stored hash; ``None`` costs as much and never fits. Slow on purpose."""
    try:
        return _HASHER.verify(_nobody() if stored is None else stored, _bytes(password)) and stored is not None
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


@frozen
class Passwords:
    """Password work for the reactor: hands it to threads, refuses when too much is waiting."""

    reactor: IReactorThreads
    threads: ThreadPool
    _waiting: list[None] = field(factory=list, init=False, eq=False, repr=False)

    async def hash(self, password: str) -> str:
        """:raises Unavailable: too many are waiting already."""
        return await self._run(hash_password, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """:raises Unavailable: too many are waiting already."""
        return await self._run(verify_password, stored, password)

    async def _run(self, function, *arguments):
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable("Too many sign-ins at once; try again in a second.")
        self._waiting.append(None)
        try:
            return await deferToThreadPool(self.reactor, self.threads, function, *arguments)
        finally:
            self._waiting.pop()
