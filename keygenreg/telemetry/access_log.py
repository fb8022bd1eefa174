"""The access log: one line per request, formatted and written in batches, without anybody's secrets."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

_log = Logger()

SECRET_PARAMETERS = re.compile(r"auth|token|pass|secret|key|sig|cred|code|ticket|jwt", re.IGNORECASE)
"""Query parameters whose names contain one of these are logged without their values."""

_UNPRINTABLE = re.compile(r'[^\x20-\x7e]|["\\]')
_BRACKETS = re.compile("%5[bd]", re.IGNORECASE)
_BATCH = 512


class Sink(Protocol):
    """Where lines go: a text file, or standard error."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Finished(Protocol):
    """What is read of a request that has ended; :class:`keygenreg.web.request.EdgeRequest` is one."""

    method: bytes
    uri: bytes
    clientproto: bytes
    code: int
    sentLength: int
    engine: str
    request_id: str
    client_address: str | None
    started: float | None


class Repeated(Protocol):
    """What is read of an answer that was ready; :class:`keygenreg.web.keeping.ready_answers.ReadyAnswer` is one."""

    method: bytes
    target: bytes
    status: int
    length: int
    engine: str
    agent: bytes
    address: str | None


class Connected(Protocol):
    """What is read of a connection; :class:`keygenreg.web.channel.EdgeChannel` is one."""

    transport: Any


def safe_target(uri: str, secret_paths: tuple[str, ...] = ()) -> str:
    """
    A request target as it may be logged: secret parameters lose their values, and below each of ``secret_paths`` (where
    the path itself is a signed permission) only the prefix is shown.
    """
    path, mark, query = uri.partition("?")
    for prefix in secret_paths:
        if path.startswith(prefix) and len(path) > len(prefix):
            path = prefix + "[hidden]"
    return _printable(path + mark + "&".join(_safe_parameter(item) for item in query.split("&")))


def _safe_parameter(item: str) -> str:
    name, equals, _ = item.partition("=")
    # An escaped name could hide a word of the list, and what has no name could be a bare token.
    if "%" in _BRACKETS.sub("", name) or (item and not equals):
        return "[hidden]"
    return f"{name}=[hidden]" if SECRET_PARAMETERS.search(name) else item


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", text)


class AccessLog:
    """
    An observer of :class:`keygenreg.web.site.EdgeSite`.

    A line is: address, time, request line, status, body bytes, seconds, engine, request id, user agent. It is formatted
    when its batch is written: every second, and whenever ``512`` have gathered.
    """

    def __init__(
        self,
        open_sink: Callable[[], Sink],
        clock: IReactorTime,
        *,
        secret_paths: tuple[str, ...] = (),
    ) -> None:
        """``open_sink`` opens the log; it is called again by :meth:`reopen`. ``clock`` gives Unix seconds."""
        self._open_sink = open_sink
        self._clock = clock
        self._secret_paths = secret_paths
        self._waiting: list[tuple] = []
        self._sink: Sink | None = None
        self._flushing = LoopingCall(self.flush)
        self._flushing.clock = clock

    def start(self) -> None:
        self._sink = self._open_sink()
        self._flushing.start(1.0, now=False)

    def stop(self) -> None:
        """Write what waits; the log can be started again."""
        if self._flushing.running:
            self._flushing.stop()
        self.flush()
        self._close()

    def reopen(self) -> None:
        """Go on in a new file, after the old one was moved away; in the old one where there cannot be a new one."""
        if self._sink is None:
            return
        self.flush()
        try:
            fresh = self._open_sink()
        except OSError:
            _log.failure("The access log cannot be opened again")
            return
        self._close()
        self._sink = fresh

    def _close(self) -> None:
        sink, self._sink = self._sink, None
        close = getattr(sink, "close", None)
        if close is not None and not getattr(sink, "isatty", bool)():
            close()

    def began(self, request: Finished) -> None:
        """Nothing is written before a request has ended."""

    def ended(self, request: Finished) -> None:
        now = self._clock.seconds()
        self._waiting.append(
            (
                request.client_address or getattr(request.getClientAddress(), "host", "-"),
                now,
                request.method,
                request.uri,
                request.clientproto,
                request.code,
                request.sentLength,
                0.0 if request.started is None else now - request.started,
                request.engine,
                request.request_id,
                (request.requestHeaders.getRawHeaders(b"User-Agent") or (b"-",))[0],
            )
        )
        if len(self._waiting) >= _BATCH:
            self.flush()

    def repeated(self, answer: Repeated, channel: Connected, request_id: bytes) -> None:
        self._waiting.append(
            (
                answer.address or getattr(channel.transport.getPeer(), "host", "-"),
                self._clock.seconds(),
                answer.method,
                answer.target,
                b"HTTP/1.1",
                answer.status,
                answer.length,
                0.0,
                answer.engine,
                request_id.decode("ascii"),
                answer.agent,
            )
        )
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the lines that wait. A log that cannot be written costs its lines, never a request."""
        if not self._waiting or self._sink is None:
            return
        waiting, self._waiting = self._waiting, []
        try:
            self._sink.write("".join([self._line(*entry) for entry in waiting]))
            self._sink.flush()
        except (OSError, ValueError):
            _log.failure("{count} lines of the access log are lost", count=len(waiting))

    def _line(self, host, now, method, uri, version, code, size, seconds, engine, request_id, agent) -> str:
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        target = safe_target(uri.decode("latin-1"), self._secret_paths)
        verb, protocol = _printable(method.decode("latin-1")), _printable(version.decode("latin-1"))
        agent = _printable(agent.decode("latin-1"))
        return (
            f'{host} {moment} "{verb} {target} {protocol}" {code} {size} {seconds:.4f} '
            f'{engine} {request_id} "{agent}"\n'
        )
