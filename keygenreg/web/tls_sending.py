"""Sending files over TLS on the socket itself: read into one buffer for all connections, encrypted from there.

What the socket does not take is read again from the page cache when it does, so a slow client costs no memory of ours
beyond the record that OpenSSL has ready for it.
"""

from __future__ import annotations

import os

from attrs import define

from keygenreg.web.body import Truncated
from keygenreg.web.sendfile import FileSender
from keygenreg.web.tls_transport import RECORD, TlsTransport


def can_encrypt_files(transport: object) -> bool:
    """Whether ``transport`` does TLS on its own socket, with nothing around it."""
    return type(transport) is TlsTransport


@define(eq=False)
class TlsFileSender(FileSender):
    """A :class:`FileSender` on a :class:`TlsTransport`."""

    def _send(self):
        port = self._transport.server
        share = left = port.share()
        while left > 0 and self._body.parts and isinstance(self._body.parts[0], range):
            try:
                read, sent = self._send_slice(left)
            except (Truncated, OSError) as error:
                return self._failed(error)
            if isinstance(sent, Exception):
                return sent
            left -= sent
            if sent < read:
                break
        port.sent(share - left)
        return None if self._body.parts else self._finish()

    def _send_slice(self, most: int) -> tuple[int, int | Exception]:
        """Read and send; how much it was of either, or why the connection is lost."""
        span = self._body.parts[0]
        scratch = self._transport.scratch
        read = os.preadv(self._body.fd, [scratch[: min(len(span), max(most, RECORD))]], span.start)
        if not read:
            raise Truncated(f"no bytes at offset {span.start}")
        sent = self._transport.send_some(scratch[:read])
        if sent and not isinstance(sent, Exception):
            self._body.advance(sent)
            self._request.sentLength += sent
            self._request.channel.still_sending()
        return read, sent
