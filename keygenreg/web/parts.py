"""The daemon's parts that features are built from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from attrs import frozen

from keygenreg.access.passwords import Passwords
from keygenreg.database.pool import Database
from keygenreg.storage.interface import BlobStore
from keygenreg.web.delivery import Delivery
from keygenreg.web.edge import Edge


@frozen
class Parts:
    """
    What a feature may use; assembly makes it once for a process.

    ``process`` runs the processing of an uploaded artifact and returns when it is done or set aside.
    ``settings`` is the daemon's :class:`keygenreg.settings.Settings`.
    ``readable`` are the engines that read uploads, ``None`` when that is not known here.
    ``mirrors`` is the process's :class:`keygenreg.mirror.service.Mirrors`.
    """

    edge: Edge
    database: Database
    blobs: BlobStore
    passwords: Passwords
    delivery: Delivery
    process: Callable[[UUID], Awaitable[None]]
    settings: Any
    readable: frozenset[str] | None = None
    mirrors: Any = None

    def reads(self, engine: str | None) -> bool:
        """Whether an upload to a package of this engine is to be processed."""
        return engine is not None and (self.readable is None or engine in self.readable)
