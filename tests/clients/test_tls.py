"""pip, skopeo and curl against a daemon that does TLS itself, with two web processes and without."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import running
from tests.clients.running import require, run
from tests.clients.test_pypi import build_wheel
from tests.daemon_fixtures import Account, Daemon, fetch
from tests.engines.oci.images import real_image
from tests.engines.oci.store import Store
from tests.web.certificates import new_certificate
from tests.web.serving import eventually

CONTENT = os.urandom(5_000_000)


#: Authorities that a machine has for its own use, which some clients prefer to those that they are told.
_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def environment(home: Path) -> dict[str, str]:
    """The environment of a client that knows no more authorities than the usual ones."""
    return {name: value for name, value in running.environment(home).items() if name not in _AUTHORITIES}


def write_certificate(folder: Path) -> None:
    """A new one in place of what is there; named as skopeo wants its authorities."""
    certificate, key = new_certificate()
    for name, content in (("ca.crt", certificate), ("server.pem", key)):
        (folder / f"{name}.new").write_bytes(content)
        (folder / f"{name}.new").rename(folder / name)


class SecureDaemon(Daemon):
    """A daemon with a certificate of its own, which ``authority`` names."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder / "tls"
        self.folder.mkdir()
        write_certificate(self.folder)
        self.authority = self.folder / "ca.crt"
        variables = {
            "KEYGENREG_SERVER_TLS_CERTIFICATE": str(self.authority),
            "KEYGENREG_SERVER_TLS_KEY": str(self.folder / "server.pem"),
        }
        super().__init__(folder / "data", "--mode", "multiplayer", *options, env=variables)
        self.url = f"https://localhost:{self.port}"

    def shown(self) -> str:
        """The certificate that a new connection sees."""
        context = ssl._create_unverified_context()
        with socket.create_connection(("localhost", self.port)) as plain, context.wrap_socket(plain) as secure:
            return ssl.DER_cert_to_PEM_cert(secure.getpeercert(True))


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def secure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureDaemon]:
    daemon = SecureDaemon(tmp_path_factory.mktemp("secure"), "--workers", str(request.param))
    daemon.start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def owner(secure: SecureDaemon) -> Iterator[Account]:
    connection = secure.connect()
    yield Account(secure, connection, json.loads((secure.data_dir / "first-admin.json").read_text()))
    connection.close()


def test_pip(secure: SecureDaemon, owner: Account, tmp_path: Path):
    """Installs with a license key, over pages whose links are https too."""
    wheel = build_wheel(tmp_path, "kestrel-client", "1.0.0", 42)
    product = owner.admin.make_product("LICENSED")
    package = owner.admin.make_package(product, "kestrel-client", "pypi")
    release = owner.admin.make_release(product, "1.0.0", package=package)
    owner.admin.make_artifact(release, wheel.name, wheel.read_bytes())
    key = owner.admin.make_license(owner.admin.make_policy(product))["attributes"]["key"]
    index = f"https://license:{key}@localhost:{secure.port}/v1/accounts/{owner.slug}/engines/pypi/simple/"
    command = (
        sys.executable, "-m", "pip", "--isolated", "download", "--no-deps", "--no-cache-dir", "-d", tmp_path / "got",
        "-i", index, "kestrel-client",
    )  # fmt: skip
    env = environment(tmp_path)
    assert "CERTIFICATE_VERIFY_FAILED" in run(*command, "--retries", "0", cwd=tmp_path, env=env).failed().words
    run(*command, "--cert", secure.authority, cwd=tmp_path, env=env).ok()
    assert (tmp_path / "got" / wheel.name).read_bytes() == wheel.read_bytes()
    owner.admin.delete(f"/products/{product['id']}")


