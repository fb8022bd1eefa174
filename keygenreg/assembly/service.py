"""The daemon as one service: database, then web processes, and back in reverse order."""

from __future__ import annotations

import socket
import sys
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from keygenreg.assembly.bootstrap import FIRST_ADMIN_FILE
from keygenreg.assembly.database import Prepared, embedded, prepare
from keygenreg.assembly.listening import bind
from keygenreg.assembly.serving import Serving
from keygenreg.assembly.worker_orders import Orders
from keygenreg.assembly.workers import Workers
from keygenreg.caches.generations import shared_memory
from keygenreg.settings import Settings

_log = Logger()


class Registry(Service):
    """
    The whole daemon.

    ``startService`` returns a Deferred that fires when it answers, or fails with the reason why it cannot;
    ``stopService`` may be called at any time and returns one that fires when all is ended.
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._server = embedded(settings, reactor)
        self._listener: socket.socket | None = None
        self._serving: Serving | Workers | None = None

    def startService(self) -> Deferred[None]:
        super().startService()
        return Deferred.fromCoroutine(self._start())

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        server = self._settings.server
        self._listener = bind(server.host, server.port)
        prepared = await prepare(self._settings, self._server, self._reactor)
        if prepared.first_admin is not None:
            self._introduce(prepared.first_admin)
        await self._serve(prepared, self._listener)
        host, port = self._listener.getsockname()[:2]
        _log.info("keygenreg answers at {host} port {port}", host=host, port=port)

    async def _serve(self, prepared: Prepared, listener: socket.socket) -> None:
        if self._settings.server.workers == 1:
            self._serving = Serving(self._settings, prepared.login, prepared.signing_key, self._reactor)
            self._serving.start(listener.fileno(), listener.family)
            return
        orders = Orders(self._settings, prepared.login, prepared.signing_key, listener.family)
        workers = self._settings.server.workers
        self._serving = Workers(self._reactor, workers, orders, listener.fileno(), shared_memory())
        await self._serving.start()

    async def _stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._serving is not None:
            await self._serving.stop()
        if self._server is not None:
            await self._server.stop()

    def _introduce(self, made: dict[str, Any]) -> None:
        """Tell the first administrator's secrets, this once; not through the log, which others may keep."""
        print(
            f"An account {made['account']['slug']!r} with its administrator was made. This is shown only now:\n"
            f"  e-mail    {made['email']}\n  password  {made['password']}\n  token     {made['token']}\n"
            f"They are also in {self._settings.storage.data_dir / FIRST_ADMIN_FILE}, which you may delete.",
            file=sys.stdout,
            flush=True,
        )


def make_service(settings: Settings, reactor: Any = None) -> IService:
    """The daemon for these settings; nothing happens before ``startService``."""
    if reactor is None:
        from twisted.internet import reactor  # the plugin and the command choose one; this is the default
    return Registry(settings, reactor)
