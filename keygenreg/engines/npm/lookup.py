"""Finding a package and its tarballs for a caller, and how the caller is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import frozen

from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from keygenreg.domain.failures import Denied, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.engines.npm import queries

#: Where credentials go; to be filled in with the registry as ``.npmrc`` names it.
HOW_TO_AUTHENTICATE = (
    "put it into .npmrc, as {registry}:_auth=BASE64 with license:KEY in Base64, or as {registry}:_authToken=TOKEN"
)


@frozen
class Found:
    """A package that the caller may read. ``public``: everybody may, and nobody in particular asks."""

    id: UUID
    name: str
    created: datetime
    public: bool


@frozen
class Listed:
    """The editions of those versions of a package that the caller may see."""

    editions: list[str]


@frozen
class Lookup:
    """
    Looks for one caller.

    :param registry: the registry's root as ``.npmrc`` names it.
    """

    database: Database
    grant: Grant
    registry: str

    async def package(self, name: str) -> Found | None:
        """
        The package; None where there is none of that name in the environment.

        :param name: a package's name or id.
        :raises NotFound: it is not for this bearer.
        :raises Unauthenticated: nobody said who is asking (decision 7).
        """
        grant = self.grant
        with_global = grant.environment is None or grant.environment.shared
        row = await self.database.maybe(
            queries.PACKAGE, scope=grant.scope, name=name, id=parse_uuid(name), with_global=with_global
        )
        if row is None:
            return None
        if not row["visible"] and grant.bearer is None:
            how = HOW_TO_AUTHENTICATE.format(registry=self.registry)
            raise Unauthenticated(f"The package {name} needs a license key or token: {how}.", "TOKEN_MISSING")
        if not row["visible"]:
            raise not_here(name)
        grant.require("package.read")
        grant.require("artifact.read")
        return Found(row["id"], row["key"], row["created"], row["open"] and grant.bearer is None)

    async def tarballs(self, package: Found, query: Query, **asked: Any) -> list[dict[str, Any]]:
        """
        The rows of a query about a package's tarballs; at least one.

        :param asked: further parameters of the query; of those about one version that is ``version``.
        :raises NotFound: there are none, or none for this bearer.
        :raises Denied: all are in the bearer's scope, and the state of its licenses forbids them.
        """
        rows = await self.database.rows(query, scope=self.grant.scope, package=package.id, **asked)
        permitted = [row for row in rows if row["permitted"]]
        _require_some(package, len(rows), len(permitted), asked.get("version"))
        return permitted

    async def listed(self, package: Found) -> Listed:
        """What the bearer may see of a package; fails like :meth:`tarballs`."""
        row = await self.database.one(queries.LISTED, scope=self.grant.scope, package=package.id)
        editions = row["editions"].split()
        _require_some(package, row["visible"], len(editions))
        return Listed(editions)

    async def listed_versions(self, package: Found, artifacts: list[str]) -> list[dict[str, Any]]:
        """Rows of those versions whose tarballs are among these artifacts; for whoever has them :meth:`listed`."""
        return await self.database.rows(
            queries.VERSIONS, scope=self.grant.scope, package=package.id, version=None, artifacts=artifacts
        )


def _require_some(package: Found, visible: int, permitted: int, version: str | None = None) -> None:
    if visible and not permitted:
        raise Denied(f"Your license does not permit access to {package.name}; it may be suspended.")
    if not permitted:
        wanted = "version" if version is None else f"version {version}"
        raise NotFound(f"There is no {wanted} of {package.name} here, or not for you.")


def not_here(name: str) -> NotFound:
    """What is said of packages that do not exist, and of those that are for others."""
    return NotFound(f"There is no package {name} here, or not for you.")
