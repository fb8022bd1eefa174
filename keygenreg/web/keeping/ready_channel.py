"""
A connection that looks, before it parses, whether the answer to what just arrived is ready.

Only an idle connection looks, with nothing half-read before and nothing unsent behind, and only at input that is equal
to a whole request that was answered before; everything else goes to :class:`~keygenreg.web.channel.EdgeChannel`
untouched. Leans on ``_buffer`` and ``_dataBuffer`` (what was read and not parsed), ``_waitingForTransport`` and
``_handlingRequest``.
"""

from __future__ import annotations

from keygenreg.web.channel import EdgeChannel, Phase
from keygenreg.web.keeping.file_answering import FileAnswering, give_file
from keygenreg.web.keeping.immediate_write import write_now
from keygenreg.web.keeping.ready_answers import LARGEST_PIECE, whole_head
from keygenreg.web.keeping.ready_body import ReadyBody


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
        if not data.endswith(b"\n"):
            return False  # the end of a key is ours to write: nobody passes for another kind of connection
        head = data + self._kind if self._kind else data
        now = site.reactor.seconds()
        answer = site.ready.find(head, now)
        if answer is None:
            if not whole_head(data):
                return False
            if site.files is not None and give_file(self, data, head, now):
                return True
            self._head = head
            return False
        wire, request_id = site.ready.wire(answer, now)
        if answer.length > LARGEST_PIECE:
            ReadyBody(self, answer.body).start(wire)
        else:
            write_now(self.transport, wire)
            self.deadline = now + site.limits.keep_alive
        for observer in site.observers:
            observer.repeated(answer, self, request_id)
        return True

    def begin_answer(self, body: ReadyBody | FileAnswering, seconds: float | None) -> None:
        """``body`` is what is being answered, and nothing else, until :meth:`end_answer`; for so long at first."""
        self.requests.append(body)
        self._enter(Phase.HANDLING, seconds)
        self._handlingRequest = True
        self.setRawMode()

    def end_answer(self, body: ReadyBody | FileAnswering) -> None:
        """All of it is with the transport."""
        self.unregisterProducer()
        self.requestDone(body)

    def answer_otherwise(self, body: FileAnswering, data: bytes) -> None:
        """Nothing was sent, and nothing will be: parse the request after all, and then what came behind it."""
        self._dataBuffer.insert(0, data)
        self.persistent = True  # when the site drains, its own answer ends the connection
        self.requestDone(body)

    def allHeadersReceived(self):
        if self.requests and self.length == 0:  # what has a body is more than its head
            self.requests[-1].whole_head = self._head
        self._head = None
        super().allHeadersReceived()
