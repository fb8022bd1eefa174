"""Sending files over TLS on the socket itself: read into one buffer for all connections, encrypted from there.

What the socket does not take is read again from the page cache when it does, so a slow client costs no memory of ours
beyond the record that OpenSSL has ready for it.
"""

from __future__ import annotations

import os

from attrs import define

from keygenreg.web.files.body import Truncated
from keygenreg.web.files.sendfile import FileSender
from keygenreg.web.tls.transport import TlsTransport


def can_encrypt_files(transport: object) -> bool:
    """Whether ``transport`` does TLS on its own socket, with nothing around it."""
    return type(transport) is TlsTransport


@define(eq=False)
class TlsFileSender(FileSender):
    """A :class:`FileSender` on a :class:`TlsTransport`."""

    def _send(self, size: int):
        span = self._body.parts[0]
        share = max(min(self._transport.server.share(self._transport), size), self._transport.owed)
        try:
            sent, lost = self._send_share(span[:share])
        except (Truncated, OSError) as error:
            return self._failed(error)
        self._transport.server.sent(sent)
        if sent:
            self._body.advance(sent)
            self._request.sentLength += sent
            self._request.channel.still_sending()
        if lost is not None:
            return lost
        return None if self._body.parts else self._finish()

    def _send_share(self, span: range) -> tuple[int, Exception | None]:
        """Read and send, as far as the socket takes it; how much it took, and why the connection is lost, if it is."""
        fd, scratch, send_some = self._body.fd, self._transport.scratch, self._transport.send_some
        at, end = span.start, span.stop
        while at < end:
            read = os.preadv(fd, (scratch if end - at >= len(scratch) else scratch[: end - at],), at)
            if not read:
                raise Truncated(f"no bytes at offset {at}")
            sent = send_some(scratch if read == len(scratch) else scratch[:read])
            if isinstance(sent, Exception):
                return at - span.start, sent
            at += sent
            if sent < read:
                break
        return at - span.start, None
