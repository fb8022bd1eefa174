"""A daemon of one account that sends downloads to signed links."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.daemon_fixtures import Api, Daemon, fetch
from tests.engines.rubygems.gems import gem

FILES = (
    "versions", "names", "info/kestrel", "specs.4.8.gz", "latest_specs.4.8.gz", "prerelease_specs.4.8.gz",
    "quick/Marshal.4.8/kestrel-1.0.0.gemspec.rz",
)  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    options = ("--mode", "singleplayer", "--domain", "registry.test", "--delivery", "redirect")
    daemon = Daemon(tmp_path_factory.mktemp("alone") / "data", *options).start()
    yield daemon
    daemon.stop()


def test_paths_without_account_and_links_without_credentials(alone: Daemon):
    """On the engine's host and below ``/v1``. gem follows a 303, and sends credentials to no other address."""
    made = json.loads((alone.data_dir / "first-admin.json").read_text())
    admin = Api(alone.url, made["account"]["id"], f"Bearer {made['token']}")
    product = admin.make_product("LICENSED")
    release = admin.make_release(product, package=admin.make_package(product, "kestrel", "rubygems"))
    admin.make_artifact(release, "kestrel-1.0.0.gem", gem())
    local = f"localhost:{alone.port}"
    for base, host in (("", "rubygems.pkg.registry.test"), ("/v1/engines/rubygems", local)):
        headers = {"Host": host, "Authorization": admin.authorization}
        for file in FILES:
            assert fetch("GET", f"{alone.url}{base}/{file}", headers=headers).status == 200
        assert fetch("HEAD", f"{alone.url}{base}/", headers=headers).status == 200
        sent = fetch("GET", f"{alone.url}{base}/gems/kestrel-1.0.0.gem", headers=headers)
        assert sent.status == 303
        link = urlsplit(sent.headers["Location"])
        assert link.hostname == host.partition(":")[0]
        assert made["token"] not in sent.headers["Location"]
        assert fetch("GET", f"{alone.url}{link.path}?{link.query}", headers={"Host": host}).body == gem()
