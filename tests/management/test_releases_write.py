"""Making, changing, publishing, yanking and deleting releases (api.md 7.7)."""

from __future__ import annotations

import pytest

from tests.daemon_fixtures import Account, Answer, Api
from tests.management.customers import License, codes, days, entitlement, ids, product_api, staff

VERSION = "/data/attributes/version"


def post(api: Api, product: dict, version: str = "1.0.0", channel: str = "stable", **more) -> Answer:
    """POST a release; ``package`` and ``constraints`` become relationships, the rest attributes."""
    related = {"product": {"data": {"type": "products", "id": product["id"]}}}
    if "package" in more:
        package = more.pop("package")
        related["package"] = {"data": package and {"type": "packages", "id": package["id"]}}
    if "constraints" in more:
        related["constraints"] = {"data": [constraint(one) for one in more.pop("constraints")]}
    attributes = {"version": version, "channel": channel, **more}
    return api.post("/releases", {"data": {"type": "releases", "attributes": attributes, "relationships": related}})


def constraint(entitlement: dict) -> dict:
    linked = {"entitlement": {"data": {"type": "entitlements", "id": entitlement["id"]}}}
    return {"type": "constraints", "relationships": linked}


def attributes(**given) -> dict:
    return {"data": {"type": "releases", "attributes": given}}


@pytest.fixture
def product(account: Account) -> dict:
    return account.admin.make_product()


def test_REL_01_minimal(account, product):
    """Version, channel and product are enough: a draft, with the parts of its version."""
    answer = post(account.admin, product, "1.2.3-beta.4+build.7", "beta")
    assert answer.status == 201
    shown = answer.data["attributes"]
    assert shown["status"] == "DRAFT"
    assert shown["semver"] == {"major": 1, "minor": 2, "patch": 3, "prerelease": "beta.4", "build": "build.7"}
    assert shown["yanked"] is None and shown["tag"] is None and shown["metadata"] == {}
    assert answer.data["relationships"]["package"]["data"] is None
    path = f"/v1/accounts/{account.id}/releases/{answer.data['id']}"
    assert answer.data["links"]["self"] == path
    assert answer.headers["Location"] == account.daemon.url + path


def test_REL_02_status(account, product):
    assert post(account.admin, product, status="PUBLISHED").data["attributes"]["status"] == "PUBLISHED"
    for status in ("YANKED", "draft"):
        refused = post(account.admin, product, "2.0.0", status=status)
        assert (refused.status, codes(refused)) == (400, {(None, "/data/attributes/status")})


@pytest.mark.parametrize("missing", ["version", "channel", "product"])
def test_REL_03_required(account, product, missing):
    document = {
        "data": {
            "type": "releases",
            "attributes": {"version": "1.0.0", "channel": "stable"},
            "relationships": {"product": {"data": {"type": "products", "id": product["id"]}}},
        }
    }
    part = "relationships" if missing == "product" else "attributes"
    del document["data"][part][missing]
    refused = account.admin.post("/releases", document)
    assert (refused.status, codes(refused)) == (400, {(None, f"/data/{part}/{missing}")})


@pytest.mark.parametrize("version", ["v1.0.0", "1.0.0.0", "abc", "01a", "", " 1.0.0", "99999999999999999999.0.0"])
def test_REL_04_not_a_version(account, product, version):
    refused = post(account.admin, product, version)
    assert (refused.status, codes(refused)) == (422, {("VERSION_INVALID", VERSION)})


def test_REL_04_short_versions_are_padded(account, product):
    assert post(account.admin, product, "1").data["attributes"]["version"] == "1.0.0"
    assert post(account.admin, product, "1.2").data["attributes"]["version"] == "1.2.0"
    assert codes(post(account.admin, product, "1.0")) == {("VERSION_TAKEN", VERSION)}


@pytest.mark.parametrize(
    ("version", "channel"),
    [("1.0.0-gamma.1", "stable"), ("1.0.0-rc.1", "stable"), ("1.0.0-alpha.1", "beta"), ("1.0.0", "beta")],
)
def test_REL_05_version_and_channel_disagree(account, product, version, channel):
    refused = post(account.admin, product, version, channel)
    assert (refused.status, codes(refused)) == (422, {("VERSION_CHANNEL_INVALID", VERSION)})


