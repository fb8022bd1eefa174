"""A daemon killed again and again while files are uploaded: what it answered 200 for stays, half of nothing shows."""

from __future__ import annotations

import hashlib
import http.client
import random
import time
import zipfile
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from attrs import define, field

from tests.daemon_fixtures import fetch
from tests.engines.pypi.archives import metadata, zipped
from tests.reactor_thread import ReactorThread
from tests.resilience.conftest import MIB, Registry, eventually
from tests.resilience.storage_at_rest import collect_now, stored_files

ROUNDS = 15
PARALLEL = 6
PACKAGE = "killed-package"


def padded_wheel(version: str, padding: bytes) -> bytes:
    folder = f"killed_package-{version}.dist-info"
    entries = [
        ("killed_package.py", b""),
        ("killed_package.bin", padding),
        (f"{folder}/METADATA", metadata(Name=PACKAGE, Version=version)),
        (f"{folder}/WHEEL", b"Wheel-Version: 1.0\n"),
        (f"{folder}/RECORD", b""),
    ]
    return zipped(entries, compression=zipfile.ZIP_STORED)


@define(eq=False)
class File:
    """One file on its way: ``answered`` once the daemon has said 200."""

    artifact: str
    filename: str
    link: str = field(repr=False)
    content: bytes = field(repr=False)
    answered: bool = False

    def send(self) -> int | None:
        """The status of the answer, None when there was none."""
        try:
            status = fetch("PUT", self.link, self.content).status
        except (OSError, http.client.HTTPException):
            return None
        self.answered = self.answered or status == 200
        return status


class Vendor:
    """Uploads to a registry; ``files`` are those that should be there in the end, ``met`` what the kills met."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.package = registry.admin.make_package(registry.product, PACKAGE, "pypi")
        self.plain = registry.admin.make_release(registry.product, "1.0.0", channel="stable", name="plain files")
        self.files: list[File] = []
        self.met: Counter[str] = Counter()

    def announce(self, number: int, count: int) -> list[File]:
        """Artifacts without bytes: wheels, which are read after they have arrived, and plain files by turns."""
        made = []
        for index in range(count):
            padding = random.randbytes(random.choice((10, MIB // 3, 2 * MIB, 4 * MIB)))
            if index % 2:
                made.append(self._artifact(self.plain, f"file-{number}-{index}.bin", padding))
                continue
            version = f"{number}.{index}.0"
            release = self.registry.admin.make_release(self.registry.product, version, package=self.package)
            name = f"killed_package-{version}-py3-none-any.whl"
            made.append(self._artifact(release, name, padded_wheel(version, padding)))
        return made

    def _artifact(self, release: dict, filename: str, content: bytes) -> File:
        related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
        document = {"data": {"type": "artifacts", "attributes": {"filename": filename}, "relationships": related}}
        answer = self.registry.admin.post("/artifacts", document, Prefer="no-redirect")
        return File(answer.data["id"], filename, answer.headers["Location"], content)

    def interrupted(self, files: list[File], seconds: float) -> None:
        """Send all at once; the daemon is killed in the middle and started again."""
        with ThreadPoolExecutor(PARALLEL) as threads:
            sent: list[Future] = [threads.submit(file.send) for file in files]
            time.sleep(seconds)
            self.registry.kill()
            for each in sent:
                assert each.result() in (200, None)
        self.registry.start()

    def account_for(self, files: list[File]) -> None:
        """What was answered is there; the rest is there completely or not at all, and can be sent again."""
        assert self.registry.incoming() == []
        page = self.index_page()
        for file in files:
            status = self.registry.status_of(file.artifact)
            self.met[f"{'answered' if file.answered else 'cut off'}, {status}"] += 1
            if status in ("PROCESSING", "UPLOADED"):
                self.files.append(file)
                continue
            assert not file.answered, (file, status)
            assert status == "WAITING"
            assert self.registry.admin.as_().get(f"/artifacts/{file.artifact}", Accept="*/*").status in (401, 404)
            assert file.filename.encode() not in page
            if random.random() < 0.5:
                assert file.send() == 200
                self.files.append(file)
            else:
                assert self.registry.admin.delete(f"/artifacts/{file.artifact}").status == 204

    def index_page(self) -> bytes:
        url = f"{self.registry.url}/v1/engines/pypi/simple/{PACKAGE}/"
        return fetch("GET", url, headers={"Accept": "text/html"}).body

    def is_whole(self, file: File) -> bool:
        answer = self.registry.admin.get(f"/artifacts/{file.artifact}", Accept="*/*")
        return answer.status == 200 and answer.body == file.content


@pytest.mark.timeout(400)
def test_killed_again_and_again(registry: Registry, reactor_thread: ReactorThread) -> None:
    vendor = Vendor(registry)
    undisturbed = vendor.announce(0, PARALLEL)
    began = time.monotonic()
    with ThreadPoolExecutor(PARALLEL) as threads:
        assert set(threads.map(File.send, undisturbed)) == {200}
    span = time.monotonic() - began
    vendor.account_for(undisturbed)
    vendor.met.clear()

    for number in range(1, ROUNDS + 1):
        files = vendor.announce(number, PARALLEL)
        vendor.interrupted(files, random.uniform(0, span * 1.2))
        vendor.account_for(files)
    # Kills that always come too early or too late would prove nothing.
    assert any(what.startswith("answered") for what in vendor.met), vendor.met
    assert any(what.startswith("cut off") for what in vendor.met), vendor.met

    # What it had not read when it was killed it reads after the start.
    unfinished = "SELECT id FROM artifacts WHERE id = ANY(%s::uuid[]) AND status <> 'UPLOADED'"
    mine = [file.artifact for file in vendor.files]
    eventually(lambda: registry.sql(unfinished, mine) == [], "all artifacts are UPLOADED")
    eventually(lambda: registry.sql("SELECT 1 FROM processing_jobs") == [], "no job is left")
    assert [file for file in vendor.files if not vendor.is_whole(file)] == []
    listed = vendor.index_page()
    wheels = [file for file in vendor.files if file.content[:2] == b"PK"]
    assert [file for file in wheels if hashlib.sha256(file.content).hexdigest().encode() not in listed] == []

    # Bytes that nobody came to own are on record, and go with the next collection; nothing else does.
    known = {sha256 for (sha256,) in registry.sql("SELECT sha256 FROM blobs")}
    assert set(stored_files(registry)) <= known
    collect_now(registry, reactor_thread)
    wanted = {hashlib.sha256(file.content).hexdigest(): len(file.content) for file in vendor.files}
    referenced = {sha256 for (sha256,) in registry.sql("SELECT sha256 FROM blobs WHERE reference_count > 0")}
    assert stored_files(registry).items() >= wanted.items()
    assert set(stored_files(registry)) == referenced
    assert registry.incoming() == []
