"""Reading a dump into a registry: all of it in one transaction, or nothing (dump.md, import)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import psycopg2
from attrs import define, field
from psycopg2.errors import QueryCanceled

from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.database.faults import is_repeatable
from keygenreg.domain.failures import Unavailable
from keygenreg.dump import merging
from keygenreg.dump.blocking_store import BlockingStore
from keygenreg.dump.checks import Check, first_fault, id_checks, reference_checks, reliance_checks, uniqueness_checks
from keygenreg.dump.completing import Completion
from keygenreg.dump.contents import Contents
from keygenreg.dump.distribution_kinds import DESCRIPTORS, MANIFESTS
from keygenreg.dump.layout_tags import LayoutTags
from keygenreg.dump.parts import Parts
from keygenreg.dump.record import Record, check_header, read_record
from keygenreg.dump.staging import Staging
from keygenreg.formats.dump.fault import BrokenDump
from keygenreg.formats.dump.line_reader import Line, read_lines
from keygenreg.formats.timestamps import dump_time

#: How often other transactions may get in the way before the import gives up.
ATTEMPTS = 5
# What may go wrong with removing bytes that nobody needs: the collector finds them later.
_LEFT_TO_THE_COLLECTOR = (psycopg2.Error, Unavailable, OSError)


class Interrupted(Exception):
    """Somebody wants the import to end; nothing was changed."""


@define(eq=False)
class Import:
    """
    One import; blocks, and waits for the store's reactor, so it runs in a thread beside that.

    :param settings: login at a migrated database.
    :param directory: where relative paths in the dump start.
    :param replacing: all that is stored goes first.
    """

    settings: ConnectionSettings
    store: BlockingStore
    directory: Path
    replacing: bool = field(default=False, kw_only=True)
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), kw_only=True)
    _stop: Event = field(factory=Event, init=False)
    _connections: list[Any] = field(factory=list, init=False)

    def run(self, read: Callable[[int], bytes]) -> int:
        """
        Import what ``read`` gives, at most as many bytes as asked for and none at the end.

        :return: how many resources the dump had. They are stored and durable.
        :raises BrokenDump: the dump has a fault; nothing changed.
        :raises Interrupted: :meth:`interrupt` was called in time; nothing changed.
        :raises psycopg2.Error, Unavailable: database or store cannot do it; nothing changed.
        """
        with closing(self._connect()) as connection, closing(self._connect()) as registering:
            connection.autocommit = True
            with registering, registering.cursor() as cursor:
                # Registrations that a crash of the server undoes are no loss.
                cursor.execute("SET synchronous_commit = off")
            staging = Staging(connection)
            staging.prepare()
            contents = Contents(self.store, registering, staging, self.directory)
            try:
                try:
                    self._stage(read, staging, contents)
                    self._commit(staging)
                finally:
                    contents.close()
            except BaseException as error:
                with suppress(*_LEFT_TO_THE_COLLECTOR):
                    self._undo(contents)
                if self._stop.is_set() and not isinstance(error, BrokenDump):
                    raise Interrupted from error
                raise
            with connection.cursor() as cursor, suppress(psycopg2.Error):
                merging.analyze(cursor, staging.kinds)
            if self.replacing:
                with suppress(*_LEFT_TO_THE_COLLECTOR):
                    contents.remove_all(f"SELECT sha256 FROM {merging.UNWANTED}")
            return staging.count

    def interrupt(self) -> None:
        """Ask a running import to end soon; for another thread."""
        self._stop.set()
        for connection in self._connections:
            with suppress(psycopg2.Error):
                connection.cancel()

    def _undo(self, contents: Contents) -> None:
        # What interrupt() asks of the server may come late and end this instead, once on each connection.
        for _ in self._connections:
            with suppress(QueryCanceled):
                contents.undo()
                return
        contents.undo()

    def _connect(self) -> Any:
        connection = psycopg2.connect(**self.settings.keywords(statement_timeout=0))
        self._connections.append(connection)
        return connection

    def _stage(self, read: Callable[[int], bytes], staging: Staging, contents: Contents) -> None:
        """Read all lines. A fault ends it, unless an earlier line has one that only the database sees."""
        with ThreadPoolExecutor(os.cpu_count(), "import") as executor:
            completion = Completion(staging, executor, self.replacing)
            try:
                self._read(read, completion, contents)
                completion.finish()
            except BrokenDump as fault:
                completion.finish()
                raise self._earlier(staging, fault) from fault
        Parts(staging, contents).extract()
        LayoutTags(staging, contents.store).note()
        staging.flush()
        staging.analyze()

    def _read(self, read: Callable[[int], bytes], completion: Completion, contents: Contents) -> None:
        moment = dump_time(self.now())
        lines = read_lines(read, contents.begin)
        header = next(lines, Line(1, b"{}"))
        check_header(header)
        for line in lines:
            record = read_record(line, moment)
            if record.content is not None:
                self._take_content(record, line, contents)
            elif line.content is not None:
                raise record.fault("a member base64 is too long")
            completion.take(record)
            if self._stop.is_set():
                raise Interrupted
            contents.keep_young()

    @staticmethod
    def _take_content(record: Record, line: Line, contents: Contents) -> None:
        try:
            record.values["blob_sha256"] = contents.take(record.content, line.content)
        except ValueError as error:
            raise record.fault(str(error)) from error

    def _earlier(self, staging: Staging, fault: BrokenDump) -> BrokenDump:
        staging.flush()
        with staging.connection.cursor() as cursor:
            found = first_fault(cursor, self._all_checks(staging))
        return found if found is not None and found.line < fault.line else fault

    def _commit(self, staging: Staging) -> None:
        """The transaction. Others may be in its way, as deadlocks show; it is tried again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._attempt(staging)
                return
            except psycopg2.Error as error:
                if not is_repeatable(error) or attempt == ATTEMPTS or self._stop.is_set():
                    raise

    def _attempt(self, staging: Staging) -> None:
        cursor = staging.connection.cursor()
        cursor.execute("BEGIN")
        try:
            merging.begin(cursor)
            fault = first_fault(cursor, self._necessary_checks(staging))
            if fault is not None:
                raise fault
            merging.merge(cursor, staging.kinds, replacing=self.replacing)
            if self._stop.is_set():
                raise Interrupted
            cursor.execute("COMMIT")
        except psycopg2.IntegrityError as error:
            cursor.execute("ROLLBACK")
            fault = first_fault(cursor, self._all_checks(staging))
            if fault is not None:
                raise fault from error
            raise
        except BaseException:
            if not staging.connection.closed:
                cursor.execute("ROLLBACK")
            raise

    def _necessary_checks(self, staging: Staging) -> Iterator[Check]:
        """What no constraint of the database would notice."""
        yield from id_checks(staging.kinds, replacing=self.replacing)
        yield from reference_checks(staging.kinds, replacing=self.replacing)
        if not self.replacing:
            yield from reliance_checks(staging.kinds, (MANIFESTS, DESCRIPTORS))

    def _all_checks(self, staging: Staging) -> Iterator[Check]:
        yield from self._necessary_checks(staging)
        yield from uniqueness_checks(staging.kinds, replacing=self.replacing)
        if not self.replacing:
            yield from reliance_checks(staging.kinds)
