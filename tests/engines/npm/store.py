"""A vendor of one npm package, for tests over real HTTP."""

from __future__ import annotations

from typing import Any

from tests.daemon_fixtures import Account, Answer, Api, fetch
from tests.engines.npm.tarballs import package as tarball_of

JSON = "application/json"
#: What npm sends when it installs.
NPM = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"


class Store:
    """An account with one product and one package in it."""

    def __init__(self, account: Account, strategy: str = "LICENSED", name: str = "acme") -> None:
        self.account = account
        self.admin = account.admin
        self.name = name
        self.product = self.admin.make_product(strategy)
        self.package = self.admin.make_package(self.product, name, "npm")

    @property
    def anonymous(self) -> Api:
        return self.admin.as_()

    def release(self, version: str, **attributes: Any) -> dict:
        """A release, on the channel that its version says."""
        channel = version.partition("-")[2].partition(".")[0] or "stable"
        return self.admin.make_release(self.product, version, package=self.package, channel=channel, **attributes)

    def publish(
        self, version: str = "1.0.0", content: bytes | None = None, *, metadata: dict | None = None, **attributes: Any
    ) -> dict:
        """A release of a version with its tarball; the artifact. ``attributes`` are the release's."""
        release = self.release(version, **attributes)
        content = tarball_of(self.name, version) if content is None else content
        filename = f"{self.name.replace('@', '').replace('/', '-')}-{version}.tgz"
        artifact = self.admin.make_artifact(release, filename, content, metadata=metadata or {})
        if artifact["attributes"]["status"] != "UPLOADED":
            raise AssertionError(artifact["attributes"])
        return artifact

    def get(
        self, path: str | None = None, api: Api | None = None, *, accept: str | None = JSON, method: str = "GET",
        body: bytes | None = None, **headers: str,
    ) -> Answer:  # fmt: skip
        """A request to the registry, as administrator unless said otherwise."""
        api = self.admin if api is None else api
        sent = headers | ({"Authorization": api.authorization} if api.authorization else {})
        sent |= {"Accept": accept} if accept else {}
        return fetch(method, f"{api.base}/engines/npm/{self.name if path is None else path}", body, sent)

    def versions(self, api: Api | None = None, path: str | None = None) -> list[str] | int:
        """The versions that a bearer sees, or the status when it is not 200."""
        answer = self.get(path, api)
        return list(answer.json["versions"]) if answer.status == 200 else answer.status

    def constrain(self, version: str, entitlement: dict) -> None:
        """Let a release need an entitlement."""
        self.account.sql(
            "INSERT INTO constraints (id, account_id, release_id, entitlement_id) "
            "SELECT gen_random_uuid(), account_id, id, %s FROM releases WHERE package_id = %s AND version = %s",
            entitlement["id"], self.package["id"], version,
        )  # fmt: skip
