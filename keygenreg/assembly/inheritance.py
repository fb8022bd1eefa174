"""What a daemon that was killed left behind, cleared away by its successor before that one serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.logger import Logger

from keygenreg.storage.filesystem import remove_uploads

_log = Logger()


def clear_up(connection: Any, data_dir: Path) -> None:
    """
    Remove bytes of uploads that broke off, and free processing jobs, so that they go on now and not when leases end.

    Only for a daemon that is alone on its database and directory. Blocks.

    :param connection: a psycopg2 connection.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE processing_jobs SET leased_until = NULL WHERE leased_until IS NOT NULL")
        jobs = cursor.rowcount
    files = remove_uploads(data_dir)
    if jobs or files:
        _log.info(
            "An earlier daemon was interrupted: {files} unfinished uploads removed, {jobs} jobs go on",
            files=files,
            jobs=jobs,
        )
