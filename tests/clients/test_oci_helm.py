"""Helm against charts that were published as OCI artifacts in image layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.oci_clients import Helm
from tests.daemon_fixtures import Account
from tests.engines.oci.layouts import Layout, gz, tar_of
from tests.engines.oci.store import Store

CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
VERSIONS = ["1.0.0", "1.2.0", "2.0.0-rc.1+build.7"]


def chart(version: str) -> Layout:
    """What ``helm push`` makes of a chart, as a layout."""
    about = {"apiVersion": "v2", "name": "app", "version": version, "description": "A chart"}
    files = [("app/Chart.yaml", json.dumps(about).encode()), ("app/values.yaml", b"port: 80\n"),
             ("app/templates/note.yaml", f"# {version}\n".encode())]  # fmt: skip
    layout = Layout()
    layer = layout.blob(gz(tar_of(files)), CHART)
    layout.add(layout.image(config=json.dumps(about).encode(), config_type=CONFIG, fields={"layers": [layer]}))
    return layout


class Charts(Store):
    """A repository of charts: ``VERSIONS``, with the digest of each one's manifest."""

    def __init__(self, account: Account, strategy: str) -> None:
        super().__init__(account, strategy, "charts/app")
        self.digests = {}
        for version in VERSIONS:
            layout = chart(version)
            self.publish(version, layout)
            self.digests[version] = layout.roots[0]["digest"]

    @property
    def registry(self) -> str:
        return f"127.0.0.1:{self.account.daemon.port}"

    @property
    def reference(self) -> str:
        return f"oci://{self.registry}/{self.name}"


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(tmp_path)


def every_way(helm: Helm, charts: Charts) -> None:
    """By version (one with a plus sign too), by digest, by a range of versions, and the newest."""
    for version, digest in charts.digests.items():
        forms = [[charts.reference, "--version", version], [f"{charts.reference}@{digest}"]]
        # Helm itself has no way to write a plus sign into a reference.
        forms += [] if "+" in version else [[f"{charts.reference}:{version}"]]
        for words in forms:
            assert f"# {version}\n" in helm.chart(*words), words
    assert "# 1.2.0\n" in helm.chart(charts.reference, "--version", "^1.0.0")
    assert "# 1.2.0\n" in helm.chart(charts.reference)
    assert "version: 1.2.0" in helm.show(charts.reference, "--version", "1.2.0").ok().words
    assert charts.digests["1.0.0"] in helm.pull(f"{charts.reference}:1.0.0").ok().words


def test_log_in(helm: Helm, account: Account):
    """License keys and API tokens are taken, anything else is refused at once."""
    charts = Charts(account, "LICENSED")
    key = charts.licensed()["attributes"]["key"]
    for user, password in [("license", "wrong"), ("token", "wrong"), ("license", key[:-1])]:
        helm.login(charts.registry, user, password).failed()
    helm.login(charts.registry, "license", key).ok()
    helm.login(charts.registry, "token", account.token).ok()


def test_open_charts_without_log_in(helm: Helm, account: Account):
    every_way(helm, Charts(account, "OPEN"))


def test_licensed_charts(helm: Helm, account: Account):
    charts = Charts(account, "LICENSED")
    license = charts.licensed()
    helm.pull(f"{charts.reference}:1.0.0").failed()
    helm.login(charts.registry, "license", license["attributes"]["key"]).ok()
    every_way(helm, charts)
    charts.admin.post(f"/licenses/{license['id']}/actions/suspend")
    assert "suspended" in helm.pull(f"{charts.reference}:1.0.0").failed().words


def test_templates_straight_from_the_registry(helm: Helm, account: Account):
    charts = Charts(account, "OPEN")
    said = helm.run(helm.program, "template", "mine", charts.reference, "--version", "1.2.0", "--plain-http").ok()
    assert "# 1.2.0" in said.words


def test_pushing_is_refused(helm: Helm, account: Account, tmp_path: Path):
    charts = Charts(account, "LICENSED")
    helm.login(charts.registry, "token", account.token).ok()
    helm.pull(f"{charts.reference}:1.0.0").ok()
    archive = next(tmp_path.rglob("app-1.0.0.tgz"))
    target = charts.reference.removesuffix("/app")
    said = helm.run(helm.program, "push", archive, target, "--plain-http").failed().words
    assert "405" in said or "read-only" in said
