"""A daemon that redirects to signed links, for one account, with small limits (decisions 1 and 2)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.daemon_fixtures import Api, Daemon, fetch
from tests.management.test_uploads import chunked

SETTINGS = {"KEYGENREG_UPLOADS_MAX_BYTES": "2000000"}


@pytest.fixture(scope="module")
def redirecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    running = Daemon(tmp_path_factory.mktemp("redirecting") / "data", "--delivery", "redirect", env=SETTINGS).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(redirecting: Daemon) -> Api:
    admin = json.loads((redirecting.data_dir / "first-admin.json").read_text())
    client = Api(redirecting.url, "default", f"Bearer {admin['token']}")
    client.base = f"{redirecting.url}/v1"
    return client


@pytest.fixture(scope="module")
def artifact(api: Api) -> dict:
    release = api.make_release(api.make_product("OPEN"))
    return api.make_artifact(release, "dir/tool.zip", b"the bytes")


@pytest.mark.parametrize("accept", ["*/*", "application/octet-stream", "application/vnd.api+json"])
def test_always_redirects(api, artifact, accept):
    """Every download ends at a signed link, whatever the client accepts; HEAD too."""
    answer = api.get("/artifacts/dir/tool.zip", Accept=accept)
    assert (answer.status, answer.data["links"]["redirect"]) == (303, answer.headers["Location"])
    assert fetch("GET", answer.headers["Location"]).body == b"the bytes"
    head = api.request("HEAD", f"/artifacts/{artifact['id']}/dir%2Ftool.zip", Accept=accept)
    assert (head.status, head.body) == (303, b"")


def test_upload_limit(api):
    """More than the configured size is refused: declared, announced, or found out on the way."""
    release = api.make_release(api.make_product(), "2.0.0")

    def made(filename: str, **given) -> object:
        related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
        attributes = {"filename": filename, **given}
        document = {"data": {"type": "artifacts", "attributes": attributes, "relationships": related}}
        return api.post("/artifacts", document)

    assert made("a", filesize=2_000_001).error["code"] == "FILESIZE_INVALID"
    assert made("a", filesize=2_000_000).status == 307
    link = made("b").headers["Location"]
    assert chunked(link, *[b"x" * 500_000] * 5).status == 413
    assert fetch("PUT", link, b"x" * 2_000_000).status == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_uploads_and_follows(api, tmp_path):
    """curl asks for permission before large bodies, and follows the redirect to the bytes without credentials."""
    release = api.make_release(api.make_product(), "3.0.0")
    content = bytes(range(256)) * 7000
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    source.write_bytes(content)
    related = {"release": {"data": {"type": "releases", "id": release["id"]}}}
    document = {"data": {"type": "artifacts", "attributes": {"filename": "c.bin"}, "relationships": related}}
    link = api.post("/artifacts", document).headers["Location"]
    put = ["curl", "-sS", "--fail", "-H", "Expect: 100-continue", "-T", str(source), link]
    subprocess.run(put, check=True, timeout=60, stdout=subprocess.DEVNULL)
    get = ["curl", "-sS", "--fail", "-L", "-H", f"Authorization: {api.authorization}", "-o", str(target)]
    subprocess.run([*get, f"{api.base}/artifacts/c.bin"], check=True, timeout=60)
    assert target.read_bytes() == content
