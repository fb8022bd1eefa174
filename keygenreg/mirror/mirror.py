"""One engine's mirror as its routes see it: may this be looked up, what does upstream say, give me this file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from uuid import UUID

from attrs import define, field

from keygenreg.access.entitled import asks_licenses, entitled
from keygenreg.domain.failures import NotFound
from keygenreg.domain.grant import Grant
from keygenreg.formats.byte_range import content_range
from keygenreg.formats.content_disposition import attachment
from keygenreg.mirror.adapter import UNTOLD, Adapter
from keygenreg.mirror.documents.document import MirroredDocument
from keygenreg.mirror.documents.documents import Documents
from keygenreg.mirror.files.file import FileKey, OpenFile, PassedBlob, etag_of_digest
from keygenreg.mirror.files.files import Files, Remember
from keygenreg.mirror.files.ranges import Asked
from keygenreg.mirror.policy import Policy, policy_of
from keygenreg.storage.interface import is_sha256
from keygenreg.upstream_settings import Upstream
from keygenreg.web.reply import BlobReply, Headers, Reply

#: A file whose URL tells its content never changes; what is told by name only is asked for again.
_FOR_GOOD = "private, no-transform, max-age=31536000, immutable"
_AGAIN = "private, no-transform, no-cache"
_UNVERIFIED = "private, no-transform, no-store"


@define(eq=False)
class Mirror:
    """
    Call :meth:`policy`, then its ``judge(name)`` and ``admit(grant)``, for a name that is not carried here; then
    :meth:`document` or :meth:`reply`. Claims and the caller are looked at again by both.
    """

    adapter: Adapter
    documents: Documents
    files: Files
    _settings: Upstream
    _policies: dict[tuple[UUID, str], Policy] = field(factory=dict, init=False)

    async def policy(self, grant: Grant, remember: Remember | None = None) -> Policy:
        """
        What the operator allows a caller: what the account may have, or nothing where the bearer lacks the entitlements
        that are asked for.

        :param remember: as for :meth:`reply`; without it the database is asked each time.
        """
        policy = self.policy_for(grant.account.id, grant.account.slug)
        if not policy.entitlements or policy.mode == "deny" or not asks_licenses(grant):
            return policy

        async def look() -> dict[str, bool]:
            return await entitled(self.documents.database, grant, policy.entitlements)

        # Entitlements of licenses are part of the view that this is remembered by; codes are of the catalogue.
        row = await (look() if remember is None else remember(("entitled", policy.entitlements), look))
        return policy if row["entitled"] else policy.withheld()

    @property
    def common_policy(self) -> Policy:
        """What the operator allows accounts that have no settings of their own."""
        return policy_of(self._settings, self.adapter)

    async def exists(self, policy: Policy, name: str) -> bool:
        """
        Whether upstream has a name, of which nothing is kept. The caller has asked the policy already.

        :param name: normalised. :raises UpstreamFailure: it does not tell.
        """
        url, accept = self.adapter.url(policy.upstream, name, ""), self.adapter.accept("")
        return await self.documents.clients.of(policy).exists(url, accept=accept)

    def policy_for(self, account: UUID, slug: str) -> Policy:
        """What the operator allows an account."""
        found = self._policies.get((account, slug))
        if found is None:
            # Most accounts have the same one; equal policies share their upstream's client.
            found = self._policies[account, slug] = policy_of(self._settings, self.adapter, slug, str(account))
        return found

    async def document(
        self, grant: Grant, name: str, variant: str = "", *, remember: Remember | None = None
    ) -> MirroredDocument:
        """
        What upstream says of a name; for modes that mirror.

        :param name: as the client spells it. :param remember: as for :meth:`reply`.
        :raises Failure: as the policy and :meth:`Documents.get` do.
        """
        policy, name = await self._admitted(grant, name, remember)
        found = await self.documents.get(policy, grant.account.id, name, variant)
        if found.stale:
            age = self.documents.now() - found.fetched
            self.documents.figures.served_stale(policy.rules.index.origin, age)
        return found

    def warnings(self, document: MirroredDocument) -> Headers:
        """Header fields that tell of a document past its time (RFC 9111, 5.1; RFC 7234, 5.5)."""
        if not document.stale:
            return ()
        age = max(0, round(self.documents.now() - document.fetched))
        return (("Age", str(age)), ("Warning", '110 - "Response is stale"'))

    async def open(
        self,
        grant: Grant,
        name: str,
        key: str,
        *,
        digest: str | None = None,
        variant: str = "",
        fetch: bool = True,
        asked: Asked | None = None,
        remember: Remember | None = None,
    ) -> OpenFile:
        """A file to be read by the caller, who closes its blob. Parameters as for :meth:`reply` and the files."""
        policy, name = await self._admitted(grant, name, remember)
        place = FileKey(grant.account.id, self.adapter.engine, name, variant, key)
        return await self.files.open(policy, place, digest, fetch=fetch, asked=asked, remember=remember)

    async def reply(
        self,
        grant: Grant,
        name: str,
        key: str,
        *,
        digest: str | None = None,
        variant: str = "",
        filename: str | None = None,
        head: bool = False,
        header: Callable[[str], str | None] | None = None,
        remember: Remember | None = None,
        keep: Callable[..., None] | None = None,
    ) -> Reply | BlobReply:
        """
        A file of upstream's as the answer: the edge applies ranges and conditions, to one that is still arriving too.

        :param key: as in the listing's files. :param digest: from the URL; None when the URL does not tell it.
        :param filename: what a browser calls it; None: the key.
        :param head: a HEAD request, for which nothing is fetched that we do not have.
        :param header: gives a field of the request: then a small part of a large file need not wait for the file, and
            a file that there is no room for goes past the disk.
        :param remember: the exchange's ``shared``: then a file that is asked for again needs no query.
        :param keep: the exchange's: then such a file is, for some seconds, not even looked for.
        :raises Failure: as the policy and :meth:`Files.open` do.
        """
        asked = None if header is None else Asked.of(header)
        found = await self.open(
            grant, name, key, digest=digest, variant=variant, fetch=not head, asked=asked, remember=remember
        )
        if keep is not None and found.until:
            figures, engine = self.files.figures, self.adapter.engine
            keep(found.until, shared=False, each=lambda: figures.answered(engine, "file", "hit"))
        headers = self._headers(found.digest, found.content_type, filename or key, told=digest)
        if isinstance(found.blob, PassedBlob):
            return _part(found.blob, etag_of_digest(found.digest), headers)
        return BlobReply(found.blob, etag_of_digest(found.digest), found.modified, headers)

    async def _admitted(self, grant: Grant, name: str, remember: Remember | None) -> tuple[Policy, str]:
        policy, name = await self.policy(grant, remember), self.adapter.normalize(name)
        if name:  # else it is of the whole registry
            policy.judge(name)
        if policy.mode != "mirror":
            raise NotFound(f"There is no {name!r} here.")
        policy.admit(grant)
        return policy, name

    @staticmethod
    def _headers(digest: str, content_type: str, filename: str, *, told: str | None) -> Headers:
        headers: Headers = (
            ("Content-Type", content_type),
            ("Content-Disposition", attachment(filename)),
            ("Cache-Control", _AGAIN if told in (None, UNTOLD) else _FOR_GOOD),
            ("Content-Security-Policy", "default-src 'none'; sandbox"),
        )
        if is_sha256(digest):
            encoded = b64encode(bytes.fromhex(digest)).decode("ascii")
            headers += (("Digest", f"sha-256={encoded}"), ("Repr-Digest", f"sha-256=:{encoded}:"))
        return headers


def _part(blob: PassedBlob, etag: str, headers: Headers) -> Reply:
    """A part that nobody has verified: caches of clients are not to keep it."""
    headers = tuple((name, _UNVERIFIED if name == "Cache-Control" else value) for name, value in headers)
    stated = content_range(blob.span, blob.size)
    return Reply(206, blob.data, (*headers, ("ETag", etag), ("Accept-Ranges", "bytes"), ("Content-Range", stated)))
