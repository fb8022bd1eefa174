"""A connection for tests that tells a daemon of its changes at once, as the daemon's web processes tell each other."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from keygenreg.caches.generations import NAME, Generations
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.session import told_change


def generations_of(pid: int) -> Generations:
    """The generations of a running daemon, over the memory that it shares with its processes."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if NAME in os.readlink(entry):
                descriptor = os.open(entry, os.O_RDWR)
                break
        except FileNotFoundError:
            continue
    else:
        raise RuntimeError(f"process {pid} has no generations")
    try:
        return Generations(descriptor)
    finally:
        os.close(descriptor)


class _Cursor(Cursor):
    def execute(self, *arguments):
        super().execute(*arguments)
        self.connection.tell()


class _Connection(Connection):
    generations: Generations | None = None

    def tell(self) -> None:
        for notice in self.notices:
            change = told_change(notice)
            if change is not None:
                self.generations.move(change)
        self.notices.clear()


def telling_connection(settings: ConnectionSettings, pid: int) -> Connection:
    """A connection in autocommit mode whose changes the daemon hears of before ``execute`` returns."""
    keywords = settings.keywords(statement_timeout=30)
    connection = psycopg2.connect(**keywords, connection_factory=_Connection, cursor_factory=_Cursor)
    connection.autocommit = True
    connection.generations = generations_of(pid)
    return connection
