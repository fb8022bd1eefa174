"""The choice of sender for a body: from the page cache where the transport allows it, else slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import ISSLTransport

from keygenreg.web.files.body import Body
from keygenreg.web.files.sendfile import FileSender, can_send_files
from keygenreg.web.files.slices import SLICE, TLS_SLICE, SlicePusher
from keygenreg.web.tls.sending import TlsFileSender, can_encrypt_files


def send_body(
    request,
    parts: Iterable[bytes | range],
    *,
    fd: int | None = None,
    on_close: Callable[[], None] | None = None,
) -> None:
    """
    Send ``parts`` (spans are of ``fd``) as the body of ``request``, whose head is set, and finish it. ``on_close`` runs
    once, on every path: sent, client gone, file broken, shutdown.
    """
    body = Body(parts, fd, on_close, request.channel.site.disk)
    transport = request.channel.transport
    slice_size = TLS_SLICE if ISSLTransport.providedBy(transport) else SLICE
    # What fits into one slice travels with its head in one write.
    sends_files = fd is not None and sum(map(len, body.parts)) > slice_size
    if sends_files and can_send_files(transport):
        FileSender(request, body, transport).start()
    elif sends_files and can_encrypt_files(transport):
        TlsFileSender(request, body, transport).start()
    else:
        SlicePusher(request, body, slice_size).start()
