"""The pull and content discovery categories of OCI Distribution 1.1, and what its own suite leaves open."""

from __future__ import annotations

import hashlib
import json
import re
from email.parser import BytesParser
from urllib.parse import quote

import pytest

from tests.daemon_fixtures import fetch
from tests.engines.oci.conftest import BLOB, Shelf, errors_of
from tests.engines.oci.layouts import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, digest_of
from tests.engines.oci.store import EVERY_TYPE

MISSING = "sha256:" + "0" * 64
BOTH = ["GET", "HEAD"]


class TestPing:
    @pytest.mark.parametrize("method", BOTH)
    @pytest.mark.parametrize("path", ["", "/"])
    def test_with_credentials(self, shelf: Shelf, method: str, path: str):
        answer = shelf.ask(shelf.root + path, method=method)
        assert answer.status == 200
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
        assert answer.headers["Content-Length"] == "2"

    @pytest.mark.parametrize("method", BOTH)
    def test_without_credentials(self, shelf: Shelf, method: str):
        answer = shelf.ask(shelf.root + "/", shelf.anonymous, method=method)
        assert answer.status == 401
        assert answer.headers.get_all("WWW-Authenticate") == [
            f'Bearer realm="{shelf.root}/token",service="{shelf.host}"'
        ]
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"

    def test_on_the_package_host(self, shelf: Shelf):
        """The challenge names the host that was asked."""
        answer = fetch("GET", shelf.root + "/", headers={"Host": "oci.pkg.registry.test"})
        assert answer.status == 401
        assert 'realm="http://oci.pkg.registry.test/v2/token"' in answer.headers["WWW-Authenticate"]


