"""pip, uv and twine against the PyPI engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.clients.running import Ran, environment, run
from tests.daemon_fixtures import Account

UV = Path(sys.executable).parent / "uv"


def build_wheel(folder: Path, name: str, version: str, answer: int) -> Path:
    """A real wheel of a small project, built by pip and setuptools."""
    source = folder / f"{name}-{version}"
    module = name.replace("-", "_")
    (source / module).mkdir(parents=True)
    (source / module / "__init__.py").write_text(f"ANSWER = {answer}\n")
    (source / "pyproject.toml").write_text(
        dedent(f"""\
        [build-system]
        requires = ["setuptools>=70.1"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "{name}"
        version = "{version}"
        requires-python = ">=3.9"
        """)
    )
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", wheels, source]
    subprocess.run([str(word) for word in command], check=True)
    (wheel,) = wheels.glob(f"{module}-{version}-*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Versions 1.0.0 and 1.1.0 of ``kestrel-client``."""
    folder = tmp_path_factory.mktemp("wheels")
    return {version: build_wheel(folder, "kestrel-client", version, n) for n, version in enumerate(["1.0.0", "1.1.0"])}


class Vendor:
    """An account that sells ``kestrel-client``."""

    def __init__(self, account: Account, strategy: str, wheels: dict[str, Path]) -> None:
        self.account = account
        self.wheels = wheels
        self.product = account.admin.make_product(strategy)
        self.package = account.admin.make_package(self.product, "Kestrel_Client", "pypi")
        policy = account.admin.make_policy(self.product)
        self.license = account.admin.make_license(policy)
        self.publish("1.0.0")

    def publish(self, version: str) -> None:
        release = self.account.admin.make_release(self.product, version, package=self.package)
        wheel = self.wheels[version]
        made = self.account.admin.make_artifact(release, wheel.name, wheel.read_bytes())
        assert made["attributes"]["status"] == "UPLOADED"

    def index(self, credentials: str = "") -> str:
        host = f"{credentials}@localhost" if credentials else "localhost"
        return f"http://{host}:{self.account.daemon.port}/v1/accounts/{self.account.slug}/engines/pypi/simple/"

    @property
    def licensed_index(self) -> str:
        return self.index(f"license:{self.license['attributes']['key']}")


@pytest.fixture
def vendor(account: Account, wheels: dict[str, Path]) -> Vendor:
    return Vendor(account, "LICENSED", wheels)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


class Installer:
    """One of the clients: installs into a folder of its own and reads what was installed."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.target = home / "site"

    def install(self, index: str, requirement: str = "kestrel-client", *more: str) -> Ran:
        env = environment(self.home, PIP_CONFIG_FILE="/dev/null", UV_NO_CONFIG="1", UV_PYTHON_DOWNLOADS="never")
        if self.name == "pip":
            # pip tells the status of an index only when it is asked to be talkative.
            options = ["-vv", "--no-cache-dir", "--no-input", "--disable-pip-version-check", "--upgrade"]
            command = [sys.executable, "-m", "pip", "install", *options, "--index-url", index]
        else:
            options = ["--cache-dir", self.home / "uv-cache", "--python", sys.executable, "--upgrade", "--refresh"]
            command = [UV, "pip", "install", *options, "--default-index", index]
        return run(*command, "--target", self.target, *more, requirement, cwd=self.home, env=env)

    @property
    def answer(self) -> str:
        """What the installed module says."""
        command = [sys.executable, "-c", "import kestrel_client; print(kestrel_client.ANSWER)"]
        return run(*command, cwd=self.home, env=environment(self.home, PYTHONPATH=str(self.target))).ok().words.strip()


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest, home: Path) -> Installer:
    if request.param == "uv" and not UV.exists():
        pytest.skip("NOT TESTED: uv is not installed in the environment of the tests")
    return Installer(request.param, home)


def test_a_license_key_installs_and_updates(vendor: Vendor, installer: Installer):
    installer.install(vendor.licensed_index).ok()
    assert installer.answer == "0"
    vendor.publish("1.1.0")
    installer.install(vendor.licensed_index).ok()
    assert installer.answer == "1"


def test_a_token_installs(vendor: Vendor, installer: Installer):
    answer = vendor.account.admin.post(f"/licenses/{vendor.license['id']}/tokens")
    installer.install(vendor.index(f"token:{answer.data['attributes']['token']}")).ok()
    assert installer.answer == "0"


def test_without_a_key_it_says_so(vendor: Vendor, installer: Installer):
    words = installer.install(vendor.index()).failed().words
    assert "401" in words


def test_a_wrong_key_is_refused(vendor: Vendor, installer: Installer):
    words = installer.install(vendor.index("license:WRONG-KEY")).failed().words
    assert "401" in words


def test_a_suspended_license_is_refused_at_once(vendor: Vendor, installer: Installer):
    installer.install(vendor.licensed_index).ok()
    assert vendor.account.admin.post(f"/licenses/{vendor.license['id']}/actions/suspend").status == 200
    again = "--force-reinstall" if installer.name == "pip" else "--reinstall"
    words = installer.install(vendor.licensed_index, "kestrel-client", again).failed().words
    assert "403" in words


def test_an_open_product_installs_anonymously(account: Account, wheels: dict[str, Path], installer: Installer):
    installer.install(Vendor(account, "OPEN", wheels).index()).ok()
    assert installer.answer == "0"


def test_hashes_are_checked(vendor: Vendor, installer: Installer, home: Path):
    """``--require-hashes`` with the digest that the index states."""
    url = f"/engines/pypi/simple/kestrel-client/?auth=license:{vendor.license['attributes']['key']}"
    page = vendor.account.admin.as_().get(url, Accept="application/vnd.pypi.simple.v1+json")
    digest = page.json["files"][0]["hashes"]["sha256"]
    requirements = home / "requirements.txt"
    requirements.write_text(f"kestrel-client==1.0.0 --hash=sha256:{digest}\n")
    installer.install(vendor.licensed_index, "--require-hashes", "-r", str(requirements)).ok()
    requirements.write_text(f"kestrel-client==1.0.0 --hash=sha256:{'0' * 64}\n")
    installer.target = home / "other"
    installer.install(vendor.licensed_index, "--require-hashes", "-r", str(requirements)).failed()
