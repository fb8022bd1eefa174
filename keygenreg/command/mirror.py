"""``keygenreg mirror``: what the operator may want to know of names and other registries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from psycopg2.extras import RealDictCursor
from twisted.internet import reactor

from keygenreg.command.configured import config_option, read_settings, run_or_give_up, setting_option
from keygenreg.command.database_access import with_database
from keygenreg.database.cluster import Cluster
from keygenreg.mirror.claims.queries import COLLISIONS


@click.group()
def mirror() -> None:
    """Look after what is passed through from other registries."""


@mirror.command()
@setting_option("data-dir", "DIR")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object to a line.")
def collisions(config: Path | None, as_json: bool, **options: Any) -> None:
    """List names that are claimed here and exist upstream too.

    Each line has the protocol, the account, the name, the upstream, since when we know, and when we last asked.
    """
    settings = read_settings(config, options)
    if settings.database.url is None and not Cluster(settings.storage.data_dir.absolute()).exists():
        raise click.ClickException(f"There is no registry in {settings.storage.data_dir}.")

    def read(connection: Any) -> list[dict[str, Any]]:
        with connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(COLLISIONS.sql)
            return [dict(row) for row in cursor.fetchall()]

    for row in run_or_give_up(reactor, lambda: with_database(settings, reactor, read)):
        click.echo(json.dumps(_plain(row)) if as_json else "\t".join(_plain(row).values()))


def _plain(row: dict[str, Any]) -> dict[str, str]:
    return {
        "engine": row["engine"],
        "account": row["slug"],
        "name": row["name"],
        "upstream": row["upstream"],
        "since": row["since"].isoformat(timespec="seconds"),
        "asked": row["asked"].isoformat(timespec="seconds"),
    }
