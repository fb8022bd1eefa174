"""Who gets which artifact, and in which form (api.md 7.11)."""

from __future__ import annotations

import hashlib
import time
from uuid import UUID

import pytest

from keygenreg.domain.derived import derived_id
from keygenreg.formats.signed_token import sign
from tests.daemon_fixtures import Account, Answer, Api, fetch
from tests.management.customers import License, days, entitlement, ids, product_api, staff, token_of, user
from tests.management.test_releases_read import constrained

CONTENT = b"0123456789" * 1000


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


@pytest.fixture
def release(account: Account, product: dict) -> dict:
    return account.admin.make_release(product)


@pytest.fixture
def artifact(account: Account, release: dict) -> dict:
    return account.admin.make_artifact(release, "tool.zip", CONTENT)


def show(api: Api, artifact: dict, **headers: str) -> Answer:
    return api.get(f"/artifacts/{artifact['id']}", **headers)


def test_ARR_01_download(account, product, artifact):
    """A link that needs no credentials, in header and document, leads to the bytes."""
    for api in (License(account, product).token, License(account, product).key, account.admin):
        answer = show(api, artifact)
        assert answer.status == 303
        assert answer.data["links"]["redirect"] == answer.headers["Location"]
        fetched = fetch("GET", answer.headers["Location"])
        assert (fetched.status, fetched.body) == (200, CONTENT)
        assert "secret" not in answer.headers["Location"] and "Authorization" not in answer.headers["Location"]


def test_ARR_02_preferences(account, artifact):
    document = show(account.admin, artifact, Prefer="no-redirect")
    assert (document.status, document.data["links"]["redirect"]) == (200, document.headers["Location"])
    silent = show(account.admin, artifact, Prefer="no-download")
    assert silent.status == 200
    assert "Location" not in silent.headers and "redirect" not in silent.data["links"]
    path = f"/artifacts/{artifact['id']}"
    assert account.admin.get(f"{path}?prefer=no-redirect").status == 200
    assert "Location" not in account.admin.get(f"{path}?prefer=no-download").headers


def test_ARR_19_array_valued_prefer(account, artifact):
    assert account.admin.get(f"/artifacts/{artifact['id']}?prefer[]=no-redirect").status == 303


@pytest.mark.parametrize("status", ["WAITING", "PROCESSING", "FAILED"])
def test_ARR_03_nothing_to_fetch_yet(account, product, artifact, status):
    account.sql("UPDATE artifacts SET status = %s WHERE id = %s", status, artifact["id"])
    for api in (account.admin, product_api(account, product), staff(account, "read-only")):
        answer = show(api, artifact)
        assert (answer.status, answer.headers["Location"]) == (200, None)
        assert answer.data["attributes"]["status"] == status
    assert show(License(account, product).token, artifact).status == 404


def test_ARR_03_reason_is_for_writers(account, product, artifact):
    account.sql("UPDATE artifacts SET status = 'FAILED', failure_reason = 'why' WHERE id = %s", artifact["id"])
    for api in (account.admin, product_api(account, product), staff(account, "developer")):
        assert show(api, artifact).data["attributes"]["failureReason"] == "why"
    for role in ("sales-agent", "support-agent", "read-only"):
        assert "failureReason" not in show(staff(account, role), artifact).data["attributes"]


def test_ARR_04_state_of_the_release(account, product):
    draft = account.admin.make_release(product, "2.0.0", status="DRAFT")
    artifact = account.admin.make_artifact(draft, "tool.zip", CONTENT)
    license = License(account, product)
    assert (show(account.admin, artifact).status, show(license.token, artifact).status) == (303, 404)
    account.admin.post(f"/releases/{draft['id']}/actions/yank")
    answer = show(account.admin, artifact)
    assert (answer.status, answer.headers["Location"], show(license.token, artifact).status) == (200, None, 404)
    account.admin.post(f"/releases/{draft['id']}/actions/publish")
    assert show(license.token, artifact).status == 303


