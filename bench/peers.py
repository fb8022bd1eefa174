"""The other servers: those that ``bench/install_peers`` installed, each started the way its makers mean it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from attrs import define, field
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench.machine import Server, free_port, output_of, start

NGINX, DOCKER_REGISTRY, DISTRIBUTION, ZOT = "nginx", "docker-registry", "distribution", "zot"
PYPISERVER, DEVPI, PROXPI, VERDACCIO = "pypiserver", "devpi-server", "proxpi", "verdaccio"

_NGINX = """
user %(user)s; worker_processes 1; daemon off; pid %(folder)s/nginx.pid; error_log %(folder)s/error.log;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 75;
  open_file_cache max=10000 inactive=1h; open_file_cache_valid 1h; open_file_cache_min_uses 1;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  default_type application/octet-stream;
  server {
    listen 127.0.0.1:%(port)d backlog=4096; listen 127.0.0.1:%(tls)d ssl backlog=4096;
    ssl_certificate %(certificate)s; ssl_certificate_key %(key)s; ssl_session_cache shared:s:1m;
    root %(root)s; index index.json;
    location /v2/ { default_type application/vnd.oci.image.manifest.v1+json; }
    location /simple/ { default_type application/vnd.pypi.simple.v1+json; }
    location /npm/ { default_type application/json; }
  }
}
"""


def peers_folder() -> Path:
    """Where ``bench/install_peers`` puts what it installs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("KEYGENREG_BENCH_PEERS") or Path(cache) / "keygenreg-bench")


def program(name: str) -> str | None:
    """The path of an installed program."""
    own = peers_folder() / "bin" / name
    return str(own) if own.exists() else shutil.which(name) or shutil.which(name, path="/usr/sbin")


@define
class Certificate:
    """A certificate for localhost, signed by itself, with its key: files in PEM."""

    certificate: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(names, critical=False)
        .sign(key, SHA256())
    )
    found = Certificate(folder / "certificate.pem", folder / "key.pem")
    found.certificate.write_bytes(made.public_bytes(Encoding.PEM))
    found.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return found


@define
class Peers:
    """Peers by name, started when first asked for and stopped by ``stop``; ``folder`` is theirs."""

    folder: Path
    certificate: Certificate
    #: Those that may be started; None: all.
    wanted: frozenset[str] | None = None
    running: dict[str, Server] = field(factory=dict)
    #: Why a peer is left out, by name.
    absent: dict[str, str] = field(factory=dict)

    def get(self, name: str) -> Server | None:
        """A running peer; None, with the reason in ``absent``, if it is not installed or does not start."""
        if self.wanted is not None and name not in self.wanted:
            self.absent[name] = "not asked for"
        if name not in self.running and name not in self.absent:
            make = _MAKERS[name]
            place = self.folder / name
            place.mkdir(exist_ok=True)
            try:
                found = make(self, place)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                self.absent[name] = str(error)
            else:
                if found is None:
                    self.absent[name] = "not installed"
                else:
                    self.running[name] = found
        return self.running.get(name)

    def stop(self) -> None:
        for server in self.running.values():
            server.stop()

    def root(self, name: str) -> Path:
        """The directory that a peer serves from; may be filled before it starts."""
        place = self.folder / name / "root"
        place.mkdir(parents=True, exist_ok=True)
        return place


def _nginx(peers: Peers, place: Path) -> Server | None:
    path = program("nginx")
    if path is None:
        return None
    port, tls = free_port(), free_port()
    settings = {
        "user": "root" if os.geteuid() == 0 else "nobody",
        "folder": place, "port": port, "tls": tls, "root": peers.root(NGINX),
        "certificate": peers.certificate.certificate, "key": peers.certificate.key,
    }  # fmt: skip
    (place / "nginx.conf").write_text(_NGINX % settings)
    command = [path, "-c", place / "nginx.conf", "-p", place, "-e", place / "error.log"]
    server = start(NGINX, output_of(path, "-v").partition("/")[2], command, port=port, log=place / "log")
    server.more["tls"] = tls
    return server


