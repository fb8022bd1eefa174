"""What makes a dump unusable, said so that its writer finds the place."""

from __future__ import annotations

from attrs import frozen


@frozen
class BrokenDump(Exception):
    """
    A fault of a dump: ``line`` counts from 1, ``type`` is the resource type where one is known.

    ``str`` is what an operator reads: ``line 12: licenses: no policy with id ...`` (dump.md, import).
    """

    line: int
    type: str | None
    detail: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.type is None else f"line {self.line}: {self.type}"
        return f"{where}: {self.detail}"
