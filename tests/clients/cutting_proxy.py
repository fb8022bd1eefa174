"""A proxy on loopback that cuts connections in the middle of a large answer, a given number of times."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

_STEP = 64 * 1024
_READING = 0.01
"""Seconds that a client has for reading each step, as long as a cut is to come."""


class CuttingProxy:
    """
    Forwards every connection to a port; a connection that has carried ``after`` bytes to the client is reset, as long
    as there are ``cuts`` left. Use as a context manager; ``port`` is where it listens, ``made`` how often it has cut,
    ``carried`` the bytes that came from the server.
    """

    def __init__(self, target: int, *, after: int, cuts: int = 1) -> None:
        self.target, self.after, self.cuts = target, after, cuts
        self.made = self.carried = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # A blocked accept only wakes up when the socket is shut down.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._copy, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, self.after), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        try:
            while data := source.recv(_STEP):
                target.sendall(data)
                passed += len(data)
                if limit is not None:
                    with self._lock:
                        self.carried += len(data)
                    # A reset takes with it what the client has not read yet; so it gets time to read.
                    time.sleep(_READING if self.made < self.cuts else 0)
                if limit is not None and passed > limit and self._may_cut():
                    # With a linger time of zero a close is a reset.
                    target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
        except OSError:
            pass  # one side is gone; so is the other now
        finally:
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _may_cut(self) -> bool:
        with self._lock:
            if self.made >= self.cuts:
                return False
            self.made += 1
            return True
