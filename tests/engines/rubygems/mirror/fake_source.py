"""A source of gems on loopback: what it lists and has is what a test puts there, right or wrong."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from itertools import count
from typing import Any

from keygenreg.engines.rubygems.gemspec_yaml import read_gemspec
from keygenreg.engines.rubygems.spec_index import quick
from tests.engines.rubygems.gems import gem, specification
from tests.mirror.fake_upstream import Answer, FakeUpstream

ROOT = "/source"
_names = count(1)


def fresh_name(prefix: str = "p") -> str:
    """A name that no other test has."""
    return f"{prefix}-{next(_names)}"


def info_line(label: str, content: bytes, *, needs: str = "", uploaded: str | None = None) -> str:
    digest = hashlib.sha256(content).hexdigest()
    created = "" if uploaded is None else f",created_at:{uploaded}"
    return f"{label} {needs}|checksum:{digest},ruby:>= 2.0{created}"


class Ranged:
    """A list that is answered as sources of gems do: by tag, by range, with the digest of the whole."""

    def __init__(self, body: bytes, wrong: dict[str, str | None]) -> None:
        self.body = body
        self.headers = {
            "ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"',
            "Repr-Digest": f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:",
            "Cache-Control": "max-age=60, public",
        } | wrong

    def __call__(self, handler: Any) -> None:
        headers, start = handler.headers, 0
        asked = (headers.get("Range") or "").removeprefix("bytes=").removesuffix("-")
        if headers.get("If-None-Match") == self.headers["ETag"]:
            status = 304
        elif not asked:
            status = 200
        else:
            start = int(asked)
            status = 206 if start < len(self.body) else 416
        part = self.body[start:] if status in (200, 206) else b""
        handler.send_response(status)
        stated = {"Content-Range": f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"} if status == 206 else {}
        for name, value in (self.headers | stated | {"Content-Length": str(len(part))}).items():
            if value is not None:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(part)


class FakeSource:
    """All gems of the fake; ``lines`` are those of its list of versions."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self.upstream = upstream
        self.lines: list[str] = []
        self.list()

    def list(self, *, etag: str | None = None, head: str = "created_at: 2026-01-02T03:04:05Z\n") -> None:
        """Serve the list of versions as it is now."""
        self.upstream.put(f"{ROOT}/versions", Answer(self.body(head), headers={"ETag": etag} if etag else {}))

    def list_ranged(self, **wrong: Any) -> bytes:
        """The same from a server that knows ranges; the list. ``wrong`` headers take the place of right ones."""
        body = self.body()
        self.upstream.put(f"{ROOT}/versions", Ranged(body, {name.replace("_", "-"): wrong[name] for name in wrong}))
        return body

    def body(self, head: str = "created_at: 2026-01-02T03:04:05Z\n") -> bytes:
        return (head + "---\n" + "".join(f"{line}\n" for line in self.lines)).encode()


class FakeGem:
    """One gem of a source."""

    def __init__(self, source: FakeSource, name: str | None = None) -> None:
        self.source = source
        self.upstream = source.upstream
        self.name = fresh_name() if name is None else name
        self.lines: dict[str, str] = {}
        self.contents: dict[str, bytes] = {}

    def add(self, version: str = "1.0.0", *, content: bytes | None = None, needs: str = "",
            uploaded: str | None = None, **wrong: Any) -> bytes:  # fmt: skip
        """A version with its file and specification; ``wrong`` are of :class:`Answer`, for the file."""
        content = gem(self.name, version) if content is None else content
        self.lines[version] = info_line(version, content, needs=needs, uploaded=uploaded)
        self.contents[version] = content
        self.upstream.put(self.path(version), Answer(content, **wrong))
        self.upstream.put(
            f"{ROOT}/quick/Marshal.4.8/{self.name}-{version}.gemspec.rz",
            Answer(quick(read_gemspec(specification(self.name, version)))),
        )
        return content

    def path(self, version: str) -> str:
        return f"{ROOT}/gems/{self.name}-{version}.gem"

    def info(self) -> bytes:
        return ("---\n" + "".join(f"{line}\n" for line in self.lines.values())).encode()

    def put_info(self, **answer: Any) -> None:
        body = answer.pop("body", self.info())
        self.upstream.put(f"{ROOT}/info/{self.name}", Answer(body, **answer))

    def publish(self) -> FakeGem:
        """Serve its document, and append it to the list of versions."""
        self.put_info()
        digest = hashlib.md5(self.info(), usedforsecurity=False).hexdigest()
        self.source.lines.append(f"{self.name} {','.join(self.lines)} {digest}")
        self.source.list()
        return self
