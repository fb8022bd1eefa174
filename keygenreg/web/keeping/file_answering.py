"""
A file on its way that was asked for before, without a request of twisted.web's.

What fits into one piece is read from the page cache and sent at once. Everything else (larger, not in the page cache,
not open yet, a socket that is full) is a :class:`FileAnswering`, which to its channel, to the senders of files and to
observers is the request that is being answered.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure as Reason
from twisted.web.http_headers import Headers

from keygenreg.domain.failures import Failure
from keygenreg.web.files.open_files import OpenedFile
from keygenreg.web.files.sending_body import send_body
from keygenreg.web.keeping.immediate_write import write_now
from keygenreg.web.keeping.ready_answers import LARGEST_PIECE
from keygenreg.web.request import CLIENT_GONE

if TYPE_CHECKING:
    from keygenreg.web.keeping.ready_channel import ReadyChannel
    from keygenreg.web.keeping.ready_files import FileAnswer

_log = Logger()


def give_file(channel: ReadyChannel, data: bytes, head: bytes, now: float) -> bool:
    """
    Answer with a file, if the answer to what arrived is one that is ready.

    :param data: what arrived, a whole head; ``head``: with the kind of connection at its end.
    :param now: Unix seconds.
    """
    site = channel.site
    found = site.files.find(head, now)
    if found is None:
        return False
    answer, fields = found
    judged = answer.judge(fields)
    if judged is None:
        return False
    status, span = judged
    piece: memoryview | bytes | None = b""
    if span:
        file = site.files.open.get(answer.sha256, now)
        if file is None or file.size != answer.size:
            FileAnswering(channel, answer, status, span).open(data)
            return True
        piece = _piece(file, span, site.files.scratch)
        if piece is None:
            FileAnswering(channel, answer, status, span).send(file)
            return True
    wire, request_id = site.files.head(answer, status, span, now)
    if span:
        write_now(channel.transport, wire, piece)
    else:
        write_now(channel.transport, wire)
    channel.deadline = now + site.limits.keep_alive
    given = answer.given(status, len(span))
    for observer in site.observers:
        observer.repeated(given, channel, request_id)
    if answer.each is not None:
        answer.each()
    return True


def _piece(file: OpenedFile, span: range, scratch: memoryview) -> memoryview | None:
    """The bytes of a span, if they are few and in the page cache: nothing waits for the disk here."""
    size = len(span)
    if size > LARGEST_PIECE:
        return None
    try:
        read = os.preadv(file.fd, (scratch[:size],), span.start, os.RWF_NOWAIT)
    except OSError:
        return None  # not there, or the file system cannot tell: the sender will know
    return scratch[:size] if read == size else None


class FileAnswering:
    """
    One of them.

    Has the names of :class:`keygenreg.web.request.EdgeRequest` that senders and observers use.
    """

    upload = None
    counted = False
    code = 0
    sentLength = 0
    clientproto = b"HTTP/1.1"

    def __init__(self, channel: ReadyChannel, answer: FileAnswer, status: int, span: range) -> None:
        self.channel = channel
        self.started = channel.site.reactor.seconds()
        self._answer = answer
        self._status = status
        self._span = span
        self._head, request_id = channel.site.files.head(answer, status, span, self.started)
        self.request_id = request_id.decode("ascii")
        self._ended = False
        self._leaving: list[Deferred[Any]] = []

    # What observers read

    @property
    def method(self) -> bytes:
        return self._answer.method

    @property
    def uri(self) -> bytes:
        return self._answer.target

    @property
    def engine(self) -> str:
        return self._answer.engine

    @property
    def client_address(self) -> str | None:
        return self._answer.address

    @property
    def requestHeaders(self) -> Headers:
        return Headers({b"User-Agent": [self._answer.agent]})

    def getClientAddress(self) -> Any:
        return self.channel.transport.getPeer()

    # The way of a file

    def open(self, data: bytes) -> None:
        """
        Open the file, then send it; the channel is idle.

        :param data: the request as it arrived: if there is no such file, it goes the long way.
        """
        site = self.channel.site
        self.channel.begin_answer(self, None)
        opening = Deferred.fromCoroutine(site.files.open.open(self._answer.sha256, site.reactor.seconds()))
        opening.addCallbacks(self._opened, self._not_opened, (data,), None, (data,))
        opening.addErrback(self._broken)

    def send(self, file: OpenedFile) -> None:
        """Send from an open file; the channel is idle."""
        self.channel.begin_answer(self, None)
        self._send(file)

    def _opened(self, file: OpenedFile, data: bytes) -> None:
        if self._ended:
            return
        site, answer = self.channel.site, self._answer
        if file.size == answer.size and site.files.still_counts(answer, site.reactor.seconds()):
            self._send(file)
        else:
            self._otherwise(data)

    def _not_opened(self, reason: Reason, data: bytes) -> None:
        reason.trap(Failure)
        if not self._ended:
            self._otherwise(data)

    def _otherwise(self, data: bytes) -> None:
        self.channel.site.files.forget(self._answer)
        self._ended = True
        self.channel.answer_otherwise(self, data)

    def _broken(self, reason: Reason) -> None:
        _log.failure("A file could not be sent", failure=reason)
        self.channel.transport.abortConnection()

    def _send(self, file: OpenedFile) -> None:
        self.code = self._status
        self.channel.site.request_begins(self)
        if self._answer.each is not None:
            self._answer.each()
        self.channel.still_sending()
        file.hold()
        send_body(self, [self._span], fd=file.fd, on_close=file.release)

    # What senders call

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.channel.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.channel.unregisterProducer()

    def notifyFinish(self) -> Deferred[Any]:
        """Fails when the client leaves."""
        leaving: Deferred[Any] = Deferred()
        self._leaving.append(leaving)
        return leaving

    def write(self, data: bytes) -> None:
        """The head goes before the first bytes."""
        head, self._head = self._head, b""
        self.sentLength += len(data)
        if head:
            self.channel.transport.writeSequence((head, data) if data else (head,))
        elif data:
            self.channel.transport.write(data)

    def finish(self) -> None:
        """All of it is with the transport."""
        self._ended = True
        self._leaving.clear()  # what waits there holds this
        self.channel.site.log(self)
        self.channel.end_answer(self)

    def connectionLost(self, reason: Reason) -> None:
        """The client left before the answer was complete."""
        if self._ended:
            return
        self._ended = True
        self.code = CLIENT_GONE
        leaving, self._leaving = self._leaving, []
        for each in leaving:
            each.errback(reason)
        self.channel.site.log(self)