class TestDecisionTable:
    """ARR-05: the rows of api.md 4.4, as (status of the release, status of the artifact)."""

    def see(self, api: Api, artifact: dict) -> tuple[int, int]:
        release = artifact["relationships"]["release"]["data"]["id"]
        return api.get(f"/releases/{release}").status, show(api, artifact).status

    def make(self, account: Account, strategy: str = "LICENSED", **release) -> tuple[dict, dict]:
        product = account.admin.make_product(strategy)
        made = account.admin.make_release(product, **release)
        return product, account.admin.make_artifact(made, "tool.zip", b"x")

    def test_rows_5_and_6_open(self, account):
        _, artifact = self.make(account, "OPEN")
        other = account.admin.make_product()
        assert self.see(account.admin.as_(), artifact) == (200, 303)
        assert self.see(License(account, other).token, artifact) == (200, 303)
        assert self.see(product_api(account, other), artifact) == (404, 404)

    def test_rows_7_to_9_open_constrained(self, account):
        product, artifact = self.make(account, "OPEN")
        held = entitlement(account, "A")
        constrained(account, artifact["relationships"]["release"]["data"], held)
        assert self.see(account.admin.as_(), artifact) == (404, 404)
        assert self.see(License(account, product, entitlements=(held,)).token, artifact) == (200, 303)
        assert self.see(License(account, product).token, artifact) == (404, 404)

    def test_rows_10_to_15_licensed(self, account):
        product, artifact = self.make(account)
        assert self.see(account.admin.as_(), artifact) == (404, 404)
        assert self.see(License(account, product).token, artifact) == (200, 303)
        assert self.see(License(account, account.admin.make_product()).token, artifact) == (404, 404)
        suspended = License(account, product, suspended=True)
        assert self.see(suspended.token, artifact) == (403, 403)
        assert suspended.token.get("/artifacts").status == 403
        assert show(suspended.key, artifact).error["code"] == "LICENSE_SUSPENDED"

    @pytest.mark.parametrize(
        ("strategy", "before", "after"),
        [("RESTRICT_ACCESS", 303, 404), ("MAINTAIN_ACCESS", 303, 404), ("REVOKE_ACCESS", 404, 404),
         ("ALLOW_ACCESS", 303, 303)],
    )  # fmt: skip
    def test_rows_16_to_21_expired(self, account, strategy, before, after):
        product, late = self.make(account)
        old = account.admin.make_release(product, "0.9.0", backdated=days(-20).isoformat())
        early = account.admin.make_artifact(old, "old.zip", b"x")
        license = License(account, product, expiry=days(-10), expiration_strategy=strategy)
        assert (show(license.token, early).status, show(license.token, late).status) == (before, after)

    def test_rows_22_to_27_users(self, account):
        product, artifact = self.make(account)
        owner = user(account)
        api = token_of(account, "users", owner)
        assert self.see(api, artifact) == (404, 404)
        License(account, product, owner=owner, expiry=days(-1), expiration_strategy="REVOKE_ACCESS")
        assert self.see(api, artifact) == (404, 404)
        License(account, product, owner=owner, suspended=True)
        assert self.see(api, artifact) == (403, 403)
        License(account, product, owner=owner)
        assert self.see(api, artifact) == (200, 303)
        account.sql("UPDATE users SET banned = now() WHERE id = %s", owner)
        assert show(api, artifact).error["code"] == "USER_BANNED"

    def test_rows_28_to_30_closed(self, account):
        product, artifact = self.make(account, "CLOSED")
        assert self.see(account.admin.as_(), artifact) == (404, 404)
        assert self.see(License(account, product).token, artifact) == (404, 404)
        for api in (account.admin, product_api(account, product), staff(account, "support-agent")):
            assert self.see(api, artifact) == (200, 303)

    def test_row_33_policy_without_login(self, account):
        product, artifact = self.make(account)
        license = License(account, product, authentication_strategy="NONE")
        assert show(license.token, artifact).status == 403
        assert show(license.key, artifact).status == 403


