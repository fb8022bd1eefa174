"""What the daemon tells a web process that it starts."""

from __future__ import annotations

import os

from attrs import evolve, field, frozen

from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.settings import Settings
from keygenreg.web.tls.tickets import SECRET_BYTES


@frozen
class Orders:
    """
    ``family`` is that of the listening socket, as in :mod:`socket`; ``number`` is the web process's own; ``tickets``
    the secret of TLS sessions that all resume.
    """

    settings: Settings
    login: ConnectionSettings
    signing_key: bytes = field(repr=False)
    family: int
    number: int = 0
    tickets: bytes = field(factory=lambda: os.urandom(SECRET_BYTES), repr=False)

    @property
    def own_settings(self) -> Settings:
        """The settings as they are for this process: its figures are shown by the daemon, with those of the others."""
        return evolve(self.settings, operator=evolve(self.settings.operator, port=0))

    def renewed(self, fresh: Settings) -> Orders:
        """
        Orders for the web processes to come, by settings that were read again.

        What the daemon itself was started with stays: where it listens, how many web processes, directory, database.
        """
        return evolve(self, settings=with_fixed(fresh, self.settings), tickets=os.urandom(SECRET_BYTES))


def with_fixed(fresh: Settings, old: Settings) -> Settings:
    """``fresh`` with those values of ``old`` that only a new start of the daemon can change."""
    server = evolve(fresh.server, host=old.server.host, port=old.server.port, workers=old.server.workers)
    return evolve(fresh, server=server, operator=old.operator, storage=old.storage, database=old.database)
