"""What an engine brings to be mirrored: how its upstream's documents are asked for, and what they say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from attrs import field, frozen


class Unusable(Exception):
    """A document that is not what it should be; the text is a sentence for the log. It counts as no answer."""


#: From strongest to weakest: which digest tells a file's content in our URLs.
_TOLD_BY = ("sha256", "sha512", "sha384", "sha224", "sha1", "md5")

#: The digest of a file of which upstream says none.
UNTOLD = "-"


@frozen(kw_only=True)
class RemoteFile:
    """
    One file that upstream lists.

    :ivar key: what our URLs call it, below its name: a file name, or whatever the adapter finds it by. Unique in a
        listing.
    :ivar url: absolute, as upstream states it. It is checked when it is fetched.
    :ivar hashes: algorithm (a word of :mod:`hashlib`) -> lower-case hex; all of them are checked. Without any, the
        file is passed on with upstream's length and kept under the digest that we compute.
    :ivar size: in bytes, where the document states it; checked.
    :ivar uploaded: when upstream got it, for the cooldown; aware.
    :ivar content_type: what it is served as.
    :ivar told: how our URLs tell its content, where it is not by its own hash, as for what lies beside another file.
    """

    key: str
    url: str
    hashes: Mapping[str, str] = field(factory=dict)
    size: int | None = None
    uploaded: datetime | None = None
    content_type: str = "application/octet-stream"
    told: str | None = None

    @property
    def digest(self) -> str:
        """How URLs of ours tell its content: what was given, else as :attr:`content_digest`."""
        return self.told or self.content_digest

    @property
    def content_digest(self) -> str:
        """SHA-256 in hex, else ``algorithm-hex``, else ``-``."""
        for algorithm in _TOLD_BY:
            if algorithm in self.hashes:
                value = self.hashes[algorithm]
                return value if algorithm == "sha256" else f"{algorithm}-{value}"
        return UNTOLD


@frozen(kw_only=True)
class Listing:
    """
    What a document says.

    :ivar document: the adapter's own value, immutable: what its pages are rendered from.
    :ivar files: by key.
    :ivar complete: whether files of this name that are not listed are gone from upstream.
    :ivar serial: a number that only grows, where upstream gives one: an older document is not taken.
    :ivar weight: what the document takes in memory, in bytes, where that is not about the size of its text.
    """

    document: Any
    files: Mapping[str, RemoteFile] = field(factory=dict)
    complete: bool = True
    serial: int | None = None
    weight: int | None = None


class Adapter(Protocol):
    """
    One protocol's upstream. Pure: no I/O. ``variant`` tells several documents of one name apart, ``""`` where there is
    one.
    """

    engine: str

    def normalize(self, name: str) -> str:
        """The one form of a name; also applied to the operator's globs. In lower case it is the form of claims."""

    def url(self, upstream: str, name: str, variant: str) -> str:
        """Where the document is; ``upstream`` ends with a slash."""

    def accept(self, variant: str) -> str:
        """The Accept header that it is asked for with."""

    def lists_files(self, variant: str) -> bool:
        """Whether it says which files there are of the name: with such a document, its files are gone."""

    def grows(self, variant: str) -> bool:
        """
        Whether it mostly changes by what is appended, so that this alone is asked for. Such documents are of the whole
        registry, and so are asked for less often.
        """

    def read(self, body: bytes, *, headers: Mapping[str, str], url: str, name: str, variant: str) -> Listing:
        """
        Read a document, in a thread.

        :param headers: of its answer, names in lower case; only ``content-type`` and ``x-pypi-last-serial`` when it is
            read again from our copy.
        :param url: where it came from in the end, to join relative URLs to.
        :raises Unusable: it is not one. What else it raises is a fault of ours.
        """