class TestByName:
    """ARR-06: among artifacts of one name that of the highest version counts, whatever is newest."""

    @pytest.fixture
    def shelf(self, account: Account, product: dict) -> dict[str, dict]:
        made = {}
        package = account.admin.make_package(product, "pack", "raw")
        for version in ("1.10.0", "2.0.0-rc.1", "1.9.0"):
            channel = "rc" if "rc" in version else "stable"
            release = account.admin.make_release(product, version, channel=channel)
            made[version] = account.admin.make_artifact(release, "app", b"x", platform="linux")
        release = account.admin.make_release(product, "1.5.0", package=package)
        made["packed"] = account.admin.make_artifact(release, "app", b"x", platform="windows")
        other = account.admin.make_product(code="other")
        made["other"] = account.admin.make_artifact(account.admin.make_release(other, "9.0.0"), "app", b"x")
        return made

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", "other"),
            ("channel=rc&platform=linux", "2.0.0-rc.1"),
            ("channel=stable&platform=linux", "1.10.0"),
            ("release=1.9.0", "1.9.0"),
            ("package=pack", "packed"),
            ("engine=raw", "packed"),
            ("product=other", "other"),
            ("platform=Windows", "packed"),
            ("platform=", "other"),
            ("arch=arm", None),
            ("status=failed", None),
        ],
    )
    def test_ARR_06(self, account, shelf, query, found):
        answer = account.admin.get(f"/artifacts/app?{query}")
        if found is None:
            assert answer.status == 404
        else:
            assert (answer.status, answer.data["id"]) == (303, shelf[found]["id"])


def test_ARR_07_name_with_a_slash(account, release):
    made = account.admin.make_artifact(release, "dir/tool.zip", CONTENT)
    for path in ("/artifacts/dir/tool.zip", "/artifacts/dir%2Ftool.zip"):
        assert account.admin.get(path).data["id"] == made["id"]
    assert account.admin.get("/releases/1.0.0/artifacts/dir/tool.zip").data["id"] == made["id"]


def test_ARR_08_within_a_release(account, product, artifact):
    newer = account.admin.make_release(product, "2.0.0", tag="latest")
    account.admin.make_artifact(newer, "tool.zip", b"newer")
    assert account.admin.get("/releases/1.0.0/artifacts/tool.zip").data["id"] == artifact["id"]
    latest = account.admin.get("/releases/latest/artifacts/tool.zip", Accept="*/*")
    assert latest.body == b"newer"
    assert account.admin.get("/releases/latest/artifacts/nothing").status == 404
    assert account.admin.get(f"/releases/latest/artifacts/{artifact['id']}").status == 404
    nested = f"/products/{product['id']}/artifacts"
    assert account.admin.get(f"{nested}/tool.zip?release=1.0.0").data["id"] == artifact["id"]
    assert len(account.admin.get(nested).data) == 2
    assert account.admin.as_().get(f"{nested}/tool.zip").status == 401


def test_ARR_09_vanity(account, product, artifact):
    """The form with an id names the artifact's own file and nothing else (decision 4)."""
    path = f"/artifacts/{artifact['id']}"
    key = License(account, product).secret
    anonymous = account.admin.as_()
    assert anonymous.get(f"{path}/tool.zip?auth=license:{key}").status == 303
    assert key not in anonymous.get(f"{path}/tool.zip?auth=license:{key}").headers["Location"]
    fetched = anonymous.get(f"{path}/tool.zip?auth=license:{key}", Accept="*/*")
    assert (fetched.status, fetched.body) == (200, CONTENT)
    for name in ("other.whl", "tool.zip/x", "tool.zip.metadata", "TOOL.zip"):
        assert account.admin.get(f"{path}/{name}").status == 404
    assert anonymous.get(f"{path}/tool.zip").status == 404
    assert account.admin.get("/artifacts/name/x").status == 404


