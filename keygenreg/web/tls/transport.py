"""TLS on the socket itself: a TCP transport that reads and writes through an ``ssl.SSLSocket``.

Twisted's own TLS passes every byte through two memory buffers of OpenSSL and one of the transport beneath, which costs
more than encrypting it. Here OpenSSL reads from and writes to the non-blocking socket, and its answers "want read" and
"want write" become what the reactor watches for. What a record holds is what waits to be sent, up to 16 KiB, so a head
and a small body are one record.

A hack on twisted.internet.tcp (26.10): it overrides ``doRead``, ``doWrite``, ``writeSomeData``,
``_postLoseConnection`` and ``_closeWriteConnection`` of ``tcp.Server``, and relies on ``doWrite`` offering bytes that
were not taken again, from the same offset: OpenSSL has encrypted some of them already (SSL_write(3),
SSL_ERROR_WANT_WRITE). Where :func:`can_encrypt_on_sockets` misses something, :mod:`keygenreg.web.tls.port` uses
Twisted's TLS instead.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from time import perf_counter
from typing import Any

from twisted.internet import main, tcp
from twisted.internet.interfaces import ISSLTransport
from twisted.python.failure import Failure
from zope.interface import implementer

RECORD = 16 * 1024
"""The most that a record of TLS holds, in bytes."""

PIECE = 4 * RECORD
"""What OpenSSL is given at most at a time, in bytes. When the socket is full in the middle, it wants the same again."""

_RECORDS_PER_READ = 4
_MOST_DISCARDED = 64 * 1024 * 1024
_DISCARD_STEP = 64 * 1024
_DISCARD_STEPS = 16
_PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 28\r\nConnection: close\r\n\r\n"
    b"This port speaks HTTPS only\n"
)
_LEANS_ON = {
    tcp.Port: ("_fromListeningDescriptor", "transport", "startListening"),
    tcp.Server: ("doRead", "doWrite", "writeSomeData", "_postLoseConnection", "_closeWriteConnection", "dataBuffer"),
}


def can_encrypt_on_sockets() -> bool:
    """Whether Twisted's TCP transport has the names that this module leans on."""
    return all(hasattr(owner, name) for owner, names in _LEANS_ON.items() for name in names)


