"""A Simple index on the fake upstream: projects of files, as JSON or HTML."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from attrs import define, field

from tests.mirror.fake_upstream import Answer, FakeUpstream, digest_of
from tests.mirror.ranged_upstream import Ranged

JSON = "application/vnd.pypi.simple.v1+json"


def new_name() -> str:
    """The name of a project that nobody else uses; letters and digits, so that it is its own normal form."""
    return f"p{uuid4().hex[:12]}"


@define
class FakeProject:
    """One project of ``upstream``; change it, then :meth:`publish`."""

    upstream: FakeUpstream
    name: str = field(factory=new_name)
    files: list[dict[str, Any]] = field(factory=list)
    headers: dict[str, str] = field(factory=dict)
    more: dict[str, Any] = field(factory=dict)

    @property
    def page_path(self) -> str:
        return f"/simple/{self.name}/"

    def add(self, version: str, answer: Answer | Ranged | bytes, **stated: Any) -> str:
        """
        A wheel of a version; its name.

        :param stated: what the page says of it instead of the truth; None leaves a member out.
        """
        answer = Answer(answer) if isinstance(answer, bytes) else answer
        filename = f"{self.name.replace('-', '_')}-{version}-py3-none-any.whl"
        path = f"/packages/{self.name}/{filename}"
        self.upstream.put(path, answer)
        entry = {
            "filename": filename,
            "url": f"../..{path}",
            "hashes": {} if "hashes" in stated else {"sha256": digest_of(answer)},
            "size": answer.length(),
            "upload-time": "2024-01-02T03:04:05.678901Z",
            "core-metadata": False,
            "yanked": False,
        } | {name.replace("_", "-"): value for name, value in stated.items()}
        self.files.append({name: value for name, value in entry.items() if value is not None})
        return filename

    def file_path(self, filename: str) -> str:
        return f"/packages/{self.name}/{filename}"

    def publish(self) -> FakeProject:
        """Put the page as JSON."""
        page = {"meta": {"api-version": "1.4"}, "name": self.name, "files": self.files, "versions": []} | self.more
        headers = {"Content-Type": JSON, **self.headers}
        self.upstream.put(self.page_path, Answer(json.dumps(page).encode(), 200, headers))
        return self

    def publish_html(self) -> FakeProject:
        """Put the page as HTML without any newer marks, as old servers have it."""
        lines = []
        for file in self.files:
            fragment = "".join(f"#{name}={value}" for name, value in file["hashes"].items())
            lines.append(f'<a href="{file["url"]}{fragment}">{file["filename"]}</a><br>')
        body = f"<!DOCTYPE html><html><body>{''.join(lines)}</body></html>".encode()
        self.upstream.put(self.page_path, Answer(body, 200, {"Content-Type": "text/html", **self.headers}))
        return self
