"""Whose an API token is, where a log-in names no account: tokens are stored as digests with their account's secret."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from typing import Any
from uuid import UUID

from attrs import define, field
from twisted.internet.defer import DeferredSemaphore

from keygenreg.database.pool import Database
from keygenreg.domain.failures import TooMany
from keygenreg.domain.token import digest_of
from keygenreg.engines.oci import queries

#: Searches that run at once, and those that may wait for their turn: each looks at every account there is.
AT_ONCE, MOST_WAITING = 2, 64
#: Tokens that are remembered.
MOST_KNOWN = 10_000
_ACCOUNTS_AT_ONCE = 500
_NO_ACCOUNT = UUID(int=0)


@define(eq=False)
class TokenOwners:
    """
    Finds accounts by token, and remembers where it found them, to look there first the next time. What is remembered of
    a token is a digest with a key of this process.
    """

    database: Database
    _key: bytes = field(factory=lambda: os.urandom(32), init=False, repr=False)
    _known: OrderedDict[bytes, UUID] = field(factory=OrderedDict, init=False, repr=False)
    _turns: DeferredSemaphore = field(factory=lambda: DeferredSemaphore(AT_ONCE), init=False)

    async def of(self, token: str) -> UUID | None:
        """
        The account with a token.

        :raises TooMany: too many others wait for the same; logging in per account, with a repository, always works.
        """
        name = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()
        known = self._known.pop(name, None)
        if known is None:
            found = await self._search_in_turn(token)
        else:
            found = await self._owner(token, await self.database.rows(queries.SECRET, id=known))
        if found is not None:
            self._known[name] = found
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return found

    async def _search_in_turn(self, token: str) -> UUID | None:
        if len(self._turns.waiting) >= MOST_WAITING:
            raise TooMany("Many log in at this moment; try again.", retry_after=2)
        await self._turns.acquire()
        try:
            after = _NO_ACCOUNT
            while accounts := await self.database.rows(queries.SECRETS, after=after, limit=_ACCOUNTS_AT_ONCE):
                found = await self._owner(token, accounts)
                if found is not None:
                    return found
                after = accounts[-1]["id"]
            return None
        finally:
            self._turns.release()

    async def _owner(self, token: str, accounts: list[dict[str, Any]]) -> UUID | None:
        """The one of these accounts that has the token."""
        digests = [digest_of(row["secret_key"], token) for row in accounts]
        ids = [row["id"] for row in accounts]
        row = await self.database.maybe(queries.ACCOUNTS_OF_TOKEN, accounts=ids, digests=digests)
        return row and row["account_id"]
