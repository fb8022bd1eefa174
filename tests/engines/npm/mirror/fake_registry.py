"""An npm registry on the fake upstream: packages with versions, in full and abbreviated alike."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from attrs import define, field

from tests.engines.npm.tarballs import package as tarball_of
from tests.mirror.fake_index import new_name
from tests.mirror.fake_upstream import Answer, FakeUpstream

LONG_AGO = "2020-01-02T03:04:05.678Z"


@define
class FakePackage:
    """One package of ``upstream``; change it, then :meth:`publish`."""

    upstream: FakeUpstream
    name: str = field(factory=new_name)
    versions: dict[str, Any] = field(factory=dict)
    time: dict[str, str] = field(factory=dict)
    tags: dict[str, str] = field(factory=dict)
    headers: dict[str, str] = field(factory=dict)
    more: dict[str, Any] = field(factory=dict)

    @property
    def path(self) -> str:
        return f"/npm/{self.name.replace('/', '%2f')}"

    def tarball_path(self, version: str) -> str:
        return f"/npm/{self.name}/-/{self.name.rpartition('/')[2]}-{version}.tgz"

    def add(
        self, version: str, answer: Answer | bytes | None = None, *, published: str = LONG_AGO,
        dist: dict[str, Any] | None = None, **members: Any,
    ) -> bytes:  # fmt: skip
        """
        A version, and its tarball's bytes.

        :param dist: what the document says of the tarball instead of the truth; None leaves a member out.
        """
        if answer is None:
            answer = tarball_of(self.name, version, **members)
        answer = answer if isinstance(answer, Answer) else Answer(answer)
        self.upstream.put(self.tarball_path(version), answer)
        body = answer.part(0, answer.length())
        stated = {
            "tarball": f"{self.upstream.url}{self.tarball_path(version)[1:]}",
            "shasum": hashlib.sha1(body).hexdigest(),
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(body).digest()).decode(),
        } | (dist or {})
        stated = {name: value for name, value in stated.items() if value is not None}
        self.versions[version] = {"name": self.name, "version": version, **members, "dist": stated}
        self.time[version] = published
        self.tags["latest"] = version
        return body

    @property
    def document(self) -> dict[str, Any]:
        time = {"created": LONG_AGO, "modified": LONG_AGO, **self.time}
        members = {"_id": self.name, "_rev": "1-a", "name": self.name, "dist-tags": self.tags, "time": time}
        return members | {"versions": self.versions} | self.more

    def publish(self) -> FakePackage:
        return self.answer(json.dumps(self.document).encode())

    def answer(self, body: bytes, **how: Any) -> FakePackage:
        """Give any bytes as the package's document; ``how`` as of :class:`Answer`."""
        headers = {"Content-Type": "application/json"} | self.headers | how.pop("headers", {})
        self.upstream.put(self.path, Answer(body, headers=headers, **how))
        return self

    @property
    def asked(self) -> int:
        """How often the document was asked for."""
        return len(self.upstream.requests(self.path))

    def fetched(self, version: str) -> int:
        """How often a tarball was."""
        return len(self.upstream.requests(self.tarball_path(version)))
