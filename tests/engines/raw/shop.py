"""A vendor of files, for tests over real HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.daemon_fixtures import Account, Answer, Api, fetch


class Shop:
    """An account with products whose code is their name; ``product`` is the first."""

    def __init__(self, account: Account, strategy: str = "LICENSED", code: str = "app") -> None:
        self.account = account
        self.admin = account.admin
        self.code = code
        self.product = self.admin.make_product(strategy, code=code)

    @property
    def anonymous(self) -> Api:
        return self.admin.as_()

    def publish(
        self, version: str, filename: str, content: bytes | None = b"bytes", *, product: dict | None = None,
        package: dict | None = None, artifact: dict | None = None, **release: Any,
    ) -> dict:  # fmt: skip
        """A release with one file; its artifact, with the release under ``made``."""
        channel = version.partition("-")[2].partition(".")[0] or "stable"
        made = self.admin.make_release(
            product or self.product, version, package=package, channel=channel, **release
        )
        return self.admin.make_artifact(made, filename, content, **(artifact or {})) | {"made": made}

    def get(self, path: str, api: Api | None = None, *, method: str = "GET", **headers: str) -> Answer:
        """A request to the engine by the API's path, as administrator unless said otherwise."""
        api = self.admin if api is None else api
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if api.authorization:
            sent.setdefault("Authorization", api.authorization)
        return fetch(method, f"{api.base}/engines/raw/{path}", None, sent)

    def follow(self, answer: Answer, api: Api | None = None, **headers: str) -> Answer:
        """What the Location of an answer holds; with credentials only if an API is given."""
        sent = {"Authorization": api.authorization} if api else {}
        return fetch("GET", answer.headers["Location"], headers=sent | headers)

    def status(self, path: str, api: Api | None = None) -> int:
        return self.get(path, api).status

    def location(self, artifact: dict, filename: str) -> str:
        """The path of the address that an artifact has."""
        return f"/v1/accounts/{self.account.id}/artifacts/{artifact['id']}/{filename}"

    def constrain(self, release: dict, entitlement: dict) -> None:
        """Let a release need an entitlement."""
        self.account.sql(
            "INSERT INTO constraints (id, account_id, release_id, entitlement_id) "
            "VALUES (gen_random_uuid(), %s, %s, %s)",
            self.account.id, release["id"], entitlement["id"],
        )  # fmt: skip

    def open_up(self, strategy: str) -> None:
        self.account.sql(
            "UPDATE products SET distribution_strategy = %s WHERE id = %s", strategy, self.product["id"]
        )


def path_of(answer: Answer) -> str:
    """The path of a Location."""
    return urlsplit(answer.headers["Location"]).path
