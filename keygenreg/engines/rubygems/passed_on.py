"""Gems that this account never had, from the source that the operator lets through."""

from __future__ import annotations

import hashlib
from functools import partial

from attrs import define

from keygenreg.database.pool import Database
from keygenreg.domain.failures import Failure, NotFound
from keygenreg.domain.grant import Grant
from keygenreg.engines.rubygems import queries
from keygenreg.engines.rubygems.documents import Validators, binary_reply, list_reply, text_reply
from keygenreg.engines.rubygems.gemspec import is_gem_name
from keygenreg.engines.rubygems.merged_lists import ListKey, MergedLists
from keygenreg.engines.rubygems.upstream import SPECIFICATION, VERSIONS, gem_file
from keygenreg.engines.rubygems.upstream_info import LABEL, LONGEST_LABEL, Info, InfoLine
from keygenreg.formats.content_disposition import attachment
from keygenreg.formats.media_types import OCTET_STREAM, PLAIN_UTF8
from keygenreg.mirror.documents.document import MirroredDocument
from keygenreg.mirror.documents.freshness import ripe_at
from keygenreg.mirror.documents.renderings import Rendering, packed
from keygenreg.mirror.failures import BadUpstream
from keygenreg.mirror.mirror import Mirror
from keygenreg.mirror.policy import Policy
from keygenreg.web.exchange import Exchange
from keygenreg.web.reply import BlobReply, Headers, Reply

#: A file's name may be read in several ways, as names and platforms both have dashes; so many are tried.
_MOST_READINGS = 4


@define(eq=False)
class PassedOn:
    """
    The upstream's gems for one request. Every method raises what the operator's policy says (NotFound, Denied), and
    Unauthenticated, Unavailable or BadUpstream.

    :param policy: the mirror's for the caller.
    """

    mirror: Mirror
    policy: Policy
    lists: MergedLists
    database: Database
    exchange: Exchange
    grant: Grant

    @property
    def on(self) -> bool:
        """Whether anything is passed through for the account, and to the bearer if there is one."""
        return self.policy.mode == "mirror"

    @property
    def open(self) -> bool:
        """Whether it is for this caller."""
        return self.on and (self.grant.bearer is not None or not self.policy.wants_bearers)

    async def all(self, kind: str, local: bytes) -> BlobReply:
        """
        A list of all gems, the caller's own among them.

        :param kind: as of :class:`ListKey`. :param local: as for :meth:`MergedLists.get`.
        """
        self.exchange.keep(0)
        try:
            document = await self.mirror.document(self.grant, "", VERSIONS, remember=self.exchange.shared)
        except NotFound:
            # No answer of a source of gems: without the list clients would believe that there are no others.
            raise BadUpstream("The registry that this comes from has no compact index.") from None
        row = await self.exchange.shared(("claimed gems",), self._claims)
        own = hashlib.md5(local, usedforsecurity=False).hexdigest()
        key = ListKey(self.grant.account.id, kind, row["names"], own)
        found = await self.lists.get(key, local, document.listing.document, document.revision, self._allowed)
        headers: Headers = (("Content-Type", PLAIN_UTF8),)
        if found.packed is None:
            headers = (("Content-Type", OCTET_STREAM), ("Content-Disposition", attachment(kind)))
        headers += self.mirror.warnings(document)
        return list_reply(self.exchange, found.plain, found.packed, found.validators, headers)

    async def info(self, name: str) -> Reply:
        """One gem's versions."""
        document = await self._document(name)
        made = partial(_info_rendering, document.listing.document, name, self.policy)
        found = await self.mirror.documents.renderings.get(document, self.policy, made)
        body, validators = found.document
        reply = text_reply(self.exchange, body, public=False, validators=validators, packed=found.gzip)
        return reply.with_headers(*self.mirror.warnings(document))

    async def specification(self, stem: str) -> Reply:
        """One version's specification. :param stem: of its file's name."""

        async def look(name: str, label: str) -> Reply:
            versions = await self._document(name)
            listed = versions.listing.files.get(gem_file(name, label))
            if listed is None or not self.policy.shows(name, listed):
                raise _not_here(stem)
            document = await self._document(name, SPECIFICATION + label)
            self.exchange.keep(min(versions.fresh_until, document.fresh_until))
            file = f"{stem}.gemspec.rz"
            reply = binary_reply(self.exchange, document.listing.document, attachment(file), public=False)
            return reply.with_headers(*self.mirror.warnings(document))

        return await self._first(stem, look)

    async def gem(self, stem: str) -> Reply | BlobReply:
        """The bytes of a version. :param stem: of its file's name."""
        head = self.exchange.method == "HEAD"

        async def look(name: str, label: str) -> Reply | BlobReply:
            key = gem_file(name, label)
            exchange = self.exchange
            return await self.mirror.reply(
                self.grant,
                name,
                key,
                head=head,
                header=exchange.header,
                remember=exchange.shared,
                keep=exchange.keep,
            )

        return await self._first(stem, look)

    async def _first(self, stem: str, look):
        """What ``look`` finds for the first reading of a file's name that is right."""
        failures: list[Failure] = []
        for name, label in readings(stem) if self.on else ():
            try:
                return await look(name, label)
            except Failure as failure:
                failures.append(failure)
        raise next((each for each in failures if not isinstance(each, NotFound)), _not_here(stem))

    async def _document(self, name: str, variant: str = "") -> MirroredDocument:
        if not self.on or not is_gem_name(name):
            raise _not_here(name)
        try:
            document = await self.mirror.document(self.grant, name, variant, remember=self.exchange.shared)
        except Failure:
            self.exchange.keep(0)  # what upstream lacks or fails at now, it may have in a moment
            raise
        self.exchange.keep(document.fresh_until)
        return document

    async def _claims(self) -> dict[str, str]:
        return await self.database.one(queries.CLAIMS, account=self.grant.account.id)

    @property
    def _allowed(self):
        """Whether a name is passed on; None where all are."""
        policy = self.policy
        if not (policy.reserved or policy.deny or policy.allow):
            return None

        def allowed(name: str) -> bool:
            if name in policy.reserved or name in policy.deny:
                return False
            return not policy.allow or name in policy.allow

        return allowed


def _info_rendering(info: Info, name: str, policy: Policy) -> Rendering:
    """One gem's document with the versions that may be shown, and its validators."""
    hidden = []

    def shows(line: InfoLine) -> bool:
        is_shown = policy.old_enough(name, line.uploaded)
        if not is_shown:
            hidden.append(line.uploaded)
        return is_shown

    body = info.body(shows)
    return packed((body, Validators.of(body)), body, ripe_at(hidden, policy))


def readings(stem: str) -> list[tuple[str, str]]:
    """The names and labels that a file's name without its ending may mean, shortest names first."""
    found = []
    place = stem.find("-", 1)
    while place != -1 and len(found) < _MOST_READINGS:
        name, label = stem[:place], stem[place + 1 :]
        if len(label) <= LONGEST_LABEL and LABEL.fullmatch(label) and is_gem_name(name):
            found.append((name, label))
        place = stem.find("-", place + 1)
    return found


def _not_here(what: str) -> NotFound:
    return NotFound(f"There is no gem {what} here, or not for you.")
