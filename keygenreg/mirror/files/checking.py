"""Whether the bytes that came are the file that upstream lists."""

from __future__ import annotations

from keygenreg.mirror.adapter import RemoteFile
from keygenreg.storage.hashing import ALGORITHMS
from keygenreg.storage.interface import Digests
from keygenreg.upstream.client import Arrival
from keygenreg.upstream.failures import Broken, TooBig, UpstreamFailure


def checkable(remote: RemoteFile) -> frozenset[str]:
    """The hashes of it that can be computed here."""
    return frozenset(remote.hashes) & ALGORITHMS


def size_of(remote: RemoteFile, arrival: Arrival, most: int) -> int | None:
    """
    What the file will have, in bytes, as the head of the answer and the listing say; None: neither does.

    :raises Broken: they contradict each other, or nothing would tell that it is all there. TooBig: more than ``most``.
    """
    stated = remote.size
    if stated is not None and arrival.size not in (None, stated):
        raise Broken(f"The file has {arrival.size} bytes where {stated} were listed.", word="wrong")
    size = arrival.size if arrival.size is not None else stated
    if size is not None and size > most:
        raise TooBig(f"The file has {size} bytes, more than are passed on.")
    if size is None and not checkable(remote):
        raise Broken("The file has neither a length nor a hash, so nobody could tell whether it is all there.")
    return size


def require_right(remote: RemoteFile, size: int, digests: Digests) -> None:
    """:param size: what was announced, in bytes; 0: nothing. :raises Broken: it is another file."""
    if size and digests.size != size:
        raise Broken(f"The file has {digests.size} bytes where {size} were announced.", word="wrong")
    computed = {"sha256": digests.sha256, **digests.others}
    for algorithm, stated in remote.hashes.items():
        if algorithm in computed and computed[algorithm] != stated.lower():
            raise Broken(f"The file's {algorithm} is {computed[algorithm]} where {stated} was listed.", word="wrong")


def is_wrong(failure: BaseException) -> bool:
    """Whether upstream sent something else than it announced: for an operator to look at."""
    return isinstance(failure, UpstreamFailure) and failure.word == "wrong"
