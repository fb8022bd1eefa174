"""Packages that this account never had, from the registry that the operator lets through."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import define

from keygenreg.domain.failures import Failure, Unauthenticated
from keygenreg.engines.npm import mirrored, paths, queries
from keygenreg.engines.npm.documents import INSTALL_V1, Document, rendered
from keygenreg.engines.npm.lookup import HOW_TO_AUTHENTICATE, Lookup, not_here
from keygenreg.engines.npm.upstream import FULL, SHORT
from keygenreg.formats.media_types import JSON
from keygenreg.mirror.adapter import Listing
from keygenreg.mirror.documents.renderings import Rendering
from keygenreg.mirror.mirror import Mirror
from keygenreg.mirror.policy import Policy
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import BlobReply, Headers, Reply

_REMEMBERED = 60
"""How long it is known which document is at hand, in seconds; a wrong guess costs one more request upstream."""


@define(eq=False)
class PassedOn:
    """
    The upstream's packages for one request. Every method raises what the operator's policy says (NotFound, Denied), and
    Unauthenticated, Unavailable or BadUpstream.
    """

    mirror: Mirror
    exchange: Exchange
    lookup: Lookup
    base: str
    #: What is to be said of the document's age.
    warnings: Headers = ()
    #: The document as gzip, where that is made already.
    packed: bytes | None = None

    async def package(self, name: str, media_type: str) -> Document:
        """All versions of a package."""
        urls = paths.tarball_urls(self.base, name)

        def made(listing: Listing, policy: Policy) -> Rendering:
            return mirrored.package_rendering(listing, policy, media_type, urls)

        found = await self._made(name, ("package", media_type, self.base), made, full=media_type != INSTALL_V1)
        self.packed = found.gzip
        return found.document

    async def version(self, name: str, selector: str, media_type: str) -> Document:
        """One version, by itself or by a tag."""
        found = await self._shown(name, full=media_type != INSTALL_V1)
        return mirrored.version_document(found, selector, media_type, paths.tarball_urls(self.base, name))

    async def tags(self, name: str) -> Document:
        """Version by tag."""
        return rendered((await self._shown(name, full=False)).tags, JSON)

    async def tarball(self, name: str, version: str) -> Reply | BlobReply:
        """The bytes of a version."""
        policy = await self._policy(name)
        key = paths.tarball_name(name, version)
        variant, head = await self._variant(policy, name, full=False), self.exchange.method == "HEAD"
        return await self.mirror.reply(
            self.lookup.grant,
            name,
            key,
            variant=variant,
            head=head,
            header=self.exchange.header,
            remember=self.exchange.shared,
            keep=self.exchange.keep,
        )

    async def _shown(self, name: str, *, full: bool) -> mirrored.Shown:
        return await self._made(name, ("shown",), lambda *read: mirrored.shown(*read).rendering(), full=full)

    async def _made(
        self, name: str, form: tuple[str, ...], make: Callable[[Listing, Policy], Rendering], *, full: bool
    ) -> Any:
        """What ``make`` makes of upstream's document for the caller's policy; see :class:`Renderings`."""
        policy = await self._policy(name)
        try:
            variant = await self._variant(policy, name, full=full)
            document = await self.mirror.document(self.lookup.grant, name, variant, remember=self.exchange.shared)
            renderings = self.mirror.documents.renderings
            made = await renderings.get(document, (*form, policy), lambda: make(document.listing, policy))
        except Failure:
            self.exchange.keep(0)  # what upstream lacks or fails at now, it may have in a moment
            raise
        self.exchange.keep(document.fresh_until)
        self.warnings = self.mirror.warnings(document)
        return made

    async def _policy(self, name: str) -> Policy:
        """:raises Failure: the name is not looked up, or not for the caller."""
        grant = self.lookup.grant
        policy = await self.mirror.policy(grant, self.exchange.shared)
        if policy.mode != "mirror" or not paths.is_public_name(name):
            raise not_here(name)
        policy.judge(name)
        if grant.bearer is None and policy.wants_bearers:
            how = HOW_TO_AUTHENTICATE.format(registry=self.lookup.registry)
            raise Unauthenticated(f"The package {name} needs a license key or token: {how}.", "TOKEN_MISSING")
        grant.require("package.read")
        return policy

    async def _variant(self, policy: Policy, name: str, *, full: bool) -> str:
        """
        Which of upstream's documents is to be read. Times of versions are in the full one only, so whoever waits needs
        that; else the full one does where it is at hand: most clients ask for one kind only, and then for files.
        """
        if full or not policy.old_enough(name, None):
            return FULL

        async def look() -> str:
            account, upstream = self.lookup.grant.account.id, policy.upstream
            row = await self.lookup.database.maybe(
                queries.VARIANT, account=account, name=name, upstream=upstream, short=SHORT
            )
            return SHORT if row is None else row["variant"]

        return await self.exchange.shared(("variant", name, int(time.time() / _REMEMBERED)), look)
