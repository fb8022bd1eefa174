"""A vendor of one app with an updater, for tests over real HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tests.daemon_fixtures import Account, Answer, Api, fetch

JSON = "application/json"
#: Files of one version, by what generation of Tauri builds them; ``{v}`` is the version.
BUNDLES = {
    "v1": {
        "linux": ("app_{v}.AppImage", "app_{v}.AppImage.tar.gz", "app_{v}.AppImage.tar.gz.sig"),
        "darwin": ("app_{v}.app.tar.gz", "app_{v}.app.tar.gz.sig", "app_{v}.dmg"),
        "windows": ("app_{v}.msi", "app_{v}.msi.zip", "app_{v}.nsis.zip", "app_{v}.exe", "app_{v}.nsis.zip.sig"),
    },
    "v2": {
        "linux": ("app_{v}.deb", "app_{v}.AppImage", "app_{v}.AppImage.sig"),
        "darwin": ("app_{v}.app.tar.gz", "app_{v}.app.tar.gz.sig", "app_{v}.dmg"),
        "windows": ("app_{v}.msi", "app_{v}.exe", "app_{v}.exe.sig"),
    },
}


def channel_of(version: str) -> str:
    prerelease = version.partition("+")[0].partition("-")[2]
    return next((word for word in ("rc", "beta", "alpha", "dev") if prerelease.startswith(word)), "stable")


class Vendor:
    """An account with one product and one package of the engine in it."""

    def __init__(self, account: Account, strategy: str = "LICENSED", key: str = "app") -> None:
        self.account = account
        self.admin = account.admin
        self.key = key
        self.product = self.admin.make_product(strategy)
        self.package = self.admin.make_package(self.product, key, "tauri")

    @property
    def anonymous(self) -> Api:
        return self.admin.as_()

    def release(self, version: str, **attributes: Any) -> dict:
        """A release, on the channel that its version says."""
        return self.admin.make_release(
            self.product, version, package=self.package, channel=channel_of(version), **attributes
        )

    def file(self, release: dict, filename: str, content: bytes = b"bundle", *, signature: str | None = "signed",
             platform: str | None = "linux", arch: str | None = "x86_64") -> dict:  # fmt: skip
        """One artifact of a release."""
        return self.admin.make_artifact(
            release, filename, content, platform=platform, arch=arch, signature=signature
        )

    def publish(self, version: str, **attributes: Any) -> dict:
        """A release of a version with a signed AppImage of Linux; the release, its artifact under ``file``."""
        release = self.release(version, **attributes)
        return release | {"file": self.file(release, f"app_{version}.AppImage", f"app {version}".encode())}

    def publish_set(self, version: str, generation: str) -> dict:
        """A release with the bundles of all platforms."""
        release = self.release(version)
        for platform, names in BUNDLES[generation].items():
            for name in names:
                signature = f"signature of {name}" if name.endswith(("gz", "zip", "AppImage", "exe")) else None
                self.file(release, name.format(v=version), name.encode(), signature=signature, platform=platform)
        return release

    def url(self, path: str | None = None, api: Api | None = None, **query: str) -> str:
        text = urlencode(query)
        return f"{(api or self.admin).base}/engines/tauri/{path or self.key}{'?' if text else ''}{text}"

    def check(self, version: str | None = "1.0.0", api: Api | None = None, *, path: str | None = None,
              headers: dict[str, str] | None = None, method: str = "GET", **query: str) -> Answer:  # fmt: skip
        """An updater's question for an update of Linux, as administrator unless said otherwise."""
        api = self.admin if api is None else api
        asked = {"platform": "linux", "arch": "x86_64"} | ({"version": version} if version else {}) | query
        sent = {"Accept": JSON} | ({"Authorization": api.authorization} if api.authorization else {})
        return fetch(method, self.url(path, **asked), None, sent | (headers or {}))

    def offered(self, version: str = "1.0.0", api: Api | None = None, **query: str) -> str | int:
        """The version that is offered, or the status when there is none."""
        answer = self.check(version, api, **query)
        return answer.json["version"] if answer.status == 200 else answer.status

    def constrain(self, release: dict, entitlement: dict) -> None:
        """Let a release need an entitlement."""
        self.account.sql(
            "INSERT INTO constraints (id, account_id, release_id, entitlement_id) "
            "VALUES (gen_random_uuid(), %s, %s, %s)",
            self.account.id, release["id"], entitlement["id"],
        )  # fmt: skip

    def set_status(self, release: dict, status: str) -> None:
        self.account.sql("UPDATE releases SET status = %s WHERE id = %s", status, release["id"])

    def open_up(self, strategy: str) -> None:
        self.account.sql("UPDATE products SET distribution_strategy = %s WHERE id = %s", strategy, self.product["id"])
