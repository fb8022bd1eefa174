"""A registry that dumps are read into: a migrated database and a blob store, used without a daemon."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from twisted.python.threadpool import ThreadPool

from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.dump.blocking_store import BlockingStore
from keygenreg.dump.exporting import Export
from keygenreg.dump.importing import Import
from keygenreg.dump.kinds import STORED
from keygenreg.formats.dump.fault import BrokenDump
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads
from tests.database_fixtures import on_server
from tests.dump.writing import HEADER
from tests.reactor_thread import ReactorThread

# All rows of all tables; quicker than an export.
_EVERYTHING = " UNION ALL ".join(
    f"SELECT '{kind.table}', string_agg(t::text, ' ' ORDER BY id) FROM {kind.table} t" for kind in STORED
)


@define
class Registry:
    """Imports and exports text, and answers questions about what is stored."""

    settings: ConnectionSettings
    store: BlockingStore
    root: Path

    def load(self, dump: object, *, replace: bool = False, directory: Path = Path("/")) -> int:
        """Import; the number of resources."""
        data = dump if isinstance(dump, bytes) else str(dump).encode()
        return Import(self.settings, self.store, directory, replacing=replace).run(io.BytesIO(data).read)

    def refusal(self, dump: object, *, replace: bool = False) -> str:
        """What an import that must fail says; nothing may have changed."""
        before = self.sql(_EVERYTHING)
        with pytest.raises(BrokenDump) as caught:
            self.load(dump, replace=replace)
        assert self.sql(_EVERYTHING) == before
        return str(caught.value)

    def text(self, *, content: bool = False) -> str:
        """The export."""
        written = io.BytesIO()
        Export(self.settings, self.store if content else None).run(written.write)
        return written.getvalue().decode()

    def lines(self, type: str, *, content: bool = False) -> list[dict[str, Any]]:
        """The exported resources of one type."""
        found = map(json.loads, self.text(content=content).splitlines())
        return [line for line in found if line["type"] == type]

    def one(self, type: str) -> dict[str, Any]:
        """The attributes of the only resource of a type."""
        (line,) = self.lines(type)
        return line["attributes"]

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return on_server(self.settings, statement, *values)

    def bytes_of(self, artifact: str) -> bytes | None:
        """What the store has of an artifact."""
        ((sha256,),) = self.sql("SELECT blob_sha256 FROM artifacts WHERE id = %s", artifact)
        if sha256 is None:
            return None
        with self.store.open(sha256) as file:
            return file.read()

    def files(self) -> set[str]:
        """Names of all files in the store, unfinished ones included."""
        return {path.name for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def opened_registry(
    database_settings: ConnectionSettings, reactor_thread: ReactorThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    threads = ThreadPool(0, 2)
    threads.start()
    root = tmp_path_factory.mktemp("store")
    store = FilesystemBlobStore(root, DiskThreads(reactor_thread.reactor, threads))
    store.prepare()
    yield Registry(database_settings, BlockingStore(reactor_thread.reactor, store), root)
    threads.stop()


@pytest.fixture
def registry(opened_registry: Registry) -> Registry:
    """An empty registry; emptying it is an import of nothing, with ``--replace``."""
    opened_registry.load(HEADER, replace=True)
    opened_registry.sql("DELETE FROM blobs")
    return opened_registry
