"""The updaters of Tauri 1 and 2 as far as a server meets them, written after their protocol.

What they send, which answers they take, how they compare versions, and what they do with a signature; installing is
left out. It runs at once; the plugin itself, which takes minutes to compile, runs in ``test_tauri_crate.py``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.daemon_fixtures import Answer, basic, fetch

_SEMVER = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_SENSITIVE = ("Authorization", "Cookie")


class UpdateError(Exception):
    """What the app is told."""


def precedence(version: str) -> tuple:
    """Sort key of Semantic Versioning 2.0.0, section 11."""
    match = _SEMVER.fullmatch(version)
    if match is None:
        raise UpdateError(f"{version!r} is no semantic version")
    pre = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match[4] or "").split(".") if part]
    return (*map(int, match.groups()[:3]), not pre, pre)


@frozen
class Update:
    """An update that was found."""

    version: str
    notes: str | None
    url: str
    signature: str


@frozen
class Updater:
    """
    An app that looks for updates.

    :ivar endpoints: with ``{{target}}`` and so on, tried in order.
    :ivar headers: those that the app sets; they are sent both times.
    :ivar public_key: as in ``tauri.conf.json``.
    """

    endpoints: tuple[str, ...]
    current_version: str
    public_key: str
    headers: dict[str, str] = {}
    generation: int = 2
    platform: str = "linux"
    arch: str = "x86_64"
    bundle_type: str | None = None

    @property
    def user_agent(self) -> str:
        return "tauri/updater" if self.generation == 1 else "tauri-plugin-updater/2.10.0"

    def check(self) -> Update | None:
        """:raises UpdateError: no endpoint gave an answer that it understands."""
        reason = "no endpoint"
        for endpoint in self.endpoints:
            answer = self._get(self._filled(endpoint), "application/json")
            if answer.status == 204:
                return None
            if not 200 <= answer.status < 300:
                reason = f"{answer.status}: {answer.body.decode()}"
                continue
            found = self._parsed(answer.json)
            return found if precedence(found.version) > precedence(self.current_version) else None
        raise UpdateError(reason)

    def download(self, update: Update) -> bytes:
        """:raises UpdateError: it cannot be had, or is not what the vendor signed."""
        answer = self._get(update.url, "application/octet-stream")
        if not 200 <= answer.status < 300:
            raise UpdateError(f"download failed with {answer.status}")
        if int(answer.headers["Content-Length"]) != len(answer.body):
            raise UpdateError("the progress bar would be wrong")
        verify(answer.body, update.signature, self.public_key)
        return answer.body

    def _filled(self, endpoint: str) -> str:
        values = {
            "current_version": quote(self.current_version, safe="-._~"),
            "target": self.platform,
            "arch": self.arch,
            "bundle_type": self.bundle_type or "unknown",
        }
        for name, value in values.items():
            endpoint = endpoint.replace(f"{{{{{name}}}}}", value)
        return endpoint

    def _get(self, url: str, accept: str) -> Answer:
        """As its HTTP library: user names in the address become Basic; secrets do not go to another host."""
        headers = {"User-Agent": self.user_agent, "Accept": accept} | self.headers
        for _ in range(_MOST_REDIRECTS):
            parts = urlsplit(url)
            if parts.username is not None:
                headers["Authorization"] = basic(parts.username, parts.password or "")
                url = url.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
            answer = fetch("GET", url, headers=headers)
            if answer.status not in _REDIRECTS:
                return answer
            target = urljoin(url, answer.headers["Location"])
            if urlsplit(target).netloc != urlsplit(url).netloc:
                headers = {name: value for name, value in headers.items() if name not in _SENSITIVE}
            url = target
        raise UpdateError("too many redirects")

    def _parsed(self, document: dict[str, Any]) -> Update:
        version = document.get("version", document.get("name")).removeprefix("v")
        precedence(version)
        if document.get("pub_date") is not None:
            datetime.fromisoformat(document["pub_date"].replace("Z", "+00:00"))
        if "url" in document:
            found = document
        else:
            for entry in document["platforms"].values():
                self._checked(entry)
            keys = [f"{self.platform}-{self.arch}"]
            if self.bundle_type and self.generation == 2:
                keys.insert(0, f"{self.platform}-{self.arch}-{self.bundle_type}")
            found = next((document["platforms"][key] for key in keys if key in document["platforms"]), None)
            if found is None:
                raise UpdateError(f"none of {keys} is in the document")
        self._checked(found)
        return Update(version, document.get("notes"), found["url"], found["signature"])

    @staticmethod
    def _checked(entry: dict[str, Any]) -> None:
        if not isinstance(entry["signature"], str) or not urlsplit(entry["url"]).scheme:
            raise UpdateError(f"malformed: {entry}")


def verify(content: bytes, signature: str, public_key: str) -> None:
    """Check a minisign signature. :raises UpdateError, InvalidSignature: it is not of these bytes by this key."""
    key = base64.b64decode(base64.b64decode(public_key).decode().splitlines()[1])
    lines = base64.b64decode(signature).decode().splitlines()
    made, whole = base64.b64decode(lines[1]), base64.b64decode(lines[3])
    if made[2:10] != key[2:10]:
        raise UpdateError("signed with another key")
    signer = Ed25519PublicKey.from_public_bytes(key[10:])
    signed = hashlib.blake2b(content).digest() if made[:2] == b"ED" else content
    signer.verify(made[10:], signed)
    signer.verify(whole, made[10:] + lines[2].removeprefix("trusted comment: ").encode())
