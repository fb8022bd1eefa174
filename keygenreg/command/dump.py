"""``keygenreg import`` and ``keygenreg export``: a whole registry from and to a dump (dump.md)."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure as Reason
from twisted.python.threadpool import ThreadPool

from keygenreg.command.configured import config_option, read_settings, run_or_give_up, setting_option
from keygenreg.command.database_access import with_login
from keygenreg.command.interruptible_files import Ended, Interruptible
from keygenreg.command.private_file import writing
from keygenreg.database.cluster import Cluster
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.migrate import MigrationRefused, migrate
from keygenreg.domain.failures import Failure
from keygenreg.dump.blocking_store import BlockingStore
from keygenreg.dump.exporting import Export, MissingBytes
from keygenreg.dump.importing import Import, Interrupted
from keygenreg.formats.dump.fault import BrokenDump
from keygenreg.settings import Settings
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads

T = TypeVar("T")

_DISK_THREADS = 2
_QUESTION = "Delete everything that is stored in this registry, and put the dump in its place?"


@click.command("import")
@setting_option("data-dir", "DIR")
@config_option
@click.option("--replace", is_flag=True, help="Delete everything stored first, bytes of artifacts included.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path))
def import_command(config: Path | None, replace: bool, yes: bool, file: Path, **options: Any) -> None:
    """Read a registry dump from FILE, or from standard input with -.

    Everything is imported, or nothing: a fault of the dump is named by its line. A line whose id is stored already
    overwrites that resource. A daemon that serves the data directory answers from the new data at once.

    Beside the Base64 of its content, which may be of any size, a line has at most 64 MiB.
    """
    settings = read_settings(config, options)
    from_stdin = str(file) == "-"
    if replace and not yes:
        _ask(can_answer=not from_stdin and sys.stdin.isatty())
    with _foreseen(), _reading(file, from_stdin) as source:
        directory = Path.cwd() if from_stdin else file.absolute().parent

        async def work(login: ConnectionSettings, store: BlockingStore) -> int:
            importing = Import(login, store, directory, replacing=replace)

            def interrupt() -> None:
                source.end()
                importing.interrupt()

            return await _in_thread(lambda: importing.run(source.read), interrupt)

        count = _run(settings, work)
    click.echo(f"Imported {count} resources.", err=True)


@click.command("export")
@setting_option("data-dir", "DIR")
@config_option
@click.option(
    "--content",
    type=click.Choice(["none", "inline"]),
    default="none",
    show_default=True,
    help="Whether bytes of artifacts go into the dump.",
)
@click.argument("file", default="-", type=click.Path(allow_dash=True, path_type=Path))
def export_command(config: Path | None, content: str, file: Path, **options: Any) -> None:
    """Write the whole registry to FILE, or to standard output.

    The dump holds the accounts' private keys: it is as secret as the registry itself, and the file is readable for you
    alone.
    """
    settings = read_settings(config, options)
    if settings.database.url is None and not Cluster(settings.storage.data_dir.absolute()).exists():
        raise click.ClickException(f"There is no registry in {settings.storage.data_dir}.")
    with _foreseen(), _writing(file) as target:

        async def work(login: ConnectionSettings, store: BlockingStore) -> None:
            export = Export(login, store if content == "inline" else None)

            def interrupt() -> None:
                target.end()
                export.interrupt()

            await _in_thread(lambda: export.run(target.write), interrupt)

        _run(settings, work)


def _ask(*, can_answer: bool) -> None:
    if not can_answer:
        raise click.UsageError("--replace deletes everything stored: confirm it with --yes.")
    click.confirm(_QUESTION, abort=True, err=True)


def _run(settings: Settings, work: Callable[[ConnectionSettings, BlockingStore], Awaitable[T]]) -> T:
    """The result of ``work`` with a migrated database and the blob store."""

    async def with_store(login: ConnectionSettings) -> T:
        await deferToThreadPool(reactor, reactor.getThreadPool(), migrate, login)
        threads = ThreadPool(0, _DISK_THREADS, "disk")
        threads.start()
        try:
            settings.storage.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            blobs = FilesystemBlobStore(settings.storage.data_dir, DiskThreads(reactor, threads))
            blobs.prepare()
            return await work(login, BlockingStore(reactor, blobs))
        finally:
            threads.stop()

    return run_or_give_up(reactor, lambda: with_login(settings, reactor, with_store))


async def _in_thread(work: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """
    The result of ``work``, run in a thread. A cancellation calls ``interrupt`` and waits for the thread all the same:
    it knows how far it has come.
    """
    ended = deferToThreadPool(reactor, reactor.getThreadPool(), work)
    waiting: Deferred[T] = Deferred(lambda _: interrupt())

    def tell(result: T | Reason) -> T | Reason | None:
        if waiting.called:
            return result
        waiting.callback(result)
        return None

    ended.addBoth(tell)
    try:
        return await waiting
    except CancelledError:
        return await ended


@contextmanager
def _foreseen() -> Iterator[None]:
    """End the command with a sentence for what is not a fault of the program."""
    try:
        yield
    except BrokenDump as fault:
        raise _Failed(str(fault)) from None
    except (Ended, Interrupted):
        raise _Failed("Interrupted; nothing was changed.") from None
    except (MissingBytes, MigrationRefused, Failure) as failure:
        raise _Failed(str(failure)) from None
    except psycopg2.Error as error:
        # Without the details: they repeat values, secrets among them.
        raise _Failed(f"The database cannot do it: {error.diag.message_primary or str(error).strip()}.") from None
    except BrokenPipeError:
        raise _Failed("Nobody reads the output any more.") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise _Failed(f"{where}{(error.strerror or str(error)).lower()}.") from None


class _Failed(click.ClickException):
    """Shows its message as it is: a fault of a dump begins with its line."""

    def show(self, file: Any = None) -> None:
        click.echo(self.message, file=file or sys.stderr)


@contextmanager
def _reading(file: Path, from_stdin: bool) -> Iterator[Interruptible]:
    descriptor = os.dup(0) if from_stdin else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    with _closing(descriptor) as source:
        yield source


@contextmanager
def _writing(file: Path) -> Iterator[Interruptible]:
    if str(file) == "-":
        with _closing(os.dup(1)) as target:
            yield target
        return
    with writing(file) as descriptor:
        target = Interruptible(descriptor)
        try:
            yield target
        finally:
            target.close()


@contextmanager
def _closing(descriptor: int) -> Iterator[Interruptible]:
    stream = Interruptible(descriptor)
    try:
        yield stream
    finally:
        stream.close()
        os.close(descriptor)
