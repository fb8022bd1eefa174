"""How large a file of an engine's own kind may be before its reader is not even asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

from keygenreg.domain.reading import IngestError

_MIB = 1024 * 1024


@frozen
class SizeLimit:
    """``endings`` are file types without leading dot; files of others are none of the engine's. ``most`` in bytes."""

    endings: tuple[str, ...]
    most: int

    def check(self, filename: str, filetype: str | None, size: int) -> None:
        """:raises IngestError: the file is of the engine's kind and too large."""
        name = filename.lower()
        if filetype not in self.endings and not name.endswith(tuple(f".{ending}" for ending in self.endings)):
            return
        if size > self.most:
            raise IngestError(
                f"The file has {size} bytes; at most {self.most} are read. Make it smaller, or let the registry's "
                "operator raise the limit and process it again."
            )


def size_limits(*, gem: int = 32 * _MIB, npm: int = 32 * _MIB, image: int = 1024 * _MIB) -> Mapping[str, SizeLimit]:
    """The limits by engine, in bytes (engines.md 2.3)."""
    return MappingProxyType(
        {
            "rubygems": SizeLimit(("gem",), gem),
            "npm": SizeLimit(("tgz", "tar.gz"), npm),
            "oci": SizeLimit(("tar", "tar.gz", "tgz", "tar.zst"), image),
        }
    )