class TestManifests:
    REFERENCES = ["stable", "1.0.0", "1.1.0", "slim", "latest", "2.0.0-beta.1_build.5", "0.9.0"]

    @pytest.mark.parametrize("method", BOTH)
    @pytest.mark.parametrize("reference", REFERENCES)
    def test_by_tag(self, shelf: Shelf, method: str, reference: str):
        wanted = {
            "stable": shelf.index, "1.0.0": shelf.index, "1.1.0": shelf.docker_list, "slim": shelf.docker_list,
            "latest": shelf.docker_list, "2.0.0-beta.1_build.5": shelf.long_image, "0.9.0": shelf.subject,
        }[reference]  # fmt: skip
        answer = shelf.get(f"manifests/{reference}", shelf.anonymous, method=method)
        content = shelf.manifest_bytes(wanted)
        assert answer.status == 200
        assert answer.body == (content if method == "GET" else b"")
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.headers["Content-Type"] == wanted["mediaType"]
        assert answer.headers["Docker-Content-Digest"] == wanted["digest"]
        assert answer.headers["ETag"] == f'"{wanted["digest"]}"'
        assert "no-cache" in answer.headers["Cache-Control"]

    @pytest.mark.parametrize("method", BOTH)
    @pytest.mark.parametrize(
        "name", ["index", "amd64", "arm64", "docker_list", "docker_image", "long_image", "subject"]
    )
    def test_by_digest(self, shelf: Shelf, method: str, name: str):
        wanted = getattr(shelf, name)
        answer = shelf.get(f"manifests/{wanted['digest']}", shelf.anonymous, method=method, accept=None)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == wanted["mediaType"]
        assert answer.headers["Docker-Content-Digest"] == wanted["digest"]
        assert answer.headers["Content-Length"] == str(wanted["size"])
        assert "immutable" in answer.headers["Cache-Control"]
        assert "private" in answer.headers["Cache-Control"]
        if method == "GET":
            assert digest_of(answer.body, wanted["digest"].partition(":")[0]) == wanted["digest"]

    @pytest.mark.parametrize("method", BOTH)
    @pytest.mark.parametrize("reference", [MISSING, "none", "v" * 128, "sha512:" + "0" * 128, "blake3:" + "0" * 64])
    def test_unknown(self, shelf: Shelf, method: str, reference: str):
        answer = shelf.get(f"manifests/{reference}", method=method)
        assert answer.status == 404
        assert answer.headers["Content-Length"] != "0"
        if method == "GET":
            assert errors_of(answer)[0]["code"] == "MANIFEST_UNKNOWN"

    @pytest.mark.parametrize("reference", [".bad", "-bad", "v" * 129, "a b", "%00x", "tag~", "ä", "a%0d%0ab"])
    def test_invalid_tag(self, shelf: Shelf, reference: str):
        assert shelf.get(f"manifests/{quote(reference, safe='%')}").status in (400, 404)

    @pytest.mark.parametrize(
        "reference",
        ["sha256:", "sha256:abc", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "sha256:" + "a" * 65,
         "SHA256:" + "a" * 64, "sha256:..%2f..%2fetc%2fpasswd", "sha256:" + "a" * 5000, ":", "x:", ":x",
         "sha512:" + "a" * 64, "tag:x:y"],
    )  # fmt: skip
    def test_malformed_digest(self, shelf: Shelf, reference: str):
        for kind in ("manifests", "blobs"):
            answer = shelf.get(f"{kind}/{reference}")
            # An escaped slash makes another path of it, where nothing is.
            assert (answer.status, errors_of(answer)[0]["code"]) in ((400, "DIGEST_INVALID"), (404, "NAME_UNKNOWN"))
            assert answer.status == 400 or "%2f" in reference

    def test_configuration_and_layer_are_no_manifests(self, shelf: Shelf):
        for digest in (shelf.blob_digest, digest_of(b"amd64")):
            assert shelf.get(f"blobs/{digest}").status == 200
            assert shelf.get(f"manifests/{digest}").status == 404

    @pytest.mark.parametrize(
        "accept",
        [None, "*/*", "text/html", "text/html, */*", "application/json", f"{INDEX};q=0.1", "garbage;;;", "", ",,,",
         f"{MANIFEST};q=0, {INDEX}", "application/vnd.docker.distribution.manifest.v1+prettyjws", EVERY_TYPE],
    )  # fmt: skip
    def test_any_accept_gets_what_is_there(self, shelf: Shelf, accept: str | None):
        answer = shelf.get("manifests/stable", accept=accept)
        assert answer.status == 200
        assert answer.headers["Docker-Content-Digest"] == shelf.index["digest"]

    @pytest.mark.parametrize(
        ("reference", "accept", "name"),
        [("stable", MANIFEST, "amd64"), ("stable", INDEX, "index"), ("1.1.0", DOCKER_MANIFEST, "docker_image"),
         ("1.1.0", DOCKER_LIST, "docker_list"), ("1.1.0", INDEX, "docker_list")],
    )  # fmt: skip
    def test_accept_chooses_between_documents_of_a_release(self, shelf: Shelf, reference: str, accept: str, name: str):
        answer = shelf.get(f"manifests/{reference}", accept=accept)
        assert answer.headers["Docker-Content-Digest"] == getattr(shelf, name)["digest"]

    def test_accept_in_several_lines(self, shelf: Shelf):
        import http.client

        connection = http.client.HTTPConnection("localhost", shelf.account.daemon.port)
        connection.putrequest("GET", f"/v2/{shelf.name}/manifests/stable", skip_accept_encoding=True)
        for kind in (MANIFEST, DOCKER_LIST, INDEX):
            connection.putheader("Accept", kind)
        connection.endheaders()
        response = connection.getresponse()
        assert response.headers["Content-Type"] == INDEX
        response.read()
        connection.close()

    def test_accept_never_matters_for_digests(self, shelf: Shelf):
        answer = shelf.get(f"manifests/{shelf.amd64['digest']}", accept=INDEX)
        assert answer.headers["Content-Type"] == MANIFEST

    @pytest.mark.parametrize("encoding", ["gzip", "zstd, gzip, deflate", "*", "gzip;q=1.0, identity;q=0"])
    @pytest.mark.parametrize("what", ["manifests/stable", "blobs/{}"])
    def test_never_encoded(self, shelf: Shelf, encoding: str, what: str):
        """Clients compare bytes with a digest."""
        answer = shelf.get(what.format(shelf.blob_digest), Accept_Encoding=encoding)
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["ETag"].startswith('"sha')
        assert digest_of(answer.body) == answer.headers["Docker-Content-Digest"]

    @pytest.mark.parametrize("method", BOTH)
    @pytest.mark.parametrize(("form", "status"), [('"{}"', 304), ("*", 304), ('W/"{}"', 304), ('"other", "{}"', 304),
                                                  ('"other"', 200), ("{}", 200)])  # fmt: skip
    def test_if_none_match(self, shelf: Shelf, method: str, form: str, status: int):
        etag = form.format(shelf.index["digest"])
        answer = shelf.get("manifests/stable", method=method, If_None_Match=etag)
        assert answer.status == status
        if status == 304:
            assert answer.body == b""
            assert answer.headers["ETag"] == f'"{shelf.index["digest"]}"'


