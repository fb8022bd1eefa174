"""Serving and draining: what one web process does with the shared socket, in the daemon itself or in a worker."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater

from keygenreg.assembly.database import connect, listen_for_changes
from keygenreg.assembly.listening import adopt
from keygenreg.assembly.web_process import WebProcess, build
from keygenreg.caches.generations import Generations
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.settings import Settings

_LOOK_EVERY = 0.05


@define
class Serving:
    """
    One web process at work; ``start`` then ``stop``, once.

    ``generations`` is the descriptor of the memory that it shares with others, if it does.
    """

    settings: Settings
    login: ConnectionSettings
    signing_key: bytes = field(repr=False)
    reactor: Any
    generations: int | None = None
    _process: WebProcess | None = field(default=None, init=False)
    _port: IListeningPort | None = field(default=None, init=False)

    def start(self, descriptor: int, family: int) -> None:
        """Answer on a listening socket."""
        generations = Generations(self.generations)
        database = connect(self.settings, self.login, self.reactor, generations.move)
        listener = listen_for_changes(generations, self.login, self.reactor)
        self._process = build(self.settings, database, self.signing_key, self.reactor, generations, listener)
        self._process.start()
        self._port = adopt(self.reactor, descriptor, family, self._process.site)

    async def stop(self) -> None:
        """Take no new connections, let answers and uploads under way finish for a while, then close everything."""
        if self._port is not None:
            await self._port.stopListening()
        if self._process is None:
            return
        site = self._process.site
        site.drain()
        deadline = self.reactor.seconds() + self.settings.server.drain_seconds
        while site.channels and self.reactor.seconds() < deadline:
            await deferLater(self.reactor, _LOOK_EVERY)
        for channel in list(site.channels):
            channel.transport.abortConnection()
        await self._process.stop()
