"""Sending files over TLS on the socket itself: read into one buffer for all connections, encrypted from there.

What the socket does not take is read again from the page cache when it does, so a slow client costs no memory of ours
beyond the record that OpenSSL has ready for it.
"""

from __future__ import annotations

import os

from attrs import define

from keygenreg.web.body import Truncated
from keygenreg.web.sendfile import FileSender
from keygenreg.web.tls_transport import TlsTransport

TLS_BURST = 128 * 1024
"""Bytes for one connection before the next one has its turn: half of what a plain one gets, at a tenth of the speed."""


def can_encrypt_files(transport: object) -> bool:
    """Whether ``transport`` does TLS on its own socket, with nothing around it."""
    return type(transport) is TlsTransport


@define(eq=False)
class TlsFileSender(FileSender):
    """A :class:`FileSender` on a :class:`TlsTransport`."""

    def _send(self):
        scratch, left = self._transport.scratch, TLS_BURST
        while left > 0 and self._body.parts and isinstance(span := self._body.parts[0], range):
            try:
                count = os.preadv(self._body.fd, [scratch[: len(span)]], span.start)
                if not count:
                    raise Truncated(f"no bytes at offset {span.start}")
            except (Truncated, OSError) as error:
                return self._failed(error)
            sent = self._transport.send_some(scratch[:count])
            if isinstance(sent, Exception):
                return sent
            if sent:
                self._body.advance(sent)
                self._request.sentLength += sent
                self._request.channel.still_sending()
            if sent < count:
                return None
            left -= sent
        return None if self._body.parts else self._finish()
