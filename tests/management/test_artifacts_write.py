"""Making, changing and deleting artifacts (api.md 7.10); uploads themselves are in test_uploads.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.daemon_fixtures import Account, Answer, Api, fetch
from tests.management.customers import License, codes, product_api, staff, token_of

GIB = 1024**3


def post(api: Api, release: dict, filename: object = "tool.zip", query: str = "", **more) -> Answer:
    """POST an artifact; names with underscores and capitals are headers, the rest attributes."""
    headers = {name: more.pop(name) for name in list(more) if name[0].isupper()}
    document = {
        "data": {
            "type": "artifacts",
            "attributes": {"filename": filename, **more},
            "relationships": {"release": {"data": {"type": "releases", "id": release["id"]}}},
        }
    }
    return api.post(f"/artifacts{query}", document, **headers)


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


@pytest.fixture
def release(account: Account, product: dict) -> dict:
    return account.admin.make_release(product)


def test_ART_01_create(account, release):
    answer = post(account.admin, release)
    assert answer.status == 307
    assert answer.headers["Location"].startswith(f"{account.daemon.url}/-/uploads/")
    assert answer.data["links"]["redirect"] == answer.headers["Location"]
    assert answer.data["attributes"]["status"] == "WAITING"
    path = f"/v1/accounts/{account.id}/artifacts/{answer.data['id']}"
    assert (answer.data["links"]["self"], answer.data["links"]["related"]) == (path, f"{path}/tool.zip")
    assert answer.data["relationships"]["release"]["data"] == {"type": "releases", "id": release["id"]}


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {"Prefer": "no-redirect"}, 200),
        ("?prefer=no-redirect", {}, 200),
        ("", {"Prefer": "respond-async, no-redirect"}, 200),
        ("?prefer=no-redirect", {"Prefer": ""}, 307),
        ("?prefer[]=no-redirect", {}, 307),
    ],
)
def test_ART_02_prefer(account, release, query, headers, status):
    answer = post(account.admin, release, query=query, **headers)
    assert (answer.status, "Location" in answer.headers) == (status, True)


def test_ART_03_minimal(account, release):
    shown = post(account.admin, release).data["attributes"]
    for name in ("filetype", "filesize", "platform", "arch", "checksum", "signature"):
        assert shown[name] is None


def test_ART_04_normal_forms(account, release):
    given = {"filetype": ".AppImage", "platform": " macOS ", "arch": "M1"}
    shown = post(account.admin, release, "Tool.AppImage", **given).data["attributes"]
    assert [shown[name] for name in ("filename", "filetype", "platform", "arch")] == [
        "Tool.AppImage", "appimage", "macos", "m1",
    ]  # fmt: skip
    blank = post(account.admin, release, "other", filetype="", platform=" ", arch="").data["attributes"]
    assert [blank[name] for name in ("filetype", "platform", "arch")] == [None, None, None]


@pytest.mark.parametrize(
    ("filename", "filetype", "fits"),
    [
        ("a.zip", "dmg", False),
        ("version", "txt", True),
        ("a.tar.gz", "tar.gz", True),
        ("a.tar.gz", ".gz", True),
        ("A.ZIP", "zip", True),
        ("tool-v1.0.7", ".7", True),
    ],
)
def test_ART_05_file_types(account, release, filename, filetype, fits):
    answer = post(account.admin, release, filename, filetype=filetype)
    if fits:
        assert answer.status == 307
    else:
        assert (answer.status, codes(answer)) == (422, {("FILENAME_EXTENSION_INVALID", "/data/attributes/filename")})


def test_ART_06_names_are_unique_in_a_release(account, product, release):
    account.admin.make_artifact(release, "tool.zip", b"bytes")
    taken = post(account.admin, release)
    assert (taken.status, codes(taken)) == (422, {("FILENAME_TAKEN", "/data/attributes/filename")})
    assert post(account.admin, account.admin.make_release(product, "2.0.0")).status == 307
    assert post(account.admin, release, "Tool.zip").status == 307


def test_decision_12_takes_over_what_never_got_its_bytes(account, release):
    """A second create of the same name replaces a WAITING artifact; the first upload link is void then."""
    first = post(account.admin, release, checksum="old", platform="linux")
    second = post(account.admin, release, checksum="new")
    assert second.status == 307
    assert second.data["attributes"]["checksum"] == "new" and second.data["attributes"]["platform"] is None
    assert fetch("PUT", first.headers["Location"], b"bytes").status == 404
    assert fetch("PUT", second.headers["Location"], b"bytes").status == 200
    listed = account.admin.get(f"/releases/{release['id']}/artifacts").data
    assert [(one["id"], one["attributes"]["status"]) for one in listed] == [(second.data["id"], "UPLOADED")]


def test_decision_12_takes_over_what_failed(account, release):
    wrong = post(account.admin, release, checksum="0" * 64)
    assert fetch("PUT", wrong.headers["Location"], b"bytes").status == 422
    assert account.admin.get(f"/artifacts/{wrong.data['id']}").data["attributes"]["status"] == "FAILED"
    assert post(account.admin, release).status == 307


@pytest.mark.parametrize(
    ("size", "status"),
    [("12", 400), ("", 400), (True, 400), (-1, 422), (5 * GIB + 1, 422), (2**70, 400), (5 * GIB, 307), (0, 307),
     (None, 307)],
)  # fmt: skip
def test_ART_07_file_sizes(account, release, size, status):
    answer = post(account.admin, release, filesize=size)
    assert answer.status == status
    if status == 422:
        assert codes(answer) == {("FILESIZE_INVALID", "/data/attributes/filesize")}


def test_ART_08_checksums(account, release):
    long = post(account.admin, release, checksum="c" * 4097, signature="s" * 4097)
    assert codes(long) == {
        ("CHECKSUM_TOO_LONG", "/data/attributes/checksum"),
        ("SIGNATURE_TOO_LONG", "/data/attributes/signature"),
    }
    shown = post(account.admin, release, checksum="", signature="").data["attributes"]
    assert (shown["checksum"], shown["signature"]) == ("", "")
    assert post(account.admin, release, "b", checksum="c" * 4096).status == 307


def test_ART_09_unknown_release(account, product):
    unknown = {"id": "00000000-0000-4000-8000-000000000000"}
    refused = post(account.admin, unknown)
    assert (refused.status, codes(refused)) == (422, {("RELEASE_NOT_FOUND", "/data/relationships/release")})
    assert post(product_api(account, product), unknown).status == 403


def test_ART_10_who_may(account, product, release):
    assert post(product_api(account, account.admin.make_product()), release).status == 403
    for role in ("sales-agent", "support-agent", "read-only"):
        assert post(staff(account, role), release).status == 403
    assert post(License(account, product).token, release).status == 403
    assert post(account.admin.as_(), release).status == 401
    assert post(product_api(account, product), release).status == 307
    assert post(staff(account, "developer"), release, "b").status == 307


@pytest.mark.parametrize(
    "filename",
    ["dir/deep/x", "with space.txt", "ünï 漢字.bin", "a+b&c=d?.txt", "100%.txt", 'q".x', "a//b", "/lead", "%2F"],
)
def test_ART_11_names(account, release, filename):
    """Whatever the name, its link leads to the bytes, under that name."""
    made = account.admin.make_artifact(release, filename, b"content of it")
    assert made["attributes"]["filename"] == filename
    shown = account.admin.get(account.daemon.url + made["links"]["related"])
    assert shown.status == 303
    fetched = fetch("GET", shown.headers["Location"])
    assert (fetched.status, fetched.body) == (200, b"content of it")


@pytest.mark.parametrize("filename", ["", "  ", None, 5])
def test_ART_11_no_name(account, release, filename):
    assert post(account.admin, release, filename).status == 400


@pytest.mark.parametrize("filename", ["a\nb", "../x", "x/./y", "\x7f", "n" * 256])
def test_ART_11_names_that_would_harm(account, release, filename):
    answer = post(account.admin, release, filename)
    assert answer.status == 422
    assert codes(answer) <= {
        ("FILENAME_INVALID", "/data/attributes/filename"), ("FILENAME_TOO_LONG", "/data/attributes/filename"),
    }  # fmt: skip


def test_ART_12_any_state_of_the_release(account, release):
    assert post(account.admin, release, "a").status == 307
    account.admin.post(f"/releases/{release['id']}/actions/yank")
    assert post(account.admin, release, "b").status == 307


def test_ART_21_change(account, release):
    made = account.admin.make_artifact(release, "tool.zip", b"bytes", metadata={"requiresPython": ">=3.8"})
    assert made["attributes"]["metadata"] == {"requiresPython": ">=3.8"}
    path = f"/artifacts/{made['id']}"
    given = {"checksum": "c", "signature": "s", "filesize": 7, "metadata": {"a": 1}}
    changed = account.admin.patch(path, {"data": {"type": "artifacts", "attributes": given}})
    assert changed.status == 200
    assert given.items() <= changed.data["attributes"].items()
    for name, value in {"filename": "x", "platform": "linux", "status": "WAITING"}.items():
        refused = account.admin.patch(path, {"data": {"type": "artifacts", "attributes": {name: value}}})
        assert (refused.status, codes(refused)) == (400, {(None, f"/data/attributes/{name}")})
    license = License(account, {"id": release["relationships"]["product"]["data"]["id"]})
    assert license.token.patch(path, {"data": {"type": "artifacts", "attributes": {}}}).status == 403


def test_ART_22_delete(account, release):
    made = account.admin.make_artifact(release, "tool.zip", b"bytes of ART-22")
    [(sha256,)] = account.sql("SELECT blob_sha256 FROM artifacts WHERE id = %s", made["id"])
    answer = account.admin.delete(f"/artifacts/{made['id']}")
    assert (answer.status, answer.body) == (204, b"")
    assert account.admin.get(f"/artifacts/{made['id']}").status == 404
    # Nobody refers to the bytes any more: the collector removes them (decision 16).
    assert account.sql("SELECT reference_count FROM blobs WHERE sha256 = %s", sha256) == [(0,)]
    assert post(account.admin, release).status == 307
    assert account.admin.delete("/artifacts/tool.zip?release=1.0.0").status == 204


def test_ART_23_delete_does_not_guess(account, product, release):
    other = account.admin.make_release(product, "2.0.0")
    for row in (release, other):
        account.admin.make_artifact(row, "dir/tool.zip", b"bytes")
    refused = account.admin.delete("/artifacts/dir/tool.zip")
    assert (refused.status, refused.error["code"]) == (422, "ARTIFACT_AMBIGUOUS")
    assert account.admin.delete("/artifacts/dir/tool.zip?release=2.0.0").status == 204
    assert account.admin.delete("/artifacts/dir/tool.zip").status == 204


def test_ART_23_who_may_delete(account, product, release):
    made = account.admin.make_artifact(release, "tool.zip", b"bytes")
    path = f"/artifacts/{made['id']}"
    assert account.admin.as_().delete(path).status == 401
    assert License(account, product).token.delete(path).status == 403
    assert staff(account, "sales-agent").delete(path).status == 403
    assert product_api(account, account.admin.make_product()).delete(path).status == 404
    assert product_api(account, product).delete(path).status == 204


@pytest.mark.parametrize(("strategy", "of_global"), [("ISOLATED", 403), ("SHARED", 307)])
def test_environments(account, product, release, strategy, of_global):
    """An environment's token makes artifacts of its own releases, and of global ones only where those are shared."""
    environment = str(uuid4())
    account.sql(
        "INSERT INTO environments (id, account_id, code, name, isolation_strategy) VALUES (%s, %s, %s, 'e', %s)",
        environment, account.id, environment[:8], strategy,
    )  # fmt: skip
    api = token_of(account, "environments", environment, environment)
    inside = {"Keygen_Environment": environment[:8]}
    document = {"data": {"type": "products", "attributes": {"name": "Inside"}}}
    made = api.post("/products", document, **inside).data
    attributes = {"version": "1.0.0", "channel": "stable"}
    related = {"product": {"data": {"type": "products", "id": made["id"]}}}
    document = {"data": {"type": "releases", "attributes": attributes, "relationships": related}}
    own = api.post("/releases", document, **inside).data
    assert own["relationships"]["environment"]["data"]["id"] == environment
    answer = post(api, own, **inside)
    assert (answer.status, answer.data["relationships"]["environment"]["data"]["id"]) == (307, environment)
    assert fetch("PUT", answer.headers["Location"], b"x").status == 200
    assert api.get("/artifacts/tool.zip", **inside).status == 303
    assert account.admin.get("/artifacts/tool.zip").status == 404
    assert post(api, release, **inside).status == of_global
    assert api.delete(f"/releases/{release['id']}", **inside).status == (404 if strategy == "ISOLATED" else 403)


def test_ART_24_creates_at_the_same_time(account, release):
    """Of many creates of one name at once one succeeds in the end: there is one artifact, and one link takes bytes."""
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: post(account.admin, release), range(12)))
    assert {answer.status for answer in answers} <= {307, 409, 422}
    listed = account.admin.get(f"/releases/{release['id']}/artifacts").data
    assert len(listed) == 1
    made = [answer for answer in answers if answer.status == 307]
    stored = [answer.data["id"] for answer in made if fetch("PUT", answer.headers["Location"], b"x").status == 200]
    assert stored == [listed[0]["id"]]


def test_ART_25_platforms_come_and_go(account, release):
    with ThreadPoolExecutor(6) as threads:
        targets = {"platform": "Linux", "arch": "x64"}
        made = list(threads.map(lambda n: post(account.admin, release, f"f{n}", **targets), range(6)))
    assert {answer.status for answer in made} == {307}
    assert [one["attributes"]["key"] for one in account.admin.get("/platforms").data] == ["linux"]
    assert [one["attributes"]["key"] for one in account.admin.get("/arches").data] == ["x64"]
    for answer in made:
        account.admin.delete(f"/artifacts/{answer.data['id']}")
    assert account.admin.get("/platforms").data == []
