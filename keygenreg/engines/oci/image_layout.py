"""From an archive of an image layout to everything that clients may pull out of it, every byte of it checked.

Source: OCI Image 1.1, image-layout.md; engines.md 2.4; decisions 15 and 20-24.
"""

from __future__ import annotations

import hashlib
from typing import Any

from attrs import define, evolve, field, frozen

from keygenreg.domain.reading import IngestError, ManifestFound, PartFound, Reading
from keygenreg.engines.oci import documents, media_types
from keygenreg.engines.oci.documents import Descriptor, Document
from keygenreg.engines.oci.layout_archive import INDEX, LAYOUT, LEGACY, LayoutArchive, Span
from keygenreg.engines.oci.names import EMPTY_BYTES, EMPTY_DIGEST
from keygenreg.formats.image_facts import tag_of_name

_LAYOUT_VERSION = "1.0.0"
_NO_LAYOUT = (
    "The archive is no OCI image layout: it has no {} file at its top. Make one with `docker buildx build "
    "--output type=oci,dest=image.tar .` or `skopeo copy SOURCE oci-archive:image.tar`."
)
_LEGACY = (
    "The archive is output of `docker save` without an OCI image layout, as Docker wrote it before version 25. Save "
    "the image with a newer Docker, or convert it: `skopeo copy docker-archive:OLD.tar oci-archive:NEW.tar`."
)


@frozen
class Bounds:
    """
    How much one image may consist of.

    ``document`` bytes in one index or manifest (clients read no more than 4 MiB), ``documents`` of them, ``all`` bytes
    in them together, ``parts`` altogether, ``depth`` of indexes within indexes.
    """

    document: int = 4 * 1024 * 1024
    documents: int = 10_000
    all: int = 64 * 1024 * 1024
    parts: int = 50_000
    depth: int = 16


@define
class _Visit:
    """A descriptor to be looked at: below which root, how deep, and whether its index may do without it."""

    descriptor: Descriptor
    depth: int
    tags: tuple[str, ...]
    root: bool = False


