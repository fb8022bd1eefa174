"""Finds the account and the environment that a request means (engines.md 1.2 and 1.5)."""

from __future__ import annotations

from uuid import UUID

from attrs import frozen

from keygenreg.database.pool import Database
from keygenreg.database.queries import access as queries
from keygenreg.domain.account import Account, Environment
from keygenreg.domain.failures import BadRequest, NotFound, Source, Unsubscribed
from keygenreg.domain.identifiers import parse_uuid


@frozen
class Accounts:
    """
    Accounts by reference or host.

    :param singleplayer: one account for everything; ``only`` names it by id or slug (``None``: the oldest).
    """

    database: Database
    singleplayer: bool
    only: str | None = None

    async def find(self, reference: str | None, host: str) -> Account:
        """
        The account of a request.

        :param reference: id or slug from the path, ``None`` where the path names none.
        :param host: the request's host name in lower case, without port.
        :raises NotFound: no such account, or not the one this installation serves.
        """
        if self.singleplayer:
            account = await self._by_reference(self.only) if self.only else await self._oldest()
            return self._named(account, reference)
        row = await self.database.maybe(queries.ACCOUNT_BY_HOST, host=host)
        if row is not None:
            # A host of its own stands for its account; a path may repeat it but not name another's.
            return self._named(_account(row), reference)
        if reference is None:
            raise NotFound("This path needs an account: use /v1/accounts/<account>/...")
        return await self._by_reference(reference)

    @staticmethod
    def admit(account: Account) -> None:
        """:raises Unsubscribed: the account is paused or canceled."""
        if not account.active:
            raise Unsubscribed("The account's subscription is not active; its vendor can renew it.")

    async def environment(self, account: Account, selector: str | None, *, header: bool = True) -> Environment | None:
        """
        The environment named by the ``Keygen-Environment`` header or the ``environment`` parameter.

        :raises BadRequest: no such environment (400 ``ENVIRONMENT_INVALID``).
        """
        if not selector:
            return None
        row = await self.database.maybe(
            queries.ENVIRONMENT, account=account.id, id=parse_uuid(selector), code=selector
        )
        if row is None:
            source = Source(header="Keygen-Environment") if header else Source(parameter="environment")
            raise BadRequest("There is no environment with that id or code.", "ENVIRONMENT_INVALID", source)
        return Environment(row["id"], row["code"], row["isolation_strategy"])

    async def _oldest(self) -> Account:
        row = await self.database.maybe(queries.OLDEST_ACCOUNT)
        if row is None:
            raise NotFound("This registry has no account yet.")
        return _account(row)

    async def _by_reference(self, reference: str) -> Account:
        identifier = parse_uuid(reference)
        row = await self.database.maybe(queries.ACCOUNT_BY_ID, id=identifier) if identifier else None
        if row is None:
            row = await self.database.maybe(queries.ACCOUNT_BY_SLUG, slug=reference)
        if row is None:
            raise self._unknown(reference)
        return _account(row)

    @classmethod
    def _named(cls, account: Account, reference: str | None) -> Account:
        if reference is None or reference == account.slug or parse_uuid(reference) == account.id:
            return account
        raise cls._unknown(reference)

    @staticmethod
    def _unknown(reference: str | UUID | None) -> NotFound:
        return NotFound(f"There is no account {reference!r} here.")


def _account(row: dict) -> Account:
    return Account(**row)
