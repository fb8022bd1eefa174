"""Finding a project and its files for a caller, and how the caller is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen

from keygenreg.database.pool import Database
from keygenreg.domain.failures import Denied, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.engines.pypi import queries
from keygenreg.engines.pypi.names import normalize
from keygenreg.engines.pypi.project import STATUSES, Project, ProjectStatus


@frozen
class Found:
    """A project that the caller may read, without its files, and whether everybody may."""

    project: Project
    package: dict[str, Any]
    public: bool


@frozen
class Listed:
    """
    What the caller may see of a project's files.

    :ivar updated: when one of them was last changed; None where there are none.
    """

    editions: list[str]
    updated: datetime | None


@frozen
class Lookup:
    """Looks for one caller."""

    database: Database
    grant: Grant

    async def project(self, name: str) -> Found | None:
        """
        The project; ``None`` for a name that this account never had.

        :raises Unauthenticated, Denied, NotFound: it is here, and not for the caller (decisions 7 and 17).
        """
        normal, grant = normalize(name), self.grant
        package = await self.database.maybe(queries.PACKAGE, scope=grant.scope, name=normal, id=parse_uuid(name))
        if package is None:
            if await self.database.maybe(queries.CLAIMED, account=grant.account.id, name=normal):
                raise NotFound(f"The project {normal!r} is not available here.")
            return None
        if not package["visible"]:
            raise _refused(grant, normal)
        grant.require("package.read")
        project = Project(
            name=package["pypi_name"], display_name=package["key"], status=_status(package["metadata"])
        )
        return Found(project, package, package["open"] and grant.bearer is None)

    async def listed(self, found: Found) -> Listed:
        """:raises Denied: the caller is permitted none of the files that are there for it."""
        row = await self.database.one(queries.LISTED, scope=self.grant.scope, package=found.package["id"])
        editions = row["editions"].split()
        _require_some(found, row["visible"], len(editions))
        return Listed(editions, row["updated"])

    async def listed_files(self, found: Found, artifacts: list[str]) -> list[dict[str, Any]]:
        """Rows of those files that are among these artifacts; for whoever has them :meth:`listed`."""
        return await self._rows(found, artifacts)

    async def files(self, found: Found) -> list[dict[str, Any]]:
        """
        Rows of all files that the caller may have.

        :raises Denied: the caller is permitted none of the files that are there for it.
        """
        rows = await self._rows(found, None)
        permitted = [row for row in rows if row["permitted"]]
        _require_some(found, len(rows), len(permitted))
        return permitted

    async def _rows(self, found: Found, artifacts: list[str] | None) -> list[dict[str, Any]]:
        return await self.database.rows(
            queries.FILES, scope=self.grant.scope, package=found.package["id"], artifacts=artifacts
        )

    async def facts(self, found: Found, version: str) -> dict[str, Any]:
        """What the files of a version say of themselves; nothing where there is none."""
        row = await self.database.maybe(
            queries.FACTS, scope=self.grant.scope, package=found.package["id"], version=version
        )
        return row["metadata"] if row else {}


def _require_some(found: Found, visible: int, permitted: int) -> None:
    if visible and not permitted:
        raise Denied(f"Your license does not permit access to {found.project.name!r}; it may be suspended.")


def _refused(grant: Grant, name: str) -> Exception:
    """Installers only look for credentials after a 401; a bearer that may not see it is told so (decision 7)."""
    if grant.bearer is None:
        return Unauthenticated(f"The project {name!r} needs a license key or token.", "TOKEN_MISSING")
    return Denied(f"Your credentials do not give access to {name!r}.")


def _status(metadata: dict[str, Any]) -> ProjectStatus:
    """PEP 792, as the vendor's metadata of the package says."""
    stated = metadata.get("project_status")
    if not isinstance(stated, str) or stated not in STATUSES:
        return ProjectStatus()
    reason = metadata.get("project_status_reason")
    return ProjectStatus(stated, reason if isinstance(reason, str) else None)
