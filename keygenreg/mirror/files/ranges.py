"""Small parts of large files, passed on from upstream alone: resolvers read the end of a wheel and need no more of it.

These bytes cannot be verified, as the hashes are of whole files; see docs/mirror.md for what that means.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.logger import Logger

from keygenreg.formats.byte_range import Unsatisfiable, parse_ranges
from keygenreg.formats.conditional import range_applies
from keygenreg.mirror.adapter import RemoteFile
from keygenreg.mirror.briefly import Briefly
from keygenreg.mirror.clients import Clients
from keygenreg.mirror.failures import as_failure
from keygenreg.mirror.files.checking import checkable
from keygenreg.mirror.files.file import FileKey
from keygenreg.mirror.policy import Policy
from keygenreg.mirror.single_flight import Background, SingleFlight
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.upstream.failures import BadStatus, Broken, TooBig, Unranged, UpstreamFailure
from keygenreg.upstream.parts import Part

_log = Logger()

LARGEST = 1024 * 1024
"""Larger parts are a resumed download, and wait for the file; in bytes."""

REACH = 4 * 1024 * 1024
"""What ends within so many bytes of what is here, or of the start, soon comes with the file itself."""

_WITHOUT_SECONDS = 600.0
"""For how long a file is known to come only as a whole."""

_KNOWN_SECONDS = 600.0
_MOST_KNOWN = 10_000

_PRECONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
_AWAY = frozenset({429, 500, 502, 503, 504})


@frozen
class Asked:
    """
    What a request wants of a file.

    :ivar ranges: its Range; None: the whole file. :ivar if_range: as it came.
    :ivar conditional: other preconditions decide first.
    """

    ranges: str | None = None
    if_range: str | None = None
    conditional: bool = False

    @classmethod
    def of(cls, header: Callable[[str], str | None]) -> Asked:
        """:param header: gives a request field by name, or None."""
        conditional = any(header(name) is not None for name in _PRECONDITIONS)
        return cls(header("Range"), header("If-Range"), conditional)

    def spans(self, size: int, etag: str) -> list[range] | None:
        """
        The parts of a file of ``size`` bytes, as the edge will work them out.

        :param etag: what we call the file. :return: None: the whole file, or an answer without any of it.
        """
        if self.ranges is None or self.conditional or not range_applies(self.if_range, etag=etag, last_modified=None):
            return None
        try:
            return parse_ranges(self.ranges, size)
        except Unsatisfiable:
            return None

    def small_part(self, size: int, etag: str) -> range | None:
        """The one part, where it is small enough to be passed on by itself."""
        spans = self.spans(size, etag)
        return spans[0] if spans is not None and len(spans) == 1 and len(spans[0]) <= LARGEST else None


@frozen
class _Known:
    total: int
    etag: str | None
    until: float


@define(eq=False)
class PassedParts:
    """One engine's passed parts in one process. Those who ask for the same part at the same time share a request."""

    clients: Clients
    background: Background
    figures: MirrorFigures
    now: Callable[[], float] = time.time
    _flights: SingleFlight = field(init=False)
    _whole_only: Briefly = field(init=False)
    _known: OrderedDict[Any, _Known] = field(factory=OrderedDict, init=False)

    def __attrs_post_init__(self) -> None:
        self._flights = SingleFlight(self.background)
        self._whole_only = Briefly(self.now)

    async def size(self, policy: Policy, key: FileKey, remote: RemoteFile) -> int | None:
        """What a file has, in bytes, where the list does not say; None: it must be fetched to tell."""
        if remote.size is not None:
            return remote.size
        if (known := self._of(policy, key, remote)) is not None:
            return known.total
        first = await self.get(policy, key, remote, range(1), None)
        return None if first is None else first.total

    async def get(
        self, policy: Policy, key: FileKey, remote: RemoteFile, span: range, size: int | None
    ) -> Part | None:
        """
        One part of a file, from upstream.

        :return: None: it cannot be had by itself.
        :raises Failure: upstream does not answer at all.
        """
        place = _place(policy, key, remote)
        if policy.ranges != "pass" or not checkable(remote) or place in self._whole_only:
            return None
        try:
            return await self._flights.run((place, span), lambda: self._ask(policy, key, remote, span, size))
        except UpstreamFailure as failure:
            if not _whole_may_come(failure):
                self.figures.answered(key.engine, "file", "error")
                raise as_failure(failure) from None
            self._whole_only.remember(place, _WITHOUT_SECONDS)
            self._known.pop(place, None)
            return None

    async def _ask(self, policy: Policy, key: FileKey, remote: RemoteFile, span: range, size: int | None) -> Part:
        known = self._of(policy, key, remote)
        etag = None if known is None else known.etag
        shown = remote.url.partition("?")[0]
        try:
            part = await self.clients.of(policy).part(remote.url, span, size=size, etag=etag)
            if part.total > policy.limits.file_bytes:
                raise TooBig(f"The file has {part.total} bytes, more than are passed on.")
        except UpstreamFailure as failure:
            self.figures.failed(key.engine, failure.word)
            _log.warn("No part of {engine} file {url}: {why}", engine=key.engine, url=shown, why=failure.detail)
            raise
        self.figures.received(key.engine, "file", len(part.body))
        # Parts with one tag are of one file; a tag of the first is asked for with the others.
        place = _place(policy, key, remote)
        self._known[place] = _Known(part.total, part.etag, self.now() + _KNOWN_SECONDS)
        self._known.move_to_end(place)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return part

    def _of(self, policy: Policy, key: FileKey, remote: RemoteFile) -> _Known | None:
        known = self._known.get(_place(policy, key, remote))
        return known if known is not None and known.until > self.now() else None


def _place(policy: Policy, key: FileKey, remote: RemoteFile) -> Any:
    return key, remote.digest, policy.upstream


def _whole_may_come(failure: UpstreamFailure) -> bool:
    """Whether the whole file is worth trying; not from an upstream that is away, or that may not be asked."""
    if isinstance(failure, BadStatus):
        return failure.status not in _AWAY
    return isinstance(failure, (Unranged, Broken, TooBig))
