"""The indexes as bytes: the compact one, the older ones, and going on with what a client has."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from datetime import UTC, datetime

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.engines.rubygems import compact_index, spec_index
from keygenreg.engines.rubygems.continuation import Continuations, continued
from keygenreg.engines.rubygems.document_cache import DocumentCache
from keygenreg.engines.rubygems.gem_version import parse_gem_version
from keygenreg.engines.rubygems.gemspec import Dependency, Gemspec
from keygenreg.engines.rubygems.listed import ListedGem, Listing, by_package
from keygenreg.engines.rubygems.ruby_marshal import RubyObject, Symbol, UserDump, UserMarshal
from keygenreg.engines.rubygems.ruby_unmarshal import loads
from tests.engines.rubygems.strategies import gem_version_texts, gemspecs

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def specified(name: str = "kestrel", version: str = "1.0.0", platform: str = "ruby", **more) -> Gemspec:
    return Gemspec(name, parse_gem_version(version), platform, **more)


def listed(name: str = "kestrel", version: str = "1.0.0", platform: str = "ruby", sha256: str = "ab" * 32, **more):
    return ListedGem(name, Listing.of(specified(name, version, platform, **more)), sha256)


class TestInfo:
    def line(self, **more: object) -> str:
        return compact_index.info([listed(**more)]).decode().removeprefix("---\n")

    def test_the_least(self):
        assert self.line() == f"1.0.0 |checksum:{'ab' * 32}\n"
        assert self.line(sha256="") == "1.0.0 |checksum:\n"

    def test_all_there_is(self):
        dependencies = (
            Dependency("hawk", "runtime", ((">=", "1"), ("<", "3"))),
            Dependency("rake", "development", ((">=", "0"),)),
            Dependency("a.b", "runtime", ((">=", "0"),)),
        )
        line = self.line(
            platform="jruby", dependencies=dependencies, required_ruby_version=((">=", "2.7"), ("<", "4")),
            required_rubygems_version=((">", "1.3.1"),), sha256="x",
        )  # fmt: skip
        assert line == "1.0.0-java hawk:< 3&>= 1,a.b:>= 0|checksum:x,ruby:< 4&>= 2.7,rubygems:> 1.3.1\n"

    @settings(max_examples=25)
    @given(st.lists(gemspecs(), max_size=3))
    def test_clients_read_what_was_meant(self, gemspecs_: list[Gemspec]):
        """By the rules of RubyGems' own parser."""
        gems = [ListedGem(each.name, Listing.of(each), "0" * 64) for each in gemspecs_]
        head, *lines = compact_index.info(gems).decode().splitlines()
        assert head == "---"
        for gemspec, line in zip(gemspecs_, lines, strict=True):
            label, rest = line.split(" ", 1)
            needs, facts = rest.split("|", 1)
            assert label.split("-", 1)[0] == gemspec.version.text
            found = {} if not needs else [each.split(":") for each in needs.split(",")]
            stated = [[each.name, "&".join(sorted(map(" ".join, each.requirement)))] for each in
                      gemspec.runtime_dependencies]  # fmt: skip
            assert list(found) == stated
            assert facts.startswith("checksum:" + "0" * 64)


class TestOrder:
    def test_packages_by_name_and_gems_by_version_then_platform(self):
        gems = [listed("b"), listed("a", "1.10.0"), listed("a", "1.9.0"), listed("a", "1.9.0", "java"),
                listed("a", "1.9.0.rc1"), listed("B")]  # fmt: skip
        assert [(name, [gem.listing.label for gem in found]) for name, found in by_package(gems).items()] == [
            ("B", ["1.0.0"]), ("a", ["1.9.0.rc1", "1.9.0-java", "1.9.0", "1.10.0"]), ("b", ["1.0.0"]),
        ]  # fmt: skip

    def test_of_two_that_cannot_be_told_apart_the_first_counts(self):
        [[gem]] = by_package([listed(sha256="first"), listed(sha256="second")]).values()
        assert gem.sha256 == "first"


class TestVersions:
    def test_the_list(self):
        packages = by_package([listed("b"), listed("a", "1.10"), listed("a", "1.9", "java")])
        digests = [hashlib.md5(compact_index.info(gems)).hexdigest() for gems in packages.values()]
        assert compact_index.versions(CREATED, packages).decode() == (
            f"created_at: 2026-01-02T03:04:05Z\n---\na 1.9-java,1.10 {digests[0]}\nb 1.0.0 {digests[1]}\n"
        )

    def test_nothing(self):
        assert compact_index.versions(CREATED, {}) == b"created_at: 2026-01-02T03:04:05Z\n---\n"
        assert compact_index.names("") == b"---\n\n"
        assert compact_index.names("a\nb") == b"---\na\nb\n"


