"""A vendor in a real browser: from signing in to an installation by the commands that the page shows."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.running import environment, require, run
from tests.clients.test_pypi import build_wheel
from tests.daemon_fixtures import Account

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    pytest.skip("NOT TESTED: playwright is not installed in the environment of the tests", allow_module_level=True)

# Machines that run tests are busy.
expect.set_options(timeout=20_000)

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = require("chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheels"), "kestrel-client", "1.0.0", 42)


class Vendor:
    """Somebody at the page. ``wrong`` are the words of errors: of scripts, and of policies that were violated."""

    def __init__(self, browser: Browser, account: Account) -> None:
        self.account = account
        self.wrong: list[str] = []
        self.page: Page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        # That an answer was an error is written there too, and part of some tests.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.wrong.append(message.text)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.account.daemon.url}/app/#{path}")

    def fill(self, **fields: str) -> None:
        """Fields by their labels: of the dialog, if one is open."""
        dialog = self.page.get_by_role("dialog")
        place = dialog if dialog.count() else self.page
        for label, text in fields.items():
            place.get_by_label(re.compile(rf"^{label.replace('_', ' ')}( optional)?$")).fill(text)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def open(self, name: str) -> None:
        """Press a button that opens a dialog."""
        self.press(name)
        expect(self.page.get_by_role("dialog")).to_be_visible()

    def sees(self, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()

    def at(self, title: str) -> None:
        expect(self.page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()

    def sign_in(self) -> None:
        self.page.goto(f"{self.account.daemon.url}/")
        self.fill(Account=self.account.slug, **{"E-mail": self.account.email}, Password=self.account.password)
        self.press("Sign in")
        self.at("Products")

    def command(self, title: str) -> str:
        """The text in the block of commands with a title."""
        block = self.page.locator(".block").filter(has=self.page.get_by_role("heading", name=title, exact=True))
        return block.locator("code").inner_text()


@pytest.fixture
def vendor(browser: Browser, account: Account) -> Iterator[Vendor]:
    someone = Vendor(browser, account)
    yield someone
    someone.page.context.close()
    assert someone.wrong == []


def test_from_signing_in_to_an_installation(vendor: Vendor, account: Account, wheel: Path, tmp_path: Path):
    vendor.sign_in()
    vendor.open("Create the first product")
    vendor.fill(Name="Kestrel", Code="kestrel")
    vendor.press("Create")
    vendor.at("Kestrel")
    vendor.open("Create the first package")
    vendor.fill(Key="kestrel-client", Name="Kestrel for Python")
    vendor.press("Create")
    vendor.at("Kestrel for Python")

    # The version is that of the file; the file follows as soon as the release is there.
    vendor.page.get_by_role("link", name="Create the first release").click()
    vendor.page.get_by_label("Choose files").set_input_files(wheel)
    expect(vendor.page.get_by_label("Version", exact=True)).to_have_value("1.0.0")
    vendor.fill(Name=HOSTILE, Notes="The first one.")
    vendor.press("Create draft")
    vendor.at("Kestrel for Python 1.0.0")
    files = vendor.page.get_by_role("listitem").filter(has_text=wheel.name)
    expect(files).to_contain_text("Uploaded")
    (release,) = account.admin.get("/releases").data
    assert release["attributes"] | {"status": "DRAFT", "channel": "stable", "name": HOSTILE} == release["attributes"]

    # Names are text, whatever they hold.
    vendor.page.get_by_label("Choose files").set_input_files(
        {"name": f"{HOSTILE}.txt", "mimeType": "text/plain", "buffer": b"hello"}
    )
    expect(vendor.page.get_by_role("listitem").filter(has_text=f"{HOSTILE}.txt")).to_contain_text("Uploaded")
    vendor.sees(HOSTILE)
    assert vendor.page.locator("#main img").count() == 0
    vendor.press("Publish")
    vendor.sees("Published: whoever may have it")

    # Terms and a license, then what the customer types.
    vendor.page.get_by_role("link", name="Kestrel", exact=True).click()
    vendor.page.get_by_role("link", name="Licensing").click()
    vendor.open("New policy")
    vendor.fill(Name="Standard")
    vendor.press("Create")
    vendor.at("Standard")
    vendor.open("New license")
    vendor.fill(Name="Harbor Ltd")
    vendor.press("Create")
    vendor.at("Harbor Ltd")
    key = vendor.page.locator("dd .code-line code").inner_text()
    package = account.admin.get("/packages/kestrel-client").data
    vendor.go(f"/packages/{package['id']}/install")
    vendor.fill(License_key=key)
    program, *words = shlex.split(vendor.command("pip"))
    assert (program, key in words[2]) == ("pip", True)
    target, env = tmp_path / "site", environment(tmp_path, PIP_CONFIG_FILE="/dev/null")
    quiet = ["--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--target", target]
    run(sys.executable, "-m", "pip", *words, *quiet, cwd=tmp_path, env=env).ok()
    answer = [sys.executable, "-c", "import kestrel_client; print(kestrel_client.ANSWER)"]
    assert run(*answer, cwd=tmp_path, env=environment(tmp_path, PYTHONPATH=str(target))).ok().words.strip() == "42"


def test_signing_out_revokes_the_token(vendor: Vendor, account: Account):
    vendor.sign_in()
    kept = vendor.page.evaluate("JSON.parse(sessionStorage.getItem('keygenreg.session'))")
    assert account.admin.as_(kept["token"]).get("/me").status == 200
    assert vendor.page.evaluate("localStorage.length") == 0
    assert kept["token"] not in vendor.page.url
    vendor.press("Sign out")
    vendor.sees("You have signed out.")
    assert account.admin.as_(kept["token"]).get("/me").error["code"] == "TOKEN_INVALID"
    assert vendor.page.evaluate("sessionStorage.length") == 0
    vendor.page.reload()
    expect(vendor.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_pasted_token_outlives_the_session(vendor: Vendor, account: Account):
    """It is somebody else's too: the page makes one of its own, and ends that."""
    vendor.page.goto(f"{account.daemon.url}/app/")
    vendor.press("Use a token instead")
    vendor.fill(Account=account.slug, Token=account.token)
    vendor.press("Sign in")
    vendor.at("Products")
    kept = vendor.page.evaluate("JSON.parse(sessionStorage.getItem('keygenreg.session')).token")
    assert kept != account.token
    vendor.press("Sign out")
    vendor.sees("You have signed out.")
    assert account.admin.as_(kept).get("/me").status == 401
    assert account.admin.get("/me").status == 200


