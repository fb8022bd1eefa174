"""The daemon as one service: database, then web processes, and back in reverse order."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from keygenreg.assembly.bootstrap import FIRST_ADMIN_FILE
from keygenreg.assembly.database import Prepared, embedded, prepare
from keygenreg.assembly.hang_up import HangUp
from keygenreg.assembly.listening import bind
from keygenreg.assembly.log import set_level
from keygenreg.assembly.tls import tls_files
from keygenreg.assembly.worker_orders import Orders
from keygenreg.assembly.workers import Workers
from keygenreg.caches.generations import shared_memory
from keygenreg.configuration import ConfigurationError
from keygenreg.settings import Settings

if TYPE_CHECKING:
    from keygenreg.assembly.serving import Serving

_log = Logger()
#: Engines and all that answers: most of the program. A daemon whose web processes are others never loads it, and one
#: that is its own web process does so while the database starts.
_SERVING = "keygenreg.assembly.serving"
#: How long the thread that loads it may keep the interpreter to itself; 5 ms otherwise.
_SWITCH_SECONDS = 0.0002


def _load_serving() -> type[Serving]:
    """Load what a web process is made of, in a thread; the reactor, which starts the database, comes first."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        return import_module(_SERVING).Serving
    finally:
        sys.setswitchinterval(interval)


class Registry(Service):
    """
    The whole daemon.

    ``startService`` returns a Deferred that fires when it answers, or fails with the reason why it cannot;
    ``stopService`` may be called at any time and returns one that fires when all is ended. SIGHUP reopens logs and
    replaces the web processes by new ones under the settings as they are then.

    :param reread: reads the settings again; raises ConfigurationError.
    :ivar failed: fails when the daemon that runs cannot go on.
    """

    def __init__(self, settings: Settings, reactor: Any, reread: Callable[[], Settings] | None = None) -> None:
        self.failed: Deferred[None] = Deferred()
        self._settings = settings
        self._reread = reread
        self._reactor = reactor
        self._server = embedded(settings, reactor)
        self._listener: socket.socket | None = None
        self._serving: Serving | Workers | None = None
        self._hang_up = HangUp(reactor, self._renew)

    def startService(self) -> Deferred[None]:
        super().startService()
        self._hang_up.start()
        return Deferred.fromCoroutine(self._start())

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._hang_up.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        server = self._settings.server
        tls_files(self._settings)
        self._listener = bind(server.host, server.port)
        if server.workers > 1:
            self._serving = Workers(
                self._reactor, self._settings, self._listener.fileno(), shared_memory(), self._give_up
            )
            self._serving.load()
            loading = None
        else:
            loading = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), _load_serving)
        prepared = await prepare(self._settings, self._server, self._reactor)
        if prepared.first_admin is not None:
            self._introduce(prepared.first_admin)
        await self._serve(prepared, self._listener, None if loading is None else await loading)
        host, port = self._listener.getsockname()[:2]
        _log.info("keygenreg answers at {host} port {port}", host=host, port=port)

    async def _serve(self, prepared: Prepared, listener: socket.socket, serving: type[Serving] | None) -> None:
        if serving is None:
            orders = Orders(self._settings, prepared.login, prepared.signing_key, listener.family)
            await self._serving.start(orders)
            return
        self._serving = serving(self._settings, prepared.login, prepared.signing_key, self._reactor)
        self._serving.start(listener.fileno(), listener.family)

    def _renew(self) -> None:
        if self._serving is None:
            return
        self._serving.reopen_log()
        try:
            fresh = self._settings if self._reread is None else self._reread()
            tls_files(fresh)
            if not isinstance(self._serving, Workers):
                self._serving.reread_certificate()
        except ConfigurationError as error:
            _log.error("The settings are wrong, and stay as they were: {error}", error=str(error))
            return
        set_level(fresh.logging.level)
        if isinstance(self._serving, Workers):
            self._serving.replace(fresh)
        else:
            _log.info("The access log was opened again; with server.workers above 1 the web processes were replaced")

    def _give_up(self, reason: Exception) -> None:
        if not self.failed.called:
            self.failed.errback(reason)

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


def make_service(
    settings: Settings, reactor: Any = None, *, reread: Callable[[], Settings] | None = None
) -> Registry:
    """
    The daemon for these settings; nothing happens before ``startService``.

    :param reread: reads the settings again, when SIGHUP asks for it.
    """
    if reactor is None:
        from twisted.internet import reactor  # the plugin and the command choose one; this is the default
    return Registry(settings, reactor, reread)
