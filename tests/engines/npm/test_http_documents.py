"""Package documents over real HTTP: the checklist of engines.md 10.7, what a document holds."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from email.utils import parsedate_to_datetime

import pytest

from tests.daemon_fixtures import Account, fetch
from tests.engines.npm.store import JSON, NPM, Store
from tests.engines.npm.tarballs import package, packed

INSTALL_V1 = "application/vnd.npm.install-v1+json"


@pytest.fixture
def store(account: Account) -> Store:
    return Store(account, "OPEN")


class TestContent:
    def test_the_document_of_an_unscoped_package(self, store: Store):
        content = package("acme", "1.0.0", description="Makes everything", dist={"tarball": "http://evil.test/"})
        artifact = store.publish("1.0.0", content)
        document = store.get().json
        assert document["name"] == "acme"
        assert document["description"] == "Makes everything"
        assert document["dist-tags"] == {"latest": "1.0.0"}
        assert document["time"] == {
            "created": store.package["attributes"]["created"],
            "modified": artifact["attributes"]["updated"],
            "1.0.0": artifact["attributes"]["created"],
        }
        (version,) = document["versions"].values()
        dist = version.pop("dist")
        assert version == {
            "_id": "acme@1.0.0", "name": "acme", "version": "1.0.0", "description": "Makes everything",
        }  # fmt: skip
        assert dist == {
            "tarball": f"{store.admin.base}/engines/npm/acme/-/acme-1.0.0.tgz",
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode(),
            "shasum": hashlib.sha1(content).hexdigest(),
            "fileCount": 2,
            "unpackedSize": dist["unpackedSize"],
        }

    def test_a_scoped_package_in_every_encoding(self, shelf: Store):
        bodies = {
            shelf.get(path).body
            for path in ("@acme/lib", "@acme%2flib", "@acme%2Flib", "%40acme%2Flib", "%40acme/lib", "@acme/lib/")
        }
        assert len(bodies) == 1
        assert json.loads(bodies.pop())["name"] == "@acme/lib"

    @pytest.mark.parametrize("name", ["x", "Upper-Case", "@a.b_c/d.e_f", "_under", "~tilde"])
    def test_names_of_the_whole_grammar(self, account: Account, name: str):
        """One character, upper case of former times, dots and underscores in scopes."""
        store = Store(account, "OPEN", name)
        store.publish()
        assert store.get().json["name"] == name

    def test_names_are_case_sensitive(self, store: Store):
        store.publish()
        assert store.get("ACME").status == 404

    def test_a_package_by_its_id(self, shelf: Store):
        assert shelf.get(shelf.package["id"]).body == shelf.get().body

    def test_latest_is_the_highest_stable_version(self, store: Store):
        for version in ("1.9.0", "2.0.0-beta.1", "1.10.0"):
            store.publish(version)
        document = store.get().json
        assert document["dist-tags"] == {"latest": "1.10.0"}
        assert list(document["versions"]) == ["2.0.0-beta.1", "1.10.0", "1.9.0"]

    def test_a_tagged_release_is_latest_and_other_tags_are_shown(self, store: Store):
        store.publish("1.0.0", tag="latest")
        store.publish("2.0.0", tag="next")
        assert store.get().json["dist-tags"] == {"latest": "1.0.0", "next": "2.0.0"}

    def test_what_installers_ask_for_is_abbreviated(self, shelf: Store):
        """With the time of versions, which they would fetch the full document for."""
        answer = shelf.get(accept=NPM)
        assert answer.headers["Content-Type"] == INSTALL_V1
        document = answer.json
        assert set(document) == {"name", "modified", "dist-tags", "versions", "time"}
        assert "1.1.0" in document["time"]
        assert set(document["versions"]["1.1.0"]) == {"name", "version", "dependencies", "dist", "hasInstallScript"}

    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            (None, "application/json; charset=utf-8"),
            ("*/*", "application/json; charset=utf-8"),
            (JSON, "application/json; charset=utf-8"),
            ("application/json; q=1.0, application/vnd.npm.install-v1+json; q=0.8", "application/json; charset=utf-8"),
            (INSTALL_V1, INSTALL_V1),
            (NPM, INSTALL_V1),
        ],
    )
    def test_every_client_gets_the_form_it_likes(self, shelf: Store, accept: str | None, expected: str):
        answer = shelf.get(accept=accept)
        assert (answer.status, answer.headers["Content-Type"]) == (200, expected)
        assert {"Accept", "Authorization"} <= set(answer.headers["Vary"].replace(" ", "").split(","))

    @pytest.mark.parametrize("accept", ["text/html", "application/vnd.api+json", "image/*, application/json;q=0"])
    def test_other_forms_do_not_exist(self, shelf: Store, accept: str):
        """Whatever the package; the check comes first."""
        for path in ("@acme/lib", "no-such-package", "@acme/lib/latest"):
            answer = shelf.get(path, accept=accept)
            assert (answer.status, answer.error["code"]) == (400, "MIME_TYPE_INVALID")

    def test_deprecation_of_artifact_release_and_package(self, store: Store):
        """``deprecated`` in the vendor's metadata is what installers warn of."""
        store.publish("1.0.0", metadata={"deprecated": "broken on Tuesdays"})
        store.publish("1.1.0")
        store.account.sql(
            "UPDATE releases SET metadata = %s WHERE package_id = %s AND version = '1.1.0'",
            json.dumps({"deprecated": True}), store.package["id"],
        )  # fmt: skip
        store.publish("2.0.0")
        for accept in (JSON, NPM):
            found = store.get(accept=accept).json["versions"]
            assert found["1.0.0"]["deprecated"] == "broken on Tuesdays"
            assert found["1.1.0"]["deprecated"] == "This version is deprecated."
            assert "deprecated" not in found["2.0.0"]


