"""A daemon in a temporary directory with a product that everybody may read and one that needs a license."""

from __future__ import annotations

import json
import os
import random
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.daemon_fixtures import Api, Daemon, basic, fetch
from tests.engines.pypi.archives import metadata, zipped

FILES = 100
LICENSE_KEY = "BENCH-KEY-0001"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
KIB, MIB = 1024, 1024 * 1024


def wheel_name(project: str, version: str) -> str:
    return f"{project.replace('-', '_')}-{version}-py3-none-any.whl"


def wheel(project: str, version: str, padding: int = 0) -> bytes:
    """A wheel that names its dependencies as real ones do; ``padding`` in bytes."""
    name = project.replace("-", "_")
    fields = {"Name": project, "Version": version, "Metadata_Version": "2.1", "Summary": "For measurements"}
    if int(version.rpartition(".")[2]) % 2:
        fields["Requires_Python"] = ">=3.9"
    document = metadata(**fields) + b"Requires-Dist: attrs>=23\nRequires-Dist: rich; extra == 'cli'\n" * 10
    folder = f"{name}-{version}.dist-info"
    entries = [
        (f"{name}.bin", random.randbytes(padding)),
        (f"{folder}/METADATA", document),
        (f"{folder}/WHEEL", b"Wheel-Version: 1.0\n"),
        (f"{folder}/RECORD", b""),
    ]
    return zipped(entries, compression=zipfile.ZIP_STORED)


@frozen
class Project:
    """What was published as ``name``: ``files`` by file name; ``authorization`` lets somebody read it, if needed."""

    url: str
    name: str
    files: dict[str, bytes]
    authorization: str | None

    @property
    def page(self) -> str:
        return f"{self.url}/v1/engines/pypi/simple/{self.name}/"

    def headers(self, accept: str = "*/*") -> dict[str, str]:
        return {"Accept": accept} | ({"Authorization": self.authorization} if self.authorization else {})

    def file_url(self, filename: str) -> str:
        """Where the index says that a file is."""
        page = json.loads(fetch("GET", self.page, headers=self.headers(JSON)).body)
        return next(file["url"] for file in page["files"] if file["filename"] == filename)


class FilledRegistry:
    """``projects`` by name: ``open-small`` and ``licensed-small`` have many files, ``...-large`` one of 1 MiB."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        first = json.loads((daemon.data_dir / "first-admin.json").read_text())
        self.admin = Api(daemon.url, first["account"]["id"], f"Bearer {first['token']}")
        self.projects: dict[str, Project] = {}
        for strategy in ("OPEN", "LICENSED"):
            self._fill(strategy)

    def _fill(self, strategy: str) -> None:
        product = self.admin.make_product(strategy)
        authorization = None
        if strategy == "LICENSED":
            self.admin.make_license(self.admin.make_policy(product), key=LICENSE_KEY)
            authorization = basic("license", LICENSE_KEY)
        small, large = f"{strategy.lower()}-small", f"{strategy.lower()}-large"
        versions = [f"1.0.{number}" for number in range(FILES)]
        self._publish(product, small, {version: wheel(small, version, KIB) for version in versions}, authorization)
        self._publish(product, large, {"1.0.0": wheel(large, "1.0.0", MIB)}, authorization)

    def _publish(self, product: dict, name: str, wheels: dict[str, bytes], authorization: str | None) -> None:
        package = self.admin.make_package(product, name, "pypi")

        def one(version: str) -> None:
            release = self.admin.make_release(product, version, package=package)
            self.admin.make_artifact(release, wheel_name(name, version), wheels[version])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(one, wheels))
        files = {wheel_name(name, version): content for version, content in wheels.items()}
        self.projects[name] = Project(self.daemon.url, name, files, authorization)

    def add_file(self, size: int) -> str:
        """Publish one large OPEN file; the URL of its bytes."""
        release = self.admin.make_release(self.admin.make_product("OPEN"))
        artifact = self.admin.make_artifact(release, "large.bin", os.urandom(size))
        return f"{self.admin.base}/artifacts/{artifact['id']}"


@contextmanager
def filled_registry(options: list[str], cores: set[int] | None) -> Iterator[FilledRegistry]:
    """
    Start a daemon and fill it.

    :param options: of ``keygenreg serve``.
    :param cores: where the daemon and its PostgreSQL run once they are filled; ``None``: anywhere.
    """
    with tempfile.TemporaryDirectory(prefix="keygenreg-bench-") as folder:
        daemon = Daemon(Path(folder) / "data", *options).start()
        try:
            registry = FilledRegistry(daemon)
            if cores:
                pin(daemon.process.pid, cores)
            yield registry
        finally:
            daemon.stop()


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process, its threads and its children on some cores."""
    family = [pid]
    for process in family:
        for task in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)
            family += map(int, (task / "children").read_text().split())
