"""Our lists of gems and another source's as one: made once for all callers who see the same, and kept in files.

The caller's own gems come first, then upstream's as it has them: upstream appends, and so its new lines come last here
too, which clients fetch alone (Range). The list of an upstream may have tens of megabytes, so nothing here holds one in
memory.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from keygenreg.engines.rubygems import merged_specs
from keygenreg.engines.rubygems.documents import Validators
from keygenreg.engines.rubygems.nameless_file import NamelessFile
from keygenreg.engines.rubygems.ruby_unmarshal import loads
from keygenreg.engines.rubygems.upstream_versions import Excluded, UpstreamVersions, names_of, passed_on
from keygenreg.mirror.single_flight import Background, SingleFlight

#: Bytes of all files that are kept, on disk.
MOST_KEPT = 512 * 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 6
_SEPARATOR = b"---\n"
#: The kind of list that is continued as upstream's is.
_GROWING = "versions"


@frozen(eq=False)
class MergedList:
    """A list, plain and, where that makes sense, compressed; and what clients know it by."""

    plain: NamelessFile
    packed: NamelessFile | None
    validators: Validators

    @property
    def size(self) -> int:
        """Of the files, in bytes."""
        return self.plain.size + (0 if self.packed is None else self.packed.size)


@frozen
class ListKey:
    """
    What a list follows from, besides upstream's revision: an account's rules, its claims, and which of its gems the
    caller sees. ``kind`` is ``versions``, ``names`` or one of :data:`merged_specs.KINDS`, ``claims`` the claimed
    names, ``local`` a digest of the caller's own lines.
    """

    account: UUID
    kind: str
    claims: str
    local: str


@frozen(eq=False)
class _Kept:
    """A list, and what of upstream's it was made of, where that is of use later."""

    revision: UUID
    made: MergedList
    upstream: UpstreamVersions | None

    @property
    def size(self) -> int:
        """Of the files, in bytes."""
        return self.made.size + (0 if self.upstream is None else self.upstream.lines.size)


@define(eq=False)
class MergedLists:
    """
    :param in_thread: runs a function with its arguments in a thread.
    :param folder: for the files.
    """

    folder: Path
    in_thread: Callable[..., Deferred[Any]]
    background: Background
    _kept: OrderedDict[ListKey, _Kept] = field(factory=OrderedDict, init=False)
    _size: int = field(default=0, init=False)
    _flights: SingleFlight = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._flights = SingleFlight(self.background)

    async def get(
        self,
        key: ListKey,
        local: bytes,
        upstream: UpstreamVersions,
        revision: UUID,
        allowed: Callable[[str], bool] | None,
    ) -> MergedList:
        """
        The list for a key.

        :param local: lines of ours; names, one a line; or an older index, compressed.
        :param revision: of ``upstream``.
        :param allowed: as of :class:`Excluded`; the same for all of the account.
        """
        kept = self._kept.get(key)
        if kept is not None and kept.revision == revision:
            self._kept.move_to_end(key)
            return kept.made

        async def make() -> MergedList:
            claimed = frozenset(key.claims.lower().encode().split())
            excluded = Excluded(claimed, allowed)
            made = await self.in_thread(_made, self.folder, key.kind, local, upstream, excluded, kept)
            self._keep(key, _Kept(revision, made, upstream if key.kind == _GROWING else None))
            return made

        return await self._flights.run((key, revision), make)

    def _keep(self, key: ListKey, kept: _Kept) -> None:
        self._forget(key)
        self._kept[key] = kept
        self._size += kept.size
        while self._size > MOST_KEPT and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: ListKey) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._size -= found.size


def _made(
    folder: Path, kind: str, local: bytes, upstream: UpstreamVersions, excluded: Excluded, before: _Kept | None
) -> MergedList:
    """:param before: an earlier list of the same key."""
    if before is not None and before.upstream is not None and _is_continued(before.upstream, upstream):
        # The same bytes as below, without reading all lines again.
        more = upstream.lines.lines(before.upstream.lines.size)
        return written(folder, chain(before.made.plain.pieces(), passed_on(more, excluded)))
    lines = passed_on(upstream.lines.lines(), excluded)
    if kind in merged_specs.KINDS:
        return _made_specs(folder, kind, local, NamelessFile.written(folder, lines))
    if kind == "names":
        return written(folder, merged_names(local, lines))
    return written(folder, chain((upstream.head, _SEPARATOR, local), lines))


def _is_continued(before: UpstreamVersions, upstream: UpstreamVersions) -> bool:
    return before.head == upstream.head and before.lines.begins(upstream.lines)


def _made_specs(folder: Path, kind: str, local: bytes, lines: NamelessFile) -> MergedList:
    own = merged_specs.local_triples(loads(gzip.decompress(local)))

    def triples() -> Iterator[merged_specs.Triple]:
        return chain(own, merged_specs.KINDS[kind](merged_specs.upstream_triples(lines.lines)))

    return written(folder, _packed(merged_specs.marshalled(triples)), textual=False)


def merged_names(local: bytes, lines: Iterable[bytes]) -> list[bytes]:
    """:param local: names of ours, one a line. :param lines: of upstream's list of versions, as passed on."""
    found = sorted(names_of(lines) | set(local.decode().split()))
    return [_SEPARATOR, "\n".join(found).encode(), b"\n"]


def written(folder: Path, pieces: Iterable[bytes], *, textual: bool = True) -> MergedList:
    """
    A list of these pieces. Takes a while; in a thread.

    :param textual: whether it is worth compressing.
    """
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def noted() -> Iterator[bytes]:
        for piece in pieces:
            md5.update(piece)
            sha256.update(piece)
            yield piece

    plain = NamelessFile.written(folder, noted())
    packed = NamelessFile.written(folder, _packed(plain.pieces())) if textual else None
    return MergedList(plain, packed, Validators.told(md5.hexdigest(), b64encode(sha256.digest()).decode("ascii")))


def _packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()