def test_sidecar_of_a_distribution(account, product, artifact):
    """``<file>.metadata`` is the manifest that the reader of a Python distribution left, for whoever reads the file."""
    text = "Metadata-Version: 2.1\nName: tool\nVersion: 1.0.0\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    account.sql(
        """INSERT INTO manifests (id, account_id, artifact_id, release_id, content_path, content_type, content_digest,
            content_length, content)
        SELECT gen_random_uuid(), account_id, id, release_id, 'METADATA', 'text/plain; charset=utf-8', %s, %s, %s
        FROM artifacts WHERE id = %s""",
        f"sha256:{digest}", len(text), text, artifact["id"],
    )  # fmt: skip
    path = f"/artifacts/{artifact['id']}/tool.zip.metadata"
    answer = License(account, product).token.get(path, Accept="*/*")
    assert (answer.status, answer.body, answer.headers["ETag"]) == (200, text.encode(), f'"sha256:{digest}"')
    assert account.admin.as_().get(path).status == 404
    release = artifact["relationships"]["release"]["data"]["id"]
    account.admin.post(f"/releases/{release}/actions/yank")
    assert account.admin.get(path).status == 404


def test_stored_part_of_an_artifact(account, product, artifact):
    """A part that was taken out of the file and stored beside it is fetched by its path."""
    part = account.admin.make_artifact(account.admin.make_release(product, "2.0.0"), "part", b"the part")
    account.sql(
        """INSERT INTO descriptors (id, account_id, artifact_id, release_id, content_path, content_type, content_length,
            blob_sha256)
        SELECT gen_random_uuid(), account_id, id, release_id, 'blobs/sha256/ab', 'application/x-layer', 8,
            (SELECT blob_sha256 FROM artifacts WHERE id = %s) FROM artifacts WHERE id = %s""",
        part["id"], artifact["id"],
    )  # fmt: skip
    answer = account.admin.get(f"/artifacts/{artifact['id']}/blobs/sha256/ab", Accept="*/*")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"the part", "application/x-layer")
    linked = account.admin.get(f"/artifacts/{artifact['id']}/blobs%2Fsha256%2Fab")
    assert fetch("GET", linked.headers["Location"]).body == b"the part"


@pytest.mark.parametrize("accept", ["application/octet-stream", "text/plain", "*/*", "text/html, */*;q=0.1", ""])
def test_ARR_10_any_accept_streams(account, artifact, accept):
    """Clients that name no JSON type get the bytes at once (decision 2)."""
    answer = show(account.admin, artifact, Accept=accept)
    assert (answer.status, answer.body) == (200, CONTENT)


JSON_CLIENTS = ["application/json", "application/vnd.api+json", "application/json, text/plain, */*"]


@pytest.mark.parametrize("accept", JSON_CLIENTS)
def test_ARR_10_json_clients_get_the_document(account, artifact, accept):
    answer = show(account.admin, artifact, Accept=accept)
    assert (answer.status, answer.data["id"]) == (303, artifact["id"])


def test_ARR_10_head_of_a_streamed_file(account, artifact):
    answer = account.admin.request("HEAD", f"/artifacts/{artifact['id']}", Accept="*/*")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(len(CONTENT)), b"")


def life(location: str) -> int:
    """Seconds until a link ends."""
    import base64

    token = location.split("/")[5]
    body = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[32:]
    return int.from_bytes(body[:8], "big") - int(time.time())


def test_ARR_11_ttl(account, product, artifact):
    path = f"/artifacts/{artifact['id']}"
    assert 110 <= life(account.admin.get(f"{path}?ttl=120").headers["Location"]) <= 121
    assert 50 <= life(account.admin.get(f"{path}?ttl=1").headers["Location"]) <= 61
    assert life(account.admin.get(f"{path}?ttl=99999999").headers["Location"]) <= 7 * 86_400 + 1
    license = License(account, product)
    assert life(license.token.get(f"{path}?ttl=120").headers["Location"]) > 3500
    assert license.token.get(f"{path}?ttl=x").status == 303
    refused = account.admin.get(f"{path}?ttl=x")
    assert (refused.status, refused.error["source"]) == (400, {"parameter": "ttl"})


