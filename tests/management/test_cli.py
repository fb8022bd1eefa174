"""The vendor's command-line tool, replayed request by request (api.md 6, 7.18): exact paths, headers and bodies."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pytest

from keygenreg.formats.timestamps import parse_time
from tests.daemon_fixtures import Account, Answer, fetch
from tests.management.customers import License, entitlement, product_api

_CONTENT_TYPES = {"gz": "application/gzip", "zip": "application/zip", "txt": "text/plain; charset=utf-8"}


class Failed(Exception):
    """What the tool prints before it exits with 1."""


class Cli:
    """
    The tool's commands for one product.

    :param host: as given with ``--host``: the account is a path prefix here, as one daemon serves all tests.
    """

    def __init__(self, account: Account, product: str, token: str, host: str | None = None, package: str | None = None):
        self.host = host or f"{account.daemon.url}/v1/accounts/{account.id}"
        self.product, self.package, self.token = product, package, token

    def call(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """One API request as the tool's SDK sends it; the path goes out as it is but for spaces."""
        parts = urlsplit(self.host)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        try:
            connection.putrequest(method, f"{parts.path}/v1{path.replace(' ', '%20')}", skip_accept_encoding=True)
            connection.putheader("User-Agent", "keygen/1.5 sdk/2.9.0 go/go1.22.1 linux/amd64 cli/2.9.1")
            connection.putheader("Accept", "application/vnd.api+json")
            connection.putheader("Authorization", f"Bearer {self.token}")
            connection.putheader("Keygen-Version", "1.5")
            if body is not None:
                connection.putheader("Content-Type", "application/vnd.api+json")
            if body is not None or method == "POST":
                connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body)
            return self.checked(Answer(connection.getresponse()))
        finally:
            connection.close()

    @staticmethod
    def checked(answer: Answer) -> Answer:
        """The tool panics on what is no JSON and on server errors, and prints the first error of others."""
        assert answer.status < 500 and answer.status != 429, f"the tool would panic: {answer}"
        if answer.status >= 400:
            assert answer.headers["Content-Type"].startswith("application/vnd.api+json")
            error = answer.error
            raise Failed(f"{error['title']}: {error['detail']} ({error.get('code')})")
        return answer

    def post(self, path: str, document: dict) -> Answer:
        return self.call("POST", path, json.dumps(document).encode())

    def release(self, text: str) -> str:
        query = f"product={quote_plus(self.product)}"
        if self.package is not None:
            query = f"package={quote_plus(self.package)}&{query}"
        return self.call("GET", f"/releases/{text}?{query}").data["id"]

    def new(self, version: str, channel: str = "stable", entitlements: str = "", **attributes: Any) -> str:
        related: dict[str, Any] = {"product": {"data": {"type": "products", "id": self.product}}}
        demands = []
        for text in filter(None, entitlements.split(",")):
            try:
                found = self.call("GET", f"/entitlements/{text}").data
                assert parse_time(found["attributes"]["created"])
                demands.append(found["id"])
            except Failed:
                demands.append(text)
        if self.package is not None:
            package = self.call("GET", f"/packages/{quote(self.package, safe='@')}").data["id"]
            related["package"] = {"data": {"type": "packages", "id": package}}
        if demands:
            linked = [{"data": {"type": "entitlements", "id": one}} for one in demands]
            related["constraints"] = {
                "data": [{"type": "constraints", "relationships": {"entitlement": one}} for one in linked]
            }
        given = {"version": version, "channel": channel, "tag": None, **attributes}
        document = {"data": {"type": "releases", "attributes": given, "relationships": related}}
        return self.post("/releases", document).data["id"]

    def upload(self, filename: str, content: bytes, release: str, *, filetype: str | None = "<auto>", **more: Any):
        identifier = self.release(release)
        given: dict[str, Any] = {"filename": filename, **more}
        if filetype == "<auto>":
            filetype = PurePosixPath(filename).suffix or None
        if filetype is not None:
            given["filetype"] = filetype
        if content:
            given["filesize"] = len(content)
        given["checksum"] = base64.b64encode(hashlib.sha512(content).digest()).decode().rstrip("=")
        related = {"release": {"data": {"type": "releases", "id": identifier}}}
        answer = self.post("/artifacts", {"data": {"type": "artifacts", "attributes": given, "relationships": related}})
        shown = answer.data["attributes"]
        size, kind = shown["filesize"], shown["filetype"]
        assert size is None or isinstance(size, int)
        headers = {
            "User-Agent": "Go-http-client/1.1",
            "Content-Type": _CONTENT_TYPES.get(kind, "application/octet-stream"),
            "Accept-Encoding": "gzip",
        }
        if not content:
            headers["Transfer-Encoding"] = "chunked"
            headers["Content-Length"] = ""
        self.put(answer.headers["Location"], content, headers)
        return answer.data["id"]

    @staticmethod
    def put(location: str, content: bytes, headers: dict[str, str]) -> None:
        parts = urlsplit(location)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        try:
            connection.putrequest("PUT", parts.path, skip_accept_encoding=True)
            for name, value in headers.items():
                if value:
                    connection.putheader(name, value)
            if "Transfer-Encoding" in headers:
                connection.endheaders(b"0\r\n\r\n")
            else:
                connection.putheader("Content-Length", str(len(content)))
                connection.endheaders(content)
            answer = connection.getresponse()
            if answer.status != 200:
                raise Failed(f"upload: {answer.status}")
        finally:
            connection.close()

    def act(self, action: str, release: str) -> dict:
        return self.call("POST", f"/releases/{self.release(release)}/actions/{action}").data["attributes"]

    def tag(self, tag: str | None, release: str) -> dict:
        identifier = self.release(release)
        document = {"data": {"type": "releases", "id": identifier, "attributes": {"tag": tag}}}
        return self.call("PATCH", f"/releases/{identifier}", json.dumps(document).encode()).data["attributes"]

    def delete(self, release: str, artifact: str | None = None) -> None:
        if artifact is None:
            self.call("DELETE", f"/releases/{self.release(release)}")
        else:
            self.call("DELETE", f"/artifacts/{artifact}?release={quote_plus(release)}")


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


