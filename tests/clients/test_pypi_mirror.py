"""pip and uv with the daemon as their only index, which passes other indexes through."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from tests.clients.running import Ran, environment, run
from tests.daemon_fixtures import Account, Daemon, free_port
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import Answer, FakeUpstream

UV = Path(sys.executable).parent / "uv"
PUBLIC = ["jinja2", "iniconfig"]
"""Real packages, one of which needs another one."""


def build_wheel(folder: Path, name: str, version: str, *needs: str) -> Path:
    """A real wheel of a small project, built by pip and setuptools."""
    source = folder / f"{name}-{version}"
    module = name.replace("-", "_")
    (source / module).mkdir(parents=True)
    (source / module / "__init__.py").write_text(f"VERSION = {version!r}\n")
    (source / "pyproject.toml").write_text(
        dedent(f"""\
        [build-system]
        requires = ["setuptools>=70.1"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "{name}"
        version = "{version}"
        dependencies = {list(needs)!r}
        """)
    )
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", wheels, source]
    subprocess.run([str(word) for word in command], check=True)
    (wheel,) = wheels.glob(f"{module}-{version}-*.whl")
    return wheel


class PypiServer:
    """pypiserver on loopback, with what is in a folder."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/simple/"
        command = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(self.port)]
        command += ["-P", ".", "-a", ".", "--disable-fallback", str(folder)]
        self._command = command
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                urlopen(self.url, timeout=5).close()
                return
            except (URLError, OSError):
                assert self._process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``osprey-client`` needs ``merlin-core``; ``kestrel-app`` is a vendor's and needs ``osprey-client``."""
    folder = tmp_path_factory.mktemp("upstream-wheels")
    build_wheel(folder, "merlin-core", "1.0.0")
    build_wheel(folder, "merlin-core", "2.0.0")
    build_wheel(folder, "osprey-client", "3.0.0", "merlin-core>=1.0")
    return folder / "wheels"


@pytest.fixture(scope="module")
def own_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("own-wheels"), "kestrel-app", "1.0.0", "osprey-client")


@pytest.fixture(scope="module")
def pypiserver(wheels: Path) -> Iterator[PypiServer]:
    if importlib.util.find_spec("pypiserver") is None:
        pytest.skip("NOT TESTED: pypiserver is not installed in the environment of the tests")
    server = PypiServer(wheels)
    yield server
    server.kill()


def configured_index() -> dict[str, str]:
    """Settings of the index that pip on this machine uses; those that it has by itself are ours too."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    url = os.environ.get("PIP_INDEX_URL") or said.stdout.strip()
    return {"URL": url} if url else {}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon for each upstream: that of the class."""
    settings = {"MODE": "mirror", "PRIVATE_ADDRESSES": "true", "FRESH_SECONDS": "0", "STALE_SECONDS": "0"}
    settings |= request.param(request) if hasattr(request, "param") else {}
    env = {f"KEYGENREG_UPSTREAM_PYPI_{name}": value for name, value in settings.items()}
    running = Daemon(tmp_path_factory.mktemp("pypi-mirror") / "data", "--mode", "multiplayer", env=env).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def daemon_connection(daemon: Daemon) -> Iterator[Any]:
    connection = daemon.connect()
    yield connection
    connection.close()


class Customer:
    """Somebody with a license key, whose programs know one index only."""

    def __init__(self, account: Account, client: str, home: Path) -> None:
        self.client = client
        self.home = home
        self.target = home / "site"
        self.product = account.admin.make_product("LICENSED")
        license = account.admin.make_license(account.admin.make_policy(self.product))
        place = f"localhost:{account.daemon.port}/v1/accounts/{account.slug}/engines/pypi/simple/"
        self.index = f"http://license:{license['attributes']['key']}@{place}"

    def install(self, *requirements: str, fresh: bool = True) -> Ran:
        if fresh and self.target.exists():
            self.target = self.target.with_name(self.target.name + "-next")
        env = environment(self.home, PIP_CONFIG_FILE="/dev/null", UV_NO_CONFIG="1", UV_PYTHON_DOWNLOADS="never")
        if self.client == "pip":
            options = ["-vv", "--no-cache-dir", "--no-input", "--disable-pip-version-check", "--only-binary", ":all:"]
            command = [sys.executable, "-m", "pip", "install", *options, "--index-url", self.index]
        else:
            options = ["--no-cache", "--python", sys.executable, "--only-binary", ":all:"]
            command = [UV, "pip", "install", *options, "--default-index", self.index]
        return run(*command, "--target", self.target, *requirements, cwd=self.home, env=env)

    def says(self, code: str) -> str:
        """What a line of Python with the installed packages prints."""
        env = environment(self.home, PYTHONPATH=str(self.target))
        return run(sys.executable, "-c", code, cwd=self.home, env=env).ok().words.strip()


