"""
A connection that looks, before it parses, whether the answer to what just arrived is ready.

Only an idle connection looks, with nothing half-read before and nothing unsent behind, and only at input that is equal
to a whole request that was answered before; everything else goes to :class:`~keygenreg.web.channel.EdgeChannel`
untouched. Leans on ``_buffer`` and ``_dataBuffer`` (what was read and not parsed) and ``_waitingForTransport``.
"""

from __future__ import annotations

from keygenreg.web.channel import EdgeChannel, Phase
from keygenreg.web.immediate_write import write_now
from keygenreg.web.ready_answers import whole_head


class ReadyChannel(EdgeChannel):
    """See the module."""

    _kind = b""
    _head: bytes | None = None

    def connectionMade(self):
        self._kind = self.site.kind_of(self.transport)
        super().connectionMade()

    def dataReceived(self, data):
        if self.phase is not Phase.IDLE or not self._give(data):
            super().dataReceived(data)

    def _give(self, data: bytes) -> bool:
        self._head = None
        site = self.site
        if site.ready is None or site.draining or self._buffer or self._dataBuffer or self._waitingForTransport:
            return False
        head = data + self._kind if self._kind else data
        now = site.reactor.seconds()
        answer = site.ready.find(head, now)
        if answer is None:
            if whole_head(data):
                self._head = head
            return False
        wire, request_id = site.ready.wire(answer, now)
        write_now(self.transport, wire)
        self.deadline = now + site.limits.keep_alive
        for observer in site.observers:
            observer.repeated(answer, self, request_id)
        return True

    def allHeadersReceived(self):
        if self.requests:
            self.requests[-1].whole_head = self._head
        self._head = None
        super().allHeadersReceived()
