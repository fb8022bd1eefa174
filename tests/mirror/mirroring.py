"""Fixtures that the tests of every engine's mirror share: a fake upstream on loopback, and a daemon that mirrors it.

A ``conftest.py`` imports them and says with a fixture ``mirrored`` what the daemon mirrors. They take the place of the
session's common daemon in its folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemon_fixtures import Account, Daemon
from tests.mirror.fake_upstream import FakeUpstream

#: Patience is short, as fakes answer at once or never.
_SETTINGS = {
    "mode": "mirror",
    "file_hosts": "",
    "private_addresses": "true",
    "connect_seconds": "2",
    "answer_seconds": "3",
    "idle_seconds": "2",
    "document_bytes": str(8 * 1024 * 1024),
    "absent_seconds": "1",
}


def mirror_settings(engine: str, url: str, **more: str) -> dict[str, str]:
    """Variables for a daemon that mirrors a fake; names as in ``[upstream.ENGINE]``."""
    settings = {**_SETTINGS, "url": url, **more}
    return {f"KEYGENREG_UPSTREAM_{engine.upper()}_{name.upper()}": value for name, value in settings.items()}


@pytest.fixture(scope="session")
def upstream() -> Iterator[FakeUpstream]:
    fake = FakeUpstream().start()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory, mirrored: dict[str, str]) -> Iterator[Daemon]:
    running = Daemon(tmp_path_factory.mktemp("mirror") / "data", "--mode", "multiplayer", env=mirrored).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


def grow_old(account: Account, name: str, seconds: float) -> None:
    """
    Let the end of the freshness of a name's documents lie so far back.

    Answers kept in memory do not know of it: ask under another URL than before.
    """
    account.sql(
        """UPDATE mirrored_documents SET fresh_until = now() - make_interval(secs => %s)
        WHERE account_id = %s AND name = %s""",
        seconds, account.id, name,
    )  # fmt: skip


def long_gone(account: Account, name: str) -> None:
    """Let what upstream does not have any more have been missed long ago, and be asked for again."""
    account.sql(
        """UPDATE mirrored_documents SET gone = now() - interval '1 hour', fresh_until = now()
        WHERE account_id = %s AND name = %s AND gone IS NOT NULL""",
        account.id, name,
    )  # fmt: skip


def is_kept(account: Account, name: str) -> bool:
    """Whether anything of a name is on record, shown or not."""
    return bool(
        account.sql(
            """SELECT 1 FROM mirrored_documents WHERE account_id = %s AND name = %s
            UNION ALL SELECT 1 FROM mirrored_files WHERE account_id = %s AND name = %s""",
            account.id, name, account.id, name,
        )  # fmt: skip
    )
