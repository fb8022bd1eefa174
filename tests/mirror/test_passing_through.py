"""What customers get through the mirror when nothing is wrong."""

from __future__ import annotations

import hashlib
import re

import pytest

from tests.daemon_fixtures import Account, fetch
from tests.mirror.conftest import Index
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import Answer, content

METADATA = b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\n"


def test_a_page_and_a_file_come_through(index: Index, project: FakeProject):
    wheel = content(3000)
    filename = project.add("1.0", wheel)
    project.publish()
    page = index.page(project.name)
    assert page.status == 200
    (file,) = page.json["files"]
    assert file["filename"] == filename
    assert file["url"].startswith(f"{index.api.root}/v1/accounts/{index.api.account}/engines/pypi/files/")
    answer = index.api.get(file["url"])
    assert answer.status == 200 and answer.body == wheel
    assert index.api.get(file["url"]).body == wheel
    assert len(project.upstream.requests(project.file_path(filename))) == 1
    assert len(project.upstream.requests(project.page_path)) == 1


def test_what_upstream_says_of_files_is_kept(index: Index, project: FakeProject):
    wheel = content(3000)
    project.add("1.0", wheel, requires_python=">=3.9", yanked="broken", provenance="https://index.example/p")
    project.more = {"project-status": {"status": "deprecated", "reason": "use another"}}
    project.publish()
    page = index.page(project.name).json
    (file,) = page["files"]
    expected = {
        "hashes": {"sha256": hashlib.sha256(wheel).hexdigest()},
        "requires-python": ">=3.9",
        "yanked": "broken",
        "size": 3000,
        "upload-time": "2024-01-02T03:04:05.678901Z",
        "core-metadata": False,
        "provenance": "https://index.example/p",
    }
    assert {name: file[name] for name in expected} == expected
    assert page["project-status"] == {"status": "deprecated", "reason": "use another"}
    assert page["versions"] == ["1.0"]


@pytest.mark.parametrize("form", ["json", "html"])
@pytest.mark.parametrize(
    "accept", ["application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html", "text/html"]
)
def test_every_form_is_made_of_every_form(index: Index, project: FakeProject, form: str, accept: str):
    """Clients choose, whatever upstream has."""
    filename = project.add("1.0", content(3000))
    project.publish() if form == "json" else project.publish_html()
    answer = index.page(project.name, Accept=accept)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith(accept)
    if accept.endswith("json"):
        assert [file["filename"] for file in answer.json["files"]] == [filename]
        url = answer.json["files"][0]["url"]
    else:
        anchor = r'<a href="([^"#]+)#sha256=([0-9a-f]{64})"[^>]*>([^<]+)</a>'
        ((url, digest, text),) = re.findall(anchor, answer.body.decode())
        assert text == filename and f"/{digest}/" in url
    assert index.api.get(url).body == content(3000)


def test_metadata_is_beside_its_file(index: Index, project: FakeProject):
    """As the page promises: under the file's URL with a suffix, and verified."""
    digest = hashlib.sha256(METADATA).hexdigest()
    filename = project.add("1.0", content(3000), core_metadata={"sha256": digest})
    project.upstream.put(project.file_path(filename) + ".metadata", Answer(METADATA))
    project.publish()
    page = index.page(project.name).json
    assert page["files"][0]["core-metadata"] == {"sha256": digest}
    url = page["files"][0]["url"] + ".metadata"
    for _ in range(2):
        answer = index.api.get(url)
        assert (answer.status, answer.body) == (200, METADATA)
        assert answer.headers["ETag"] == f'"sha256:{digest}"'
    assert len(project.upstream.requests(project.file_path(filename) + ".metadata")) == 1
    assert not project.upstream.requests(project.file_path(filename))


def test_wrong_metadata_is_not_passed_on(index: Index, project: FakeProject):
    filename = project.add("1.0", content(3000), core_metadata={"sha256": "0" * 64})
    project.upstream.put(project.file_path(filename) + ".metadata", Answer(METADATA))
    project.publish()
    assert index.api.get(index.url(project.name, filename) + ".metadata").status == 502


def test_names_are_one_in_every_spelling(index: Index, project: FakeProject):
    project.name = f"{project.name}-x"
    project.add("1.0", content(3000))
    project.publish()
    name = project.name
    for spelling in (name, name.upper(), name.replace("-", "_"), name.replace("-", "..")):
        assert index.page(spelling).status == 200
    assert len(project.upstream.requests(project.page_path)) == 1


def test_licenses_may_use_it(account: Account, index: Index, project: FakeProject):
    """Any customer of the vendor, whatever their license is for."""
    filename = project.add("1.0", content(3000))
    project.publish()
    product = account.admin.make_product()
    license = account.admin.make_license(account.admin.make_policy(product))
    customer = account.admin.as_(key=license["attributes"]["key"])
    assert customer.get(f"/engines/pypi/simple/{project.name}/").status == 200
    assert customer.get(index.url(project.name, filename)).body == content(3000)


def test_what_clients_keep_is_theirs(index: Index, project: FakeProject):
    """Pages are asked for again, files for good; nothing may be kept by caches between."""
    filename = project.add("1.0", content(3000))
    project.publish()
    page = index.page(project.name)
    assert "private" in page.headers["Cache-Control"] and "Authorization" in page.headers["Vary"]
    assert index.page(project.name, If_None_Match=page.headers["ETag"]).status == 304
    file = index.file(project.name, filename)
    assert "private" in file.headers["Cache-Control"] and "immutable" in file.headers["Cache-Control"]
    assert file.headers["ETag"] == f'"sha256:{hashlib.sha256(content(3000)).hexdigest()}"'


def test_other_hosts_have_links_of_their_own(account: Account, index: Index, project: FakeProject):
    """On the package host of an account, files are there too: clients send credentials nowhere else."""
    filename = project.add("1.0", content(3000))
    project.publish()
    headers = {
        "Host": "pkg.example:1234",
        "Authorization": account.admin.authorization,
        "Accept": "application/vnd.pypi.simple.v1+json",
    }
    page = fetch("GET", f"{account.admin.base}/engines/pypi/simple/{project.name}/", headers=headers)
    assert page.json["files"][0]["url"].startswith("http://pkg.example:1234/")
    assert page.json["files"][0]["filename"] == filename