@pytest.fixture
def cli(account: Account, product: dict) -> Cli:
    token = product_api(account, product).authorization.removeprefix("Bearer ")
    return Cli(account, product["id"], token)


def fetched(account: Account, api: Any, filename: str) -> bytes:
    """What an application downloads (api.md 6.11)."""
    answer = api.get(f"/artifacts/{filename}")
    assert answer.status == 303, answer
    return fetch("GET", answer.headers["Location"]).body


def test_CLI_01_publish_and_download(account, product, cli):
    content = os.urandom(100_000)
    cli.new("2.0.0")
    cli.upload("kestrel.tar.gz", content, "2.0.0", platform="linux", arch="amd64")
    assert cli.act("publish", "2.0.0")["status"] == "PUBLISHED"
    assert fetched(account, License(account, product).token, "kestrel.tar.gz") == content


def test_CLI_02_twice(cli):
    cli.new("2.1.0")
    with pytest.raises(Failed, match="VERSION_TAKEN"):
        cli.new("2.1.0")


def test_CLI_03_entitlements(account, cli):
    held = entitlement(account, "EARLY")
    release = cli.new("2.0.0", entitlements="EARLY")
    found = account.admin.get(f"/releases/{release}/entitlements").data
    assert [one["id"] for one in found] == [held["id"]]
    with pytest.raises(Failed, match="Bad request"):
        cli.new("3.0.0", entitlements="UNKNOWN")


def test_CLI_04_package(account, product, cli):
    package = account.admin.make_package(product, "@northwind/tool", "npm")
    cli.package = "@northwind/tool"
    release = cli.new("2.0.0")
    shown = account.admin.get(f"/releases/{release}").data
    assert shown["relationships"]["package"]["data"]["id"] == package["id"]
    cli.upload("tool.zip", b"x", "2.0.0")
    cli.package = "unknown"
    with pytest.raises(Failed, match="NOT_FOUND"):
        cli.new("3.0.0")


def test_CLI_05_metadata(account, cli):
    release = cli.new("2.0.0", metadata={"a": {"b": 1}})
    assert account.admin.get(f"/releases/{release}").data["attributes"]["metadata"] == {"a": {"b": 1}}


@pytest.mark.parametrize("filename", ["tool", "tool.tar.gz", "tool-v1.0.7", "my tool.exe"])
def test_CLI_06_names(account, cli, filename):
    cli.new("2.0.0", status="PUBLISHED")
    identifier = cli.upload(filename, b"content", "2.0.0")
    assert account.admin.get(f"/artifacts/{identifier}", Accept="*/*").body == b"content"


def test_CLI_06_empty_and_large(account, cli):
    cli.new("2.0.0")
    empty = cli.upload("empty", b"", "2.0.0")
    assert account.admin.get(f"/artifacts/{empty}", Accept="*/*").body == b""
    content = os.urandom(1_000_000) * 64
    large = cli.upload("large.bin", content, "2.0.0")
    answer = account.admin.get(f"/artifacts/{large}", Accept="*/*")
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(content).digest()


def test_CLI_07_upload_twice(cli):
    cli.new("2.0.0")
    cli.upload("tool.zip", b"first", "2.0.0")
    with pytest.raises(Failed, match="FILENAME_TAKEN"):
        cli.upload("tool.zip", b"second", "2.0.0")
    cli.delete("2.0.0", "tool.zip")
    cli.upload("tool.zip", b"second", "2.0.0")


