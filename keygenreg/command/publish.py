"""``keygenreg publish``: files to a registry, as a client of its API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from keygenreg.command.progress import TerminalReport
from keygenreg.command.publication import ENGINES, Unclear, publication
from keygenreg.command.publishing import Publisher
from keygenreg.command.registry_client import RegistryClient, RegistryError
from keygenreg.domain.channel import CHANNELS


def _text_or_file(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """``@FILE`` stands for what the file holds."""
    if value is None or not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value[1:]} cannot be read: {error}") from None


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--package", required=True, metavar="KEY", help="Name of the package, as its clients ask for it.")
@click.option("--engine", type=click.Choice(ENGINES), help="Kind of package; guessed from wheels, gems and tarballs.")
@click.option("--version", required=True, metavar="V", help="Semantic version of the release.")
@click.option("--channel", type=click.Choice(CHANNELS), help="Channel [default: that of the version].")
@click.option("--tag", metavar="T", help="Tag of the release; moved when another release has it.")
@click.option("--product", metavar="CODE", help="Product of a package that is to be made [default: the package's key].")
@click.option(
    "--distribution-strategy",
    "strategy",
    type=click.Choice(("LICENSED", "OPEN", "CLOSED"), case_sensitive=False),
    help="Who may read a product that is to be made [default: LICENSED].",
)
@click.option("--platform", metavar="P", help="Platform of the files, such as linux.")
@click.option("--arch", metavar="A", help="Architecture of the files, such as x86_64.")
@click.option("--filetype", metavar="T", help="Type of the files [default: their extension].")
@click.option("--signature", metavar="S", callback=_text_or_file, help="Signature of the file; @FILE reads it.")
@click.option("--url", envvar="KEYGENREG_URL", required=True, show_envvar=True, help="The registry.")
@click.option("--account", envvar="KEYGENREG_ACCOUNT", show_envvar=True, help="Its id or slug where there are many.")
@click.option("--token", envvar="KEYGENREG_TOKEN", required=True, show_envvar=True, help="Token of a vendor.")
def publish(url: str, account: str | None, token: str, **wanted: Any) -> None:
    """Publish files as a release of a package.

    Makes product, package and release when they are missing, uploads, waits until the registry has read the files, and
    publishes. A run that broke off can be repeated.
    """
    try:
        release = publication(**wanted)
        with TerminalReport(Console(stderr=True)) as report:
            Publisher(RegistryClient(url, account or None, token), report).run(release)
    except Unclear as error:
        raise click.UsageError(str(error)) from None
    except RegistryError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
