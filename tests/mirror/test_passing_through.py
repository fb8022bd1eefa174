"""What customers get through the mirror when nothing is wrong."""

from __future__ import annotations

from tests.mirror.conftest import Index
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import content


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