def test_REL_05_dev(account, product):
    assert post(account.admin, product, "1.0.0-dev.3", "dev").status == 201


def test_REL_06_unknown_channel(account, product):
    refused = post(account.admin, product, "1.0.0", "nightly")
    assert (refused.status, codes(refused)) == (400, {(None, "/data/attributes/channel")})


def test_REL_07_version_is_unique_in_its_package(account, product):
    package = account.admin.make_package(product, "one")
    other = account.admin.make_package(product, "two")
    assert post(account.admin, product).status == 201
    assert codes(post(account.admin, product)) == {("VERSION_TAKEN", VERSION)}
    assert post(account.admin, product, package=package).status == 201
    assert codes(post(account.admin, product, package=package)) == {("VERSION_TAKEN", VERSION)}
    assert post(account.admin, product, package=other).status == 201
    assert post(account.admin, account.admin.make_product()).status == 201


def test_REL_08_tag_is_unique_in_its_package(account, product):
    package = account.admin.make_package(product, "one")
    assert post(account.admin, product, "1.0.0", tag="latest").status == 201
    taken = post(account.admin, product, "1.1.0", tag="latest")
    assert (taken.status, codes(taken)) == (422, {("TAG_TAKEN", "/data/attributes/tag")})
    assert post(account.admin, product, "1.1.0", tag="latest", package=package).status == 201
    assert post(account.admin, account.admin.make_product(), tag="latest").status == 201
    for version in ("2.0.0", "2.1.0"):
        assert post(account.admin, product, version, tag="").status == 201
    for version in ("3.0.0", "3.1.0"):
        assert post(account.admin, product, version, tag=None).status == 201


def test_REL_09_tags(account, product):
    assert codes(post(account.admin, product, tag="actions")) == {("TAG_NOT_ALLOWED", "/data/attributes/tag")}
    assert codes(post(account.admin, product, tag="t" * 256)) == {("TAG_TOO_LONG", "/data/attributes/tag")}
    assert post(account.admin, product, tag="t" * 255).status == 201


def test_REL_10_backdated(account, product):
    ahead = post(account.admin, product, backdated=days(1).isoformat())
    assert (ahead.status, codes(ahead)) == (422, {("BACKDATED_INVALID", "/data/attributes/backdated")})
    made = post(account.admin, product, backdated="2020-02-03T04:05:06Z")
    assert made.data["attributes"]["backdated"] == "2020-02-03T04:05:06.000Z"
    cleared = account.admin.patch(f"/releases/{made.data['id']}", attributes(backdated=None))
    assert cleared.data["attributes"]["backdated"] is None


def test_REL_11_long_texts(account, product):
    refused = post(account.admin, product, name="n" * 256, description="d" * (16 * 1024 + 1))
    assert codes(refused) == {
        ("NAME_TOO_LONG", "/data/attributes/name"),
        ("DESCRIPTION_TOO_LONG", "/data/attributes/description"),
    }
    assert post(account.admin, product, description="d" * 16 * 1024).status == 201


def test_REL_11_blank_description(account, product):
    """A blank description is refused when a release is made and taken when it is changed."""
    assert post(account.admin, product, description="").status == 400
    made = post(account.admin, product, name="")
    changed = account.admin.patch(f"/releases/{made.data['id']}", attributes(description=""))
    assert changed.data["attributes"]["description"] == ""


def test_REL_12_package(account, product):
    foreign = account.admin.make_package(account.admin.make_product(), "foreign")
    pointer = "/data/relationships/package"
    assert codes(post(account.admin, product, package=foreign)) == {("PACKAGE_NOT_ALLOWED", pointer)}
    unknown = {"id": "00000000-0000-4000-8000-000000000000"}
    assert codes(post(account.admin, product, package=unknown)) == {("PACKAGE_NOT_FOUND", pointer)}
    assert post(account.admin, product, package=None).status == 201


def test_REL_13_product(account, product):
    refused = post(account.admin, {"id": "00000000-0000-4000-8000-000000000000"})
    assert (refused.status, codes(refused)) == (422, {("PRODUCT_NOT_FOUND", "/data/relationships/product")})
    other = product_api(account, account.admin.make_product())
    assert post(other, product).status == 403
    assert post(product_api(account, product), product).status == 201