def test_errors_stand_where_they_belong(vendor: Vendor, account: Account):
    account.admin.make_product(code="taken")
    vendor.page.goto(f"{account.daemon.url}/app/")
    vendor.fill(Account=account.slug, **{"E-mail": account.email}, Password="not the password")
    vendor.press("Sign in")
    expect(vendor.page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    vendor.sees("This is not the password.")
    vendor.fill(Password=account.password)
    vendor.press("Sign in")
    vendor.open("New product")
    vendor.fill(Code="taken", Website="ftp://example.com")
    vendor.press("Create")
    expect(vendor.page.get_by_label("Name", exact=True)).to_be_focused()
    vendor.fill(Name="Another")
    vendor.press("Create")
    for label, words in (("Code", "already been taken"), ("Website", "http or https")):
        field = vendor.page.get_by_label(f"{label} optional")
        expect(field).to_have_attribute("aria-invalid", "true")
        described = field.get_attribute("aria-describedby").split()[-1]
        expect(vendor.page.locator(f"#{described}")).to_contain_text(words)


def test_a_refused_file_says_why_and_can_be_sent_again(vendor: Vendor, account: Account, wheel: Path):
    product = account.admin.make_product()
    release = account.admin.make_release(product, package=account.admin.make_package(product, "kestrel-client", "pypi"),
                                         status="DRAFT")  # fmt: skip
    vendor.sign_in()
    vendor.go(f"/releases/{release['id']}")
    chosen = vendor.page.get_by_label("Choose files")
    chosen.set_input_files({"name": wheel.name, "mimeType": "", "buffer": b"not a wheel"})
    row = vendor.page.get_by_role("listitem").filter(has_text=wheel.name)
    expect(row).to_contain_text("Failed")
    (artifact,) = account.admin.get(f"/releases/{release['id']}/artifacts").data
    expect(row).to_contain_text(artifact["attributes"]["failureReason"][:20])
    vendor.press("Publish")
    vendor.sees(re.compile("1 file failed, no file that customers could get"))
    vendor.press("Cancel")
    chosen.set_input_files(wheel)
    expect(row).to_contain_text("Uploaded")
    expect(row).to_have_count(1)


def test_files_are_dropped_looked_at_and_deleted(vendor: Vendor, account: Account):
    release = account.admin.make_release(account.admin.make_product(), status="DRAFT")
    vendor.sign_in()
    vendor.go(f"/releases/{release['id']}")
    vendor.at("1.0.0")
    vendor.page.get_by_text("Platform and architecture of these files").click()
    vendor.fill(Platform="linux")
    dropped = vendor.page.evaluate_handle(
        "() => { const all = new DataTransfer(); all.items.add(new File(['hello'], 'notes.txt')); return all; }"
    )
    vendor.page.locator(".drop-zone").dispatch_event("drop", {"dataTransfer": dropped})
    expect(vendor.page.get_by_role("listitem").filter(has_text="notes.txt")).to_contain_text("Uploaded")
    (artifact,) = account.admin.get(f"/releases/{release['id']}/artifacts").data
    assert artifact["attributes"] | {"filetype": "txt", "filesize": 5, "platform": "linux"} == artifact["attributes"]

    vendor.open("notes.txt")
    with vendor.page.expect_download() as download:
        vendor.press("Download")
    assert Path(download.value.path()).read_text() == "hello"
    vendor.fill(Metadata='{"checked": true}')
    vendor.press("Save")
    expect(vendor.page.get_by_role("dialog")).to_have_count(0)
    assert account.admin.get(f"/artifacts/{artifact['id']}", Prefer="no-download").data["attributes"]["metadata"] == {
        "checked": True
    }
    vendor.open("Delete notes.txt")
    vendor.press("Delete it")
    expect(vendor.page.get_by_role("listitem").filter(has_text="notes.txt")).to_have_count(0)
    assert account.admin.get(f"/releases/{release['id']}/artifacts").data == []


def test_licenses_are_suspended_and_entitled(vendor: Vendor, account: Account):
    product = account.admin.make_product()
    license = account.admin.make_license(account.admin.make_policy(product, duration=86400 * 365), name="Harbor Ltd")
    account.admin.make("/entitlements", "entitlements", {"name": "Second generation", "code": "GEN-2"})
    path = f"/licenses/{license['id']}"

    def attribute(name: str) -> Any:
        return account.admin.get(path).data["attributes"][name]

    vendor.sign_in()
    vendor.page.get_by_role("link", name="Licenses").click()
    vendor.fill(Find_by_key=license["attributes"]["key"])
    vendor.press("Find")
    vendor.at("Harbor Ltd")
    vendor.press("Suspend")
    expect(vendor.page.get_by_role("button", name="Reinstate")).to_be_visible()
    assert attribute("status") == "SUSPENDED"
    vendor.press("Reinstate")
    expect(vendor.page.get_by_role("button", name="Suspend")).to_be_visible()
    vendor.press("Renew")
    vendor.sees("The license is renewed.")
    assert attribute("expiry") > license["attributes"]["expiry"]
    vendor.open("Add an entitlement")
    vendor.press("Add")
    expect(vendor.page.get_by_role("button", name="Take away GEN-2")).to_be_visible()
    assert [each["attributes"]["code"] for each in account.admin.get(f"{path}/entitlements").data] == ["GEN-2"]
    vendor.open("New token")
    vendor.press("Create")
    secret = vendor.page.get_by_role("dialog").locator("code").inner_text()
    assert account.admin.as_(secret).get("/me").data["id"] == license["id"]


def test_a_token_of_a_product_sees_its_product_only(vendor: Vendor, account: Account):
    account.admin.make_product(name="Another")
    own = account.admin.make_product(name="Kestrel")
    secret = account.admin.post(f"/products/{own['id']}/tokens").data["attributes"]["token"]
    vendor.page.goto(f"{account.daemon.url}/app/")
    vendor.press("Use a token instead")
    vendor.fill(Account=account.slug, Token=secret)
    vendor.press("Sign in")
    vendor.at("Products")
    expect(vendor.page.get_by_role("link", name="Kestrel", exact=True)).to_be_visible()
    assert vendor.page.get_by_text("Another").count() == 0
    assert vendor.page.get_by_role("button", name="New product").count() == 0
    vendor.press("Sign out")
    vendor.sees("still good")
    assert account.admin.as_(secret).get("/me").status == 200


@pytest.fixture
def call(vendor: Vendor) -> Callable[..., Any]:
    """Calls a function of one of the page's modules, in the browser."""
    vendor.page.goto(f"{vendor.account.daemon.url}/app/")
    folder = vendor.page.locator("script").get_attribute("src").rpartition("/")[0]

    def calling(module: str, name: str, *values: Any) -> Any:
        script = "async ([path, name, values]) => (await import(path))[name](...values)"
        return vendor.page.evaluate(script, [f"{folder}/{module}", name, list(values)])

    return calling


def test_names_of_files_tell_versions(call: Callable[..., Any]):
    told = {
        "osprey_sdk-1.4.0-py3-none-any.whl": "1.4.0",
        "osprey_sdk-1.4.0b2-cp311-abi3-manylinux_2_28_x86_64.whl": "1.4.0-beta.2",
        "osprey-sdk-2.0.tar.gz": "2.0.0",
        "kestrel-1.2.0.gem": "1.2.0",
        "kestrel-1.2.0.rc1-x86_64-linux.gem": "1.2.0-rc.1",
        "acme-lib-1.2.0-beta.1.tgz": "1.2.0-beta.1",
        "Kestrel_1.2.0_amd64.AppImage": "1.2.0",
        "Kestrel_1.2.0_amd64.AppImage.sig": "1.2.0",
        "README.md": None,
        "tool-linux-x86_64.zip": None,
    }
    assert {name: call("guess.js", "versionOf", name) for name in told} == told
    channels = {"1.0.0": "stable", "1.0.0-rc.1": "rc", "1.0.0-beta": "beta", "1.0.0-dev.3": "dev", "1.0.0+a": "stable"}
    assert {version: call("guess.js", "channelOf", version) for version in channels} == channels


def test_commands_of_every_engine(call: Callable[..., Any]):
    """As in the table of the README; words of others are quoted for the shell."""
    known = {"base": "https://r.example.com", "account": None, "product": "kestrel", "key": "@acme/tool",
             "files": ["a b.zip"], "version": "1.0.0", "tag": None, "open": False,
             "user": "license", "secret": "K'EY"}  # fmt: skip

    def texts(engine: str, **more: Any) -> str:
        blocks = call("install_commands.js", "installCommands", engine, known | more)
        return "\n".join(block["text"] for block in blocks)

    api = "https://r.example.com/v1/engines"
    login = "https://license:K'EY@r.example.com/v1/engines"
    assert shlex.split(texts("pypi", key="tool").splitlines()[0])[-2:] == [f"{login}/pypi/simple/", "tool"]
    assert f"@acme:registry={api}/npm/\n//r.example.com/v1/engines/npm/:_auth=bGljZW5zZTpLJ0VZ\n" in texts("npm")
    assert f"\nregistry={api}/npm/\n" in "\n" + texts("npm", key="tool", open=True)
    assert "docker pull r.example.com/acme/server:1.0.0" in texts("oci", key="acme/server")
    assert "docker pull r.example.com/north/server:latest" in texts("oci", key="server", account="north", tag="latest")
    assert f"{login}/rubygems/" in shlex.split(texts("rubygems", key="tool").splitlines()[0])
    assert f'"{api}/tauri/tool/{{{{target}}}}/{{{{arch}}}}/{{{{current_version}}}}"' in texts("tauri", key="tool")
    curl = shlex.split(texts("raw").splitlines()[0])
    assert curl == ["curl", "-fLO", "-u", "license:K'EY", f"{api}/raw/kestrel/@%40acme%2Ftool/latest/a%20b.zip"]
    assert "token:T@r.example.com" in texts("pypi", user="token", secret="T")
    assert "license" not in texts("pypi", open=True) + texts("raw", open=True) + texts("oci", open=True)
