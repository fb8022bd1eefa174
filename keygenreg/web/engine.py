"""What the daemon knows of a release engine: its key, its routes, and how it reads uploads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.web.resource import Resource

from keygenreg.domain.reading import Reading
from keygenreg.web.parts import Parts

#: Reads an uploaded file in a thread: ``(path, filename, package key, release version)`` to what was found in it,
#: ``None`` where the file is none of the engine's; raises IngestError with a sentence for the vendor.
Reader = Callable[[Path, str, str, str], Reading | None]


@frozen
class Engine:
    """
    One protocol.

    ``resource`` builds the engine's one Klein, :class:`~keygenreg.web.routing.Routed`, once, from the daemon's parts.
    ``root_methods`` are those that the engine itself answers at its base path (else the ``engines`` resource does).
    ``registry_prefix`` is a path at the root of every host that belongs to the engine too (``v2`` for OCI).
    ``reader_maker`` takes the place of ``reader`` where reading needs room on disk: it gets a directory for temporary
    files and the daemon's settings, and makes the reader.
    """

    key: str
    resource: Callable[[Parts], Resource]
    reader: Reader | None = None
    root_methods: frozenset[str] = frozenset()
    registry_prefix: str | None = None
    reader_maker: Callable[[Path, Any], Reader] | None = None
