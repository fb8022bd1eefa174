"""Rendered indexes, kept while their bytes together stay within a bound; the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from attrs import define, field


@define
class DocumentCache:
    """:param most: bytes of all documents together."""

    most: int
    _documents: OrderedDict[Hashable, bytes] = field(factory=OrderedDict, init=False)
    _size: int = field(default=0, init=False)

    def get(self, key: Hashable) -> bytes | None:
        document = self._documents.get(key)
        if document is not None:
            self._documents.move_to_end(key)
        return document

    def put(self, key: Hashable, document: bytes) -> None:
        """Keep a document, unless it alone is beyond the bound."""
        self._size -= len(self._documents.pop(key, b""))
        if len(document) > self.most:
            return
        self._documents[key] = document
        self._size += len(document)
        while self._size > self.most:
            _, oldest = self._documents.popitem(last=False)
            self._size -= len(oldest)
