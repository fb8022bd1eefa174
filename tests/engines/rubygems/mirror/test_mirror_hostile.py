"""Sources that lie, break off or send garbage: the client gets a clean error or the right bytes."""

from __future__ import annotations

import zlib

import pytest

from keygenreg.engines.rubygems.ruby_marshal import RubyObject, UserDump, dumps
from tests.engines.rubygems.gems import gem
from tests.engines.rubygems.mirror.conftest import Registry
from tests.engines.rubygems.mirror.fake_source import ROOT, FakeGem, FakeSource, info_line
from tests.mirror.fake_upstream import Answer, FakeUpstream, content


@pytest.mark.parametrize(
    "wrong",
    [{"cut": 1000, "piece": 500}, {"stated": 10**6}, {"status": 500}, {"status": 403}],
    ids=["cut", "too short", "500", "403"],
)
def test_a_file_that_cannot_be_had(wrong: dict, source: FakeSource, registry: Registry):
    """Is had as soon as it can be."""
    lib = FakeGem(source)
    good = lib.add(**wrong)
    lib.publish()
    assert registry.gem(lib.name).status in (502, 503)
    lib.add()
    answer = registry.gem(lib.name)
    assert (answer.status, answer.body) == (200, good)


@pytest.mark.parametrize("change", [b"x", b""], ids=["other bytes", "fewer bytes"])
def test_a_file_that_is_another(change: bytes, lib: FakeGem, registry: Registry, upstream: FakeUpstream):
    upstream.put(lib.path("1.0.0"), Answer(lib.contents["1.0.0"][:-1] + change))
    assert registry.gem(lib.name).status == 502
    upstream.put(lib.path("1.0.0"), Answer(lib.contents["1.0.0"]))
    assert registry.gem(lib.name).body == lib.contents["1.0.0"]


def test_a_large_wrong_file_never_arrives_whole(source: FakeSource, registry: Registry):
    """Though its bytes went out while they came."""
    lib = FakeGem(source)
    true = content(3 * 1024 * 1024)
    lib.add(content=true)
    lib.lines["1.0.0"] = info_line("1.0.0", b"something else")
    lib.publish()
    try:
        answer = registry.gem(lib.name)
    except OSError:
        return
    except Exception as broken:
        assert "Incomplete" in type(broken).__name__
        return
    assert answer.status == 502 or len(answer.body) < len(true)


def test_files_elsewhere(lib: FakeGem, registry: Registry, upstream: FakeUpstream):
    """Nobody is sent, or fetches for us, what is not on the source's own host."""
    for place in ("http://169.254.169.254/secret", "file:///etc/passwd", "http://localhost:1/x", "https://127.0.0.1/x"):
        upstream.put(lib.path("1.0.0"), Answer(b"", 302, {"Location": place}))
        assert registry.gem(lib.name).status in (502, 503)


@pytest.mark.parametrize("body", [b"", b"<html>log in</html>", b"---\n<html>\n", b"\xff\xfe", b"1.0.0 |checksum:\n"])
def test_garbage_as_a_gems_document(body: bytes, source: FakeSource, registry: Registry):
    """Is no document, and no reason to forget the one at hand."""
    lib = FakeGem(source)
    lib.add()
    lib.put_info(body=body)
    assert registry.info(lib.name) in (502, 503)
    lib.put_info()
    before = registry.info(lib.name)
    assert before == list(lib.lines.values())
    lib.put_info(body=body)
    registry.grow_old(24 * 3600, lib.name)
    assert registry.info(lib.name) == before
    assert registry.gem(lib.name).status == 200


@pytest.mark.parametrize("body", [b"", b"<html>log in</html>", b"---\n" + b"<p>\n" * 30, b"\x00" * 100])
def test_garbage_as_the_list(body: bytes, lib: FakeGem, registry: Registry, upstream: FakeUpstream):
    upstream.put(f"{ROOT}/versions", Answer(body))
    for path in ("versions", "names", "specs.4.8.gz", "latest_specs.4.8.gz", "prerelease_specs.4.8.gz"):
        assert registry.get(path).status in (502, 503)
    lib.source.list()
    assert registry.versions() == lib.source.lines
    assert registry.gem(lib.name).status == 200


def test_a_line_that_was_added_changes_no_file(source: FakeSource, registry: Registry):
    """The first line of a version counts."""
    lib = FakeGem(source)
    good = lib.add()
    lib.lines["again"] = info_line("1.0.0", b"evil")
    lib.publish()
    assert registry.info(lib.name) == [lib.lines["1.0.0"]]
    assert registry.gem(lib.name).body == good


def test_a_specification_that_would_make_objects(lib: FakeGem, registry: Registry, upstream: FakeUpstream):
    evil = zlib.compress(dumps(UserDump("Gem::Specification", dumps([RubyObject("Gem::Installer")] * 19))))
    for body in (evil, b"", b"<html>", zlib.compress(b"\x04\x08" * 10**6)):
        upstream.put(f"{ROOT}/quick/Marshal.4.8/{lib.name}-1.0.0.gemspec.rz", Answer(body))
        assert registry.quick(lib.name).status in (502, 503)


def test_the_file_of_another_gem(source: FakeSource, registry: Registry):
    """What upstream's document says is what counts, whatever the file is."""
    lib = FakeGem(source)
    lib.add(content=gem("other", "9.9.9"))
    lib.publish()
    assert registry.gem(lib.name).body == lib.contents["1.0.0"]
