"""Finding packages and files of gems for a caller, and how the caller is refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from attrs import frozen

from keygenreg.database.pool import Database
from keygenreg.domain.failures import Denied, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.engines.rubygems import queries

Row = dict[str, Any]
_LONGEST = 600


@frozen
class Found:
    """A package that the caller may read. ``public``: everybody may, and nobody in particular asks."""

    id: UUID
    name: str
    public: bool


@frozen
class Lookup:
    """Looks for one caller. :raises Denied: when made for one who may not read at all."""

    database: Database
    grant: Grant

    def __attrs_post_init__(self) -> None:
        self.grant.require("package.read")
        self.grant.require("artifact.read")

    async def package(self, name: str) -> Found:
        """
        :param name: a package's name or id.
        :raises NotFound: there is no such package with gems, or not for this bearer.
        :raises Unauthenticated: there is, and nobody said who is asking (decision 7).
        """
        row = await self.database.maybe(
            queries.PACKAGE, scope=self.grant.scope, name=name, id=parse_uuid(name), with_global=self._with_global
        )
        if row is not None and not row["visible"] and self.grant.bearer is None:
            raise _anonymous(f"The gem {name}")
        if row is None or not row["visible"]:
            raise NotFound(f"There is no gem {name} here, or not for you.")
        return Found(row["id"], row["key"], row["open"] and self.grant.bearer is None)

    async def gems(self, package: Found) -> list[Row]:
        """The rows of a package's gems, oldest first. :raises Denied: the state of the bearer's licenses forbids it."""
        rows = await self.database.rows(queries.GEMS_OF_PACKAGE, scope=self.grant.scope, package=package.id)
        permitted = [row for row in rows if row["permitted"]]
        if rows and not permitted:
            raise _forbidden(f"the gem {package.name}")
        return permitted

    async def all_gems(self) -> list[Row]:
        """The rows of all gems, oldest first; they share a ``stamp``."""
        rows = await self.database.rows(queries.GEMS, scope=self.grant.scope)
        return [row for row in rows if row["permitted"]]

    async def stamp(self) -> str:
        """
        The state of what :meth:`all_gems` gives; empty when it gives nothing.

        :raises Denied: the state of the bearer's licenses forbids all that there is.
        """
        row = await self.database.one(queries.STAMP, scope=self.grant.scope)
        if row["total"] and not row["permitted"]:
            raise _forbidden("these gems")
        return row["stamp"] if row["permitted"] else ""

    async def require_credentials_for_hidden(self) -> None:
        """:raises Unauthenticated: nobody said who is asking, and there are gems for those who do."""
        if self.grant.bearer is None and await self.database.maybe(
            queries.HIDDEN, scope=self.grant.scope, with_global=self._with_global
        ):
            raise _anonymous("What is here")

    async def file(self, name: str, *, read: bool) -> Row:
        """
        The row of a gem by the name of its file, which mostly begins with the package's.

        :param read: whether its specification must have been read.
        :raises NotFound, Unauthenticated, Denied: as for packages.
        """
        keys = _possible_packages(name)
        row = await self.database.maybe(queries.FILE, scope=self.grant.scope, keys=keys, file=name, read=read)
        if row is None and self.grant.bearer is None and await self.database.maybe(
            queries.HIDDEN_FILE, scope=self.grant.scope, keys=keys, file=name, with_global=self._with_global
        ):
            raise _anonymous(f"The file {name}")
        if row is None:
            raise NotFound(f"There is no gem file {name} here, or not for you.")
        if not row["permitted"]:
            raise _forbidden(name)
        return row

    @property
    def _with_global(self) -> bool:
        environment = self.grant.environment
        return environment is None or environment.shared


def _possible_packages(file: str) -> list[str]:
    """What comes before a dash: names of gems have dashes, as have platforms."""
    file = file[:_LONGEST]
    return [file[:place] for place, character in enumerate(file) if character == "-" and place]


def _anonymous(what: str) -> Unauthenticated:
    return Unauthenticated(f"{what} needs a license key or token: put it into the address of the source, as "
                           "https://license:KEY@HOST/..., or give it to Bundler with bundle config.", "TOKEN_MISSING")


def _forbidden(what: str) -> Denied:
    return Denied(f"Your license does not permit access to {what}; it may be suspended.")
