"""Files of others that are asked for again and again, on connections that stay open."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit

from tests.daemon_fixtures import Daemon
from tests.mirror.conftest import Index
from tests.mirror.fake_index import FakeProject
from tests.mirror.fake_upstream import content
from tests.resilience.remembering_registry import Line, request_of


def asked(index: Index, url: str, **more: str) -> bytes:
    return request_of(urlsplit(url).path, None, index.api.authorization, **more)


def test_a_file_is_the_same_each_time(index: Index, daemon: Daemon, project: FakeProject):
    """Whole and in part, from one connection to the next, and asked upstream for once."""
    wheel = content(300_000)
    filename = project.add("1.0", wheel)
    project.publish()
    url = index.url(project.name, filename)
    for _ in range(2):
        with closing(Line(daemon.port)) as line:
            found = [line.ask(asked(index, url)) for _ in range(5)]
            assert {answer.status for answer in found} == {200} and {answer.body for answer in found} == {wheel}
            part = line.ask(asked(index, url, Range="bytes=100-70099"))
            assert (part.status, part.body) == (206, wheel[100:70_100])
            tag = dict(found[-1].fields)[b"etag"].decode()
            assert line.ask(asked(index, url, If_None_Match=tag)).status == 304
    assert len(project.upstream.requests(project.file_path(filename))) == 1


def test_a_claim_ends_it_at_once(index: Index, daemon: Daemon, project: FakeProject):
    """A name that is published here is not filled from elsewhere any more, in the very next answer."""
    filename = project.add("1.0", content(3000))
    project.publish()
    request = asked(index, index.url(project.name, filename))
    with closing(Line(daemon.port)) as line:
        assert [line.ask(request).status for _ in range(5)] == [200] * 5
        product = index.account.admin.make_product("LICENSED")
        index.account.admin.make_package(product, project.name, "pypi")
        assert line.ask(request).status == 404


def test_who_lost_the_right_gets_no_more(index: Index, daemon: Daemon, project: FakeProject):
    """A license that is suspended, or deleted, counts in the very next answer."""
    filename = project.add("1.0", content(3000))
    project.publish()
    admin = index.account.admin
    license = admin.make_license(admin.make_policy(admin.make_product("LICENSED")))
    url = index.url(project.name, filename)
    request = request_of(urlsplit(url).path, None, f"License {license['attributes']['key']}")
    with closing(Line(daemon.port)) as line:
        assert [line.ask(request).status for _ in range(5)] == [200] * 5
        assert admin.delete(f"/licenses/{license['id']}").status == 204
        assert line.ask(request).status == 401