def test_skopeo(secure: SecureDaemon, owner: Account, tmp_path: Path):
    """Copies an image with a license key; where it gets its token is an https address too."""
    require("skopeo")
    store = Store(owner)
    store.publish("1.0.0", real_image(b"x", extra=CONTENT))
    key = store.licensed()["attributes"]["key"]
    target = tmp_path / "image"
    command = ("skopeo", "copy", "--all", "--src-creds", f"license:{key}")
    image = (f"docker://{store.host}/{store.name}:1.0.0", f"dir:{target}")
    env = environment(tmp_path)
    run(*command, *image, cwd=tmp_path, env=env).failed()
    run(*command, "--src-cert-dir", secure.folder, *image, cwd=tmp_path, env=env).ok()
    assert (target / "manifest.json").exists()
    owner.admin.delete(f"/products/{store.product['id']}")


def test_curl(secure: SecureDaemon, owner: Account, tmp_path: Path):
    """A file, whole and in part, uploaded to a link that is https; and plain HTTP is told so."""
    require("curl")
    product = owner.admin.make_product("LICENSED")
    artifact = owner.admin.make_artifact(owner.admin.make_release(product), "kestrel.bin", CONTENT)
    key = owner.admin.make_license(owner.admin.make_policy(product))["attributes"]["key"]
    url = f"{secure.url}/v1/accounts/{owner.slug}/artifacts/{artifact['id']}"
    command = ("curl", "-sSL", "--fail-with-body", "--cacert", secure.authority, "-H", f"Authorization: License {key}")
    env = environment(tmp_path)
    run(*command, "-o", "whole", url, cwd=tmp_path, env=env).ok()
    run(*command, "-o", "part", "-r", "1000000-1999999", url, cwd=tmp_path, env=env).ok()
    assert (tmp_path / "whole").read_bytes() == CONTENT
    assert (tmp_path / "part").read_bytes() == CONTENT[1_000_000:2_000_000]
    refused = run("curl", "-sS", "--fail-with-body", url.replace("https", "http"), cwd=tmp_path, env=env).failed()
    assert "HTTPS" in refused.words
    owner.admin.delete(f"/products/{product['id']}")


def test_sessions_are_resumed(secure: SecureDaemon):
    """By whichever process a client comes to."""
    context = ssl.create_default_context(cafile=secure.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session, resumed = None, []
    for _ in range(12):
        plain = socket.create_connection(("localhost", secure.port))
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as sock:
            sock.sendall(b"GET /v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
            session = session or sock.session
            resumed.append(sock.session_reused)
    assert resumed == [False] + [True] * 11


def test_a_new_certificate(secure: SecureDaemon):
    """SIGHUP, and new connections see it, while one that was open goes on; a wrong one is not taken."""
    old = secure.shown()
    context = ssl._create_unverified_context()
    with socket.create_connection(("localhost", secure.port)) as plain, context.wrap_socket(plain) as open_before:
        write_certificate(secure.folder)
        secure.process.send_signal(signal.SIGHUP)
        new = secure.authority.read_text()
        if "2" in secure.options:
            eventually(lambda: "All web processes were replaced" in secure.log.read_text(), "new processes")
        eventually(lambda: secure.shown() == new, "the new certificate")
        open_before.sendall(b"GET /v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert open_before.recv(12) == b"HTTP/1.1 200"
    assert new != old
    (secure.folder / "server.pem").write_bytes(new_certificate()[1])
    secure.process.send_signal(signal.SIGHUP)
    eventually(lambda: "is not the key of the certificate" in secure.log.read_text(), "the reason in the log")
    assert secure.shown() == new
    assert fetch("GET", f"{secure.url}/v1/ping").status == 200


def test_a_daemon_with_half_a_certificate_does_not_start(tmp_path: Path):
    """It says why in a sentence, with the status of wrong settings."""
    write_certificate(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-m", "keygenreg", "serve", "--data-dir", tmp_path / "data"],
        env=os.environ | {"KEYGENREG_SERVER_TLS_CERTIFICATE": str(tmp_path / "ca.crt")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "keygenreg: server.tls_key: expected a file, as there is one in server.tls_certificate." in ran.stderr
    assert not (tmp_path / "data").exists()
