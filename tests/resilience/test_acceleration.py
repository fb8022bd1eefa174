"""Files that a web server in front sends: nginx by X-Accel-Redirect, others by X-Sendfile."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.daemon_fixtures import Answer, fetch, free_port
from tests.engines.oci.layouts import simple
from tests.resilience.conftest import KIB, Registry, eventually

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONTENT = os.urandom(300 * KIB)
DOCUMENT = Path(__file__).parents[2] / "docs/operating.md"


@frozen
class Stored:
    """A registry with a large file, a small one and a layer of an image; ``url``, ``small``, ``layer`` are paths."""

    registry: Registry
    url: str
    small: str
    layer: str

    def get(self, path: str, port: int | None = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return fetch("GET", f"http://127.0.0.1:{port or self.registry.port}{path}", None, sent)


def stored(registry: Registry, **settings: str) -> Iterator[Stored]:
    registry.begin()
    assert registry.stop() == 0
    registry.env = {f"KEYGENREG_{name}": value for name, value in settings.items()}
    registry.begin()
    mark = free_port()
    release = registry.admin.make_release(registry.product, f"8.{mark}.0")
    paths = []
    for name, content in (("large.bin", CONTENT), ("small.bin", b"small")):
        artifact = registry.admin.make_artifact(release, name, content)
        paths.append(f"/v1/accounts/{registry.admin.account}/artifacts/{artifact['id']}")
    package = registry.admin.make_package(registry.product, f"image-{mark}", "oci")
    image = registry.admin.make_release(registry.product, "1.0.0", package=package)
    registry.admin.make_artifact(image, "image.tar", simple(CONTENT).tar())
    paths.append(f"/v2/image-{mark}/blobs/sha256:{hashlib.sha256(CONTENT).hexdigest()}")
    yield Stored(registry, *paths)
    registry.end()
    registry.env = {}


@pytest.fixture(scope="class")
def by_nginx(only_registry: Registry) -> Iterator[Stored]:
    yield from stored(only_registry, DELIVERY_ACCELERATE="x-accel-redirect")


@pytest.fixture
def by_name(only_registry: Registry) -> Iterator[Stored]:
    yield from stored(only_registry, DELIVERY_ACCELERATE="x-sendfile")


@pytest.fixture
def by_strangers(only_registry: Registry) -> Iterator[Stored]:
    yield from stored(only_registry, DELIVERY_ACCELERATE="x-accel-redirect", SERVER_TRUSTED_PROXIES="192.0.2.1")


def documented_locations(port: int, blobs: Path) -> str:
    """nginx's locations as ``docs/operating.md`` has them, for this registry."""
    blocks = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.S)
    block = next(block for block in blocks if "internal;" in block)
    return block.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{port}").replace(
        "/var/lib/keygenreg/blobs/sha256/", f"{blobs}/"
    )