@pytest.fixture(params=["pip", "uv"])
def customer(request: pytest.FixtureRequest, account: Account, tmp_path: Path) -> Customer:
    if request.param == "uv" and not UV.exists():
        pytest.skip("NOT TESTED: uv is not installed in the environment of the tests")
    return Customer(account, request.param, tmp_path)


def of_pypiserver(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"URL": request.getfixturevalue("pypiserver").url}


@pytest.fixture(scope="module")
def described(wheels: Path) -> Iterator[FakeUpstream]:
    """An index like the public one: JSON, with metadata beside its wheels."""
    fake = FakeUpstream().start()
    for name in ("merlin-core", "osprey-client"):
        project = FakeProject(fake, name)
        for wheel in sorted(wheels.glob(f"{name.replace('-', '_')}-*.whl")):
            with ZipFile(wheel) as archive:
                (member,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
                metadata = archive.read(member)
            version = wheel.name.split("-")[1]
            digest = hashlib.sha256(metadata).hexdigest()
            filename = project.add(version, wheel.read_bytes(), core_metadata={"sha256": digest})
            fake.put(project.file_path(filename) + ".metadata", Answer(metadata))
        project.publish()
    yield fake
    fake.stop()


def of_described(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"URL": f"{request.getfixturevalue('described').url}simple/"}


def of_machine(_: pytest.FixtureRequest) -> dict[str, str]:
    return configured_index()


@pytest.mark.parametrize("daemon", [of_pypiserver], indirect=True, ids=["pypiserver"])
class TestPypiserver:
    def test_installs_with_what_it_needs(self, customer: Customer):
        customer.install("osprey-client", "merlin-core<2").ok()
        assert customer.says("import osprey_client, merlin_core as m; print(m.VERSION)") == "1.0.0"

    def test_a_vendors_package_needs_one_of_upstream(self, account: Account, customer: Customer, own_wheel: Path):
        package = account.admin.make_package(customer.product, "kestrel-app", "pypi")
        release = account.admin.make_release(customer.product, "1.0.0", package=package)
        account.admin.make_artifact(release, own_wheel.name, own_wheel.read_bytes())
        customer.install("kestrel-app").ok()
        assert customer.says("import kestrel_app, osprey_client, merlin_core as m; print(m.VERSION)") == "2.0.0"

    def test_a_vendors_name_never_comes_from_upstream(self, account: Account, customer: Customer):
        """A draft without files, and a higher version upstream: the customer gets an error."""
        account.admin.make_package(customer.product, "Merlin_Core", "pypi")
        customer.install("merlin-core").failed()

    def test_unknown_names_say_so(self, customer: Customer):
        customer.install("there-is-no-such-package-anywhere-8f2c").failed()

    def test_what_is_kept_installs_without_upstream(self, customer: Customer, pypiserver: PypiServer, wheels: Path):
        """Upstream is killed; its pages are old by then."""
        customer.install("osprey-client").ok()
        pypiserver.kill()
        try:
            customer.install("osprey-client").ok()
            assert customer.says("import osprey_client as o; print(o.VERSION)") == "3.0.0"
        finally:
            pypiserver.start()


@pytest.mark.parametrize("daemon", [of_described], indirect=True, ids=["with-metadata"])
def test_metadata_saves_downloads(customer: Customer, described: FakeUpstream):
    """Installers read the metadata beside the file that we advertise, and download what they install only."""
    described.seen.clear()
    customer.install("osprey-client").ok()
    assert customer.says("import osprey_client as o, merlin_core as m; print(o.VERSION, m.VERSION)") == "3.0.0 2.0.0"
    if customer.client == "uv":
        paths = {seen.path for seen in described.seen}
        assert any(path.endswith(".whl.metadata") for path in paths)
        assert not any("merlin_core-1.0.0" in path and path.endswith(".whl") for path in paths)


@pytest.mark.parametrize("daemon", [of_machine], indirect=True, ids=["index-of-machine"])
class TestIndexOfMachine:
    """Real packages from the index that this machine uses."""

    @pytest.fixture(autouse=True)
    def reachable(self, tmp_path: Path) -> None:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        command = [*pip, "-d", str(tmp_path / "probe"), PUBLIC[-1]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            pytest.skip("NOT TESTED: this machine reaches no index of packages")

    def test_installs_real_packages(self, customer: Customer):
        customer.install(*PUBLIC).ok()
        assert customer.says("import jinja2, iniconfig; print(jinja2.Template('{{ 6 * 7 }}').render())") == "42"
        customer.install(*PUBLIC).ok()
