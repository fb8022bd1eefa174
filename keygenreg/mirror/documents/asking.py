"""One question to an upstream: a document as a whole, or what was appended to it since; read in a thread."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import define, evolve, frozen
from twisted.logger import Logger

from keygenreg.mirror.adapter import Adapter, Listing, Unusable
from keygenreg.mirror.clients import Clients
from keygenreg.mirror.documents.document import DocumentKey
from keygenreg.mirror.documents.growing import first_byte, grown
from keygenreg.mirror.documents.records import Records
from keygenreg.mirror.policy import Policy
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.client import Document
from keygenreg.upstream.failures import Broken

_log = Logger()

#: What an adapter may want to know of an answer's head, when it reads our copy too.
_READ_HEADERS = ("content-type", "x-pypi-last-serial")


@frozen
class Answered:
    """
    What upstream said: 200, 304 or 404. Of 200 only there are ``listing``, the text as it is to be stored, and its
    ``size``. Header names in lower case.
    """

    status: int
    url: str
    headers: Mapping[str, str]
    listing: Listing | None = None
    deflated: bytes = b""
    size: int = 0


@define(eq=False)
class Asking:
    """:param in_thread: runs a function with its arguments in a thread."""

    adapter: Adapter
    records: Records
    clients: Clients
    figures: MirrorFigures
    in_thread: Callable[..., Awaitable[Any]]

    async def ask(self, key: DocumentKey, policy: Policy, row: dict[str, Any] | None) -> Answered:
        """
        :param row: of what we have.
        :raises UpstreamFailure: it does not answer, or not with a document.
        """
        answer = await self._answer(key, policy, row)
        if answer.status != 200:
            if answer.status == 304 and row is None:
                raise Broken("The upstream says that nothing has changed, to whom has nothing.")
            return Answered(answer.status, answer.url, answer.headers)
        try:
            listing, deflated = await self.in_thread(self._read, key, answer)
        except Unusable as unusable:
            raise Broken(f"The upstream's document cannot be used: {unusable}", word="garbage") from None
        except Exception:
            _log.failure("{engine} {name!r} cannot be read; please report this", engine=key.engine, name=key.name)
            raise Broken("The upstream's document cannot be read.", word="garbage") from None
        return Answered(200, answer.url, answer.headers, listing, deflated, len(answer.body))

    async def read_kept(self, key: DocumentKey, row: Mapping[str, Any]) -> Listing:
        """What a document on record says. :raises Unavailable: there is another one by now."""
        headers = {"content-type": row["content_type"]}
        if row["serial"] is not None:
            headers["x-pypi-last-serial"] = str(row["serial"])
        deflated = await self.records.body(key, row)
        return await self.in_thread(self._read_deflated, key, deflated, headers, row["url"])

    async def _answer(self, key: DocumentKey, policy: Policy, row: dict[str, Any] | None) -> Document:
        start = first_byte(row["size"]) if row is not None and self.adapter.grows(key.variant) else 0
        answer = await self._document(key, policy, row, start)
        if answer.status == 206:
            known = await self.records.body(key, row)
            whole = await self.in_thread(_grown, known, answer, policy.limits.document_bytes)
            if whole is not None:
                return evolve(answer, status=200, body=whole)
        if answer.status not in (206, 416):
            return answer
        _log.info("{engine} document of {upstream} is fetched whole", engine=key.engine, upstream=policy.upstream)
        return await self._document(key, policy, None)

    async def _document(
        self, key: DocumentKey, policy: Policy, row: dict[str, Any] | None, start: int = 0
    ) -> Document:
        answer = await self.clients.of(policy).document(
            self.adapter.url(policy.upstream, key.name, key.variant),
            accept=self.adapter.accept(key.variant),
            etag=row and row["etag"],
            last_modified=row and row["last_modified"],
            start=start,
        )
        self.figures.received(key.engine, "document", len(answer.body))
        return answer

    def _read(self, key: DocumentKey, answer: Document) -> tuple[Listing, bytes]:
        headers = {name: answer.headers[name] for name in _READ_HEADERS if name in answer.headers}
        listing = self.adapter.read(answer.body, headers=headers, url=answer.url, name=key.name, variant=key.variant)
        return listing, zlib.compress(answer.body, 6)

    def _read_deflated(self, key: DocumentKey, deflated: bytes, headers: Mapping[str, str], url: str) -> Listing:
        body = zlib.decompress(deflated)
        return self.adapter.read(body, headers=headers, url=url, name=key.name, variant=key.variant)


def _grown(deflated: bytes, answer: Document, most: int) -> bytes | None:
    return grown(zlib.decompress(deflated), answer, most)
