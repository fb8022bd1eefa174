"""Writing a registry as a dump: one moment of it, in an order that depends on nothing else (dump.md, export)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, BinaryIO

import orjson
import psycopg2
from attrs import define, field
from psycopg2.extensions import connection as Connection
from psycopg2.extras import register_default_jsonb

from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.domain.failures import NotFound
from keygenreg.dump.blocking_store import BlockingStore
from keygenreg.dump.distribution_kinds import ARTIFACTS, MANIFESTS
from keygenreg.dump.kind import CREATED, UPDATED, Kind, Relationship
from keygenreg.dump.kinds import STORED
from keygenreg.formats.dump.base64_text import encoded

_HEADER = b'{"type":"dump","version":1}\n'
_ROWS = 1000
#: Manifests may have several MiB each.
_ROWS_OF_TEXTS = 20
_CHUNK = 1024 * 1024
_LINE_ENDS = (
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
    ("\u0085".encode(), b"\\u0085"),
)
_SECRETS = {
    "accounts": {
        "ed25519PrivateKey": "ed25519_private_key",
        "rsaPrivateKey": "rsa_private_key",
        "ecdsaPrivateKey": "ecdsa_private_key",
        "secretKey": "secret_key",
    },
    "users": {"passwordHash": "password_hash"},
    "tokens": {"digest": "digest"},
}


class MissingBytes(Exception):
    """The store has lost bytes that the registry knows of; the text tells which."""


@define(eq=False)
class Export:
    """
    One export; blocks.

    :param store: for bytes of artifacts in the lines; None leaves them out.
    """

    settings: ConnectionSettings
    store: BlockingStore | None = None
    _connection: Connection | None = field(default=None, init=False)

    def run(self, write: Callable[[bytes], object]) -> None:
        """
        :raises MissingBytes: of an artifact whose bytes belong into the dump.
        :raises psycopg2.Error: the database cannot go on.
        """
        with closing(psycopg2.connect(**self.settings.keywords(statement_timeout=0))) as connection:
            self._connection = connection
            register_default_jsonb(connection, loads=orjson.loads)
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with connection.cursor() as cursor:
                # Whoever reads the dump may be slow.
                cursor.execute("SET idle_in_transaction_session_timeout = 0")
            write(_HEADER)
            for kind in STORED:
                for row in self._rows(kind):
                    self._write(kind, row, write)

    def interrupt(self) -> None:
        """Ask a running export to end soon; for another thread."""
        if self._connection is not None:
            self._connection.cancel()

    def _rows(self, kind: Kind) -> Iterator[dict[str, Any]]:
        columns = ", ".join(kind.columns)
        with self._connection.cursor("export") as cursor:
            cursor.itersize = _ROWS_OF_TEXTS if kind is MANIFESTS else _ROWS
            cursor.execute(f"SELECT {columns} FROM {kind.table} ORDER BY created, id")
            for row in cursor:
                yield dict(zip(kind.columns, row, strict=True))

    def _write(self, kind: Kind, row: dict[str, Any], write: Callable[[bytes], object]) -> None:
        line = one_line(orjson.dumps(document(kind, row)))
        if self.store is None or kind is not ARTIFACTS or row["blob_sha256"] is None:
            write(line + b"\n")
            return
        with self._opened(row) as content:
            write(line[:-1] + b',"content":{"base64":"')
            for piece in encoded(iter(lambda: content.read(_CHUNK), b"")):
                write(piece)
            write(b'"}}\n')

    def _opened(self, row: dict[str, Any]) -> BinaryIO:
        try:
            return self.store.open(row["blob_sha256"])
        except NotFound:
            raise MissingBytes(
                f"The bytes of artifact {row['id']} ({row['blob_sha256']}) are not in the store: "
                "restore them, delete the artifact, or export without contents."
            ) from None


def one_line(text: bytes) -> bytes:
    """JSON without characters that some readers of text take for the end of a line, though JSON does not."""
    for character, escape in _LINE_ENDS:
        text = text.replace(character, escape)
    return text


def document(kind: Kind, row: dict[str, Any]) -> dict[str, Any]:
    """A stored row as a line's object: every attribute, nulls too."""
    attributes = {}
    for attribute in (*kind.attributes, CREATED, UPDATED):
        value = row[attribute.column]
        attributes[attribute.name] = attribute.default if value is None else attribute.value.write(value)
    found = {
        "type": kind.type,
        "id": row["id"],
        "attributes": attributes,
        "relationships": {each.name: {"data": _linked(each, row)} for each in kind.relationships},
    }
    secrets = {name: row[column] for name, column in _SECRETS.get(kind.type, {}).items() if row[column] is not None}
    if secrets:
        found["private"] = secrets
    return found


def _linked(relationship: Relationship, row: dict[str, Any]) -> dict[str, str] | None:
    for type, column in relationship.targets.items():
        if row[column] is not None:
            return {"type": type, "id": row[column]}
    return None

