"""The service as ``twistd`` starts it: ``twistd -n keygenreg --config FILE``."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from keygenreg.assembly.service import make_service
from keygenreg.configuration import KNOWN, OPTIONS, ConfigurationError, load
from keygenreg.running import Daemon
from keygenreg.settings import Settings


def _coerce(option: str, setting: str) -> Callable[[str], Any]:
    def coerce(text: str) -> Any:
        try:
            return KNOWN[setting].kind.from_text(text)
        except ValueError as error:
            raise ValueError(f"--{option}: expected {error}") from None

    return coerce


class Options(TwistedOptions):
    """The options of ``keygenreg serve``, for twistd; ``settings`` holds the result once they are parsed."""

    synopsis = "[options]"
    longdesc = "Serves a registry. KEYGENREG_* variables and --config are read as described in config/keygenreg.toml."
    optParameters = [
        ["config", "c", None, "TOML file with settings.", Path],
        *([option, None, None, KNOWN[setting].doc, _coerce(option, setting)] for option, setting in OPTIONS.items()),
    ]

    settings: Settings
    reread: Callable[[], Settings]

    def postOptions(self) -> None:
        """:raises UsageError: the settings are wrong; the text is one sentence."""
        given = {setting: self[option] for option, setting in OPTIONS.items()}
        file = self["config"] or os.environ.get("KEYGENREG_CONFIG")
        # The directory may be another one by then.
        path = Path(file).absolute() if file else None
        self.reread = partial(load, file=path, environment=os.environ, options=given)
        try:
            self.settings = self.reread()
        except ConfigurationError as error:
            raise UsageError(str(error)) from None


def makeService(options: Options) -> IService:
    """The whole daemon; nothing runs before it is started."""
    service = make_service(options.settings, reread=options.reread)
    return Daemon(service, reactor, on_failure=_exit_with, failed=service.failed)


def _exit_with(status: int) -> None:
    """twistd knows no failed start and would exit with status 0: leave in its place, when all its work is done."""

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    atexit.register(leave)
