"""A blocking client of a registry's JSON:API, for commands; made of the standard library's HTTP alone."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from attrs import field, frozen

from keygenreg import __version__

MEDIA_TYPE = "application/vnd.api+json"
_PATIENCE = 60.0
#: A store may take its time to make five gigabytes durable.
_UPLOAD_PATIENCE = 600.0
#: Seconds before each further attempt when the registry is busy.
_WAITS = (1.0, 2.0, 5.0, 15.0)


class RegistryError(Exception):
    """The registry refuses, or cannot be reached; the text is for the person at the terminal."""


@frozen
class Refused(RegistryError):
    """An error answer; ``codes`` are the machine words of its errors, ``text`` all of them in sentences."""

    status: int
    codes: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        advice = {
            401: "The registry does not accept these credentials; set KEYGENREG_TOKEN or --token to a valid token.",
            403: "The registry knows this token, but it may not do that; use an administrator's, developer's or the "
            "product's own token.",
        }.get(self.status)
        return f"{self.text} ({self.status})" + (f"\n{advice}" if advice else "")


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Redirects are answers: credentials must not follow them."""

    def redirect_request(self, *_: Any) -> None:
        return None


@frozen
class Answer:
    """A good answer: its document (``None`` without a body) and headers."""

    document: Any
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:
        return self.document["data"]


@frozen
class RegistryClient:
    """
    :param url: scheme, host, port and perhaps a path of the registry.
    :param account: id or slug of the account; ``None`` where the registry has only one.
    :param sleep: waits for some seconds.
    """

    url: str
    account: str | None
    token: str = field(repr=False)
    _sleep: Callable[[float], None] = field(default=time.sleep, kw_only=True, repr=False)
    _opener: urllib.request.OpenerDirector = field(
        factory=lambda: urllib.request.build_opener(_StayHere), init=False, repr=False, eq=False
    )

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistryError(f"{self.url!r} is no URL of a registry; it looks like https://registry.example.com")

    def get(self, path: str, **query: str) -> Answer:
        """A record or list; ``path`` begins with a slash and is below the account."""
        return self.request("GET", path, query=query)

    def find(self, path: str, **query: str) -> Any | None:
        """The ``data`` of a record, ``None`` when the registry says that there is none."""
        try:
            return self.request("GET", path, query=query).data
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def request(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        One request; waits and tries again while the registry asks for that (429 and 503).

        :raises RegistryError: another answer than 2xx, or none at all.
        """
        base = self.url.rstrip("/") + "/v1" + (f"/accounts/{quote(self.account, safe='')}" if self.account else "")
        sent = {"Authorization": f"Bearer {self.token}", "Accept": MEDIA_TYPE, "Prefer": "no-download"}
        body = None
        if document is not None:
            sent["Content-Type"] = MEDIA_TYPE
            body = json.dumps(document).encode()
        target = base + path + (f"?{urlencode(query)}" if query else "")
        waits = list(_WAITS)
        while True:
            request = urllib.request.Request(target, body, sent | dict(headers or {}), method=method)
            try:
                return self._answer(request, _PATIENCE)
            except Refused as error:
                if error.status not in (429, 503) or not waits:
                    raise
            self._sleep(waits.pop(0))

    def upload(self, url: str, chunks: Iterable[bytes], size: int) -> None:
        """
        PUT the bytes of a file to an upload URL, which needs no credentials.

        :raises RegistryError: the bytes were not stored.
        """
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._answer(urllib.request.Request(url, chunks, headers, method="PUT"), _UPLOAD_PATIENCE)

    def _answer(self, request: urllib.request.Request, patience: float) -> Answer:
        request.add_header("User-Agent", f"keygenreg/{__version__}")
        try:
            with self._opener.open(request, timeout=patience) as response:
                body = response.read()
                document = json.loads(body) if body and "json" in response.headers.get("Content-Type", "") else None
                return Answer(document, response.headers)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(), request) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, (BrokenPipeError, ConnectionResetError)):
                raise RegistryError(f"{_place(request)} broke off the connection: {error.reason}") from None
            reason = getattr(error.reason, "strerror", None) or str(error.reason)
            raise RegistryError(f"{_place(request)} cannot be reached: {reason}") from None
        except (OSError, http.client.HTTPException) as error:
            raise RegistryError(f"{_place(request)} broke off the connection: {error}") from None
        except ValueError:
            raise RegistryError(f"{_place(request)} answered with something that is not JSON") from None


def _place(request: urllib.request.Request) -> str:
    """The registry's address without paths, as those of uploads are secret."""
    return f"{request.type}://{request.host}"


def _refusal(status: int, body: bytes, request: urllib.request.Request) -> RegistryError:
    try:
        errors = json.loads(body)["errors"]
        codes = tuple(str(error["code"]) for error in errors if error.get("code"))
        text = "\n".join(_sentence(error) for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        codes, text = (), body.decode("utf-8", "replace").strip()[:500]
    if 300 <= status < 400:
        text = f"{_place(request)} redirects to another address; use that one as KEYGENREG_URL"
    return Refused(status, codes, text or f"{_place(request)} refused without a reason")


def _sentence(error: Mapping[str, Any]) -> str:
    source = error.get("source") or {}
    where = source.get("pointer") or source.get("parameter") or source.get("header")
    code = error.get("code")
    return f"{error['title']}: {error['detail']}" + "".join(f" [{part}]" for part in (where, code) if part)