def test_ARR_12_bad_links(account, artifact):
    location = show(account.admin, artifact).headers["Location"]
    head, token, name = location.rsplit("/", 2)
    altered = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    [(key,)] = account.sql("SELECT signing_key FROM installation")
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    payload = {"b": sha256, "f": "tool.zip", "t": "application/zip", "m": None}
    expired = sign(bytes(key), "download", payload, int(time.time()) - 1)
    upload = sign(bytes(key), "upload", payload, int(time.time()) + 60)
    for url in (f"{head}/{altered}/{name}", f"{head}/{expired}/{name}", f"{head}/{upload}/{name}"):
        assert fetch("GET", url).status == 403
    for url in (f"{head}/{token}/other.zip", f"{head}/{token}", f"{head}/"):
        assert fetch("GET", url).status in (403, 404)
    assert fetch("POST", location).status == 405


@pytest.fixture(params=["link", "direct"])
def file(request, account, artifact):
    """Asks for the file with some headers: at its signed link, or streamed by the API itself."""
    if request.param == "link":
        location = show(account.admin, artifact).headers["Location"]
        return lambda method="GET", **headers: fetch(method, location, None, named(headers))
    path = f"/artifacts/{artifact['id']}"
    return lambda method="GET", **headers: account.admin.request(method, path, **{"Accept": "*/*", **headers})


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def test_ARR_13_ranges(file):
    part = file(Range="bytes=5-9")
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"56789", f"bytes 5-9/{len(CONTENT)}")
    assert file(Range=f"bytes={len(CONTENT)}-").status == 416
    tag = file().headers["ETag"]
    assert tag == f'"sha256:{hashlib.sha256(CONTENT).hexdigest()}"'
    assert file(If_None_Match=tag).status == 304
    assert file(Range="bytes=0-0", If_Range='"other"').status == 200


def test_ARR_13_headers(file):
    answer = file()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tool.zip"'
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Last-Modified"]
    assert answer.headers["Cache-Control"].startswith("private")
    assert answer.headers["Repr-Digest"].startswith("sha-256=:")


def test_ARR_14_head(account, artifact, file):
    assert (file("HEAD").status, file("HEAD").headers["Content-Length"]) == (200, str(len(CONTENT)))
    answer = account.admin.request("HEAD", f"/artifacts/{artifact['id']}")
    assert (answer.status, answer.body) == (303, b"")
    assert fetch("GET", answer.headers["Location"]).body == CONTENT


def test_cache_control_of_what_all_may_read(account):
    """Shared caches may keep what strangers may read, when a stranger asks; and must ask again each time."""
    release = account.admin.make_release(account.admin.make_product("OPEN"))
    artifact = account.admin.make_artifact(release, "tool.zip", CONTENT)
    anonymous = show(account.admin.as_(), artifact, Accept="*/*").headers["Cache-Control"]
    assert anonymous == "public, no-transform, no-cache"
    assert show(account.admin, artifact, Accept="*/*").headers["Cache-Control"].startswith("private")
    constrained(account, release, entitlement(account, "A"))
    assert show(account.admin, artifact, Accept="*/*").headers["Cache-Control"].startswith("private")


