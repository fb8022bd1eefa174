"""What a reader found in an uploaded artifact, as values; and the one error a reader raises about the bytes.

A reader is a plain function of an engine (``engines/<key>/ingest.py``). It runs in a thread, looks at one stored
file with bounded memory and time, and answers a :class:`Reading` or raises :class:`IngestError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

from attrs import field, frozen


@frozen
class IngestError(Exception):
    """The artifact cannot be used; ``sentence`` tells the vendor what is wrong and what to do about it.

    It becomes the artifact's failure reason. Failures of our own (disk, memory) are never put into this form.
    """

    sentence: str

    def __str__(self) -> str:
        return self.sentence


@frozen
class ManifestFound:
    """One document taken out of an artifact, to be stored beside it.

    :ivar content_path: its name within the artifact, unique per artifact.
    :ivar content_type: media type under which it would be served.
    :ivar content: the document's text; encoded as UTF-8 it is the exact bytes. Holds no NUL.
    :ivar content_digest: ``sha256:<hex>`` of those bytes.
    :ivar content_length: number of those bytes.
    :ivar metadata: facts read from the document: JSON values under snake_case keys, without NUL.
    """

    content_path: str
    content_type: str
    content: str
    content_digest: str
    content_length: int
    metadata: Mapping[str, Any] = field(factory=dict)


@frozen
class PartFound:
    """A span of the artifact's file that is to be stored as a blob of its own, such as an image's layer.

    :ivar content_path: its name within the artifact, unique per artifact.
    :ivar content_type: media type under which it would be served.
    :ivar content_digest: how clients call it: ``sha256:<hex>``, or of another algorithm.
    :ivar content_length: number of its bytes.
    :ivar offset: where they begin in the artifact's file (or in ``Reading.unpacked``), in bytes.
    :ivar sha256: their SHA-256 in lower-case hex, as the reader computed it.
    :ivar metadata: facts about the part: JSON values under snake_case keys, without NUL.
    :ivar content: the bytes themselves where they are in no span of the file, such as data embedded in a document.
    """

    content_path: str
    content_type: str
    content_digest: str
    content_length: int
    offset: int
    sha256: str
    metadata: Mapping[str, Any] = field(factory=dict)
    content: bytes | None = field(default=None, repr=False)


@frozen
class Reading:
    """Everything a reader found in one artifact; empty when the artifact is stored as it is.

    :ivar unpacked: the file in which the parts lie when that is not the artifact's own, such as a compressed archive
        decompressed; whoever asked for the reading closes it.
    """

    manifests: tuple[ManifestFound, ...] = ()
    parts: tuple[PartFound, ...] = ()
    unpacked: BinaryIO | None = None
