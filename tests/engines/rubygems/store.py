"""A vendor of gems, for tests over real HTTP."""

from __future__ import annotations

import gzip
from typing import Any

from keygenreg.engines.rubygems.ruby_unmarshal import loads
from tests.daemon_fixtures import Account, Answer, Api, fetch
from tests.engines.rubygems.gems import gem

SEPARATOR = "---"


class Store:
    """An account with one product and the gem ``kestrel`` in it."""

    def __init__(self, account: Account, strategy: str = "LICENSED", name: str = "kestrel") -> None:
        self.account = account
        self.admin = account.admin
        self.name = name
        self.product = self.admin.make_product(strategy)
        self.package = self.admin.make_package(self.product, name, "rubygems")

    @property
    def anonymous(self) -> Api:
        return self.admin.as_()

    def release(self, version: str, **attributes: Any) -> dict:
        """A release, on the channel that its version says."""
        channel = version.partition("-")[2].partition(".")[0] or "stable"
        return self.admin.make_release(self.product, version, package=self.package, channel=channel, **attributes)

    def publish(
        self, version: str = "1.0.0", content: bytes | None = None, *, filename: str | None = None, **attributes: Any
    ) -> dict:
        """A release of a version with its gem; the artifact. ``attributes`` are the release's."""
        release = self.release(version, **attributes)
        return self.add(release, version, content, filename)

    def add(self, release: dict, version: str, content: bytes | None = None, filename: str | None = None) -> dict:
        built = version.replace("-", ".pre.")
        content = gem(self.name, built) if content is None else content
        artifact = self.admin.make_artifact(release, filename or f"{self.name}-{built}.gem", content)
        if artifact["attributes"]["status"] != "UPLOADED":
            raise AssertionError(artifact["attributes"])
        return artifact

    def get(self, path: str, api: Api | None = None, *, method: str = "GET", body: bytes | None = None,
            **headers: str) -> Answer:  # fmt: skip
        """A request to the registry, as administrator unless said otherwise."""
        api = self.admin if api is None else api
        sent = headers | ({"Authorization": api.authorization} if api.authorization else {})
        return fetch(method, f"{api.base}/engines/rubygems/{path}", body, sent)

    def lines(self, path: str, api: Api | None = None) -> list[str] | int:
        """The lines of a file of the compact index after its head, or the status when it is not 200."""
        answer = self.get(path, api)
        if answer.status != 200:
            return answer.status
        head, _, rest = answer.body.decode().partition("---\n")
        assert head == "" or head.startswith("created_at: "), answer
        return rest.splitlines()

    def versions(self, api: Api | None = None) -> dict[str, str] | int:
        """The versions that a bearer sees, by gem, as they stand in the index; or the status."""
        lines = self.lines("versions", api)
        return lines if isinstance(lines, int) else dict(line.split(" ")[:2] for line in lines)

    def specs(self, path: str = "specs.4.8.gz", api: Api | None = None) -> list[tuple[str, str, str]] | int:
        """The triples of an older index, or the status."""
        answer = self.get(path, api)
        if answer.status != 200:
            return answer.status
        return [(name, version.value[0], platform) for name, version, platform in loads(gzip.decompress(answer.body))]

    def constrain(self, version: str, entitlement: dict) -> None:
        """Let a release need an entitlement."""
        self.account.sql(
            "INSERT INTO constraints (id, account_id, release_id, entitlement_id) "
            "SELECT gen_random_uuid(), account_id, id, %s FROM releases WHERE package_id = %s AND version = %s",
            entitlement["id"], self.package["id"], version,
        )  # fmt: skip

    def set_status(self, version: str, status: str) -> None:
        self.account.sql(
            "UPDATE releases SET status = %s WHERE package_id = %s AND version = %s",
            status, self.package["id"], version,
        )  # fmt: skip

    def open_up(self, strategy: str = "OPEN") -> None:
        self.account.sql("UPDATE products SET distribution_strategy = %s WHERE id = %s", strategy, self.product["id"])
