"""One file of an upstream: what names it, and what can be sent of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from attrs import frozen

from keygenreg.mirror.documents.document import DocumentKey
from keygenreg.storage.interface import ReadableBlob, is_sha256
from keygenreg.web.artifact_delivery import etag_of
from keygenreg.web.files.growing import GrowingBlob


@frozen
class FileKey:
    """One file of one account's upstream: which name lists it, in which document, and what it is called there."""

    account: UUID
    engine: str
    name: str
    variant: str
    key: str

    @property
    def parameters(self) -> dict[str, Any]:
        return {"account": self.account, "engine": self.engine, "name": self.name, "key": self.key}

    @property
    def document(self) -> DocumentKey:
        """The document that lists it."""
        return DocumentKey(self.account, self.engine, self.name, self.variant)


@frozen(eq=False)
class AnnouncedBlob:
    """A file of which only the size is known, in bytes."""

    size: int

    def fileno(self) -> int:
        return -1

    def close(self) -> None: ...


@frozen(eq=False)
class PassedBlob:
    """One part of a file that is not here: ``data`` are its bytes at ``span``, ``size`` what the file has."""

    size: int
    span: range
    data: bytes

    def close(self) -> None: ...


@frozen(eq=False)
class OpenFile:
    """
    A file that can be sent: ``blob`` is a stored one, or one that grows, or a part of one for those who asked for it.
    The caller closes it, or has it sent.

    :ivar digest: what its bytes are known by, as the adapter's files tell it; stored ones by SHA-256.
    :ivar modified: when we got it, in Unix seconds; None while it arrives.
    :ivar until: until then it may be sent again without looking, in Unix seconds; 0: not at all.
    """

    blob: ReadableBlob | GrowingBlob | AnnouncedBlob | PassedBlob
    digest: str
    content_type: str
    modified: float | None = None
    until: float = 0.0


@lru_cache(maxsize=1024)
def etag_of_digest(digest: str) -> str:
    """The strong entity tag of a file, from what :class:`OpenFile` knows it by."""
    return etag_of(digest) if is_sha256(digest) else f'"{digest}"'
