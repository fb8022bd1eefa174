"""Accounts and bearers that were found before, remembered as long as nothing that decides about them has changed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable

from attrs import define, field, frozen

from keygenreg.access.accounts import Accounts
from keygenreg.access.authentication import Authenticated, Authenticator, Credential, RecognisedCredential
from keygenreg.caches.bounded import BoundedCache
from keygenreg.caches.generations import Generations, Guard
from keygenreg.domain.account import Account, Environment
from keygenreg.formats.authorization import LicenseKeyCredential, TokenCredential

_ACCOUNT_BYTES = 8192
_BEARER_BYTES = 2048


@frozen
class _Kept:
    guard: Guard
    value: Account | Authenticated


@define
class RememberedAccounts:
    """
    :class:`Accounts` with a memory.

    :param limit: of the memory, in bytes.
    """

    accounts: Accounts
    generations: Generations
    limit: int
    _kept: BoundedCache = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.limit)

    @property
    def singleplayer(self) -> bool:
        return self.accounts.singleplayer

    async def find(self, reference: str | None, host: str) -> Account:
        """As :meth:`Accounts.find`. Failures are not remembered: anybody can ask for accounts that do not exist."""
        key = (reference, host)
        kept = self._kept.get(key)
        if kept is not None and self.generations.holds(kept.guard):
            return kept.value
        guard = self.generations.guard()
        account = await self.accounts.find(reference, host)
        if self.generations.holds(guard):
            self._kept.put(key, _Kept(guard, account), _ACCOUNT_BYTES + len(reference or "") + len(host))
        return account

    def admit(self, account: Account) -> None:
        """As :meth:`Accounts.admit`."""
        self.accounts.admit(account)

    async def environment(self, account: Account, selector: str | None, *, header: bool = True) -> Environment | None:
        """As :meth:`Accounts.environment`; not remembered."""
        return await self.accounts.environment(account, selector, header=header)


@define
class RememberedBearers:
    """
    :class:`Authenticator` with a memory of tokens and license keys that were good, not of passwords.

    Keys of the memory are digests, with a key of this process: no secret stays in it.

    :param limit: of the memory, in bytes.
    """

    authenticator: Authenticator
    generations: Generations
    limit: int
    now: Callable[[], float] = time.time
    _kept: BoundedCache = field(init=False)
    _salt: bytes = field(factory=lambda: os.urandom(32), init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._kept = BoundedCache(self.limit)

    async def authenticate(
        self,
        account: Account,
        environment: Environment | None,
        credential: Credential,
        *,
        client: str = "",
        guard: Guard | None = None,
    ) -> Authenticated:
        """
        As :meth:`Authenticator.authenticate`.

        :param guard: one that watches the account; without it nothing is remembered.
        """
        secret = _secret(credential)
        if secret is None or guard is None:
            return await self.authenticator.authenticate(account, environment, credential, client=client)
        key = (account.id, environment, hashlib.blake2b(secret, key=self._salt, digest_size=24).digest())
        kept = self._kept.get(key)
        if kept is not None and self.generations.bearers_hold(kept.guard) and self.now() < kept.value.until:
            return kept.value
        found = await self.authenticator.authenticate(account, environment, credential, client=client)
        if self.generations.bearers_hold(guard):
            self._kept.put(key, _Kept(guard, found), _BEARER_BYTES)
        return found

    async def limit_password_attempts(self, account: Account, client: str, email: str) -> None:
        """As :meth:`Authenticator.limit_password_attempts`."""
        await self.authenticator.limit_password_attempts(account, client, email)


def _secret(credential: Credential) -> bytes | None:
    """What tells a credential from every other; ``None`` for those that are judged anew each time."""
    if isinstance(credential, TokenCredential):
        return b"token\0" + credential.token.encode("utf-8", "surrogatepass")
    if isinstance(credential, LicenseKeyCredential):
        return b"license\0" + credential.key.encode("utf-8", "surrogatepass")
    if isinstance(credential, RecognisedCredential):
        return f"recognised\0{credential.token_id}\0{credential.license_id}\0{credential.proof}".encode()
    return None
