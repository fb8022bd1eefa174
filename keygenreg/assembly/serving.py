"""Serving and draining: what one web process does with the shared socket, in the daemon itself or in a worker."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater

from keygenreg.assembly.database import connect, listen_for_changes
from keygenreg.assembly.garbage import Garbage
from keygenreg.assembly.listening import adopt
from keygenreg.assembly.quick_polling import quicken
from keygenreg.assembly.tls import tls_files
from keygenreg.assembly.web_process import WebProcess, build
from keygenreg.caches.generations import Generations
from keygenreg.database.connection_settings import ConnectionSettings
from keygenreg.settings import Settings
from keygenreg.web.tls.port import TlsPort, listen_tls

_LOOK_EVERY = 0.05


@define
class Serving:
    """
    One web process at work; ``start`` then ``stop``, once.

    ``generations`` is the descriptor of the memory that it shares with others, ``tickets`` the secret of TLS sessions,
    if it does.
    """

    settings: Settings
    login: ConnectionSettings
    signing_key: bytes = field(repr=False)
    reactor: Any
    generations: int | None = None
    tickets: bytes | None = field(default=None, repr=False)
    _process: WebProcess | None = field(default=None, init=False)
    _garbage: Garbage | None = field(default=None, init=False)
    _port: IListeningPort | None = field(default=None, init=False)

    def start(self, descriptor: int, family: int) -> None:
        """Answer on a listening socket."""
        quicken(self.reactor)
        generations = Generations(self.generations)
        database = connect(self.settings, self.login, self.reactor, generations.move)
        listener = listen_for_changes(generations, self.login, self.reactor)
        self._process = build(self.settings, database, self.signing_key, self.reactor, generations, listener)
        self._process.start()
        files = tls_files(self.settings)
        if files is None:
            self._port = adopt(self.reactor, descriptor, family, self._process.site)
        else:
            self._port = listen_tls(
                self.reactor,
                descriptor,
                family,
                self._process.site,
                chain=files.chain,
                key=files.key,
                handshake_seconds=self.settings.limits.head_seconds,
                tickets=self.tickets,
            )
        self._garbage = Garbage(self.reactor, self._process.site.channels)
        self._garbage.start()

    def figures(self) -> bytes:
        """What is counted here, as :meth:`keygenreg.assembly.telemetry.Telemetry.figures`; once started."""
        return self._process.telemetry.figures()

    def reopen_log(self) -> None:
        """Go on in a new access log, after the old one was moved away."""
        if self._process is not None:
            self._process.telemetry.reopen()

    def reread_certificate(self) -> None:
        """Show new clients the certificate that is in the files now. On ConfigurationError the old one stays."""
        files = tls_files(self.settings)
        if files is not None and isinstance(self._port, TlsPort):
            self._port.use(files.chain, files.key)

    async def leave(self) -> None:
        """
        Make room for another process on the same socket without any client noticing: every further answer is the last
        one of its connection and says so. Returns when there are none left, or after ``server.drain_seconds``, in which
        a connection stays open though nothing is asked on it: closed by us, it could break under a request on its way.
        """
        await self._stop_listening()
        self._process.site.draining = True
        await self._connections_ended()

    async def stop(self) -> None:
        """Take no new connections, let answers and uploads under way finish for a while, then close everything."""
        await self._stop_listening()
        if self._process is None:
            return
        if self._garbage is not None:
            self._garbage.stop()
        site = self._process.site
        site.drain()
        await self._connections_ended()
        for channel in list(site.channels):
            channel.transport.abortConnection()
        await self._process.stop()

    async def _stop_listening(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await port.stopListening()

    async def _connections_ended(self) -> None:
        site = self._process.site
        deadline = self.reactor.seconds() + self.settings.server.drain_seconds
        while site.channels and self.reactor.seconds() < deadline:
            await deferLater(self.reactor, _LOOK_EVERY)