@define
class ImageLayout:
    """Reads one layout; use :meth:`read` once."""

    archive: LayoutArchive
    bounds: Bounds = Bounds()
    _manifests: dict[str, ManifestFound] = field(factory=dict, init=False)
    _parts: dict[str, PartFound] = field(factory=dict, init=False)
    _bytes: int = field(default=0, init=False)

    def read(self) -> Reading:
        """
        :raises IngestError: it is no layout, or a part is missing, damaged or beyond bounds; the sentence names it.
        """
        self._read_layout_file()
        content, top = self._read_index()
        roots = _roots(top)
        present = 0
        for root in roots:
            present += self._walk(root)
        if not present:
            missing = roots[0].descriptor.digest if roots else None
            raise IngestError(
                f"The archive lacks {missing}, which its index.json lists; build it again."
                if missing
                else "The image layout lists no image in its index.json."
            )
        self._offer_index(content, roots)
        return Reading(tuple(self._manifests.values()), tuple(self._parts.values()))

    # The two files at the top

    def _read_layout_file(self) -> None:
        span = self.archive.find(LAYOUT)
        if span is None:
            legacy = self.archive.find(LEGACY) is not None
            raise IngestError(_LEGACY if legacy else _NO_LAYOUT.format(LAYOUT))
        content = self._document_bytes(span, "The file oci-layout")
        version = documents.parse_object(content, "The file oci-layout").get("imageLayoutVersion")
        if version != _LAYOUT_VERSION:
            raise IngestError(f"The image layout is not of version {_LAYOUT_VERSION}, the only one that is known.")
        self._add_file(LAYOUT, media_types.OCI_LAYOUT, span, content)

    def _read_index(self) -> tuple[bytes, Document]:
        span = self.archive.find(INDEX)
        if span is None:
            raise IngestError(_NO_LAYOUT.format(INDEX))
        content = self._document_bytes(span, "The file index.json")
        # Many tools leave its media type out; it is always an index.
        document = documents.parse(content, media_types.OCI_INDEX, "The file index.json")
        self._add_file(INDEX, media_types.OCI_INDEX, span, content)
        return content, document

    def _offer_index(self, content: bytes, roots: list[_Visit]) -> None:
        """Several platforms side by side at the top: index.json itself is what clients choose from."""
        images = [root.descriptor for root in roots if root.descriptor.digest in self._manifests]
        images = [each for each in images if not self._manifests[each.digest].metadata.get("aside")]
        if len(images) < 2 or not all(each.platform for each in images):
            return
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        tags = sorted({tag for root in roots for tag in root.tags})
        shared = [tag for tag in tags if all(tag in root.tags for root in roots if root.descriptor in images)]
        self._manifests[digest] = ManifestFound(
            INDEX, media_types.OCI_INDEX, content.decode("utf-8"), digest, len(content), {"root": 0, "tags": shared}
        )

    # Everything below

    def _walk(self, root: _Visit) -> bool:
        """Take in what a descriptor of index.json refers to, and all below; whether it is there at all."""
        stack, first = [root], True
        while stack:
            visit = stack.pop()
            document = self._take_document(visit)
            if first and document is None and visit.descriptor.digest not in self._parts:
                return False
            first = False
            if document is None:
                continue
            below = [
                _Visit(evolve(child, remark=child.remark or visit.descriptor.remark), visit.depth + 1, visit.tags)
                for child in document.children
            ]
            if document.subject is not None:
                below.append(_Visit(document.subject, visit.depth + 1, ()))
            if below and visit.depth >= self.bounds.depth:
                raise IngestError(f"Indexes are nested more than {self.bounds.depth} deep in the image; flatten them.")
            for part in document.parts:
                self._take_part(part, visit.descriptor)
            stack.extend(reversed(below))
        return True

    def _take_document(self, visit: _Visit) -> Document | None:
        """Store what an index lists; the document to go on with, ``None`` when it is absent, known, or opaque."""
        found, digest = visit.descriptor, visit.descriptor.digest
        if digest in self._manifests:
            self._join(digest, visit)
            return None
        if found.media_type in media_types.OUTDATED:
            raise IngestError(f"{digest} is a manifest of Docker's schema 1, which no client pulls any more.")
        part = self._locate(found)
        if part is None:
            return None
        if not media_types.is_document(found.media_type):
            self._add_part(part)
            return None
        what = f"The {'index' if found.media_type in media_types.INDEXES else 'manifest'} {digest}"
        self._add_part(part)
        content = self._part_bytes(part, what)
        document = documents.parse(content, found.media_type, what)
        self._add_manifest(visit, document, content)
        return document

    def _add_manifest(self, visit: _Visit, document: Document, content: bytes) -> None:
        if len(self._manifests) >= self.bounds.documents:
            raise IngestError(f"The image has more than {self.bounds.documents} indexes and manifests.")
        found = visit.descriptor
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            raise IngestError(f"{found.digest} is not UTF-8; build the image again.") from None
        facts: dict[str, Any] = {
            "root": 1 if visit.root else None,
            "tags": list(visit.tags) or None,
            "platform": found.platform,
            "subject": document.subject.digest if document.subject else None,
            "artifact_type": document.artifact_type,
            "aside": True if document.subject or found.remark else None,
        }
        metadata = {name: value for name, value in facts.items() if value is not None}
        path = _path(found.digest)
        self._manifests[found.digest] = ManifestFound(
            path, found.media_type, text, found.digest, len(content), metadata
        )

    def _join(self, digest: str, visit: _Visit) -> None:
        """A document that is listed twice belongs to the tags of both places."""
        known = self._manifests[digest]
        metadata = dict(known.metadata)
        tags = list(dict.fromkeys([*metadata.get("tags", []), *visit.tags]))
        metadata |= {"tags": tags} if tags else {}
        metadata |= {"root": 1} if visit.root else {}
        self._manifests[digest] = evolve(known, metadata=metadata)

    def _take_part(self, part: Descriptor, owner: Descriptor) -> None:
        if part.digest in self._parts:
            self._same_size(part, self._parts[part.digest])
            return
        found = self._locate(part)
        if found is None and part.absent_allowed:
            return
        if found is None:
            raise IngestError(f"The archive lacks {part.digest}, to which {owner.digest} refers; build it again.")
        self._add_part(found)

    # Bytes

    def _locate(self, wanted: Descriptor) -> PartFound | None:
        """
        The content of a descriptor, checked: in the archive, embedded in the document, or the empty object.

        :raises IngestError: it is there and is not what its descriptor says.
        """
        known = self._parts.get(wanted.digest)
        if known is not None:
            self._same_size(wanted, known)
            return known
        path = _path(wanted.digest)
        span = self.archive.find(path)
        if span is None:
            content = wanted.embedded
            if content is None and wanted.digest == EMPTY_DIGEST:
                content = EMPTY_BYTES
            return None if content is None else self._embedded(wanted, content)
        if span.size != wanted.size:
            raise IngestError(
                f"{wanted.digest} has {span.size} bytes in the archive and should have {wanted.size}; build it again."
            )
        algorithm, _, encoded = wanted.digest.partition(":")
        digests = self.archive.digests(span, {"sha256", algorithm})
        if digests[algorithm] != encoded:
            raise IngestError(f"The bytes of {wanted.digest} in the archive have another digest; build it again.")
        return PartFound(path, wanted.media_type, wanted.digest, span.size, span.offset, digests["sha256"])

    def _embedded(self, wanted: Descriptor, content: bytes) -> PartFound:
        algorithm, _, encoded = wanted.digest.partition(":")
        computed = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
        if len(content) != wanted.size or computed != encoded:
            raise IngestError(f"The embedded data of {wanted.digest} are not what it says; build the image again.")
        sha256 = hashlib.sha256(content).hexdigest()
        return PartFound(
            _path(wanted.digest), wanted.media_type, wanted.digest, len(content), 0, sha256, content=content
        )

    def _same_size(self, wanted: Descriptor, known: PartFound) -> None:
        if wanted.size != known.content_length:
            raise IngestError(f"{wanted.digest} is listed with {wanted.size} and with {known.content_length} bytes.")

    def _part_bytes(self, part: PartFound, what: str) -> bytes:
        if part.content is not None:
            return part.content
        return self._document_bytes(Span(part.offset, part.content_length), what)

    def _document_bytes(self, span: Span, what: str) -> bytes:
        if span.size > self.bounds.document:
            raise IngestError(f"{what} has {span.size} bytes; clients read at most {self.bounds.document}.")
        self._bytes += span.size
        if self._bytes > self.bounds.all:
            raise IngestError(f"The image's indexes and manifests have more than {self.bounds.all} bytes together.")
        return self.archive.content(span)

    def _add_file(self, path: str, media_type: str, span: Span, content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        self._parts[path] = PartFound(path, media_type, f"sha256:{sha256}", span.size, span.offset, sha256)

    def _add_part(self, part: PartFound) -> None:
        if len(self._parts) >= self.bounds.parts:
            raise IngestError(f"The image has more than {self.bounds.parts} parts, which is the limit.")
        self._parts.setdefault(part.content_digest, part)


def _path(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


def _roots(top: Document) -> list[_Visit]:
    """
    What index.json lists, each digest once with all its tags.

    :raises IngestError: one tag is given to two different things.
    """
    roots: dict[str, _Visit] = {}
    owners: dict[str, str] = {}
    for child in top.children:
        visit = roots.setdefault(child.digest, _Visit(child, 0, (), root=True))
        tag = tag_of_name(child.tag_name) if child.tag_name else None
        if tag is None:
            continue
        if owners.setdefault(tag, child.digest) != child.digest and not child.platform:
            raise IngestError(f"The image layout gives the tag {tag!r} to two different images; keep one of them.")
        visit.tags = tuple(dict.fromkeys((*visit.tags, tag)))
    return list(roots.values())
