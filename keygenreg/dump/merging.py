"""From the staged lines to the registry's own tables: the statements of the one transaction that an import is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keygenreg.dump.distribution_kinds import DESCRIPTORS
from keygenreg.dump.kind import Kind
from keygenreg.dump.kinds import STORED
from keygenreg.dump.staging import CONTENTS

#: Heard by every process that keeps something in memory.
CHANNEL = "registry_changed"
PAYLOAD = "import"
#: Blobs that ``replace_all`` left without any reference; their bytes go after the commit.
UNWANTED = "unwanted_blobs"

_ONE_IMPORT_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('keygenreg import', 0))"
# Whoever collects unreferenced blobs has to wait for a locked row and then finds it referenced.
_HOLD_CONTENTS = f"""
SELECT count(*) FROM (SELECT 1 FROM blobs b
WHERE b.sha256 IN (SELECT sha256 FROM {CONTENTS}) ORDER BY b.sha256 FOR UPDATE) held
"""
_LINK_TO_CONTENTS = f"""
UPDATE stage_descriptors SET blob_sha256 = right(content_digest, 64)
WHERE blob_sha256 IS NULL AND content_digest IN (SELECT 'sha256:' || sha256 FROM {CONTENTS})
"""
# A blob without references may be one whose bytes have not come yet.
_LINK_TO_STORED = """
UPDATE stage_descriptors d SET blob_sha256 = b.sha256
FROM (SELECT sha256 FROM blobs WHERE reference_count > 0
      AND sha256 IN (SELECT right(content_digest, 64) FROM stage_descriptors WHERE blob_sha256 IS NULL)
      ORDER BY sha256 FOR UPDATE) b
WHERE d.blob_sha256 IS NULL AND d.content_digest = 'sha256:' || b.sha256
"""


def merge(cursor: Any, staged: Sequence[Kind], *, replacing: bool) -> None:
    """
    Bring the staged lines into the tables, in the transaction that is open.

    :param staged: the types that there are lines of.
    :param replacing: delete everything that is stored first.
    :raises psycopg2.Error: a constraint is broken, or the database cannot go on.
    """
    writable = [kind for kind in staged if kind.stored]
    cursor.execute(_HOLD_CONTENTS)
    if DESCRIPTORS in writable:
        _link_blobs(cursor, replacing=replacing)
    if replacing:
        _delete_all(cursor)
    else:
        for kind in writable:
            _make_room(cursor, kind)
    for kind in writable:
        cursor.execute(_write(kind))
    if replacing:
        cursor.execute(
            f"CREATE TEMPORARY TABLE {UNWANTED} AS SELECT sha256 FROM blobs WHERE reference_count = 0"
        )
    cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, PAYLOAD))


def begin(cursor: Any) -> None:
    """Wait for another import to end."""
    cursor.execute(_ONE_IMPORT_AT_A_TIME)


def _link_blobs(cursor: Any, *, replacing: bool) -> None:
    """Give descriptors the blobs that their digests name, as far as these will be there."""
    cursor.execute(_LINK_TO_CONTENTS)
    if not replacing:
        cursor.execute(_LINK_TO_STORED)


def _delete_all(cursor: Any) -> None:
    """Delete every record, children first, so that no cascade has anything to do. TRUNCATE would show to readers."""
    # Looking for children that are left, row by row, takes for ever with the wrong index.
    analyze(cursor, STORED)
    for kind in reversed(STORED):
        cursor.execute(f"DELETE FROM {kind.table}")


def analyze(cursor: Any, kinds: Sequence[Kind]) -> None:
    """Let the planner know how much is stored, without waiting for the server to notice."""
    tables = [kind.table for kind in kinds if kind.stored]
    if tables:
        cursor.execute(f"ANALYZE {', '.join(tables)}")


def _make_room(cursor: Any, kind: Kind) -> None:
    """Let rows that will be overwritten give up what other lines may claim."""
    if kind.leaf:
        cursor.execute(f"DELETE FROM {kind.table} t USING {kind.stage} s WHERE s.id = t.id")
    elif kind.aside is not None:
        stored = ", ".join(f"t.{column}" for column in kind.aside.when)
        staged = ", ".join(f"s.{column}" for column in kind.aside.when)
        cursor.execute(
            f"""UPDATE {kind.table} t SET {kind.aside.changes} FROM {kind.stage} s
            WHERE s.id = t.id AND ({stored}) IS DISTINCT FROM ({staged})"""
        )


def _write(kind: Kind) -> str:
    """Lines of one type, in their order; ``ordinal`` keeps it among equal times of creation."""
    columns = [*kind.columns, "ordinal"]
    insert = f"""INSERT INTO {kind.table} AS t ({", ".join(columns)})
        SELECT {", ".join(kind.columns)}, nextval('record_ordinal')
        FROM (SELECT * FROM {kind.stage} ORDER BY line) lines"""
    if kind.leaf:
        return insert
    new = {column: f"excluded.{column}" for column in columns[1:]} | dict(kind.kept)
    changes = ", ".join(f"{column} = {value}" for column, value in new.items())
    return f"{insert} ON CONFLICT (id) DO UPDATE SET {changes}"
