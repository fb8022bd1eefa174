"""Signing in to a world that really is in the database, through the parts that a request goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from attrs import define, frozen
from psycopg2.extensions import connection as Connection

from keygenreg.access.accounts import Accounts
from keygenreg.access.authentication import Authenticated, Authenticator, Credential
from keygenreg.domain.account import Account
from keygenreg.domain.account import Environment as SelectedEnvironment
from tests.access.loading import code_of, load, slug_of
from tests.access.records import Environment
from tests.access.scenes import Scene


def fresh_scene() -> Scene:
    """A scene with ids of its own, so that many can be in one database."""
    return Scene(ids=iter(uuid4, None))


@define
class CountingPasswords:
    """Stands in for the hashing of passwords: ``hash:x`` fits ``x``; remembers what was compared."""

    compared: list[tuple[str | None, str]]

    async def verify(self, stored: str | None, password: str) -> bool:
        self.compared.append((stored, password))
        return stored == f"hash:{password}"


@frozen
class Door:
    """What a caller meets: accounts, environments and the authenticator over one database."""

    connection: Connection
    accounts: Accounts
    authenticator: Authenticator
    run: Callable[[Any], Any]

    def build(self, scene: Scene) -> None:
        """Put the scene into the database for good."""
        with self.connection.cursor() as cursor:
            load(scene.world, cursor)
        self.connection.commit()

    def change(self, sql: str, *values: Any) -> list[tuple]:
        """Run one statement from outside and commit it."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            rows = cursor.fetchall() if cursor.description else []
        self.connection.commit()
        return rows

    def account(self, identifier: UUID) -> Account:
        return self.run(self.accounts.find(slug_of(identifier), "localhost"))

    def select(self, account: Account, environment: Environment | None) -> SelectedEnvironment | None:
        return environment and self.run(self.accounts.environment(account, code_of(environment)))

    def sign_in(
        self, scene: Scene, credential: Credential, *, selected: Environment | None = None, client: str = "192.0.2.1"
    ) -> Authenticated:
        account = self.account(scene.account)
        environment = self.select(account, selected)
        return self.run(self.authenticator.authenticate(account, environment, credential, client=client))