def test_REL_14_nested_constraints(account, product):
    first, second = entitlement(account, "A"), entitlement(account, "B")
    made = post(account.admin, product, constraints=[first, second])
    assert made.status == 201
    found = account.admin.get(f"/releases/{made.data['id']}/entitlements")
    assert ids(found) == {first["id"], second["id"]}
    place = "/data/relationships/constraints/data"
    twice = post(account.admin, product, "2.0.0", constraints=[first, second, first])
    assert codes(twice) == {
        ("CONSTRAINTS_ENTITLEMENT_CONFLICT", f"{place}/{n}/relationships/entitlement") for n in (0, 2)
    }
    unknown = {"id": "00000000-0000-4000-8000-000000000000"}
    lost = post(account.admin, product, "2.0.0", constraints=[first, unknown])
    assert codes(lost) == {("CONSTRAINTS_ENTITLEMENT_NOT_FOUND", f"{place}/1/relationships/entitlement")}
    assert account.admin.get("/releases/2.0.0").status == 404


def test_REL_15_too_many_constraints(account, product):
    many = [entitlement(account, f"E{n}") for n in range(21)]
    assert post(account.admin, product, constraints=many).status == 422
    assert post(account.admin, product, constraints=many[:20]).status == 201


def test_REL_16_change(account, product):
    made = post(account.admin, product).data
    given = {"name": "New", "description": "Text", "tag": "t", "metadata": {"buildHost": "x"}}
    changed = account.admin.patch(f"/releases/{made['id']}", attributes(**given, backdated="2021-01-01T00:00:00Z"))
    assert changed.status == 200
    assert given.items() <= changed.data["attributes"].items()
    for name, value in {"version": "9.0.0", "channel": "rc", "status": "YANKED"}.items():
        refused = account.admin.patch(f"/releases/{made['id']}", attributes(**{name: value}))
        assert (refused.status, codes(refused)) == (400, {(None, f"/data/attributes/{name}")})
    related = {"product": {"data": {"type": "products", "id": product["id"]}}}
    moved = account.admin.patch(f"/releases/{made['id']}", {"data": {"type": "releases", "relationships": related}})
    assert (moved.status, codes(moved)) == (400, {(None, "/data/relationships/product")})


def test_REL_17_tag_cleared(account, product):
    made = post(account.admin, product, tag="latest").data
    cleared = account.admin.patch(f"/releases/{made['id']}", attributes(tag=None))
    assert cleared.data["attributes"]["tag"] is None
    assert post(account.admin, product, "2.0.0", tag="latest").status == 201


def test_tag_moves_in_one_request(account, product):
    """With ``?move=true`` a tag is taken from the release that has it."""
    old, new = post(account.admin, product, "1.0.0", tag="latest").data, post(account.admin, product, "2.0.0").data
    assert codes(account.admin.patch(f"/releases/{new['id']}", attributes(tag="latest"))) == {
        ("TAG_TAKEN", "/data/attributes/tag")
    }
    assert account.admin.patch(f"/releases/{new['id']}?move=true", attributes(tag="latest")).status == 200
    assert account.admin.get("/releases/latest").data["id"] == new["id"]
    assert account.admin.get(f"/releases/{old['id']}").data["attributes"]["tag"] is None


def test_REL_18_19_publish_and_yank(account, product):
    path = f"/releases/{post(account.admin, product).data['id']}/actions"
    for action, status in (("publish", "PUBLISHED"), ("publish", "PUBLISHED"), ("yank", "YANKED")):
        answer = account.admin.post(f"{path}/{action}")
        assert (answer.status, answer.data["attributes"]["status"]) == (200, status)
    yanked = answer.data["attributes"]["yanked"]
    assert yanked is not None
    assert account.admin.post(f"{path}/yank").data["attributes"]["yanked"] == yanked
    again = account.admin.post(f"{path}/publish").data["attributes"]
    assert (again["status"], again["yanked"]) == ("PUBLISHED", yanked)


def test_REL_19_yank_draft(account, product):
    draft = post(account.admin, product).data
    assert account.admin.post(f"/releases/{draft['id']}/actions/yank").data["attributes"]["status"] == "YANKED"


