"""``keygenreg init``: an account and its first administrator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from twisted.internet import reactor

from keygenreg.assembly.bootstrap import CannotCreate, create_account
from keygenreg.command.configured import config_option, read_settings, run_or_give_up, setting_option
from keygenreg.command.database_access import with_database
from keygenreg.domain.identifiers import is_email, is_slug, normal_email


def _slug(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not is_slug(value):
        raise click.BadParameter("use at least two lower-case letters, digits and dashes, such as acme.")
    return value


def _email(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    email = normal_email(value)
    if not is_email(email):
        raise click.BadParameter(f"{value!r} is not an e-mail address.")
    return email


@click.command()
@setting_option("data-dir", "DIR")
@config_option
@click.option("--account", required=True, metavar="SLUG", callback=_slug, help="Name of the account in URLs.")
@click.option("--email", required=True, metavar="E", callback=_email, help="The administrator's e-mail address.")
@click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    metavar="F",
    help="File whose first line is the password, - for standard input [default: one is made].",
)
def init(config: Path | None, account: str, email: str, password_file: Any, **options: Any) -> None:
    """Create an account and its administrator; print them, with a token, as JSON.

    Works on a data directory that a daemon is serving, and makes one that does not exist yet.
    """
    password = None if password_file is None else password_file.readline().rstrip("\r\n")
    settings = read_settings(config, options)

    def create(connection: Any) -> dict[str, Any]:
        return create_account(connection, account, email, password)

    try:
        made = run_or_give_up(reactor, lambda: with_database(settings, reactor, create))
    except CannotCreate as error:
        raise click.ClickException(str(error)) from None
    print(json.dumps(made))