class TestOlderIndexes:
    GEMS = by_package(
        [listed("b"), listed("a", "1.0"), listed("a", "1.10"), listed("a", "1.9", "jruby"), listed("a", "2.0.a")]
    )

    def triples(self, data: bytes) -> list[tuple[str, str, str]]:
        assert data[4:8] == b"\0\0\0\0"
        return [(name, version.value[0], platform) for name, version, platform in loads(gzip.decompress(data))]

    def test_released(self):
        assert self.triples(spec_index.released(self.GEMS)) == [
            ("a", "1.0", "ruby"), ("a", "1.9", "java"), ("a", "1.10", "ruby"), ("b", "1.0.0", "ruby"),
        ]  # fmt: skip

    def test_prereleased(self):
        assert self.triples(spec_index.prereleased(self.GEMS)) == [("a", "2.0.a", "ruby")]
        assert self.triples(spec_index.prereleased({})) == []

    def test_latest_of_each_platform(self):
        assert self.triples(spec_index.latest(self.GEMS)) == [
            ("a", "1.9", "java"), ("a", "1.10", "ruby"), ("b", "1.0.0", "ruby"),
        ]  # fmt: skip

    def test_a_specification(self):
        """The nineteen members, in Ruby's order."""
        gemspec = evolve(
            specified(platform="x86_64-linux-gnu", summary="süß", email=("a", "b"), date="2026-02-03"),
            dependencies=(Dependency("hawk", "runtime", (("~>", "1.a"),)),), metadata=(("k", "v"),),
        )  # fmt: skip
        outer = loads(zlib.decompress(spec_index.quick(gemspec)))
        assert outer.class_name == "Gem::Specification"
        members = loads(outer.data)
        assert len(members) == 19
        assert members[2:4] == ["kestrel", UserMarshal("Gem::Version", ["1.0.0"])]
        assert members[4] == UserDump("Time", b"\x60\x84\x1f\xc0\0\0\0\0", {"zone": "UTC"})
        assert members[8] == "x86_64-linux-gnu"
        assert members[16] == RubyObject("Gem::Platform", {"@cpu": "x86_64", "@os": "linux", "@version": None})
        [dependency] = members[9]
        requirement = UserMarshal("Gem::Requirement", [[["~>", UserMarshal("Gem::Version", ["1.a"])]]])
        assert dependency.variables == {
            "@name": "hawk", "@requirement": requirement, "@type": Symbol("runtime"), "@prerelease": True,
            "@version_requirements": requirement,
        }  # fmt: skip
        assert (members[5], members[11], members[18]) == ("süß", ["a", "b"], {"k": "v"})


def bundlers_view(document: bytes) -> dict[str, tuple[list[str], str]]:
    """What Bundler makes of a list of versions, line by line; gems without versions are as good as none."""
    versions: dict[str, list[str]] = {}
    digests: dict[str, str] = {}
    for line in document.decode().partition("---\n")[2].splitlines():
        name, steps, digests[name] = line.split(" ", 2)
        for step in steps.split(","):
            if step.startswith("-"):
                versions[name] = [each for each in versions.get(name, []) if each != step[1:]]
            else:
                versions.setdefault(name, []).append(step)
    return {name: (sorted(found), digests[name]) for name, found in versions.items() if found}


catalogues = st.dictionaries(
    st.sampled_from("abcde"), st.lists(gem_version_texts(), min_size=1, max_size=4, unique=True), max_size=5
).map(
    lambda stated: compact_index.versions(
        CREATED, by_package(listed(name, version) for name, versions in stated.items() for version in versions)
    )
)


class TestContinuing:
    @settings(max_examples=40)
    @given(catalogues, catalogues, catalogues)
    def test_who_goes_on_sees_what_newcomers_see(self, first: bytes, second: bytes, third: bytes):
        """Versions that came, went and came back; gems that vanished."""
        document = first
        for current in (second, third):
            more = continued(document, current)
            if more is None:
                document = current
            else:
                document += more
                assert continued(document, current) == b""
            assert bundlers_view(document) == bundlers_view(current)

    def test_a_new_checksum_alone(self):
        old = compact_index.versions(CREATED, by_package([listed(sha256="a")]))
        new = compact_index.versions(CREATED, by_package([listed(sha256="b")]))
        assert bundlers_view(old + continued(old, new)) == bundlers_view(new)

    def test_an_index_of_another_age_is_not_continued(self):
        old = compact_index.versions(CREATED, by_package([listed()]))
        assert continued(old, old.replace(b"2026", b"2027")) is None

    def test_long_tails_are_folded(self):
        old = compact_index.versions(CREATED, by_package([listed()]))
        new = compact_index.versions(CREATED, by_package([listed(name) for name in "abcdefgh"]))
        assert continued(new, old) is None

    def test_only_who_shows_the_list_gets_the_rest_of_it(self):
        old = compact_index.versions(CREATED, by_package([listed()]))
        new = compact_index.versions(CREATED, by_package([listed(), listed("hawk"), listed("kestrel", "1.1")]))
        memory = Continuations()
        assert memory.answer("me", old, lambda _name: None) == old
        tag = f'"{hashlib.md5(old).hexdigest()}"'
        asking = {"If-None-Match": tag, "Range": f"bytes={len(old) - 1}-"}
        longer = memory.answer("me", new, asking.get)
        assert longer.startswith(old) and bundlers_view(longer) == bundlers_view(new)
        assert memory.answer("you", new, asking.get) == new
        assert memory.answer("me", new, {**asking, "Range": "bytes=5-"}.get) == new
        assert memory.answer("me", new, {**asking, "If-None-Match": '"x"'}.get) == new
        # Up to date, though not with the bytes that a newcomer gets.
        again = {"If-None-Match": f'W/"{hashlib.md5(longer).hexdigest()}"', "Range": f"bytes={len(longer) - 1}-"}
        assert memory.answer("me", new, again.get) == longer


class TestCache:
    def test_the_least_recently_used_go_first(self):
        cache = DocumentCache(10)
        cache.put("a", b"1234")
        cache.put("b", b"1234")
        assert cache.get("a") == b"1234"
        cache.put("c", b"1234")
        assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"1234", None, b"1234")

    def test_nothing_beyond_the_bound(self):
        cache = DocumentCache(10)
        cache.put("a", b"1234")
        cache.put("b", bytes(11))
        assert (cache.get("a"), cache.get("b")) == (b"1234", None)
        cache.put("a", bytes(10))
        assert cache.get("a") == bytes(10)
