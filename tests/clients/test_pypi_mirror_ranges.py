"""pip and uv read what large wheels of another index need without anybody fetching the wheels."""

from __future__ import annotations

import hashlib
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest
from attrs import define

from tests.clients.running import environment, run
from tests.daemon_fixtures import Daemon
from tests.mirror.conftest import mirror_settings
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import FakeUpstream, content
from tests.mirror.ranged_upstream import MIB, Ranged

UV = Path(sys.executable).parent / "uv"


def large_wheel(version: str, *needs: str) -> bytes:
    """A real wheel of 12 MiB with its metadata at its end, as wheels have it."""
    info = f"heron_weights-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", "Name: heron-weights", f"Version: {version}"]
    members = {
        "heron_weights/__init__.py": f"VERSION = {version!r}\n".encode(),
        "heron_weights/weights.bin": content(12 * MIB, seed=len(version) + int(version[0])),
        f"{info}/METADATA": "\n".join([*lines, *(f"Requires-Dist: {each}" for each in needs), ""]).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={_told(body)},{len(body)}\n" for name, body in members.items()]
    members[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    file = BytesIO()
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return file.getvalue()


def _told(body: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


@define
class RangedWheel(Ranged):
    """One that has these very bytes."""

    wheel: bytes = b""

    def part(self, start: int, count: int) -> bytes:
        return self.wheel[start : start + count]


@define
class Upstream:
    """An index without metadata beside its wheels; ``wheels`` by version."""

    fake: FakeUpstream
    wheels: dict[str, RangedWheel]


@pytest.fixture(params=["sizes", "no sizes"])
def index(request: pytest.FixtureRequest) -> Iterator[Upstream]:
    fake = FakeUpstream().start()
    project, wheels = FakeProject(fake, "heron-weights"), {}
    # The newest needs what there is not: resolvers look at it, and turn away.
    for version, needs in (("1.0", ()), ("2.0", ("osprey-core>=9",))):
        body = large_wheel(version, *needs)
        wheels[version] = RangedWheel(size=len(body), wheel=body)
        project.add(version, wheels[version])
    other = FakeProject(fake, "osprey-core").publish()
    if request.param == "sizes":
        project.publish()
    else:
        project.publish_html()
        other.more = {"files": []}
    yield Upstream(fake, wheels)
    for wheel in wheels.values():
        wheel.gate.set()
    fake.stop()


@pytest.fixture
def daemon(tmp_path: Path, index: Upstream) -> Iterator[Daemon]:
    running = Daemon(tmp_path / "data", env=mirror_settings(index.fake, anonymous="true")).start()
    yield running
    running.stop()


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_wheels_that_are_not_chosen_are_not_fetched(client: str, daemon: Daemon, index: Upstream, tmp_path: Path):
    """Whatever a resolver looks at costs the end of its file; only what is installed is fetched, and verified."""
    if client == "uv" and not UV.exists():
        pytest.skip("NOT TESTED: uv is not installed in the environment of the tests")
    simple = f"http://localhost:{daemon.port}/v1/engines/pypi/simple/"
    env = environment(tmp_path, PIP_CONFIG_FILE="/dev/null", UV_NO_CONFIG="1", UV_PYTHON_DOWNLOADS="never")
    index.wheels["1.0"].gate.set()
    command: list[Any]
    if client == "pip":
        command = [sys.executable, "-m", "pip", "install", "--use-feature=fast-deps", "--no-cache-dir", "-vv"]
        command += ["--no-input", "--disable-pip-version-check", "--index-url", simple]
    else:
        command = [UV, "pip", "install", "--no-cache", "--python", sys.executable, "--default-index", simple]
    target = tmp_path / "site"
    ran = run(*command, "--only-binary", ":all:", "--target", target, "heron-weights", cwd=tmp_path, env=env).ok()
    shown = run(
        sys.executable, "-c", "import heron_weights as h; print(h.VERSION)", cwd=tmp_path,
        env=environment(tmp_path, PYTHONPATH=str(target)),
    )  # fmt: skip
    assert shown.ok().words.strip() == "1.0"
    assert (target / "heron_weights" / "weights.bin").read_bytes() == content(12 * MIB, seed=4)
    assert index.wheels["2.0"].parts and index.wheels["2.0"].whole == 0, ran.words
    assert index.wheels["1.0"].whole == 1
    with daemon.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM mirrored_files")
        assert cursor.fetchall() == [(1,)]
    connection.close()
