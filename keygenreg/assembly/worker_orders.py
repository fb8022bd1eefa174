"""What the daemon tells a web process that it starts."""

from __future__ import annotations

from attrs import field, frozen

from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.settings import Settings


@frozen
class Orders:
    """``family`` is that of the listening socket, as in :mod:`socket`."""

    settings: Settings
    login: ConnectionSettings
    signing_key: bytes = field(repr=False)
    family: int
