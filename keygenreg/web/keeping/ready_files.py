"""
Files whose answers are ready: the head of an answer, and which stored file follows it.

The key is the head of a request as it arrived, with its credentials, but without Range and conditions: these are
applied each time, as :mod:`keygenreg.web.files.blob_stream` applies them. What is rare (several ranges, one beyond the
end) is left to it. Like other ready answers they are given while their guard holds, and kept in the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define
from twisted.web.http import Request
from twisted.web.http_headers import Headers as HeaderFields

from keygenreg.caches.generations import Guard
from keygenreg.formats.byte_range import Unsatisfiable, parse_ranges
from keygenreg.formats.conditional import Outcome, evaluate, range_applies
from keygenreg.storage.interface import BlobStore
from keygenreg.web.files.blob_stream import plan
from keygenreg.web.files.open_files import OpenFiles
from keygenreg.web.keeping.ready_answers import (
    LARGEST_PIECE,
    LONGEST_HEAD,
    LONGEST_LIFE,
    Given,
    ReadyAnswers,
    address_of,
    agent_of,
    field_lines,
    start_of,
)
from keygenreg.web.keeping.varying_fields import NOTHING, VARYING, is_told_by, taken_apart
from keygenreg.web.limits import Limits
from keygenreg.web.reply import BlobReply
from keygenreg.web.response_head import replace_fields, without_content

#: No request ends with it, so no other answer has such a key.
_MARK = b"\2"
_STARTS = {status: start_of(status) for status in (200, 206, 304)}


@define(eq=False)
class FileAnswer:
    """
    One file for one request, however much of it is asked for.

    ``whole``, ``part`` and ``unchanged`` follow the request's id in answers with 200, 206 and 304; in ``part`` the
    values of Content-Range and Content-Length are left to be filled in. The rest is as in
    :class:`~keygenreg.web.keeping.ready_answers.ReadyAnswer`, ``each`` as in ``Keeping``.
    """

    key: bytes
    guard: Guard
    until: float
    each: Callable[[], object] | None
    sha256: str
    size: int
    etag: str
    modified: float | None
    whole: bytes
    part: bytes
    unchanged: bytes
    engine: str
    method: bytes
    target: bytes
    agent: bytes
    address: str | None

    def judge(self, fields: dict[str, str]) -> tuple[int, range] | None:
        """
        Status and span of the file; None where the request has to go the long way.

        :param fields: Range and conditions of the request.
        """
        reading = self.method == b"GET"
        asked = fields.get("Range")
        if asked is None or len(fields) > 1:
            method, validators = self.method.decode("ascii"), {"etag": self.etag, "last_modified": self.modified}
            outcome = evaluate(fields.get, method=method, **validators) if fields else Outcome.PROCEED
            if outcome is Outcome.NOT_MODIFIED:
                return 304, range(0)
            if asked is not None and not range_applies(fields.get("If-Range"), **validators):
                asked = None
        if not reading:
            return 200, range(0)
        if asked is None:
            return 200, range(self.size)
        try:
            spans = parse_ranges(asked, self.size)
        except Unsatisfiable:
            return None
        if spans is None:
            return 200, range(self.size)
        return (206, spans[0]) if len(spans) == 1 else None

    def given(self, status: int, length: int) -> Given:
        """For observers."""
        return Given(status, length, self.engine, self.method, self.target, self.agent, self.address)


class ReadyFiles:
    """
    What one web process keeps of them.

    :param ready: whose memory is used.
    :param blobs: where the files are.
    :param scratch: where what is sent at once may be read to.
    """

    def __init__(self, ready: ReadyAnswers, blobs: BlobStore, limits: Limits) -> None:
        self._ready = ready
        self._limits = limits
        self.open = OpenFiles(blobs)
        self.scratch = memoryview(bytearray(LARGEST_PIECE))

    def find(self, head: bytes, now: float) -> tuple[FileAnswer, dict[str, str]] | None:
        """The answer to a whole head, if there is one that still counts at ``now``, and what it is to be judged by."""
        key, fields = taken_apart(head)
        answer = self._ready.find(key + _MARK, now)
        return None if answer is None else (answer, fields)

    def still_counts(self, answer: FileAnswer, now: float) -> bool:
        """Whether an answer that was found before would be found again."""
        return self._ready.find(answer.key, now) is answer

    def forget(self, answer: FileAnswer) -> None:
        """It was of no use."""
        self._ready.forget(answer.key)

    def head(self, answer: FileAnswer, status: int, span: range, now: float) -> tuple[bytes, bytes]:
        """The head of an answer, to its end, and the request's id."""
        date, request_id = self._ready.stamp(now)
        if status == 206:
            rest = answer.part % (span.start, span.stop - 1, answer.size, len(span))
        else:
            rest = answer.whole if status == 200 else answer.unchanged
        return b"".join((_STARTS[status], date, b"\r\nX-Request-Id: ", request_id, rest)), request_id

    def remember(self, request: Request, reply: BlobReply, now: float) -> None:
        """Keep what a request is being answered with, where that may be and can be; before its head is set."""
        sha256, keeping = getattr(reply.blob, "sha256", None), request.keeping
        if sha256 is None or request.method not in (b"GET", b"HEAD") or not self._has_room(request):
            return
        head, fields = taken_apart(request.whole_head)
        key = head + _MARK
        if not is_told_by(fields, request.requestHeaders) or not self._ready.may_keep(key, request, keeping, now):
            return
        whole, part, unchanged = _rests(request, reply)
        if request.request_id.encode("ascii") in whole:
            return  # it is told elsewhere than in the field that is written anew
        answer = FileAnswer(
            key=key,
            guard=keeping.guard,
            until=min(keeping.until, now + LONGEST_LIFE),
            each=keeping.each,
            sha256=sha256,
            size=reply.blob.size,
            etag=reply.etag,
            modified=reply.last_modified,
            whole=whole,
            part=part,
            unchanged=unchanged,
            engine=request.engine,
            method=request.method,
            target=request.uri,
            agent=agent_of(request),
            address=address_of(request),
        )
        self._ready.put(key, answer, 2 * len(key) + len(whole) + len(part) + len(unchanged))

    def _has_room(self, request: Request) -> bool:
        """Whether a head that is small enough to be kept stays within bounds whatever varying fields are added."""
        count = sum(len(values) for _, values in request.requestHeaders.getAllRawHeaders())
        return count + len(VARYING) <= self._limits.head_count and self._limits.head_bytes >= LONGEST_HEAD


def _rests(request: Request, reply: BlobReply) -> tuple[bytes, bytes, bytes]:
    """What follows the request's id with 200, 206 and 304, as :mod:`keygenreg.web.files.blob_stream` would have it."""
    headers = plan(reply, method="GET", header=NOTHING.get, incident="").headers
    whole = _lines(request, headers)
    part = [line.replace(b"%", b"%%") for line in whole]
    ranged = [*part, b"Content-Range: bytes %d-%d/%d", b"Content-Length: %d"]
    unchanged = _lines(request, without_content(headers))
    return _joined([*whole, b"Content-Length: %d" % reply.blob.size]), _joined(ranged), _joined(unchanged)


def _lines(request: Request, headers: Iterable[tuple[str, str]]) -> list[bytes]:
    fields = HeaderFields(dict(request.responseHeaders.getAllRawHeaders()))
    replace_fields(fields, headers)
    return field_lines(fields)


def _joined(lines: list[bytes]) -> bytes:
    return b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"
