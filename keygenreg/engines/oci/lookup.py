"""Finding what a caller asks for in a repository, and how the caller is refused."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from attrs import frozen

from keygenreg.database.pool import Database
from keygenreg.database.query import Query
from keygenreg.domain.failures import BadRequest, Denied, NotFound, Unauthenticated
from keygenreg.domain.grant import Grant
from keygenreg.domain.identifiers import parse_uuid
from keygenreg.engines.oci import media_types, queries
from keygenreg.engines.oci.names import is_digest, versions_of_tag
from keygenreg.formats.accept import accepts
from keygenreg.formats.image_facts import is_tag, type_of_document

#: Of several documents of one reference, the earlier kind is preferred (engines.md 9).
_PREFERENCE = [
    media_types.OCI_INDEX,
    media_types.DOCKER_LIST,
    media_types.OCI_MANIFEST,
    media_types.DOCKER_MANIFEST,
]
_NEEDED = ("package.read", "release.read", "artifact.read")


def described(row: dict[str, Any]) -> dict[str, Any]:
    """A manifest's row with its type, digest and size, which an imported one may lack."""
    if None not in (row["content_type"], row["content_digest"], row["content_length"]):
        return row
    content = row["content"].encode("utf-8")
    return row | {
        "content_type": row["content_type"] or type_of_document(row["content"]),
        "content_digest": row["content_digest"] or f"sha256:{hashlib.sha256(content).hexdigest()}",
        "content_length": len(content),
    }


@frozen
class Repository:
    """A package that the caller may see."""

    id: UUID
    key: str


@frozen
class Lookup:
    """
    Looks for one caller in one repository.

    :param name: the repository as the path names it; ``keys`` the package keys that this may mean.
    """

    database: Database
    grant: Grant
    name: str
    keys: list[str]

    async def repository(self) -> Repository:
        """
        :raises NotFound: there is no such repository.
        :raises Unauthenticated, Denied: there is, and not for the caller.
        """
        row = self._seen(await self._one(queries.REPOSITORY))
        if row["inhabited"] and not row["permitted"]:
            raise self._refused()
        return Repository(row["package_id"], row["key"])

    async def manifest(self, reference: str, accept: str | None) -> dict[str, Any]:
        """
        The row of a manifest: ``content``, ``content_type``, ``content_digest``.

        :param reference: digest, tag or version.
        :param accept: the Accept header; it only decides between several documents of a tag.
        :raises NotFound: as :meth:`repository`; also when there is no such manifest.
        :raises BadRequest: the reference is meant to be a digest and is none.
        """
        if ":" in reference:
            query, params = queries.MANIFEST_BY_DIGEST, {}
        else:
            # Whatever is no tag may still be a version.
            query = queries.MANIFEST_LATEST if reference == "latest" else queries.MANIFEST_BY_TAG
            accepted = [kind for kind in _PREFERENCE if accepts(accept, kind)]
            params = {
                "versions": versions_of_tag(reference) if is_tag(reference) else [reference],
                "accepted": accepted if 0 < len(accepted) < len(_PREFERENCE) else None,
                "preference": _PREFERENCE,
            }
        row = self._seen(await self._one(query, reference=reference, **params))
        if row["manifest_id"] is None:
            raise self._unknown(reference, "MANIFEST_UNKNOWN")
        if not row["readable"]:
            raise self._refused()
        return described(row)

    async def blob(self, digest: str) -> dict[str, Any]:
        """
        The row of a blob: ``blob_sha256``, ``content_length``, ``content_digest``.

        It is there for the caller when a manifest of this repository that the caller may read refers to it.
        """
        row = self._seen(await self._one(queries.BLOB, reference=digest))
        if row["blob_sha256"] is None:
            raise self._unknown(digest, "BLOB_UNKNOWN")
        if not row["readable"]:
            raise self._refused()
        return row

    async def tags(self, repository: Repository, *, last: str, limit: int) -> list[str]:
        """Tags after ``last`` in bytewise order, ``limit`` of them at most."""
        rows = await self.database.rows(
            queries.TAGS, scope=self.grant.scope, package=repository.id, last=last, limit=limit
        )
        return [row["tag"] for row in rows]

    async def referrers(
        self, repository: Repository, subject: str, *, types: list[str] | None, last: str, limit: int
    ) -> list[dict[str, Any]]:
        """Manifests whose subject is a digest, in the order of their own digests."""
        rows = await self.database.rows(
            queries.REFERRERS, scope=self.grant.scope, package=repository.id, subject=subject, types=types, last=last,
            limit=limit,
        )  # fmt: skip
        return [described(row) for row in rows]

    async def subject(self, repository: Repository, prefix: str) -> str | None:
        """A digest with this beginning that has referrers."""
        row = await self.database.maybe(
            queries.SUBJECT_BY_PREFIX, scope=self.grant.scope, package=repository.id, pattern=prefix + "%"
        )
        return row and row["subject"]

    async def _one(self, query: Query, **params: Any) -> dict[str, Any] | None:
        environment = self.grant.environment
        return await self.database.maybe(
            query, scope=self.grant.scope, keys=self.keys, id=parse_uuid(self.keys[0]),
            with_global=environment is None or environment.shared, **params,
        )  # fmt: skip

    def _seen(self, row: dict[str, Any] | None) -> dict[str, Any]:
        if row is None:
            raise NotFound(f"There is no repository {self.name!r} here.", code="NAME_UNKNOWN")
        if not row["visible"]:
            raise self._refused()
        for permission in _NEEDED:
            self.grant.require(permission)
        return row

    def _unknown(self, reference: str, code: str) -> NotFound | BadRequest:
        if ":" in reference and not is_digest(reference):
            return BadRequest("That is not a digest.", "DIGEST_INVALID")
        return NotFound(f"There is no {reference[:200]!r} in the repository {self.name!r}.", code=code)

    def _refused(self) -> Unauthenticated | Denied:
        if self.grant.bearer is None:
            return Unauthenticated(
                f"{self.name} needs a license: log in with the user name license and a license key as the password."
            )
        return Denied(
            f"Your credentials do not give access to this in {self.name}: the license may be of another product, "
            "suspended or expired, or lack an entitlement."
        )