class TestBlobs:
    @pytest.mark.parametrize("method", BOTH)
    @pytest.mark.parametrize("content", [BLOB, b"", b"amd64", b"docker"])
    def test_whole(self, shelf: Shelf, method: str, content: bytes):
        answer = shelf.get(f"blobs/{digest_of(content)}", shelf.anonymous, method=method)
        assert answer.status == 200
        assert answer.body == (content if method == "GET" else b"")
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.headers["Docker-Content-Digest"] == digest_of(content)
        assert answer.headers["ETag"] == f'"{digest_of(content)}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_sha512(self, shelf: Shelf):
        digest = digest_of(b"long", "sha512")
        answer = shelf.get(f"blobs/{digest}")
        assert answer.body == b"long"
        assert answer.headers["Docker-Content-Digest"] == digest

    def test_manifests_and_layout_files_are_blobs_too(self, shelf: Shelf):
        for content in (shelf.first.index_json, shelf.first.files["oci-layout"], shelf.manifest_bytes(shelf.index)):
            assert shelf.get(f"blobs/{digest_of(content)}").body == content

    @pytest.mark.parametrize("method", BOTH)
    @pytest.mark.parametrize("digest", [MISSING, "image.tar", "sha512:" + "0" * 128, "blake3:" + "0" * 64])
    def test_unknown(self, shelf: Shelf, method: str, digest: str):
        answer = shelf.get(f"blobs/{digest}", method=method)
        assert answer.status == 404
        if method == "GET":
            assert errors_of(answer)[0]["code"] in ("BLOB_UNKNOWN", "DIGEST_INVALID")

    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047), ("2000-5000", 2000, 2047), ("0-0", 0, 0),
         ("0-", 0, 2047), ("-99999", 0, 2047), ("2047-2047", 2047, 2047), ("0-2047", 0, 2047), (" 1-2 ", 1, 2)],
    )  # fmt: skip
    def test_range(self, shelf: Shelf, asked: str, first: int, last: int):
        answer = shelf.get(f"blobs/{shelf.blob_digest}", Range=f"bytes={asked}")
        assert answer.status == 206
        assert answer.body == BLOB[first : last + 1]
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/2048"
        assert answer.headers["Content-Length"] == str(last - first + 1)
        assert answer.headers["Docker-Content-Digest"] == shelf.blob_digest

    @pytest.mark.parametrize("asked", ["5000-10000", "2048-", "-0", "9" * 18 + "-"])
    def test_range_beyond_the_end(self, shelf: Shelf, asked: str):
        answer = shelf.get(f"blobs/{shelf.blob_digest}", Range=f"bytes={asked}")
        assert answer.status == 416
        assert answer.headers["Content-Range"] == "bytes */2048"

    @pytest.mark.parametrize("asked", ["items=0-1", "bytes=500-0", "bytes=", "bytes=a-b", "bytes", "bytes=-", "0-1",
                                       "bytes=" + "9" * 100 + "-", "bytes=" + ",".join(["0-0"] * 2000)])  # fmt: skip
    def test_range_that_means_nothing(self, shelf: Shelf, asked: str):
        answer = shelf.get(f"blobs/{shelf.blob_digest}", Range=asked)
        assert answer.status in (200, 416)
        if answer.status == 200:
            assert answer.body == BLOB

    def test_any_range_of_an_empty_blob(self, shelf: Shelf):
        assert shelf.get(f"blobs/{digest_of(b'')}", Range="bytes=0-").status == 416

    def test_head_ignores_range(self, shelf: Shelf):
        answer = shelf.get(f"blobs/{shelf.blob_digest}", method="HEAD", Range="bytes=0-9")
        assert (answer.status, answer.headers["Content-Length"]) == (200, "2048")

    def test_several_ranges(self, shelf: Shelf):
        answer = shelf.get(f"blobs/{shelf.blob_digest}", Range="bytes=0-9,100-199,-5")
        assert answer.status == 206
        head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + answer.body).get_payload()
        assert [part.get_payload(decode=True) for part in parts] == [BLOB[:10], BLOB[100:200], BLOB[-5:]]

    @pytest.mark.parametrize(
        ("condition", "status"),
        [('"{}"', 206), ('W/"{}"', 200), ('"other"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200), ("garbage", 200)],
    )
    def test_if_range(self, shelf: Shelf, condition: str, status: int):
        answer = shelf.get(
            f"blobs/{shelf.blob_digest}", Range="bytes=1-5", If_Range=condition.format(shelf.blob_digest)
        )
        assert answer.status == status
        assert answer.body == (BLOB[1:6] if status == 206 else BLOB)

    def test_not_modified(self, shelf: Shelf):
        assert shelf.get(f"blobs/{shelf.blob_digest}", If_None_Match=f'"{shelf.blob_digest}"').status == 304

    @pytest.mark.parametrize("cuts", [(1,), (7, 1000), (1, 2, 3, 2047), tuple(range(100, 2000, 100))])
    def test_any_split_is_the_whole(self, shelf: Shelf, cuts: tuple[int, ...]):
        edges = [0, *cuts, 2048]
        got = b"".join(
            shelf.get(f"blobs/{shelf.blob_digest}", Range=f"bytes={start}-{end - 1}").body
            for start, end in zip(edges, edges[1:], strict=False)
        )
        assert got == BLOB


TAGS = ["0.9.0", "1.0.0", "1.1.0", "2.0.0-beta.1_build.5", "slim", "stable"]


class TestTags:
    def test_all(self, shelf: Shelf):
        answer = shelf.get("tags/list", shelf.anonymous)
        assert answer.status == 200
        assert answer.json == {"name": "tools/app", "tags": TAGS}
        assert answer.headers["Content-Type"] == "application/json"
        assert "Link" not in answer.headers

    def test_every_tag_can_be_pulled(self, shelf: Shelf):
        assert {shelf.get(f"manifests/{tag}", method="HEAD").status for tag in TAGS} == {200}

    @pytest.mark.parametrize("n", [1, 2, 3, 5])
    def test_pages(self, shelf: Shelf, n: int):
        """Following the links gives everything once; the last page has none."""
        url, seen = f"{shelf.root}/{shelf.name}/tags/list?n={n}", []
        while url:
            answer = shelf.ask(url, shelf.anonymous)
            assert len(answer.json["tags"]) <= n
            seen += answer.json["tags"]
            link = answer.headers.get("Link")
            match = link and re.fullmatch(r'<(/v2/[^>]+)>; rel="next"', link)
            assert (match is not None) == (len(seen) < len(TAGS))
            url = match and shelf.account.daemon.url + match[1]
        assert seen == TAGS

    def test_zero(self, shelf: Shelf):
        answer = shelf.get("tags/list?n=0")
        assert answer.json["tags"] == []
        assert "Link" not in answer.headers

    @pytest.mark.parametrize("n", ["6", "7", "10000", "2147483647", "9" * 100, "00000000000000006"])
    def test_more_than_there_are(self, shelf: Shelf, n: str):
        answer = shelf.get(f"tags/list?n={n}")
        assert answer.json["tags"] == TAGS
        assert "Link" not in answer.headers

    @pytest.mark.parametrize("n", ["-1", "1e99", "NaN", "0x10", "1.5", "one", "%D9%A1"])
    def test_no_number(self, shelf: Shelf, n: str):
        answer = shelf.get(f"tags/list?n={n}")
        assert answer.status == 400
        errors_of(answer)

    @pytest.mark.parametrize(
        ("last", "rest"),
        [("0.9.0", TAGS[1:]), ("1", TAGS[1:]), ("slim", ["stable"]), ("zzz", []), ("", TAGS), ("Z", TAGS[4:]),
         ("%27%3B--", TAGS), ("%F0%9F%98%80", [])],
    )  # fmt: skip
    def test_last(self, shelf: Shelf, last: str, rest: list[str]):
        """Exclusive, bytewise, and it need not be a tag."""
        assert shelf.get(f"tags/list?last={last}").json["tags"] == rest

    def test_head(self, shelf: Shelf):
        answer = shelf.get("tags/list", method="HEAD")
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 10

    def test_unknown_repository(self, shelf: Shelf):
        answer = shelf.ask(f"{shelf.root}/{shelf.account.slug}/nothing/tags/list")
        assert answer.status == 404
        assert errors_of(answer)[0]["code"] == "NAME_UNKNOWN"


class TestReferrers:
    def listed(self, shelf: Shelf, query: str = "") -> list[str]:
        answer = shelf.get(f"referrers/{shelf.subject['digest']}{query}", shelf.anonymous)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == INDEX
        assert (answer.json["schemaVersion"], answer.json["mediaType"]) == (2, INDEX)
        return [found["artifactType"] for found in answer.json["manifests"]]

    def test_all(self, shelf: Shelf):
        assert sorted(self.listed(shelf)) == sorted(shelf.attachments)

    def test_descriptors(self, shelf: Shelf):
        found = shelf.get(f"referrers/{shelf.subject['digest']}").json["manifests"]
        for each in found:
            wanted = shelf.attachments[each["artifactType"]]
            assert (each["digest"], each["size"], each["mediaType"]) == (wanted["digest"], wanted["size"], MANIFEST)
            assert each["annotations"] == {"about": f"<b>{each['artifactType']}</b>\x1b[31m"}

    @pytest.mark.parametrize("kind", ["application/x.signature", "application/spdx%2Bjson", "application/spdx+json"])
    def test_filter(self, shelf: Shelf, kind: str):
        answer = shelf.get(f"referrers/{shelf.subject['digest']}?artifactType={kind}")
        assert [found["artifactType"] for found in answer.json["manifests"]] == [kind.replace("%2B", "+")]
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"

    def test_filter_twice(self, shelf: Shelf):
        query = "?artifactType=text/x-note&artifactType=application/x.signature"
        assert sorted(self.listed(shelf, query)) == ["application/x.signature", "text/x-note"]

    def test_filter_that_nothing_passes(self, shelf: Shelf):
        assert self.listed(shelf, "?artifactType=no/such") == []

    @pytest.mark.parametrize("digest", [MISSING, "sha512:" + "0" * 128, "blake3:" + "0" * 64])
    def test_none(self, shelf: Shelf, digest: str):
        answer = shelf.get(f"referrers/{digest}")
        assert answer.status == 200
        assert answer.json["manifests"] == []

    @pytest.mark.parametrize("digest", ["stable", "sha256:abc", "sha256:" + "G" * 64])
    def test_malformed(self, shelf: Shelf, digest: str):
        answer = shelf.get(f"referrers/{digest}")
        assert answer.status == 400
        assert errors_of(answer)[0]["code"] == "DIGEST_INVALID"

    @pytest.mark.parametrize("n", [1, 2])
    def test_pages(self, shelf: Shelf, n: int):
        url, seen = f"{shelf.root}/{shelf.name}/referrers/{shelf.subject['digest']}?n={n}", []
        while url:
            answer = shelf.ask(url)
            seen += [found["digest"] for found in answer.json["manifests"]]
            link = answer.headers.get("Link")
            url = link and shelf.account.daemon.url + link[1 : link.index(">")]
        assert sorted(seen) == sorted(found["digest"] for found in shelf.attachments.values())

    @pytest.mark.parametrize("method", BOTH)
    def test_fallback_tag(self, shelf: Shelf, method: str):
        """Clients that do not know the interface find the same index under a tag."""
        tag = shelf.subject["digest"].replace(":", "-")
        answer = shelf.get(f"manifests/{tag}", shelf.anonymous, method=method)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == INDEX
        if method == "GET":
            assert answer.headers["Docker-Content-Digest"] == "sha256:" + hashlib.sha256(answer.body).hexdigest()
            assert answer.json == shelf.get(f"referrers/{shelf.subject['digest']}").json

    def test_fallback_tag_without_referrers(self, shelf: Shelf):
        assert shelf.get(f"manifests/{shelf.index['digest'].replace(':', '-')}").status == 404


class TestEverythingElse:
    WRITES = [
        ("POST", "blobs/uploads/"), ("POST", "blobs/uploads/?mount=x&from=y"), ("PATCH", "blobs/uploads/1"),
        ("PUT", "blobs/uploads/1?digest=x"), ("PUT", "manifests/x"), ("DELETE", "manifests/x"), ("DELETE", "tags/x"),
        ("DELETE", f"blobs/{MISSING}"), ("POST", "manifests/x"), ("PUT", "tags/list"), ("DELETE", "referrers/x"),
    ]  # fmt: skip

    @pytest.mark.parametrize(("method", "path"), WRITES)
    def test_writes_are_refused(self, shelf: Shelf, method: str, path: str):
        answer = shelf.get(path, method=method, body=b"x")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        error = errors_of(answer)[0]
        assert error["code"] == "UNSUPPORTED"
        assert "keygenreg publish" in error["message"]

    @pytest.mark.parametrize(("method", "path"), WRITES)
    def test_writes_need_credentials_first(self, shelf: Shelf, method: str, path: str):
        answer = shelf.get(path, shelf.anonymous, method=method, body=b"x")
        assert answer.status == 401
        assert f'scope="repository:{shelf.name}:pull"' in answer.headers["WWW-Authenticate"]

    @pytest.mark.parametrize("path", ["_catalog/x", "_oci/ext/discover", "x", "x/y", "x/tags", "a/blobs"])
    def test_other_paths(self, shelf: Shelf, path: str):
        answer = shelf.ask(f"{shelf.root}/{path}")
        assert answer.status == 404
        errors_of(answer)

    @pytest.mark.parametrize("name", ["manifests", "blobs", "tags", "referrers", "tags/list", "a/manifests/b"])
    def test_repositories_with_names_of_paths(self, account, name: str):
        from tests.engines.oci.store import Store

        store = Store(account, "OPEN", name)
        store.publish("1.0.0")
        assert store.get("manifests/1.0.0", store.anonymous).status == 200
        assert store.get("tags/list", store.anonymous).json["tags"] == ["1.0.0"]

    @pytest.mark.parametrize(
        "name", ["UPPER", "a" * 300, "a//b", "a%2Fb", "..", "a/../b", "a%00b", "ä", "a b", "a'b", ";"]
    )
    def test_unknown_names(self, shelf: Shelf, name: str):
        answer = shelf.ask(f"{shelf.root}/{shelf.account.slug}/{quote(name, safe='%/')}/manifests/latest")
        assert answer.status in (400, 404)
        json.loads(answer.body)

    @pytest.mark.parametrize(
        "form", ["/v2/{slug}/tools/app", "/v2/{id}/tools/app", "//v2//{slug}//tools/app", "/v2/{slug}/tools%2Fapp",
                 "/v1/accounts/{slug}/engines/oci/tools/app", "/v1/accounts/{id}/engines/oci/tools/app",
                 "/v1/accounts/{slug}/engines/oci/v2/tools/app", "/v2/{slug}/{package}",
                 "/v1/accounts/{slug}/engines/oci/{package}"],
    )  # fmt: skip
    def test_ways_to_a_repository(self, shelf: Shelf, form: str):
        path = form.format(slug=shelf.account.slug, id=shelf.account.id, package=shelf.package["id"])
        for host in (None, "oci.pkg.registry.test", "api.registry.test"):
            headers = {"Host": host} if host else {}
            answer = fetch("GET", f"{shelf.account.daemon.url}{path}/manifests/stable", headers=headers)
            assert answer.status == 200, answer
            assert fetch("GET", f"{shelf.account.daemon.url}{path}/tags/list/", headers=headers).status == 200

    def test_every_answer_names_the_protocol(self, shelf: Shelf):
        for path in ("manifests/stable", "manifests/none", f"blobs/{shelf.blob_digest}", "tags/list", "x"):
            assert shelf.get(path).headers["Docker-Distribution-Api-Version"] == "registry/2.0"

    def test_unknown_query_parameters_are_ignored(self, shelf: Shelf):
        assert shelf.get("manifests/stable?ns=docker.io").status == 200