def test_CLI_08_directory_and_no_type(account, cli):
    cli.new("2.0.0")
    identifier = cli.upload("dir/x", b"content", "2.0.0", filetype=None)
    assert account.admin.get("/artifacts/dir/x").data["id"] == identifier
    cli.delete("2.0.0", "dir/x")
    assert account.admin.get("/artifacts/dir/x").status == 404


def test_CLI_09_signature_is_kept(account, cli):
    cli.new("2.0.0")
    signature = base64.b64encode(os.urandom(64)).decode().rstrip("=")
    identifier = cli.upload("tool.zip", b"content", "2.0.0", signature=signature)
    assert account.admin.get(f"/artifacts/{identifier}").data["attributes"]["signature"] == signature


def test_CLI_10_publish_and_yank_by_anything(account, product, cli):
    account.admin.make_package(product, "app")
    cli.package = "app"
    release = cli.new("1.0.0+5")
    cli.tag("nightly/1", "1.0.0+5")
    for text in ("1.0.0+5", "nightly/1", release):
        assert cli.act("yank", text)["status"] == "YANKED"
        assert cli.act("publish", text)["status"] == "PUBLISHED"


def test_CLI_11_tag_moves(cli):
    cli.new("1.0.0")
    cli.new("2.0.0")
    assert cli.tag("latest", "1.0.0")["tag"] == "latest"
    with pytest.raises(Failed, match="TAG_TAKEN"):
        cli.tag("latest", "2.0.0")
    assert cli.tag(None, "latest")["tag"] is None
    assert cli.tag("latest", "2.0.0")["tag"] == "latest"


def test_CLI_12_delete(account, cli):
    release = cli.new("1.0.0")
    cli.upload("my tool+1.zip", b"x", "1.0.0")
    cli.delete("1.0.0", "my tool+1.zip")
    with pytest.raises(Failed, match="NOT_FOUND"):
        cli.delete("1.0.0", "my tool+1.zip")
    cli.delete("1.0.0")
    assert account.admin.get(f"/releases/{release}").status == 404


def test_CLI_13_token_of_another_product(account, cli):
    cli.new("1.0.0")
    other = account.admin.make_product()
    cli.token = product_api(account, other).authorization.removeprefix("Bearer ")
    with pytest.raises(Failed, match="NOT_FOUND"):
        cli.act("publish", "1.0.0")
    with pytest.raises(Failed, match="Access denied"):
        cli.new("2.0.0")


@pytest.mark.parametrize("token", ["garbage", "prod-0123456789abcdefv3", "", "00000000-0000-4000-8000-000000000000"])
def test_CLI_14_bad_token(cli, token):
    cli.token = token
    with pytest.raises(Failed, match="TOKEN_|Unauthorized"):
        cli.new("1.0.0")


def test_CLI_16_host_with_a_slash(account, product, cli):
    cli.host += "/"
    release = cli.new("1.0.0")
    assert cli.release("1.0.0") == release


def test_CLI_18_many_uploads_at_once(account, cli):
    cli.new("1.0.0")
    contents = {f"file-{n}.bin": os.urandom(50_000) for n in range(24)}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda item: cli.upload(item[0], item[1], "1.0.0"), contents.items()))
    listed = account.admin.get("/releases/1.0.0/artifacts?limit=100").data
    assert {one["attributes"]["filename"] for one in listed} == set(contents)
    assert {one["attributes"]["status"] for one in listed} == {"UPLOADED"}


def test_CLI_19_tauri_recipe(account, product, cli):
    """A release is made with its package; upload and publish find it without naming one."""
    account.admin.make_package(product, "app", "tauri")
    cli.package = "app"
    cli.new("1.0.0")
    cli.package = None
    cli.upload("app.AppImage.tar.gz", b"x", "1.0.0", signature="untrusted comment: x\nabc\n", platform="linux")
    assert cli.act("publish", "1.0.0")["status"] == "PUBLISHED"


def test_6_10_typical_run(account, product, cli):
    cli.new("1.0.0")
    for platform in ("linux", "darwin", "windows"):
        cli.upload(f"tool_{platform}_amd64", platform.encode(), "1.0.0", platform=platform, arch="amd64")
    cli.upload("install.sh", b"#!/bin/sh\n", "1.0.0")
    cli.upload("version", b"1.0.0\n", "1.0.0", filetype="txt")
    cli.act("publish", "1.0.0")
    with pytest.raises(Failed, match="NOT_FOUND"):
        cli.tag(None, "latest")
    cli.tag("latest", "1.0.0")
    license = License(account, product)
    answer = license.key.get(f"/releases/latest/artifacts/version?product={product['id']}")
    fetched_file = fetch("GET", answer.headers["Location"])
    assert (fetched_file.body, fetched_file.headers["Content-Type"]) == (b"1.0.0\n", "text/plain; charset=utf-8")
