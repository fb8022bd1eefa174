"""What holds for every answer of the JSON:API: paths, negotiation, bodies, headers, signatures (api.md 7.1)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.daemon_fixtures import Account, Answer, Api, Daemon, fetch
from tests.management.customers import License, codes, staff


def product(**attributes) -> dict:
    """A document that makes a product."""
    return {"data": {"type": "products", "attributes": {"name": "Kestrel", **attributes}}}


def refused(answer: Answer) -> tuple[int, str | None, str | None]:
    """Status, code and pointer of the first error."""
    return answer.status, answer.error.get("code"), answer.error.get("source", {}).get("pointer")


class TestPaths:
    def test_GEN_01_account_by_id_and_slug(self, account: Account) -> None:
        account.admin.make_product()
        by_id = account.admin.get("/products")
        by_slug = account.admin.get(f"{account.daemon.url}/v1/accounts/{account.slug}/products")
        assert by_id.status == by_slug.status == 200
        assert by_id.body == by_slug.body
        twice = account.admin.get(f"{account.daemon.url}/v1/accounts/{account.id}/v1/products")
        assert twice.body == by_id.body

    def test_GEN_01_account_by_host(self, account: Account) -> None:
        """A host name of its own stands for its account; the bare path is enough then."""
        host = f"{account.slug}.example.test"
        account.sql("UPDATE accounts SET cname = %s WHERE id = %s", host, account.id)
        account.admin.make_product()
        bare = account.admin.get(f"{account.daemon.url}/v1/products", Host=host)
        assert bare.status == 200
        assert bare.body == account.admin.get("/products").body
        assert account.admin.get(f"{account.daemon.url}/v1/accounts/{account.slug}/products", Host=host).status == 200
        other = account.admin.get(f"{account.daemon.url}/v1/accounts/default/products", Host=host)
        assert (other.status, other.error["code"]) == (404, "NOT_FOUND")
        assert account.admin.get(f"{account.daemon.url}/v1/products").status == 404

    @pytest.mark.parametrize("reference", ["nobody-here", str(uuid4())])
    def test_GEN_02_GEN_03_unknown_account(self, account: Account, reference: str) -> None:
        answer = account.admin.get(f"{account.daemon.url}/v1/accounts/{reference}/products")
        assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
        assert "Keygen-Account" not in answer.headers

    def test_GEN_04_probes(self, account: Account) -> None:
        root = account.daemon.url
        for path in ("/v1/ping", "//v1/ping", "/v1//ping/"):
            answer = fetch("GET", root + path)
            assert (answer.status, answer.body) == (200, b"")
        assert fetch("GET", f"{root}/v1/health").status == 204

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/nothing"), ("PATCH", "/products"), ("DELETE", "/products"), ("GET", "/products/x/y/z")],
    )
    def test_GEN_05_unknown_path_or_method(self, account: Account, method: str, path: str) -> None:
        answer = account.admin.request(method, path)
        assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
        assert answer.headers["Content-Type"] == "application/vnd.api+json; charset=utf-8"
        assert answer.json["meta"]["id"] == answer.headers["X-Request-Id"] == str(UUID(answer.headers["X-Request-Id"]))

    def test_GEN_05_no_method(self, account: Account) -> None:
        answer = account.admin.request("BREW", "/products")
        assert (answer.status, answer.error["code"]) == (400, "HTTP_METHOD_INVALID")

    def test_GEN_06_head(self, account: Account) -> None:
        made = account.admin.make_product()
        for path in ("/products", f"/products/{made['id']}", "/products/nothing"):
            get, head = account.admin.get(path), account.admin.request("HEAD", path)
            assert head.body == b""
            assert head.status == get.status
            for name in ("Content-Type", "Content-Length", "Keygen-Account", "Keygen-Version"):
                assert head.headers[name] == get.headers[name]

    def test_GEN_29_links_are_paths_with_the_account_id(self, account: Account) -> None:
        made = account.admin.make_product()
        url = f"{account.daemon.url}/v1/accounts/{account.slug}"
        shown = account.admin.get(f"{url}/products/{made['id']}").data
        own = f"/v1/accounts/{account.id}"
        assert shown["links"]["self"] == f"{own}/products/{made['id']}"
        assert shown["relationships"]["account"] == {
            "links": {"related": own},
            "data": {"type": "accounts", "id": account.id},
        }
        assert shown["relationships"]["environment"] == {"links": {"related": None}, "data": None}
        assert all(
            link["links"]["related"] is None or link["links"]["related"].startswith(own)
            for link in shown["relationships"].values()
        )
        paged = account.admin.get(f"{url}/products?page[number]=1")
        assert paged.json["links"]["self"].startswith(f"{own}/products?")

    def test_GEN_31_put_is_patch(self, account: Account) -> None:
        made = account.admin.make_product()
        answer = account.admin.put(f"/products/{made['id']}", product(name="Renamed"))
        assert answer.status == 200
        assert answer.data["attributes"]["name"] == "Renamed"

    def test_a_path_of_thousands_of_segments_is_nowhere(self, account: Account) -> None:
        """Matching must not take time that grows faster than the path."""
        assert account.admin.get("/products" + "/packages" * 800).status == 404
        assert account.admin.get("/licenses" + "/a" * 3000).status == 404


def test_GEN_01_GEN_03_one_account(tmp_path: Path) -> None:
    """With one account its name in the path is optional, and any other name is nowhere."""
    daemon = Daemon(tmp_path / "data", "--mode", "singleplayer").start()
    try:
        made = json.loads((daemon.data_dir / "first-admin.json").read_text())
        api = Api(daemon.url, made["account"]["id"], f"Bearer {made['token']}")
        api.make_product()
        bare = api.get(f"{daemon.url}/v1/products")
        assert bare.status == 200 and bare.headers["Keygen-Mode"] == "singleplayer"
        assert bare.data[0]["links"]["self"].startswith(f"/v1/accounts/{made['account']['id']}/products/")
        assert bare.body == api.get("/products").body == api.get(f"{daemon.url}/v1/accounts/default/products").body
        for other in (str(uuid4()), "other"):
            answer = api.get(f"{daemon.url}/v1/accounts/{other}/products")
            assert (answer.status, answer.error["code"]) == (404, "NOT_FOUND")
    finally:
        daemon.stop()


class TestNegotiation:
    @pytest.mark.parametrize(
        "accept",
        [
            "*/*",
            "application/json",
            "application/vnd.api+json",
            "application/octet-stream",
            "text/html, application/json;q=0.9",
        ],
    )
    def test_GEN_07_accepted(self, account: Account, accept: str) -> None:
        assert account.admin.get("/releases", Accept=accept).status == 200

    def test_GEN_07_no_accept_at_all(self, account: Account) -> None:
        answer = fetch("GET", f"{account.admin.base}/releases")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/vnd.api+json; charset=utf-8"

    def test_GEN_08_html_only(self, account: Account) -> None:
        answer = account.admin.get("/releases", Accept="text/html")
        assert (answer.status, answer.error["code"]) == (400, "MIME_TYPE_INVALID")
        # Artifacts are for whatever downloads them: not found, but not refused.
        assert account.admin.get(f"/artifacts/{uuid4()}", Accept="text/html").status == 404

    def test_GEN_09_json(self, account: Account) -> None:
        account.admin.make_product()
        plain = account.admin.get("/products", Accept="application/json")
        assert plain.headers["Content-Type"] == "application/json; charset=utf-8"
        assert plain.body == account.admin.get("/products").body
        missing = account.admin.get("/products/nothing", Accept="application/json")
        assert missing.headers["Content-Type"] == "application/json; charset=utf-8"

    def test_GEN_10_body_without_content_type(self, account: Account) -> None:
        headers = {"Authorization": account.admin.authorization}
        body = json.dumps(product()).encode()
        assert fetch("POST", f"{account.admin.base}/products", body, headers).status == 201
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        assert fetch("POST", f"{account.admin.base}/products", body, headers).status == 201

    def test_GEN_28_cors(self, account: Account) -> None:
        preflight = fetch(
            "OPTIONS",
            f"{account.admin.base}/products",
            headers={"Origin": "https://vendor.example", "Access-Control-Request-Method": "PATCH"},
        )
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        simple = account.admin.get("/products", Origin="https://vendor.example")
        assert simple.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in simple.headers
        exposed = {name.strip() for name in simple.headers["Access-Control-Expose-Headers"].split(",")}
        sent = {name for name in simple.headers if name.startswith("Keygen-")} | {"Digest", "Date", "X-Request-Id"}
        assert sent <= exposed

    def test_GEN_32_gzip(self, account: Account) -> None:
        account.admin.make_product()
        packed = account.admin.get("/products", Accept_Encoding="gzip")
        assert packed.headers["Content-Encoding"] == "gzip"
        plain = account.admin.get("/products")
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["Digest"] == plain.headers["Digest"]


class TestBodies:
    @pytest.mark.parametrize("spelling", ["distributionStrategy", "distribution_strategy", "distribution-strategy"])
    def test_GEN_13_attribute_spellings(self, account: Account, spelling: str) -> None:
        made = account.admin.post("/products", product(**{spelling: "OPEN"}))
        assert made.data["attributes"]["distributionStrategy"] == "OPEN"

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"attributes": {"name": "x", "wing_span": 1}}, "/data/attributes/wingSpan"),
            ({"attributes": {"name": "x"}, "relationships": {"some-nest": {"data": None}}},
             "/data/relationships/someNest"),
            ({"attributes": {"name": "x"}, "colour": 1}, "/data/colour"),
        ],
    )  # fmt: skip
    def test_GEN_14_unpermitted(self, account: Account, change: dict, pointer: str) -> None:
        answer = account.admin.post("/products", {"data": {"type": "products", **change}})
        assert refused(answer) == (400, None, pointer)
        assert answer.error["title"] == "Bad request"

    def test_GEN_14_unpermitted_top_level(self, account: Account) -> None:
        assert refused(account.admin.post("/products", {**product(), "extra": 1})) == (400, None, "/extra")

    def test_GEN_15_type(self, account: Account) -> None:
        document = product()
        for wrong in ("releases", "Products", 7, None, ["products"], {}):
            document["data"]["type"] = wrong
            assert refused(account.admin.post("/products", document)) == (400, None, "/data/type")
        del document["data"]["type"]
        assert refused(account.admin.post("/products", document)) == (400, None, "/data/type")
        document["data"]["type"] = "product"
        assert account.admin.post("/products", document).status == 201

    @pytest.mark.parametrize("attributes", [{}, {"name": None}, {"name": ""}, {"name": "  "}])
    def test_GEN_16_required(self, account: Account, attributes: dict) -> None:
        document = {"data": {"type": "products", "attributes": attributes}}
        assert refused(account.admin.post("/products", document)) == (400, None, "/data/attributes/name")

    def test_GEN_17_null_for_an_optional_attribute_changes_nothing(self, account: Account) -> None:
        made = account.admin.make_product(metadata={"a": 1})
        document = {"data": {"type": "products", "attributes": {"name": None, "metadata": None}}}
        shown = account.admin.patch(f"/products/{made['id']}", document).data["attributes"]
        assert (shown["name"], shown["metadata"]) == ("Product", {"a": 1})

    @pytest.mark.parametrize("identifier", ["kestrel", "", 5, None, {}])
    def test_GEN_18_relationship_id(self, account: Account, identifier: object) -> None:
        document = {
            "data": {
                "type": "policies",
                "attributes": {"name": "p"},
                "relationships": {"product": {"data": {"type": "products", "id": identifier}}},
            }
        }
        answer = account.admin.post("/policies", document)
        assert refused(answer) == (400, None, "/data/relationships/product/data/id")

    def test_GEN_19_all_problems_at_once(self, account: Account) -> None:
        answer = account.admin.post("/products", product(code="actions", url="ftp://x", distributionStrategy="FREE"))
        assert answer.status == 422
        assert codes(answer) == {
            ("CODE_NOT_ALLOWED", "/data/attributes/code"),
            ("URL_INVALID", "/data/attributes/url"),
            ("DISTRIBUTION_STRATEGY_NOT_ALLOWED", "/data/attributes/distributionStrategy"),
        }
        assert all(error["title"] == "Unprocessable resource" and error["detail"] for error in answer.json["errors"])

    def test_data_id_of_a_patch_is_ignored(self, account: Account) -> None:
        made = account.admin.make_product()
        document = product(name="New")
        document["data"]["id"] = "anything"
        assert account.admin.patch(f"/products/{made['id']}", document).data["id"] == made["id"]


class TestHeaders:
    def test_GEN_20_every_answer(self, account: Account) -> None:
        anonymous = account.admin.as_()
        answers = [
            account.admin.get("/products"),
            account.admin.get("/products/nothing"),
            account.admin.get("/nowhere"),
            account.admin.get("/products", Accept="text/html"),
            account.admin.post("/products", b"{"),
            anonymous.get("/products"),
            account.admin.request("BREW", "/products"),
        ]
        for answer in answers[:-1]:
            assert answer.headers["Keygen-Account"] == account.id
            assert answer.headers["Keygen-Version"] == "1.8"
        for answer in answers:
            assert "no-store" in answer.headers["Cache-Control"]
            assert UUID(answer.headers["X-Request-Id"])

    def test_GEN_21_bearer_and_token(self, account: Account) -> None:
        license = License(account, account.admin.make_product())
        [(user, token)] = account.sql("SELECT bearer_user_id, id FROM tokens WHERE account_id = %s "
                                      "AND bearer_user_id IS NOT NULL", account.id)  # fmt: skip
        mine = account.admin.get("/products").headers
        assert (mine["Keygen-Bearer"], mine["Keygen-Token"]) == (str(user), str(token))
        by_key = license.key.get("/releases").headers
        assert by_key["Keygen-Bearer"] == license.id
        assert "Keygen-Token" not in by_key
        nobody = account.admin.as_().get("/releases").headers
        assert "Keygen-Bearer" not in nobody and "Keygen-Token" not in nobody
        # A refusal after the credentials were judged names them too.
        assert license.token.get("/products").headers["Keygen-Bearer"] == license.id

    @pytest.mark.parametrize("spelling", ["1.5", "v1.5", " 1.5 "])
    def test_GEN_22_version(self, account: Account, spelling: str) -> None:
        answer = account.admin.get("/products", Keygen_Version=spelling)
        assert (answer.status, answer.headers["Keygen-Version"]) == (200, "1.5")

    @pytest.mark.parametrize("spelling", ["9.9", "banana", "1", "1.9", "v", "1.5.0", "x" * 5000])
    def test_GEN_22_unknown_version(self, account: Account, spelling: str) -> None:
        answer = account.admin.get("/products", Keygen_Version=spelling)
        assert (answer.status, answer.error["code"]) == (400, "INVALID_API_VERSION")
        assert answer.headers["Keygen-Version"] == "1.8"

    def test_GEN_23_the_accounts_version(self, account: Account) -> None:
        document = {"data": {"type": "accounts", "attributes": {"apiVersion": "1.4"}}}
        assert account.admin.patch("", document).status == 200
        assert account.admin.get("/products").headers["Keygen-Version"] == "1.4"
        assert account.admin.get("/nowhere").headers["Keygen-Version"] == "1.4"
        assert account.admin.get("/products", Keygen_Version="1.7").headers["Keygen-Version"] == "1.7"
        account.sql("UPDATE accounts SET api_version = 'of an import' WHERE id = %s", account.id)
        assert account.admin.get("/products").headers["Keygen-Version"] == "1.8"

    def test_GEN_24_nested_metadata_keys(self, account: Account) -> None:
        made = account.admin.make_product(metadata={"buildHost": {"osName": "linux", "partList": {"aB": 1}}})
        path = f"/products/{made['id']}"
        old = account.admin.get(path, Keygen_Version="1.4").data["attributes"]["metadata"]
        assert old == {"buildHost": {"os_name": "linux", "part_list": {"a_b": 1}}}
        new = account.admin.get(path, Keygen_Version="1.5").data["attributes"]["metadata"]
        assert new == {"buildHost": {"osName": "linux", "partList": {"aB": 1}}}

    def test_old_names_of_the_id_headers(self, account: Account) -> None:
        """Up to 1.3 the ids come under longer names (api.md 2.3)."""
        old = account.admin.get("/products", Keygen_Version="1.3").headers
        assert old["Keygen-Account-Id"] == account.id
        assert old["Keygen-Bearer-Id"] and old["Keygen-Token-Id"]
        assert not {"Keygen-Account", "Keygen-Bearer", "Keygen-Token"} & set(old)
        assert "Keygen-Account-Id" not in account.admin.get("/products", Keygen_Version="1.4").headers

    def test_created_says_where(self, account: Account) -> None:
        answer = account.admin.post("/products", product())
        assert answer.headers["Location"] == account.daemon.url + answer.data["links"]["self"]


class TestSignatures:
    @staticmethod
    def public_key(account: Account) -> Ed25519PublicKey:
        shown = account.admin.get("").data["meta"]["keys"]["ed25519"]
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(shown))

    def verify(self, account: Account, key: Ed25519PublicKey, answer: Answer, method: str, target: str,
               host: str) -> None:  # fmt: skip
        headers = answer.headers
        wanted = f"keyid=\"{account.id}\", algorithm=\"ed25519\", signature=\""
        assert headers["Keygen-Signature"].startswith(wanted)
        signature, _, rest = headers["Keygen-Signature"][len(wanted) :].partition('"')
        assert rest == ', headers="(request-target) host date digest"'
        text = (
            f"(request-target): {method} {target}\nhost: {host}\ndate: {headers['Date']}\ndigest: {headers['Digest']}"
        )
        key.verify(base64.b64decode(signature), text.encode())

    def test_GEN_25_digest(self, account: Account) -> None:
        for answer in (account.admin.get("/products"), account.admin.get("/nowhere"), account.admin.get("/products/x")):
            digest = "sha-256=" + base64.b64encode(hashlib.sha256(answer.body).digest()).decode()
            assert answer.headers["Digest"] == answer.headers["Keygen-Digest"] == digest
            assert answer.headers["Keygen-Date"] == answer.headers["Date"]

    def test_GEN_26_signature(self, account: Account) -> None:
        key = self.public_key(account)
        host = account.daemon.url.removeprefix("http://")
        target = f"/v1/accounts/{account.slug}/products?limit=5&x=%20y"
        self.verify(account, key, account.admin.get(account.daemon.url + target), "get", target, host)
        target = f"/v1/accounts/{account.id}/products"
        made = account.admin.post(account.daemon.url + target, product())
        self.verify(account, key, made, "post", target, host)
        target = f"/v1/accounts/{account.id}/nowhere"
        other = account.admin.get(account.daemon.url + target, Host="api.registry.test:8443")
        self.verify(account, key, other, "get", target, "api.registry.test:8443")

    def test_GEN_26_no_key_no_signature(self, account: Account) -> None:
        """An account whose key is damaged is still answered."""
        account.sql("UPDATE accounts SET ed25519_private_key = 'no key' WHERE id = %s", account.id)
        answer = account.admin.get("")
        assert answer.status == 200
        assert answer.data["meta"]["keys"]["ed25519"] is None
        assert "Keygen-Signature" not in answer.headers

    def test_GEN_27_accept_signature(self, account: Account) -> None:
        ok = f'keyid="{account.id}", algorithm="ed25519"'
        assert account.admin.get("/products", Keygen_Accept_Signature=ok).status == 200
        for wrong in ('algorithm="rsa-sha256"', f'keyid="{uuid4()}"', "nonsense"):
            assert account.admin.get("/products", Keygen_Accept_Signature=wrong).status == 400


class TestAccount:
    def test_show(self, account: Account) -> None:
        shown = account.admin.get("").data
        assert shown["id"] == account.id
        assert shown["attributes"]["slug"] == account.slug
        assert set(shown["attributes"]) == {"name", "slug", "apiVersion", "status", "protected", "created", "updated"}
        assert shown["meta"]["publicKey"].startswith("-----BEGIN PUBLIC KEY-----")
        secrets = account.sql("SELECT secret_key, ed25519_private_key FROM accounts WHERE id = %s", account.id)[0]
        body = account.admin.get("").body.decode()
        assert not any(secret in body for secret in secrets)

    def test_below_another_account(self, account: Account) -> None:
        assert account.admin.get(f"/accounts/{account.id}").status == 200
        assert account.admin.get("/accounts/default").status == 404
        assert account.admin.patch("/accounts/default", {"data": {"type": "accounts"}}).status == 404

    def test_who_may_see_it(self, account: Account) -> None:
        assert account.admin.as_().get("").status == 401
        license = License(account, account.admin.make_product())
        assert license.token.get("").status == 403
        assert staff(account, "read-only").get("").status == 200

    @pytest.mark.parametrize("slug", ["Upper", "a", "-x", "with space", str(uuid4()), "x" * 256])
    def test_bad_slugs(self, account: Account, slug: str) -> None:
        answer = account.admin.patch("", {"data": {"type": "accounts", "attributes": {"slug": slug}}})
        assert answer.status == 422
        assert codes(answer) <= {("SLUG_INVALID", "/data/attributes/slug"), ("SLUG_TOO_LONG", "/data/attributes/slug")}

    def test_change(self, account: Account) -> None:
        slug = f"r-{uuid4().hex}"
        document = {"data": {"type": "account", "attributes": {"slug": slug, "name": "Northwind", "protected": False}}}
        shown = account.admin.patch("", document).data["attributes"]
        assert (shown["slug"], shown["name"], shown["protected"]) == (slug, "Northwind", False)
        assert account.admin.get(f"{account.daemon.url}/v1/accounts/{slug}").status == 200
        assert account.admin.get(f"{account.daemon.url}/v1/accounts/{account.slug}").status == 404
        taken = account.admin.patch("", {"data": {"type": "accounts", "attributes": {"slug": "default"}}})
        assert codes(taken) == {("SLUG_TAKEN", "/data/attributes/slug")}
        wrong = account.admin.patch("", {"data": {"type": "accounts", "attributes": {"apiVersion": "2.0"}}})
        assert codes(wrong) == {("API_VERSION_NOT_ALLOWED", "/data/attributes/apiVersion")}

    @pytest.mark.parametrize("role", ["sales-agent", "support-agent", "read-only"])
    def test_who_may_change_it(self, account: Account, role: str) -> None:
        document = {"data": {"type": "accounts", "attributes": {"name": "x"}}}
        assert staff(account, role).patch("", document).status == 403
        assert staff(account, "developer").patch("", document).status == 200


class TestMe:
    def test_me_and_profile(self, account: Account) -> None:
        me = account.admin.get("/me")
        assert me.data["type"] == "users" and me.data["attributes"]["role"] == "admin"
        assert [item["type"] for item in me.json["included"]] == ["tokens"]
        assert "token" not in me.json["included"][0]["attributes"]
        profile = account.admin.get("/profile")
        assert profile.data["id"] == me.data["id"]
        assert profile.json["meta"]["tokenId"] == me.json["included"][0]["id"]

    def test_every_kind_of_bearer(self, account: Account) -> None:
        product = account.admin.make_product()
        license = License(account, product)
        for api in (license.token, license.key):
            assert (api.get("/me").data["type"], api.get("/me").data["id"]) == ("licenses", license.id)
        assert license.key.get("/me").json["included"] == []
        assert license.key.get("/profile").json["meta"] == {"tokenId": None}
        secret = account.admin.post(f"/products/{product['id']}/tokens").data["attributes"]["token"]
        assert account.admin.as_(secret).get("/me").data["id"] == product["id"]
        assert Api(account.daemon.url, account.id).get("/me").status == 401
