"""Paths that cannot be read, and methods that HTTP does not have, below an engine's own: answered in its own form."""

from __future__ import annotations

import json

import pytest

from tests.daemon_fixtures import Account, fetch

BAD = {"%": "URI_INVALID", "%zz": "URI_INVALID", "x%4": "URI_INVALID", "%00": "ENCODING_INVALID",
       "a%00b": "ENCODING_INVALID", "%ff": "ENCODING_INVALID", "%C3%28": "ENCODING_INVALID"}  # fmt: skip
ENGINES = ["npm", "oci", "pypi", "raw", "rubygems", "tauri"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bad", BAD)
def test_malformed_path(account: Account, engine: str, bad: str):
    base = f"{account.daemon.url}/v1/accounts/{account.slug}/engines/{engine}"
    own, answer = (fetch("GET", f"{base}/{path}") for path in ("no/such/thing/at/all", f"{bad}/x"))
    assert (own.status, answer.status) == (404, 400)
    assert answer.headers["Content-Type"] == own.headers["Content-Type"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("form", ["/v2/{0}", "/v2/{0}/manifests/1", "/v2/a/manifests/{0}", "/v2/a/b/blobs/{0}"])
@pytest.mark.parametrize("host", [None, "oci.pkg.registry.test"])
def test_malformed_path_of_the_distribution_protocol(account: Account, form: str, bad: str, host: str | None):
    headers = {"Host": host} if host else {}
    answer = fetch("GET", account.daemon.url + form.format(bad), headers=headers)
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers.get_all("Docker-Distribution-Api-Version") == ["registry/2.0"]
    (error,) = json.loads(answer.body)["errors"]
    assert error["code"] == BAD[bad]
    assert error["message"]


def test_unknown_method(account: Account):
    answer = fetch("BREW", f"{account.daemon.url}/v2/a/manifests/1")
    assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (400, "HTTP_METHOD_INVALID")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("path", ["/%zz", "/v1/%00", "/v1/accounts/%ff/products", "/v2%zz", "/-/blobs/%00"])
def test_elsewhere_in_the_form_of_the_api(account: Account, path: str):
    answer = fetch("GET", account.daemon.url + path)
    assert answer.status == 400
    assert answer.headers["Content-Type"].startswith("application/vnd.api+json")
