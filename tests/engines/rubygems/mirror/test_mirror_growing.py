"""The list of all gems as it grows: upstream is asked for what is new, and our clients get what is new."""

from __future__ import annotations

import hashlib

import pytest

from tests.engines.rubygems.mirror.conftest import Registry
from tests.engines.rubygems.mirror.fake_source import ROOT, FakeGem, FakeSource, Ranged, fresh_name
from tests.engines.rubygems.store import Store
from tests.mirror.fake_upstream import Answer, FakeUpstream

PATH = f"{ROOT}/versions"
LINE = "{} 1.0.0 " + "0" * 32


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@pytest.fixture
def listed(source: FakeSource, registry: Registry) -> bytes:
    """A list of upstream's that we have, and that is to be asked for again."""
    source.lines += [LINE.format(fresh_name()) for _ in range(50)]
    body = source.list_ranged()
    assert registry.versions() == source.lines
    registry.grow_old(2 * 3600)
    return body


def asked(upstream: FakeUpstream, count: int) -> list[str | None]:
    """The ranges of the last requests for the list."""
    return [seen.headers.get("range") for seen in upstream.requests(PATH)[-count:]]


def test_what_is_new_is_asked_for_alone(source: FakeSource, registry: Registry, listed: bytes, upstream: FakeUpstream):
    source.lines.append(LINE.format(fresh_name()))
    body = source.list_ranged()
    assert registry.get("versions").body == body
    assert asked(upstream, 2) == [None, f"bytes={len(listed) - 1}-"]
    seen = upstream.requests(PATH)[-1].headers
    assert (seen["if-none-match"], seen["accept-encoding"]) == (f'"{md5(listed)}"', "identity")
    registry.grow_old(2 * 3600)
    assert registry.get("versions").body == body
    assert asked(upstream, 1) == [f"bytes={len(body) - 1}-"]


def test_nothing_new(source: FakeSource, registry: Registry, listed: bytes, upstream: FakeUpstream):
    assert registry.get("versions").body == listed
    assert asked(upstream, 1) == [f"bytes={len(listed) - 1}-"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"Repr_Digest": "sha-256=:" + "A" * 43 + "=:"},
        {"Repr_Digest": None, "ETag": '"' + "0" * 32 + '"'},
        {"Repr_Digest": None, "ETag": '"something"'},
        {"Content_Range": "bytes 0-99/100"},
    ],
    ids=["another digest", "another tag", "no digest", "another range"],
)
def test_what_does_not_fit_is_fetched_whole(
    source: FakeSource, registry: Registry, listed: bytes, upstream: FakeUpstream, wrong: dict
):
    source.lines.append(LINE.format(fresh_name()))
    body = source.list_ranged(**wrong)
    if "Content_Range" in wrong:
        # The header is made for each answer; what is sent is another part than was asked for.
        upstream.put(PATH, lambda handler: Ranged(body, {})(_shifted(handler)))
    assert registry.get("versions").body == body
    assert asked(upstream, 2) == [f"bytes={len(listed) - 1}-", None]


def _shifted(handler):
    if "Range" in handler.headers:
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        handler.headers.replace_header("Range", f"bytes={start - 10}-")
    return handler


def test_made_anew_it_is_fetched_whole(source: FakeSource, registry: Registry, listed: bytes, upstream: FakeUpstream):
    """As upstream does from time to time: lines are folded, and there may be fewer bytes."""
    for kept in (source.lines[::2] + source.lines * 2, source.lines[:3]):
        source.lines = kept
        before = len(registry.get("versions").body)
        body = source.list_ranged()
        registry.grow_old(2 * 3600)
        assert registry.get("versions").body == body
        assert asked(upstream, 2) == [f"bytes={before - 1}-", None]


def test_a_server_without_ranges(source: FakeSource, registry: Registry, listed: bytes, upstream: FakeUpstream):
    source.lines.append(LINE.format(fresh_name()))
    source.list()
    count = len(upstream.requests(PATH))
    assert registry.get("versions").body == source.body()
    assert len(upstream.requests(PATH)) == count + 1


def test_not_beyond_the_bound(source: FakeSource, registry: Registry, listed: bytes):
    """Parts add up; what we have stays in use."""
    source.lines += [LINE.format(fresh_name("p" * 200)) for _ in range(40_000)]
    source.list_ranged()
    answer = registry.get("versions")
    assert answer.body == listed
    assert answer.headers["Warning"].startswith("110")


def test_is_asked_for_every_few_minutes(source: FakeSource, registry: Registry, listed: bytes):
    """However short upstream wants it: it is tens of megabytes."""
    registry.get("versions")
    ((left,),) = registry.account.sql(
        "SELECT extract(epoch FROM fresh_until - now()) FROM mirrored_documents WHERE account_id = %s AND name = ''",
        registry.account.id,
    )
    assert 200 < left <= 300


@pytest.mark.parametrize("status", [404, 410, 500])
def test_never_vanishes(source: FakeSource, registry: Registry, listed: bytes, upstream: FakeUpstream, status: int):
    """A source that has gems has their list."""
    upstream.put(PATH, Answer(b"", status))
    answer = registry.get("versions")
    assert (answer.status, answer.body) == (200, listed)
    assert answer.headers["Warning"].startswith("110")
    source.list_ranged()


def test_clients_append_what_upstream_appends(source: FakeSource, registry: Registry, listed: bytes, store: Store):
    store.publish()
    before = registry.get("versions").body
    FakeGem(source).add("1.0.0")
    source.lines.append(LINE.format(fresh_name()))
    source.list_ranged()
    registry.grow_old(2 * 3600)
    more = registry.get("versions", Range=f"bytes={len(before) - 1}-", If_None_Match=f'"{md5(before)}"')
    assert more.status == 206
    assert before + more.body[1:] == registry.get("versions").body
    assert more.headers["ETag"] == f'"{md5(before + more.body[1:])}"'


def test_clients_see_when_they_cannot_append(source: FakeSource, registry: Registry, listed: bytes, store: Store):
    """What the vendor publishes comes before upstream's lines: what they put together has another digest."""
    before = registry.get("versions").body
    store.publish()
    more = registry.get("versions", Range=f"bytes={len(before) - 1}-", If_None_Match=f'"{md5(before)}"')
    assert more.status == 206
    assert more.headers["ETag"] == f'"{md5(registry.get("versions").body)}"' != f'"{md5(before + more.body[1:])}"'