class TestCaching:
    def test_an_etag_saves_the_second_transfer(self, shelf: Store):
        first = shelf.get()
        assert first.headers["ETag"].startswith('"')
        again = shelf.get(**{"If-None-Match": first.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert shelf.get(**{"If-None-Match": '"other"'}).status == 200

    def test_forms_have_different_etags(self, shelf: Store):
        assert shelf.get().headers["ETag"] != shelf.get(accept=NPM).headers["ETag"]

    def test_a_new_version_changes_the_etag(self, store: Store):
        store.publish("1.0.0")
        first = store.get()
        store.publish("1.1.0")
        again = store.get(**{"If-None-Match": first.headers["ETag"]})
        assert (again.status, again.json["dist-tags"]["latest"]) == (200, "1.1.0")

    def test_last_modified_is_the_newest_update(self, store: Store):
        store.publish("1.0.0")
        newest = store.publish("1.1.0")
        stated = parsedate_to_datetime(store.get().headers["Last-Modified"])
        assert stated.isoformat()[:19] == newest["attributes"]["updated"][:19]

    def test_nobody_keeps_a_document_without_asking(self, shelf: Store):
        """So that a new version is installed at once, and a lost right is lost at once."""
        assert shelf.get(api=shelf.anonymous).headers["Cache-Control"].startswith("public, max-age=0, must-revalidate")
        assert shelf.get().headers["Cache-Control"].startswith("private, max-age=0, must-revalidate")

    def test_documents_are_compressed(self, shelf: Store):
        plain = shelf.get()
        packed_ = shelf.get(**{"Accept-Encoding": "zstd,gzip"})
        assert packed_.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed_.body) == plain.body
        assert packed_.headers["ETag"] != plain.headers["ETag"]
        assert shelf.get(**{"Accept-Encoding": "gzip", "If-None-Match": packed_.headers["ETag"]}).status == 304

    @pytest.mark.parametrize(
        "path",
        ["@acme/lib", "@acme/lib/latest", "@acme/lib/-/lib-1.0.0.tgz", "-/package/@acme/lib/dist-tags", "-/ping"],
    )
    def test_head_is_get_without_a_body(self, shelf: Store, path: str):
        get, head = shelf.get(path), shelf.get(path, method="HEAD")
        assert (get.status, head.status, head.body) == (200, 200, b"")
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
            assert head.headers[name] == get.headers[name]


class TestVersionsAndTags:
    @pytest.mark.parametrize(
        ("selector", "version"),
        [("1.0.0", "1.0.0"), ("lts", "1.0.0"), ("latest", "1.1.0"), ("2.0.0-beta.1", "2.0.0-beta.1")],
    )
    def test_one_version_by_number_and_by_tag(self, shelf: Store, selector: str, version: str):
        whole = shelf.get().json["versions"]
        for name in ("@acme/lib", "@acme%2flib"):
            assert shelf.get(f"{name}/{selector}").json == whole[version]

    def test_other_versions_and_tags_are_not_there(self, shelf: Store):
        assert shelf.get("@acme/lib/3.0.0").status == 404
        assert shelf.get("@acme/lib/beta").status == 404

    def test_one_version_abbreviated(self, shelf: Store):
        answer = shelf.get("@acme/lib/1.1.0", accept=NPM)
        assert answer.headers["Content-Type"] == INSTALL_V1
        assert "description" not in answer.json

    def test_dist_tags(self, shelf: Store):
        for name in ("@acme/lib", "@acme%2flib", "%40acme%2Flib"):
            assert shelf.get(f"-/package/{name}/dist-tags").json == {"latest": "1.1.0", "lts": "1.0.0"}


class TestWhatIsListed:
    def test_a_package_without_tarballs_is_not_there(self, store: Store):
        assert store.get().status == 404
        release = store.release("1.0.0")
        store.admin.make_artifact(release, "README.md", b"Hello")
        assert store.get().status == 404
        assert store.get("acme/latest").status == 404
        assert store.get("-/package/acme/dist-tags").status == 404

    def test_packages_of_other_engines_are_not_there(self, store: Store):
        other = store.admin.make_package(store.product, "snake", "pypi")
        assert store.get("snake").status == 404
        assert store.get(other["id"]).status == 404

    def test_unknown_packages_are_not_here_and_nowhere_else(self, store: Store):
        answer = store.get("left-pad", store.anonymous)
        assert answer.status == 404
        assert "Location" not in answer.headers
        assert answer.json["error"] == answer.json["message"] == "There is no package left-pad here, or not for you."

    def test_waiting_and_failed_tarballs_are_not_listed(self, store: Store):
        store.publish("1.0.0")
        store.admin.make_artifact(store.release("1.1.0"), "waiting.tgz")
        failed = store.admin.make_artifact(store.release("1.2.0"), "failed.tgz", packed(b"no json"))
        assert failed["attributes"]["status"] == "FAILED"
        assert store.versions() == ["1.0.0"]

    def test_all_endings_of_tarballs_are_the_same(self, store: Store):
        for version, ending in (("1.0.0", ".tgz"), ("1.1.0", ".tar.gz"), ("1.2.0", ".tar")):
            store.admin.make_artifact(store.release(version), f"some name{ending}", package(version=version))
        assert store.versions() == ["1.2.0", "1.1.0", "1.0.0"]

    def test_of_two_tarballs_of_a_release_the_older_counts(self, store: Store):
        store.publish("1.0.0", package("acme", description="older"))
        [(release,)] = store.account.sql("SELECT id FROM releases WHERE package_id = %s", store.package["id"])
        store.admin.make_artifact({"id": str(release)}, "second.tgz", package("acme", description="newer"))
        assert store.get().json["description"] == "older"
        assert store.get("acme/-/acme-1.0.0.tgz").body == package("acme", description="older")

    def test_imported_manifests_and_missing_bytes(self, store: Store):
        """A dump may name the document as it lies in the tarball, and come without bytes: those are listed."""
        checksum = base64.b64encode(hashlib.sha512(b"elsewhere").digest()).decode()
        artifact = store.publish()
        store.account.sql(
            "UPDATE manifests SET content_path = 'package/package.json', metadata = '{}' WHERE artifact_id = %s",
            artifact["id"],
        )
        store.account.sql(
            "UPDATE artifacts SET blob_sha256 = NULL, checksum = %s WHERE id = %s", checksum, artifact["id"]
        )
        dist = store.get().json["versions"]["1.0.0"]["dist"]
        assert dist == {"tarball": dist["tarball"], "integrity": f"sha512-{checksum}"}
        answer = fetch("GET", dist["tarball"])
        assert (answer.status, answer.json["error"]) == (404, "The file of acme@1.0.0 is not in this registry.")

    def test_bad_tarballs_fail_with_a_reason(self, store: Store):
        for content, sentence in (
            (package("other"), "package.json names the package 'other', but this is the package 'acme'"),
            (package("acme", "1.0.1"), "package.json states version '1.0.1', but this is release '1.0.0'"),
            (b"no tarball", "The archive ends in the middle of a header"),
        ):
            release = store.release("1.0.0")
            artifact = store.admin.make_artifact(release, "acme.tgz", content)
            assert artifact["attributes"]["status"] == "FAILED"
            assert artifact["attributes"]["failureReason"].startswith(sentence)
            assert store.admin.delete(f"/releases/{release['id']}").status == 204