def test_REL_20_publish_by_alias(account, product):
    post(account.admin, product, "1.0.0", tag="nightly/1")
    assert account.admin.post("/releases/1.0.0/actions/publish").status == 200
    assert account.admin.post("/releases/nightly/1/actions/yank").status == 200
    assert account.admin.get("/releases/nightly/1").data["attributes"]["status"] == "YANKED"
    assert account.admin.get("/releases/nightly%2F1").status == 200


def test_REL_21_delete(account, product):
    made = post(account.admin, product).data
    artifact = account.admin.make_artifact(made, "tool.zip", b"content")
    answer = account.admin.delete(f"/releases/{made['id']}")
    assert (answer.status, answer.body) == (204, b"")
    assert account.admin.get(f"/releases/{made['id']}").status == 404
    assert account.admin.get(f"/artifacts/{artifact['id']}").status == 404
    assert post(account.admin, product).status == 201
    assert account.sql(
        "SELECT count(*) FROM artifacts WHERE account_id = %s AND blob_sha256 IS NOT NULL", account.id
    ) == [(0,)]


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "publish", "yank"])
def test_REL_22_23_who_may_not_write(account, method):
    """Another product does not find the release; staff without the role, and customers who may read it, are denied."""
    product = account.admin.make_product()
    release = post(account.admin, product, status="PUBLISHED").data
    draft = post(account.admin, product, "2.0.0").data

    def write(api: Api, row: dict) -> int:
        path = f"/releases/{row['id']}"
        if method == "PATCH":
            return api.patch(path, attributes(name="x")).status
        return api.delete(path).status if method == "DELETE" else api.post(f"{path}/actions/{method}").status

    assert write(product_api(account, account.admin.make_product()), release) == 404
    for role in ("sales-agent", "support-agent", "read-only"):
        assert write(staff(account, role), release) == 403
    license = License(account, product)
    assert write(license.token, release) == 403
    assert write(license.token, draft) == 404
    assert write(account.admin.as_(), release) == 401
    assert write(product_api(account, product), release) in (200, 204)


def test_REL_23_who_may_not_create(account, product):
    for role in ("sales-agent", "support-agent", "read-only"):
        assert post(staff(account, role), product).status == 403
    assert post(License(account, product).token, product).status == 403
    assert post(account.admin.as_(), product).status == 401
    assert post(staff(account, "developer"), product).status == 201


def test_REL_23_schema_before_role(account, product):
    """A malformed create by somebody who may not create is 400, a well-formed one 403."""
    license = License(account, product)
    assert post(license.token, product, nonsense=1).status == 400


def package_document(package: dict | None) -> dict:
    return {"data": package and {"type": "packages", "id": package["id"]}}


def test_REL_24_package_of_a_release(account, product):
    package = account.admin.make_package(product, "one")
    foreign = account.admin.make_package(account.admin.make_product(), "foreign")
    release = post(account.admin, product).data
    path = f"/releases/{release['id']}/package"
    empty = account.admin.get(path)
    assert (empty.status, empty.json) == (200, {"data": None})
    answer = account.admin.put(path, package_document(package))
    assert (answer.status, answer.data["id"]) == (200, package["id"])
    assert account.admin.get(path).data["id"] == package["id"]
    assert codes(account.admin.put(path, package_document(foreign))) == {("PACKAGE_NOT_ALLOWED", "/data")}
    assert product_api(account, product).put(path, package_document(foreign)).status == 403
    unknown = account.admin.put(path, package_document({"id": "00000000-0000-4000-8000-000000000000"}))
    assert (unknown.status, codes(unknown)) == (422, {("PACKAGE_NOT_FOUND", "/data")})
    assert account.admin.get(path).data["id"] == package["id"]
    cleared = product_api(account, product).put(path, package_document(None))
    assert (cleared.status, cleared.json) == (200, {"data": None})
    assert account.admin.get(f"/releases/{release['id']}").data["relationships"]["package"]["data"] is None


def test_REL_25_version_taken_in_the_other_package(account, product):
    package = account.admin.make_package(product, "one")
    post(account.admin, product, package=package)
    release = post(account.admin, product).data
    refused = account.admin.put(f"/releases/{release['id']}/package", package_document(package))
    assert (refused.status, codes(refused)) == (422, {("VERSION_TAKEN", VERSION)})


