"""``keygenreg publish`` against a registry that answers over HTTP."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from keygenreg.command.group import group
from keygenreg.command.progress import TerminalReport
from keygenreg.command.publication import publication
from keygenreg.command.publishing import Publisher
from keygenreg.command.registry_client import RegistryClient, RegistryError
from tests.command.registry_double import TOKEN, RegistryDouble


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    with RegistryDouble() as double:
        yield double


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "tool-1.0.0-py3-none-any.whl"
    path.write_bytes(b"a wheel, more or less" * 20_000)
    return path


@pytest.fixture
def run(registry: RegistryDouble) -> Callable[..., Result]:
    def publish(*arguments: object, **environment: str) -> Result:
        given = {"KEYGENREG_URL": registry.url, "KEYGENREG_ACCOUNT": "acme", "KEYGENREG_TOKEN": TOKEN}
        return CliRunner().invoke(group, ["publish", *map(str, arguments)], env=given | environment)

    return publish


def steps(registry: RegistryDouble) -> list[tuple[str, str]]:
    """The requests that change something."""
    return [(method, path) for method, path in registry.requests if method != "GET"]


class TestFirstRelease:
    def test_makes_what_is_missing_and_publishes(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        """One command, from nothing to a published release."""
        result = run(wheel, "--package", "tool", "--version", "1.0", "--tag", "latest")
        assert result.exit_code == 0, result.stderr
        assert registry.one("products") == {"name": "tool", "code": "tool", "distributionStrategy": "LICENSED"}
        assert registry.one("packages") == {"name": "tool", "key": "tool", "engine": "pypi"}
        release = registry.one("releases")
        assert (release["version"], release["channel"]) == ("1.0.0", "stable")
        assert (release["status"], release["tag"]) == ("PUBLISHED", "latest")
        artifact = registry.one("artifacts")
        assert artifact["checksum"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert (artifact["filename"], artifact["filetype"]) == (wheel.name, "whl")
        assert (artifact["filesize"], artifact["status"]) == (wheel.stat().st_size, "UPLOADED")
        assert registry.uploads == {wheel.name: wheel.read_bytes()}
        assert "published tool 1.0.0 (pypi)" in result.stderr

    def test_options_reach_the_registry(
        self, registry: RegistryDouble, run: Callable[..., Result], tmp_path: Path
    ) -> None:
        bundle, signature = tmp_path / "Tool.AppImage", tmp_path / "Tool.AppImage.sig"
        bundle.write_bytes(b"bundle")
        signature.write_text("signed\n")
        result = run(
            bundle, "--package", "tool", "--engine", "tauri", "--version", "2.0.0-beta.1", "--product", "suite",
            "--distribution-strategy", "open", "--platform", "linux", "--arch", "x86_64", "--filetype", "AppImage",
            "--signature", f"@{signature}",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
        assert registry.one("products") == {"name": "suite", "code": "suite", "distributionStrategy": "OPEN"}
        artifact = registry.one("artifacts")
        assert (artifact["platform"], artifact["arch"]) == ("linux", "x86_64")
        assert (artifact["filetype"], artifact["signature"]) == ("AppImage", "signed")
        assert registry.one("releases")["channel"] == "beta"

    def test_scoped_names_stay_one_segment(
        self, registry: RegistryDouble, run: Callable[..., Result], tmp_path: Path
    ) -> None:
        tarball = tmp_path / "acme-tool-1.0.0.tgz"
        tarball.write_bytes(b"tarball")
        assert run(tarball, "--package", "@acme/tool", "--version", "1.0.0").exit_code == 0
        assert ("GET", "/v1/accounts/acme/packages/%40acme%2Ftool?engine=npm") in registry.requests

    def test_the_account_may_be_left_out(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        result = run(wheel, "--package", "tool", "--version", "1.0", KEYGENREG_ACCOUNT="")
        assert registry.requests[0][1].startswith("/v1/packages/tool")
        assert result.exit_code == 1

    def test_an_empty_file_is_published(
        self, registry: RegistryDouble, run: Callable[..., Result], tmp_path: Path
    ) -> None:
        (tmp_path / "empty").touch()
        result = run(tmp_path / "empty", "--package", "p", "--engine", "raw", "--version", "1.0.0")
        assert result.exit_code == 0, result.stderr
        assert registry.uploads == {"empty": b""}


class TestSecondRun:
    def test_changes_nothing(self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path) -> None:
        """A pipeline may run again."""
        arguments = (wheel, "--package", "tool", "--version", "1.0.0", "--tag", "latest")
        run(*arguments)
        registry.requests.clear()
        result = run(*arguments)
        assert result.exit_code == 0, result.stderr
        assert steps(registry) == []
        assert f"{wheel.name} is there already" in result.stderr

    def test_finishes_what_broke_off(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        registry.on_upload = lambda filename: ("FAILED", "The archive is cut short.")
        arguments = (wheel, "--package", "tool", "--version", "1.0.0")
        first = run(*arguments)
        assert first.exit_code == 1
        assert f"{wheel.name} was refused: The archive is cut short." in first.stderr
        assert registry.one("releases")["status"] == "DRAFT"
        registry.on_upload = lambda filename: ("UPLOADED", None)
        assert run(*arguments).exit_code == 0
        assert registry.one("releases")["status"] == "PUBLISHED"

    def test_never_replaces_a_file(self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path) -> None:
        arguments = (wheel, "--package", "tool", "--version", "1.0.0")
        run(*arguments)
        before = registry.uploads.copy()
        wheel.write_bytes(b"something else")
        result = run(*arguments)
        assert result.exit_code == 1
        assert "choose another version" in result.stderr
        assert registry.uploads == before

    def test_knows_its_file_by_checksums_of_other_tools(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        arguments = (wheel, "--package", "tool", "--version", "1.0.0")
        run(*arguments)
        registry.one("artifacts")["checksum"] = hashlib.sha512(wheel.read_bytes()).hexdigest()
        assert run(*arguments).exit_code == 0

    def test_does_not_restore_a_yanked_release(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        """Whoever withdrew it had a reason that an old pipeline does not know."""
        arguments = (wheel, "--package", "tool", "--version", "1.0.0")
        run(*arguments)
        registry.one("releases")["status"] = "YANKED"
        result = run(*arguments)
        assert result.exit_code == 1
        assert "was yanked" in result.stderr

    def test_moves_the_tag(self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path) -> None:
        run(wheel, "--package", "tool", "--version", "1.0.0", "--tag", "latest")
        assert run(wheel, "--package", "tool", "--version", "1.1.0", "--tag", "latest").exit_code == 0
        tags = {each["attributes"]["version"]: each["attributes"]["tag"] for each in registry.records["releases"]}
        assert tags == {"1.0.0": None, "1.1.0": "latest"}


class TestExistingPackage:
    def test_its_engine_counts_when_files_do_not_tell(
        self, registry: RegistryDouble, run: Callable[..., Result], tmp_path: Path
    ) -> None:
        product = registry.add("products", {"code": "suite"})
        registry.add("packages", {"key": "image", "engine": "oci"}, product=product["id"])
        archive = tmp_path / "image.tar"
        archive.write_bytes(b"layout")
        result = run(archive, "--package", "image", "--version", "1.0.0")
        assert result.exit_code == 0, result.stderr
        assert "published image 1.0.0 (oci)" in result.stderr

    def test_that_of_the_wanted_engine_is_found(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        """Keys are unique for each engine only."""
        product = registry.add("products", {"code": "suite"})
        registry.add("packages", {"key": "tool", "engine": "npm"}, product=product["id"])
        mine = registry.add("packages", {"key": "tool", "engine": "pypi"}, product=product["id"])
        assert run(wheel, "--package", "tool", "--version", "1.0.0").exit_code == 0
        (release,) = registry.records["releases"]
        assert release["relationships"]["package"]["data"]["id"] == mine["id"]

    def test_of_another_product_is_left_alone(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        product = registry.add("products", {"code": "suite"})
        registry.add("products", {"code": "other"})
        registry.add("packages", {"key": "tool", "engine": "pypi"}, product=product["id"])
        result = run(wheel, "--package", "tool", "--version", "1.0.0", "--product", "other")
        assert result.exit_code == 1
        assert "belongs to another product" in result.stderr
        assert steps(registry) == []

    def test_who_may_read_it_does_not_change_by_the_way(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        registry.add("products", {"code": "suite", "distributionStrategy": "CLOSED"})
        result = run(
            wheel, "--package", "tool", "--version", "1.0.0", "--product", "suite", "--distribution-strategy", "OPEN"
        )
        assert result.exit_code == 1
        assert "suite is CLOSED already" in result.stderr


class TestRefusals:
    def test_a_package_that_nothing_tells_the_engine_of(
        self, run: Callable[..., Result], tmp_path: Path
    ) -> None:
        (tmp_path / "x.bin").touch()
        result = run(tmp_path / "x.bin", "--package", "p", "--version", "1.0.0")
        assert result.exit_code == 1
        assert "--engine" in result.stderr

    def test_a_wrong_token(self, run: Callable[..., Result], wheel: Path) -> None:
        result = run(wheel, "--package", "tool", "--version", "1.0.0", KEYGENREG_TOKEN="wrong")
        assert result.exit_code == 1
        assert "TOKEN_INVALID" in result.stderr and "KEYGENREG_TOKEN" in result.stderr
        assert "wrong" not in result.stderr

    def test_no_permission(self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path) -> None:
        registry._create = lambda *_: registry.refuse(403, "Access denied", "You may not make this.")
        result = run(wheel, "--package", "tool", "--version", "1.0.0")
        assert result.exit_code == 1
        assert "You may not make this. (403)" in result.stderr and "administrator" in result.stderr

    def test_every_problem_of_a_record_is_told(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        registry._create = lambda *_: registry.refuse(
            422, "Unprocessable resource", "must be a valid semver", "VERSION_INVALID", "/data/attributes/version"
        )
        result = run(wheel, "--package", "tool", "--version", "1.0.0")
        assert "must be a valid semver [/data/attributes/version] [VERSION_INVALID] (422)" in result.stderr

    def test_a_registry_that_is_not_there(self, run: Callable[..., Result], wheel: Path) -> None:
        result = run(wheel, "--package", "tool", "--version", "1.0.0", KEYGENREG_URL="http://127.0.0.1:1")
        assert result.exit_code == 1
        assert "http://127.0.0.1:1 cannot be reached: Connection refused" in result.stderr

    @pytest.mark.parametrize("url", ["registry.example.com", "ftp://x", "http://"])
    def test_an_address_that_is_none(self, run: Callable[..., Result], wheel: Path, url: str) -> None:
        result = run(wheel, "--package", "tool", "--version", "1.0.0", KEYGENREG_URL=url)
        assert result.exit_code == 1
        assert "is no URL of a registry" in result.stderr

    def test_credentials_do_not_follow_redirects(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        registry.respond = lambda *_: (307, None, {"Location": f"{registry.url}/elsewhere"})
        result = run(wheel, "--package", "tool", "--version", "1.0.0")
        assert result.exit_code == 1
        assert "redirects to another address" in result.stderr
        assert not [path for _, path in registry.requests if "elsewhere" in path]

    def test_a_page_that_is_no_registry(
        self, registry: RegistryDouble, run: Callable[..., Result], wheel: Path
    ) -> None:
        registry.respond = lambda *_: (502, None, {"Content-Type": "text/html"})
        result = run(wheel, "--package", "tool", "--version", "1.0.0")
        assert result.exit_code == 1
        assert "refused without a reason (502)" in result.stderr

    def test_a_malformed_version(self, run: Callable[..., Result], wheel: Path) -> None:
        result = run(wheel, "--package", "tool", "--version", "v1")
        assert result.exit_code == 2
        assert "--version v1" in result.stderr

    def test_a_missing_token_names_its_variable(self, wheel: Path) -> None:
        result = CliRunner().invoke(
            group, ["publish", str(wheel), "--package", "t", "--version", "1", "--url", "http://x"], env={}
        )
        assert result.exit_code == 2
        assert "KEYGENREG_TOKEN" in result.stderr


class TestWaiting:
    """The registry is asked again where that makes sense; the test says what happens in between."""

    @pytest.fixture
    def said(self) -> io.StringIO:
        return io.StringIO()

    @pytest.fixture
    def publish(self, registry: RegistryDouble, wheel: Path, said: io.StringIO) -> Callable[..., None]:
        def run(between: Callable[[float], object]) -> None:
            client = RegistryClient(registry.url, "acme", TOKEN, sleep=between)
            with TerminalReport(Console(file=said, force_terminal=True, width=100)) as report:
                Publisher(client, report, sleep=between).run(publication((wheel,), "tool", "1.0.0"))

        return run

    def test_while_it_is_busy(self, registry: RegistryDouble, publish: Callable[..., None]) -> None:
        waits: list[float] = []
        registry.busy = 2
        publish(waits.append)
        assert len(waits) == 2 and waits == sorted(waits)
        assert registry.one("releases")["status"] == "PUBLISHED"

    def test_not_for_ever(self, registry: RegistryDouble, publish: Callable[..., None]) -> None:
        registry.busy = 1000
        with pytest.raises(RegistryError, match=r"Busy\. \(503\)"):
            publish(lambda seconds: None)

    def test_until_files_are_read(self, registry: RegistryDouble, publish: Callable[..., None]) -> None:
        """The release is published only then."""
        registry.on_upload = lambda filename: ("PROCESSING", None)

        def read(seconds: float) -> None:
            assert registry.one("releases")["status"] == "DRAFT"
            registry.one("artifacts")["status"] = "UPLOADED"

        publish(read)
        assert registry.one("releases")["status"] == "PUBLISHED"

    def test_not_for_ever_for_files_either(self, registry: RegistryDouble, publish: Callable[..., None]) -> None:
        registry.on_upload = lambda filename: ("PROCESSING", None)
        with pytest.raises(RegistryError, match="is still PROCESSING"):
            publish(lambda seconds: None)

    def test_a_terminal_sees_bars(
        self, wheel: Path, said: io.StringIO, publish: Callable[..., None]
    ) -> None:
        """Large files have a bar, and nothing of it stays when they are through."""
        wheel.write_bytes(bytes(3 * 1024 * 1024))
        publish(lambda seconds: None)
        assert f"uploading {wheel.name}" in said.getvalue()
        assert "3.0" in said.getvalue()
