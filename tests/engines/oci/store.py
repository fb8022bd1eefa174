"""A vendor of one image, for tests over real HTTP."""

from __future__ import annotations

from typing import Any

from tests.daemon_fixtures import Account, Answer, Api, basic, fetch
from tests.engines.oci.layouts import Layout, simple

EVERY_TYPE = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


class Store:
    """An account with one product and one package of images in it."""

    def __init__(self, account: Account, strategy: str = "LICENSED", key: str = "app") -> None:
        self.account = account
        self.admin = account.admin
        self.key = key
        self.product = self.admin.make_product(strategy)
        self.package = self.admin.make_package(self.product, key, "oci")

    @property
    def name(self) -> str:
        """The repository's name in paths and scopes."""
        return f"{self.account.slug}/{self.key}"

    @property
    def root(self) -> str:
        return f"{self.account.daemon.url}/v2"

    @property
    def host(self) -> str:
        return f"localhost:{self.account.daemon.port}"

    @property
    def anonymous(self) -> Api:
        return self.admin.as_()

    def licensed(self, **attributes: Any) -> dict:
        """A license of the product."""
        return self.admin.make_license(self.admin.make_policy(self.product, **attributes))

    def holder(self, license: dict) -> Api:
        return self.admin.as_(key=license["attributes"]["key"])

    def release(self, version: str = "1.0.0", **attributes: Any) -> dict:
        """A release, on the channel that its version says."""
        channel = version.partition("-")[2].partition(".")[0] or "stable"
        return self.admin.make_release(self.product, version, package=self.package, channel=channel, **attributes)

    def upload(self, release: dict, content: bytes, filename: str = "image.tar", **attributes: Any) -> dict:
        return self.admin.make_artifact(release, filename, content, **attributes)

    def publish(self, version: str = "1.0.0", layout: Layout | bytes | None = None, **attributes: Any) -> dict:
        """A release of a version with its image; the artifact."""
        layout = simple(f"layer of {version}".encode()) if layout is None else layout
        content = layout if isinstance(layout, bytes) else layout.tar()
        artifact = self.upload(self.release(version, **attributes), content)
        if artifact["attributes"]["status"] != "UPLOADED":
            raise AssertionError(artifact["attributes"])
        return artifact

    def get(
        self, path: str, api: Api | None = None, *, method: str = "GET", body: bytes | None = None,
        accept: str | None = EVERY_TYPE, **headers: str,
    ) -> Answer:  # fmt: skip
        """A request for something in the repository, as administrator unless said otherwise."""
        return self.ask(f"{self.root}/{self.name}/{path}", api, method=method, body=body, accept=accept, **headers)

    def ask(
        self, url: str, api: Api | None = None, *, method: str = "GET", body: bytes | None = None,
        accept: str | None = None, **headers: str,
    ) -> Answer:  # fmt: skip
        api = self.admin if api is None else api
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if api.authorization:
            sent.setdefault("Authorization", api.authorization)
        if accept:
            sent["Accept"] = accept
        return fetch(method, url, body, sent)

    def token(self, authorization: str | None = None, *names: str, expected: int = 200) -> str:
        """A registry token for repositories, for this one when none is named."""
        scopes = "&".join(f"scope=repository:{name}:pull" for name in (names or (self.name,)))
        headers = {"Authorization": authorization} if authorization else {}
        answer = fetch("GET", f"{self.root}/token?service={self.host}&{scopes}", headers=headers)
        if answer.status != expected:
            raise AssertionError(answer)
        return answer.json["token"] if expected == 200 else ""

    def with_token(self, token: str) -> Api:
        return self.admin.as_(token)

    def constrain(self, version: str, entitlement: dict) -> None:
        """Let a release need an entitlement."""
        self.account.sql(
            "INSERT INTO constraints (id, account_id, release_id, entitlement_id) "
            "SELECT gen_random_uuid(), account_id, id, %s FROM releases WHERE package_id = %s AND version = %s",
            entitlement["id"], self.package["id"], version,
        )  # fmt: skip


def license_basic(license: dict) -> str:
    return basic("license", license["attributes"]["key"])