class TestLists:
    """ARR-15."""

    @pytest.fixture
    def shelf(self, account: Account, product: dict, release: dict) -> dict[str, dict]:
        draft = account.admin.make_release(product, "2.0.0", status="DRAFT")
        return {
            "up": account.admin.make_artifact(release, "a.zip", b"x", filetype="zip", platform="linux", arch="x64"),
            "bare": account.admin.make_artifact(release, "bare", b"x"),
            "waiting": account.admin.make_artifact(release, "b.zip", filetype="zip"),
            "draft": account.admin.make_artifact(draft, "c.zip", b"x"),
        }

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {"up", "bare", "waiting", "draft"}),
            ("status=waiting", {"waiting"}),
            ("filetype=.ZIP", {"up", "waiting"}),
            ("filetype=", {"bare", "draft"}),
            ("platform=Linux", {"up"}),
            ("arch=", {"bare", "waiting", "draft"}),
            ("release=2.0.0", {"draft"}),
            ("filetype=zip&status=uploaded", {"up"}),
        ],
    )
    def test_ARR_15_filters(self, account, shelf, query, found):
        assert ids(account.admin.get(f"/artifacts?{query}")) == {shelf[name]["id"] for name in found}

    def test_ARR_15_by_derived_ids(self, account, shelf):
        linux = derived_id(UUID(account.id), "platforms", "linux")
        assert ids(account.admin.get(f"/artifacts?platform={linux}")) == {shelf["up"]["id"]}
        arch = derived_id(UUID(account.id), "arches", "other")
        assert ids(account.admin.get(f"/artifacts?arch={arch}")) == set()

    def test_ARR_15_license_sees_what_it_can_fetch(self, account, product, shelf):
        api = License(account, product).token
        assert ids(api.get("/artifacts")) == {shelf["up"]["id"], shelf["bare"]["id"]}
        assert account.admin.as_().get("/artifacts").data == []

    def test_ARR_18_within_a_release(self, account, product, shelf):
        api = License(account, product).token
        draft = shelf["draft"]["relationships"]["release"]["data"]["id"]
        assert api.get(f"/releases/{draft}/artifacts").status == 404
        assert ids(account.admin.get(f"/releases/{draft}/artifacts")) == {shelf["draft"]["id"]}
        assert ids(account.admin.get("/releases/1.0.0/artifacts?status=waiting")) == {shelf["waiting"]["id"]}


@pytest.mark.parametrize("accept", ["application/vnd.api+json", "*/*"])
def test_ARR_16_first_download_starts_the_clock(account, product, artifact, accept):
    license = License(account, product, expiration_basis="FROM_FIRST_DOWNLOAD", duration=86_400)
    show(license.token, artifact, Prefer="no-download")
    account.admin.as_().get(f"/artifacts/{artifact['id']}")
    license.token.request("HEAD", f"/artifacts/{artifact['id']}", Accept=accept)
    assert license.expiry is None
    show(license.token, artifact, Accept=accept)
    first = license.expiry
    assert abs((first - days(1)).total_seconds()) < 60
    show(license.token, artifact, Accept=accept)
    assert license.expiry == first


def test_ARR_16_no_redirect_counts_and_users_do_not(account, product, artifact):
    owner = user(account)
    license = License(account, product, owner=owner, expiration_basis="FROM_FIRST_DOWNLOAD", duration=10**15)
    assert show(token_of(account, "users", owner), artifact).status == 303
    assert license.expiry is None
    assert show(license.token, artifact, Prefer="no-redirect").status == 200
    assert license.expiry is not None


def test_ARR_17_host_behind_a_proxy(account, artifact):
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "dl.example.net:8443"}
    headers = {"Authorization": account.admin.authorization, "Accept": "application/json", **forwarded}
    answer = fetch("GET", f"{account.admin.base}/artifacts/{artifact['id']}", None, headers)
    assert answer.headers["Location"].startswith("https://dl.example.net:8443/-/blobs/")


def test_permission_to_download(account, product, artifact):
    """A token may read artifacts and still not be allowed to fetch them."""
    license = License(account, product)
    account.sql("UPDATE tokens SET permissions = %s WHERE bearer_license_id = %s", ["artifact.read"], license.id)
    assert show(license.token, artifact, Prefer="no-download").status == 200
    assert show(license.token, artifact).status == 403
    assert show(license.token, artifact, Accept="*/*").status == 403


def test_artifact_without_its_bytes(account, release):
    """What was imported without its content is shown and linked like any other; only the bytes are missing."""
    made = account.admin.make_artifact(release, "tool.zip", CONTENT)
    account.sql("UPDATE artifacts SET blob_sha256 = NULL, content_type = NULL WHERE id = %s", made["id"])
    answer = show(account.admin, made)
    assert answer.status == 303
    assert fetch("GET", answer.headers["Location"]).status == 404
    assert show(account.admin, made, Accept="*/*").status == 404
