"""A source of gems on loopback: what it lists and has is what a test puts there, right or wrong."""

from __future__ import annotations

import hashlib
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


class FakeSource:
    """All gems of the fake; ``lines`` are those of its list of versions."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self.upstream = upstream
        self.lines: list[str] = []
        self.list()

    def list(self, *, etag: str | None = None, head: str = "created_at: 2026-01-02T03:04:05Z\n") -> None:
        """Serve the list of versions as it is now."""
        body = head + "---\n" + "".join(f"{line}\n" for line in self.lines)
        self.upstream.put(f"{ROOT}/versions", Answer(body.encode(), headers={"ETag": etag} if etag else {}))


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
