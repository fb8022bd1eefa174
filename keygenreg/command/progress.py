"""Progress on the terminal: bars for people, plain lines for logs."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

#: Files below this many bytes are through before a bar could be read.
_WORTH_A_BAR = 1024 * 1024


class TerminalReport:
    """A :class:`keygenreg.command.publishing.Report`; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> TerminalReport:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def progress(self, label: str, size: int) -> Callable[[int], None]:
        if size < _WORTH_A_BAR:
            return lambda _: None
        if not self._console.is_terminal:
            self.say(f"{label} ({size} bytes)")
        bar = self._bars.add_task(escape(label), total=size)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self._bars.advance(bar, count)
            if done >= size:
                self._bars.remove_task(bar)

        return advance
