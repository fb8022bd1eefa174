"""The ``keygenreg`` command: finds subcommands, and loads only the one that is called."""

from __future__ import annotations

from importlib import import_module

import click

from keygenreg import __version__

#: Subcommand to the module and function that make it. The daemon's parts are heavy, and importing them installs a
#: reactor; ``keygenreg publish`` on a build machine needs neither.
COMMANDS = {
    "serve": ("keygenreg.command.serve", "serve"),
    "init": ("keygenreg.command.init", "init"),
    "publish": ("keygenreg.command.publish", "publish"),
    "import": ("keygenreg.command.dump", "import_command"),
    "export": ("keygenreg.command.dump", "export_command"),
    "mirror": ("keygenreg.command.mirror", "mirror"),
}


class LoadingGroup(click.Group):
    """A group that imports a subcommand when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        return getattr(import_module(module), name)


@click.group(cls=LoadingGroup)
@click.version_option(__version__, prog_name="keygenreg")
def group() -> None:
    """Distribute licensed software through the clients that customers already have."""


def main() -> None:
    """The entry point of the console script and of ``python -m keygenreg``."""
    group(prog_name="keygenreg")