def test_REL_26_attach_and_detach(account, product):
    first, second = entitlement(account, "A"), entitlement(account, "B")
    release = post(account.admin, product).data
    path = f"/releases/{release['id']}/constraints"
    made = account.admin.post(path, {"data": [constraint(first), constraint(second)]})
    assert made.status == 200
    assert [one["relationships"]["entitlement"]["data"]["id"] for one in made.data] == [first["id"], second["id"]]
    assert made.data[0]["relationships"]["release"]["data"] == {"type": "releases", "id": release["id"]}
    again = account.admin.post(path, {"data": [constraint(first)]})
    assert codes(again) == {("ENTITLEMENT_TAKEN", "/data/0/relationships/entitlement")}
    assert account.admin.get(f"{path}/{made.data[0]['id']}").data["id"] == made.data[0]["id"]
    unknown = {"type": "constraints", "id": "00000000-0000-4000-8000-000000000000"}
    known = {"type": "constraints", "id": made.data[0]["id"]}
    refused = account.admin.delete(path, {"data": [unknown, known]})
    assert (refused.status, refused.error["source"]["pointer"]) == (422, "/data/0")
    assert len(account.admin.get(path).data) == 2
    assert account.admin.delete(path, {"data": [known]}).status == 204
    assert ids(account.admin.get(path)) == {made.data[1]["id"]}


def test_REL_27_attach_is_all_or_nothing(account, product):
    good = entitlement(account, "A")
    release = post(account.admin, product).data
    path = f"/releases/{release['id']}/constraints"
    unknown = {"id": "00000000-0000-4000-8000-000000000000"}
    refused = account.admin.post(path, {"data": [constraint(good), constraint(unknown)]})
    assert codes(refused) == {("ENTITLEMENT_NOT_FOUND", "/data/1/relationships/entitlement")}
    assert account.admin.get(path).data == []


def test_REL_28_oldest_of_several(account, product):
    """Reads of an ambiguous version take the oldest release; writes are refused and name the matches."""
    other = account.admin.make_product()
    package = account.admin.make_package(product, "one")
    packed = post(account.admin, product, package=package).data
    bare = post(account.admin, product).data
    foreign = post(account.admin, other).data
    assert account.admin.get("/releases/1.0.0").data["id"] == packed["id"]
    assert account.admin.get(f"/releases/1.0.0?product={other['id']}").data["id"] == foreign["id"]
    assert account.admin.get("/releases/1.0.0?package=").data["id"] == bare["id"]
    assert account.admin.get("/releases/1.0.0?package=one").data["id"] == packed["id"]
    refused = account.admin.delete("/releases/1.0.0")
    assert refused.status == 422
    assert all(row["id"] in refused.error["detail"] for row in (packed, bare, foreign))
    assert account.admin.delete(f"/releases/1.0.0?product={other['id']}").status == 204
    assert account.admin.post("/releases/1.0.0/actions/publish?package=one").data["id"] == packed["id"]


def test_REL_29_plus_in_the_path(account, product):
    made = post(account.admin, product, "1.0.0+5").data
    assert account.admin.get("/releases/1.0.0+5").data["id"] == made["id"]
    assert account.admin.get("/releases/1.0.0%2B5").data["id"] == made["id"]


def test_REL_30_dots_are_no_suffixes(account, product):
    made = post(account.admin, product, "1.0.0", tag="release.json").data
    assert account.admin.get("/releases/release.json").data["id"] == made["id"]


def test_REL_31_tag_equal_to_a_version(account, product):
    older = post(account.admin, product, "1.0.0", tag="2.0.0").data
    post(account.admin, product, "2.0.0")
    assert account.admin.get("/releases/2.0.0").data["id"] == older["id"]


def test_GEN_31_put_is_patch(account, product):
    made = post(account.admin, product).data
    answer = account.admin.put(f"/releases/{made['id']}", attributes(name="By PUT"))
    assert answer.data["attributes"]["name"] == "By PUT"


def test_GEN_19_all_faults_together(account, product):
    refused = post(account.admin, product, "x", tag="actions", name="n" * 256)
    assert {code for code, _ in codes(refused)} == {"VERSION_INVALID", "TAG_NOT_ALLOWED", "NAME_TOO_LONG"}