def _distribution(name: str, binary: str) -> Callable[[Peers, Path], Server | None]:
    def make(peers: Peers, place: Path) -> Server | None:
        path = program(binary)
        if path is None:
            return None
        port = free_port()
        document = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(peers.root(name))},
                "cache": {"blobdescriptor": "inmemory"},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{port}", "secret": "a secret of measurements"},
        }
        # YAML takes JSON.
        (place / "config.yml").write_text(json.dumps(document))
        version = _number(output_of(path, "--version"))
        env = {"OTEL_TRACES_EXPORTER": "none"}
        return start(name, version, [path, "serve", place / "config.yml"], port=port, log=place / "log", env=env)

    return make


def _zot(peers: Peers, place: Path) -> Server | None:
    path = program("zot")
    if path is None:
        return None
    port = free_port()
    document = {
        "storage": {"rootDirectory": str(peers.root(ZOT)), "gc": False, "dedupe": False},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
    }
    (place / "config.json").write_text(json.dumps(document))
    version = _number(output_of(path, "--version"))
    return start(ZOT, version, [path, "serve", place / "config.json"], port=port, log=place / "log")


def _pypiserver(peers: Peers, place: Path) -> Server | None:
    path = peers_folder() / PYPISERVER / "bin/pypi-server"
    if not path.exists():
        return None
    port = free_port()
    command = [path, "run", "-i", "127.0.0.1", "-p", str(port), "-P", ".", "-a", ".", "--disable-fallback",
               peers.root(PYPISERVER)]  # fmt: skip
    return start(PYPISERVER, _number(output_of(path, "--version")), command, port=port, log=place / "log")


def _devpi(_: Peers, place: Path) -> Server | None:
    programs = peers_folder() / "devpi/bin"
    if not (programs / "devpi-server").exists():
        return None
    data = place / "data"
    subprocess.run([programs / "devpi-init", "--serverdir", data], check=True, capture_output=True, timeout=120)
    port = free_port()
    command = [programs / "devpi-server", "--serverdir", data, "--host", "127.0.0.1", "--port", str(port)]
    version = _number(output_of(programs / "devpi-server", "--version"))
    return start(DEVPI, version, command, port=port, log=place / "log")


def _proxpi(peers: Peers, place: Path) -> Server | None:
    programs = peers_folder() / "proxpi/bin"
    upstream = peers.get(NGINX)
    if not (programs / "gunicorn").exists() or upstream is None:
        return None
    port = free_port()
    env = {"PROXPI_INDEX_URL": f"{upstream.url}/simple/", "PROXPI_CACHE_DIR": str(place / "cache"),
           "PROXPI_LOGGING_LEVEL": "ERROR"}  # fmt: skip
    command = [programs / "gunicorn", "--preload", "--threads", "2", "--bind", f"127.0.0.1:{port}", "--log-level",
               "error", "proxpi.server:app"]  # fmt: skip
    version = _number(output_of(programs / "pip", "show", "proxpi"))
    return start(PROXPI, version, command, port=port, log=place / "log", env=env)


def _verdaccio(peers: Peers, place: Path) -> Server | None:
    script = peers_folder() / "verdaccio/node_modules/verdaccio/bin/verdaccio"
    node = shutil.which("node")
    if not script.exists() or node is None:
        return None
    port = free_port()
    document = {
        "storage": str(peers.root(VERDACCIO)),
        "auth": {"htpasswd": {"file": str(place / "htpasswd")}},
        "packages": {"**": {"access": "$all"}},
        "log": {"type": "stdout", "format": "pretty", "level": "fatal"},
        "web": {"enable": False},
    }
    (place / "config.yaml").write_text(json.dumps(document))
    version = json.loads((script.parent.parent / "package.json").read_text())["version"]
    command = [node, script, "-c", place / "config.yaml", "-l", f"127.0.0.1:{port}"]
    return start(VERDACCIO, version, command, port=port, log=place / "log")


def _number(text: str) -> str:
    """The first version number in what a program says of itself."""
    found = re.search(r"\d+(\.\d+)+", text.replace("/v3 ", " "))
    return found[0] if found else "of unknown version"


_MAKERS: Mapping[str, Callable[[Peers, Path], Server | None]] = {
    NGINX: _nginx,
    DOCKER_REGISTRY: _distribution(DOCKER_REGISTRY, "docker-registry"),
    DISTRIBUTION: _distribution(DISTRIBUTION, "distribution"),
    ZOT: _zot,
    PYPISERVER: _pypiserver,
    DEVPI: _devpi,
    PROXPI: _proxpi,
    VERDACCIO: _verdaccio,
}
