"""What the daemon tells a web process that it starts."""

from __future__ import annotations

from attrs import evolve, field, frozen

from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.settings import Settings


@frozen
class Orders:
    """``family`` is that of the listening socket, as in :mod:`socket`; ``number`` counts web processes from 0."""

    settings: Settings
    login: ConnectionSettings
    signing_key: bytes = field(repr=False)
    family: int
    number: int = 0

    @property
    def own_settings(self) -> Settings:
        """The settings as they are for this process: its figures are on an operator port of its own."""
        operator = self.settings.operator
        if not operator.port:
            return self.settings
        return evolve(self.settings, operator=evolve(operator, port=min(operator.port + self.number, 65535)))
