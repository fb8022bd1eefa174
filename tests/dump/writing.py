"""Writes dumps for tests: one resource at a time, references by id alone."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from keygenreg.access.account_keys import generate_account_keys

HEADER = '{"type":"dump","version":1}'


def new_id() -> str:
    return str(uuid4())


class DumpText:
    """
    Lines of a dump. Each ``add`` gives the id of the new resource; the types of references are remembered.

    Where nothing is said, a resource belongs to the last account added.
    """

    def __init__(self) -> None:
        self.lines = [HEADER]
        self._types: dict[str, str] = {}
        self._account: str | None = None

    def add(
        self,
        type: str,
        attributes: dict[str, Any] | None = None,
        *,
        id: str | None = None,
        private: dict[str, Any] | None = None,
        content: dict[str, Any] | None = None,
        **references: str | None,
    ) -> str:
        id = id or new_id()
        self._types[id] = type
        if type == "accounts":
            self._account = id
        else:
            references.setdefault("account", self._account)
        linked = {
            name: {"data": None if other is None else {"type": self._types[other], "id": other}}
            for name, other in references.items()
        }
        line = {"type": type, "id": id, "attributes": attributes or {}, "relationships": linked}
        if private is not None:
            line["private"] = private
        if content is not None:
            line["content"] = content
        self.lines.append(json.dumps(line))
        return id

    def know(self, type: str, id: str) -> str:
        """Name the type of an id that no line has."""
        self._types[id] = type
        return id

    def reference(self, id: str, name: str) -> str:
        """Where a relationship of an added resource leads."""
        lines = map(json.loads, self.lines)
        return next(line["relationships"][name]["data"]["id"] for line in lines if line.get("id") == id)

    @property
    def last(self) -> int:
        """Number of the last line."""
        return len(self.lines)

    # The chains that most tests need.

    def account(self, slug: str = "nimbus", **attributes: Any) -> str:
        return self.add("accounts", {"slug": slug, **attributes}, private=SECRETS)

    def product(self, **attributes: Any) -> str:
        return self.add("products", {"name": "Kettle", **attributes})

    def policy(self, product: str, **attributes: Any) -> str:
        return self.add("policies", {"name": "Yearly", **attributes}, product=product)

    def license(self, policy: str, key: str, **attributes: Any) -> str:
        return self.add("licenses", {"key": key, **attributes}, policy=policy)

    def release(self, product: str, version: str = "1.0.0", *, package: str | None = None, **attributes: Any) -> str:
        return self.add("releases", {"version": version, **attributes}, product=product, package=package)

    def artifact(self, release: str, filename: str, content: dict | None = None, **attributes: Any) -> str:
        return self.add("artifacts", {"filename": filename, **attributes}, content=content, release=release)

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"


_KEYS = generate_account_keys()
#: One set of keys for all accounts of all tests.
SECRETS = {
    "ed25519PrivateKey": _KEYS.ed25519_private_key,
    "rsaPrivateKey": _KEYS.rsa_private_key,
    "ecdsaPrivateKey": _KEYS.ecdsa_private_key,
    "secretKey": _KEYS.secret_key,
}


def the_small_registry() -> str:
    """The example at the end of the format's description."""
    account = '"account":{"data":{"type":"accounts","id":"6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a01"}}'

    def line(type: str, suffix: str, attributes: str, relationships: str = "", more: str = "") -> str:
        related = "" if type == "accounts" else f',"relationships":{{{account}{relationships}}}'
        given = f',"attributes":{attributes}' if attributes else ""
        return f'{{"type":"{type}","id":"6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a{suffix}"{given}{related}{more}}}'

    def to(name: str, type: str, suffix: str) -> str:
        return f',"{name}":{{"data":{{"type":"{type}","id":"6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a{suffix}"}}}}'

    product, release = to("product", "products", "02"), to("release", "releases", "08")
    entitlement = to("entitlement", "entitlements", "10")
    manifest = (
        r'{"contentPath":"package/package.json","contentType":"application/vnd.npm.install-v1+json",'
        r'"contentLength":43,"content":"{\"name\":\"@nimbus/kettle\",\"version\":\"2.1.0\"}"}'
    )
    policy = '{"name":"Yearly","duration":31556952,"floating":true,"authenticationStrategy":"LICENSE"}'
    user = '{"email":"ada@nimbus.example","role":"admin"}'
    license = '{"key":"KTL-0001","expiry":"2032-02-03T04:05:06.000000Z"}'
    artifact = '{"filename":"kettle-2.1.0.tgz","filetype":"tgz","filesize":5,"status":"UPLOADED"}'
    lines = [
        HEADER,
        line("accounts", "01", '{"name":"Nimbus Tools","slug":"nimbus"}'),
        line("entitlements", "10", '{"name":"Nightly builds","code":"NIGHTLY"}'),
        line("products", "02", '{"name":"Kettle","code":"kettle"}'),
        line("policies", "03", policy, product),
        line("users", "04", user, "", ',"private":{"password":"correct horse"}'),
        line("licenses", "05", license, to("policy", "policies", "03")),
        line("license-entitlements", "11", "", to("license", "licenses", "05") + entitlement),
        line("tokens", "06", '{"name":"CI"}', to("bearer", "products", "02"), ',"private":{"token":"prod-9c1f2e"}'),
        line("packages", "07", '{"name":"Kettle client","key":"@nimbus/kettle","engine":"npm"}', product),
        line(
            "releases", "08", '{"version":"2.1.0","status":"PUBLISHED","tag":"latest"}',
            product + to("package", "packages", "07"),
        ),
        line("artifacts", "09", artifact, release, ',"content":{"base64":"aGVsbG8="}'),
        line("constraints", "12", "", release + entitlement),
        line("manifests", "13", manifest, to("artifact", "artifacts", "09") + release),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