@pytest.fixture(scope="class")
def nginx(by_nginx: Stored, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx in front."""
    port, tmp_path = free_port(), tmp_path_factory.mktemp("nginx")
    (tmp_path / "nginx.conf").write_text(
        f"""
        daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; {"user root;" if os.geteuid() == 0 else ""}
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;
            uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
            server {{
                listen 127.0.0.1:{port};
                {documented_locations(by_nginx.registry.port, by_nginx.registry.data_dir / "blobs/sha256")}
            }}
        }}
        """
    )
    process = subprocess.Popen([NGINX, "-c", tmp_path / "nginx.conf", "-p", tmp_path, "-e", tmp_path / "error.log"])

    def answers() -> bool:
        try:
            return by_nginx.get("/v1/ping", port).status == 200
        except OSError:
            return False

    try:
        eventually(answers, "nginx answers")
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
class TestNginx:
    def test_the_bytes_are_its_own_and_the_head_is_ours(self, by_nginx: Stored, nginx: int) -> None:
        """Tag, type, digest and name stay; the field that led to the file does not."""
        through, direct = by_nginx.get(by_nginx.url, nginx), by_nginx.get(by_nginx.url)
        assert through.status == 200
        assert through.body == CONTENT
        assert through.headers["Content-Length"] == str(len(CONTENT))
        for name in ("ETag", "Content-Type", "Repr-Digest", "Content-Disposition", "Cache-Control", "Last-Modified"):
            assert through.headers.get_all(name) == direct.headers.get_all(name), name
        assert "X-Accel-Redirect" not in through.headers
        assert direct.headers["X-Accel-Redirect"].startswith("/-/stored/")
        assert direct.body == b""

    def test_layers_of_images(self, by_nginx: Stored, nginx: int) -> None:
        """Their digest, by which clients check them, comes along."""
        layer = by_nginx.get(by_nginx.layer, nginx)
        assert (layer.status, layer.body) == (200, CONTENT)
        assert layer.headers.get_all("Docker-Content-Digest") == [by_nginx.layer.rpartition("/")[2]]
        assert layer.headers.get_all("Content-Type") == ["application/octet-stream"]
        assert layer.headers.get_all("ETag") == by_nginx.get(by_nginx.layer).headers.get_all("ETag")

    def test_ranges(self, by_nginx: Stored, nginx: int) -> None:
        tag = by_nginx.get(by_nginx.url, nginx).headers["ETag"]
        part = by_nginx.get(by_nginx.url, nginx, Range="bytes=1000-1999")
        assert (part.status, part.body) == (206, CONTENT[1000:2000])
        assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(CONTENT)}"
        same = by_nginx.get(by_nginx.url, nginx, Range="bytes=0-9", If_Range=tag)
        assert (same.status, same.body) == (206, CONTENT[:10])
        other = by_nginx.get(by_nginx.url, nginx, Range="bytes=0-9", If_Range='"another"')
        assert (other.status, other.body) == (200, CONTENT)

    def test_conditions(self, by_nginx: Stored, nginx: int) -> None:
        tag = by_nginx.get(by_nginx.url, nginx).headers["ETag"]
        assert by_nginx.get(by_nginx.url, nginx, If_None_Match=tag).status == 304
        assert by_nginx.get(by_nginx.url, nginx, If_None_Match='"another"').body == CONTENT
        assert by_nginx.get(by_nginx.url, nginx, If_Match=tag).body == CONTENT
        assert by_nginx.get(by_nginx.url, nginx, If_Match='"another"').status == 412

    def test_small_files_and_heads_come_from_us(self, by_nginx: Stored, nginx: int) -> None:
        assert by_nginx.get(by_nginx.small, nginx).body == b"small"
        head = fetch("HEAD", f"http://127.0.0.1:{nginx}{by_nginx.url}")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(CONTENT)))

    def test_nobody_gets_a_file_by_its_place(self, by_nginx: Stored, nginx: int) -> None:
        place = by_nginx.get(by_nginx.url).headers["X-Accel-Redirect"]
        assert by_nginx.get(place, nginx).status == 404


def test_other_servers_get_a_name(by_name: Stored) -> None:
    answer = by_name.get(by_name.url)
    assert (answer.status, answer.body) == (200, b"")
    assert Path(answer.headers["X-Sendfile"]).read_bytes() == CONTENT
    assert Path(answer.headers["X-Sendfile"]).is_absolute()
    assert Path(answer.headers["X-Sendfile"]).stat().st_mode & 0o777 == 0o640


def test_a_stranger_gets_bytes(by_strangers: Stored) -> None:
    """Who is no proxy of ours would not know what to do with a name."""
    answer = by_strangers.get(by_strangers.url)
    assert answer.body == CONTENT
    assert "X-Accel-Redirect" not in answer.headers
    assert by_strangers.get(by_strangers.url, X_Forwarded_For="192.0.2.1").body == CONTENT