@implementer(ISSLTransport)
class TlsTransport(tcp.Server):
    """
    One connection, made by :class:`keygenreg.web.tls.port.TlsPort`; see the module. ``socket`` is an ``SSLSocket``.

    ``loseConnection`` sends what is buffered and a close_notify, then closes, without waiting for the client's own.
    ``loseWriteConnection`` sends both too, and then drops what still comes until the client closes.

    :ivar half_closes: that ``loseWriteConnection`` works, which is not so with TLS of other makes.
    :ivar owed: the least that has to be offered to OpenSSL next, in bytes.
    :ivar scratch: where senders of files may read to, in the reactor's thread and until they return.
    """

    half_closes = True
    owed = 0
    scratch: memoryview
    _handshaking = True
    _discarding = False
    _discarded = 0
    _read_wants_write = False
    _write_wants_read = False
    _deadline: Any = None

    def begin(self, handshake_seconds: float) -> None:
        """Give the client this long for its handshake, in seconds."""
        self._deadline = self.reactor.callLater(handshake_seconds, self._too_slow)

    def getPeerCertificate(self) -> None:
        """Clients are asked for none."""
        return None

    @property
    def negotiatedProtocol(self) -> bytes | None:
        """What was agreed on by ALPN."""
        name = self.socket.selected_alpn_protocol()
        return None if name is None else name.encode("ascii")

    # Handshake

    def _too_slow(self) -> None:
        self._deadline = None
        self.abortConnection()

    def _shake(self) -> Exception | None:
        """Go on with the handshake as far as it goes without waiting."""
        if not self.server.may_shake(self):
            return None  # other connections first; the reactor comes back, as the socket stays readable
        began = perf_counter()
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self.stopWriting()
        except ssl.SSLWantWriteError:
            self.startWriting()
        except (OSError, ValueError) as fault:
            return self._failed(fault)
        else:
            self._handshaking = False
            self._stop_clock()
            self.startWriting()  # for what was written meanwhile; without any it stops by itself
        finally:
            self.server.shook(perf_counter() - began)
        return None

    def _stop_clock(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.cancel()

    def _failed(self, fault: Exception) -> Exception:
        """The end of a connection that is no TLS, or broken; OpenSSL has sent its alert."""
        with suppress(OSError):
            if self._handshaking and getattr(fault, "reason", None) == "HTTP_REQUEST":
                socket.socket.send(self.socket, _PLAIN_HTTP)
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            # To close with unread bytes would reset the connection, and the client lose what it was told.
            for _ in range(_DISCARD_STEPS):
                if not socket.socket.recv(self.socket, _DISCARD_STEP):
                    break
        return main.CONNECTION_LOST

    # Reading

    def doRead(self) -> Exception | None:
        """See ``IReadDescriptor``: at most four records, in one ``dataReceived``."""
        if self._discarding:
            return self._discard()
        if self._handshaking:
            result = self._shake()
            if result is not None or self._handshaking:
                return result
        if self._write_wants_read:
            self._write_wants_read = False
            self.startWriting()
        records, end = self._records()
        if records:
            self.protocol.dataReceived(b"".join(records))
        if end is main.CONNECTION_DONE and not self.disconnected:
            self._close_notify()
        return end

    def _records(self) -> tuple[list[bytes], Exception | None]:
        """
        What has come, and why nothing more will, if so. OpenSSL takes whole records from the socket and nothing beyond,
        so what is not read now keeps the socket readable.
        """
        records: list[bytes] = []
        try:
            while len(records) < _RECORDS_PER_READ:
                data = self.socket.recv(RECORD)
                if not data:
                    return records, main.CONNECTION_DONE
                records.append(data)
                if len(data) < RECORD:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:  # to answer a change of keys
            self._read_wants_write = True
            self.stopReading()
            self.startWriting()
        except (OSError, ValueError) as fault:
            return records, self._failed(fault)
        return records, None

    def _discard(self) -> Exception | None:
        try:
            count = len(socket.socket.recv(self.socket, _DISCARD_STEP))
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        self._discarded += count
        return None if count and self._discarded <= _MOST_DISCARDED else main.CONNECTION_DONE

    def pauseProducing(self) -> None:
        self._read_wants_write = False
        super().pauseProducing()

    # Writing

    def doWrite(self) -> Exception | None:
        """See ``IWriteDescriptor``."""
        if self._handshaking:
            if self.disconnecting:
                return main.CONNECTION_DONE
            result = self._shake()
            if result is not None or self._handshaking:
                return result
        if self._read_wants_write:
            self._read_on_again()
        return super().doWrite()

    def writeSomeData(self, data: bytes) -> int | Exception:
        return self.send_some(memoryview(data)[: self.SEND_LIMIT])

    def send_some(self, data: memoryview) -> int | Exception:
        """
        Send as much as the socket takes, and say how much that was. What was not taken must be offered again, from its
        first byte on and no less than ``owed``, before anything else is sent.
        """
        send, size, sent = self.socket.send, len(data), 0
        try:
            if size <= PIECE:
                sent = send(data)
            while sent < size:
                sent += send(data[sent : sent + PIECE])
        except ssl.SSLWantWriteError:
            self.owed = min(PIECE, size - sent)
            return sent
        except ssl.SSLWantReadError:
            self.owed = min(PIECE, size - sent)
            self._write_wants_read = True
            self.stopWriting()
            return sent
        except (OSError, ValueError):
            return main.CONNECTION_LOST
        self.owed = 0
        if self._read_wants_write:
            self._read_on_again()
        return sent

    def send_now(self, *buffers: bytes) -> int:
        """
        Send without waiting for the reactor, where nothing waits before; at most one piece.

        :return: how many bytes were taken; the rest must be written next, all or a piece of it at once.
        """
        closing = self.disconnecting or self._writeDisconnecting
        waits = self._handshaking or self.dataBuffer or self._tempDataLen or "doWrite" in self.__dict__
        if closing or waits or self.disconnected:
            return 0
        room, pieces = PIECE, []
        for each in buffers:
            pieces.append(memoryview(each)[:room])
            room -= len(pieces[-1])
        sent = self.send_some(pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces)))
        return 0 if isinstance(sent, Exception) else sent

    def _read_on_again(self) -> None:
        self._read_wants_write = False
        if not self.disconnecting:
            self.startReading()

    # End

    def _close_notify(self) -> bool:
        """Tell the client that this was all; false when the socket does not take it yet."""
        try:
            self.socket.unwrap()
        except ssl.SSLWantWriteError:
            return False
        except (OSError, ValueError):
            pass  # above all "want read": the client's own has not come, and need not
        return True

    def _postLoseConnection(self) -> Exception | None:
        # In the middle of a piece nothing can be said: the answer was cut off, and should look like it.
        if self.owed or self._close_notify():
            return main.CONNECTION_DONE
        self.startWriting()
        return None

    def _closeWriteConnection(self) -> None:
        if not self._close_notify():
            self._writeDisconnected = False  # once more, by doWrite
            self.startWriting()
            return
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
        self._discarding = True

    def connectionLost(self, reason: Failure) -> None:
        self._stop_clock()
        super().connectionLost(reason)
