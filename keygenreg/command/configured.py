"""What the commands that work on a data directory share: their options, and settings from them."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from keygenreg.configuration import KNOWN, OPTIONS, ConfigurationError, load
from keygenreg.running import BAD_CONFIGURATION, Refusal, refusal_of, run_to_end
from keygenreg.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="KEYGENREG_CONFIG",
    metavar="FILE",
    help="TOML file with settings; config/keygenreg.toml lists them all.",
)


def setting_option(option: str, metavar: str) -> Callable[[F], F]:
    """An option that overrides a setting; its values are checked with the setting's own rules."""
    known = KNOWN[OPTIONS[option]]
    default = known.kind.to_toml(known.default)
    shown = f" [default: {default}]" if default != "" else ""
    return click.option(f"--{option}", metavar=metavar, help=known.doc + shown)


def read_settings(config: Path | None, options: Mapping[str, Any]) -> Settings:
    """The settings, or the end of the process with status 2 and a sentence on standard error."""
    try:
        return load_settings(config, options)
    except ConfigurationError as error:
        give_up(Refusal(BAD_CONFIGURATION, str(error)))


def load_settings(config: Path | None, options: Mapping[str, Any]) -> Settings:
    """The settings. Raises ConfigurationError."""
    given = {OPTIONS[parameter.replace("_", "-")]: text for parameter, text in options.items()}
    return load(file=config, environment=os.environ, options=given)


def run_or_give_up(reactor: Any, work: Callable[[], Awaitable[T]]) -> T:
    """
    What a coroutine function returns, or the end of the process for a foreseen reason, as in ``keygenreg serve``.

    :raises BaseException: whatever nobody foresaw, and what the command itself has to explain.
    """
    try:
        return run_to_end(reactor, work)
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        give_up(refusal)


def give_up(refusal: Refusal) -> NoReturn:
    """End the process the way every failed start ends."""
    print(f"keygenreg: {refusal.sentence}", file=sys.stderr, flush=True)
    sys.exit(refusal.status)
