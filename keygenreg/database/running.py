"""How other processes find the server of a running daemon: ``DIR/database.json`` and the socket it names."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from keygenreg.database.cluster import Cluster, write_private
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.directory_lock import holder
from keygenreg.database.identity import Identity, can_enter, give

NAME = "database.json"
_PREFIX = "keygenreg-"
# The kernel takes 107 bytes for the path of a socket; the server adds the name of its own.
_RANDOM_LETTERS = 8
_LONGEST_DIRECTORY = 107 - len("/.s.PGSQL.65535")


@frozen
class StillStarting(Exception):
    """A daemon works on the directory and its database does not answer yet: ask again in a moment."""

    directory: Path

    def __str__(self) -> str:
        return f"The daemon on {self.directory} is still starting."


def running_database(directory: Path) -> ConnectionSettings | None:
    """How to log in at the server of the daemon that works on the directory; None when there is no such daemon.

    :raises StillStarting: there is one, and its server is not ready.
    """
    directory = directory.absolute()
    owner = holder(directory)
    if owner is None:
        return None
    try:
        found = json.loads((directory / NAME).read_text("utf-8"))
    except FileNotFoundError:
        raise StillStarting(directory) from None
    if found["pid"] is None or found["pid"] != owner.pid:
        raise StillStarting(directory)
    password = Cluster(directory).password()
    return ConnectionSettings(found["host"], found["port"], found["user"], password, found["dbname"])


def announce(directory: Path, settings: ConnectionSettings, *, ready: bool) -> None:
    """Tell other processes where the server is; without the password, which has its own file.

    Told before the server is ready, so that its socket directory is found again if the daemon dies meanwhile.
    """
    found = {
        "host": settings.host,
        "port": settings.port,
        "user": settings.user,
        "dbname": settings.dbname,
        "pid": os.getpid() if ready else None,
    }
    write_private(directory / NAME, json.dumps(found, indent=2) + "\n")


def retract(directory: Path) -> None:
    """Undo :func:`announce`, also that of a daemon that was killed, and remove the socket directory it names."""
    path = directory / NAME
    try:
        found = Path(json.loads(path.read_text("utf-8"))["host"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        found = None
    path.unlink(missing_ok=True)
    if found is not None:
        remove_socket_directory(found)


def socket_directory(identity: Identity) -> Path:
    """A new directory that only the server's user can enter, with a path short enough for sockets."""
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):
        length = len(os.fsencode(parent)) + len("/" + _PREFIX) + _RANDOM_LETTERS
        if length <= _LONGEST_DIRECTORY and can_enter(identity, parent):
            path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            give(path, identity)
            return path
    raise OSError(f"Neither {tempfile.gettempdir()} nor /tmp can hold the socket of PostgreSQL.")


def remove_socket_directory(path: Path) -> None:
    """Remove a directory made by :func:`socket_directory`; anything that does not look like one stays."""
    with suppress(FileNotFoundError, PermissionError):
        inside = list(path.iterdir())
        plain = stat.S_ISDIR(path.lstat().st_mode) and path.name.startswith(_PREFIX)
        if plain and all(entry.name.startswith(".s.PGSQL.") for entry in inside):
            shutil.rmtree(path)
