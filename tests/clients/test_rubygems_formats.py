"""What we write against a real Ruby, and what it writes against us: Marshal, specifications, versions, platforms."""

from __future__ import annotations

import json
import subprocess
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keygenreg.engines.rubygems.gem_version import parse_gem_version
from keygenreg.engines.rubygems.gemspec import Gemspec
from keygenreg.engines.rubygems.gemspec_yaml import read_gemspec
from keygenreg.engines.rubygems.platform import canonical_platform
from keygenreg.engines.rubygems.ruby_marshal import Symbol, UserMarshal, dumps
from keygenreg.engines.rubygems.ruby_unmarshal import loads
from keygenreg.engines.rubygems.spec_index import quick
from tests.clients.running import environment, require
from tests.engines.rubygems.strategies import gem_version_texts, gemspecs

# One request a line: a name and an argument in JSON; the answer in JSON.
_PROGRAM = r"""
require 'json'; require 'rubygems'; require 'base64'; require 'yaml'; require 'date'; require 'rubygems/safe_yaml'
$stdout.sync = true
Gem.load_yaml
def spec_facts(s)
  req = ->(r) { r.requirements.map { |o, v| [o, v.version] } }
  { name: s.name, version: s.version.version, file: s.file_name, summary: s.summary, description: s.description,
    authors: s.authors, email: s.email, homepage: s.homepage, licenses: s.licenses, metadata: s.metadata.to_a,
    date: s.date.strftime('%Y-%m-%d'), ruby: req[s.required_ruby_version], rubygems: req[s.required_rubygems_version],
    dependencies: s.dependencies.map { |d| [d.name, d.type, req[d.requirement], d.prerelease?] } }
end
$stdin.each_line do |line|
  name, given = JSON.parse(line)
  answer = begin
    case name
    when 'sort' then given.map { |t| Gem::Version.new(t) }.sort.map(&:version)
    when 'equal' then given.map { |a, b| Gem::Version.new(a) <=> Gem::Version.new(b) }
    when 'correct' then given.map { |t| Gem::Version.correct?(t) }
    when 'platforms' then given.map { |t| Gem::Platform.new(t).to_s }
    when 'again' then Base64.strict_encode64(Marshal.dump(Marshal.load(Base64.decode64(given))))
    when 'dump' then Base64.strict_encode64(Marshal.dump(given))
    when 'evaluate' then Base64.strict_encode64(Marshal.dump(eval(given)))
    when 'quick' then spec_facts(Marshal.load(Gem::Util.inflate(Base64.decode64(given))))
    when 'yaml' then s = Marshal.load(Gem::Util.inflate(Base64.decode64(given))); [s.to_yaml, spec_facts(s)]
    end
  rescue Exception => e
    { error: "#{e.class}: #{e.message}" }
  end
  puts JSON.generate(answer)
end
"""


class Ruby:
    """A Ruby that answers."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [require("ruby"), "-W0", "-EUTF-8", "-e", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            encoding="utf-8", env=environment(folder, LANG="C.UTF-8"),
        )  # fmt: skip

    def ask(self, name: str, given: Any) -> Any:
        self._process.stdin.write(json.dumps([name, given]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def ruby(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Ruby]:
    running = Ruby(tmp_path_factory.mktemp("ruby"))
    yield running
    running.stop()


several = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
_plain = st.text(st.characters(exclude_categories=("Cs",)), max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | _plain
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_plain, inner, max_size=4),
    max_leaves=10,
)


class TestVersions:
    @several
    @given(texts=st.lists(gem_version_texts(), max_size=8))
    def test_order(self, ruby: Ruby, texts: list[str]):
        pairs = [(a, b) for a in texts for b in texts]
        mine = [parse_gem_version(a) for a, _ in pairs], [parse_gem_version(b) for _, b in pairs]
        assert ruby.ask("equal", pairs) == [(a > b) - (a < b) for a, b in zip(*mine, strict=True)]

    @several
    @given(texts=st.lists(st.from_regex(r"[0-9a-z.\- ]{0,8}", fullmatch=True) | st.text("0a.-+_ \n", max_size=6)))
    def test_grammar(self, ruby: Ruby, texts: list[str]):
        def is_version(text: str) -> bool:
            try:
                parse_gem_version(text)
            except ValueError:
                return False
            return True

        assert ruby.ask("correct", texts) == [is_version(text) for text in texts]

    def test_platforms(self, ruby: Ruby):
        names = [
            "aix", "aix7", "aarch64-linux", "aarch64-linux-gnu", "aarch64-linux-musl", "arm-linux-eabihf",
            "arm64-darwin", "arm64-darwin-22", "dalvik", "dalvik1", "dotnet", "dotnet-2.0", "i386-aix4.3.3.0",
            "i386-cygwin", "i386-darwin8.0", "i386-freebsd4.11", "i386-linux-gnu", "i386-mingw32", "i386-mswin32",
            "i386-mswin32-80", "i386-netbsdelf", "i386-openbsd4.0", "i386-solaris2.8", "java", "java1.6", "jruby",
            "macruby", "mswin32", "mswin64", "powerpc-darwin8", "x86_64-bitrig5.7", "x64-mingw-ucrt", "x64-mingw32",
            "universal-darwin-20", "sparc-solaris2.8.2", "test_platform", "test_platform9", "strange",
            "x86_64-linux-uclibc", "x-y-z-1", "x86-linux-",
        ]  # fmt: skip
        assert ruby.ask("platforms", names) == [canonical_platform(name) for name in names]


class TestMarshal:
    @several
    @given(value=json_values)
    def test_ruby_reads_what_we_write_and_we_read_what_it_writes(self, ruby: Ruby, value: Any):
        assert loads(b64decode(ruby.ask("again", b64encode(dumps(value)).decode()))) == value
        assert loads(b64decode(ruby.ask("dump", value))) == value

    def test_objects_of_ruby(self, ruby: Ruby):
        version = UserMarshal("Gem::Version", ["1.2"])
        value = [version, version, Symbol("runtime"), b"\xff\x00", UserMarshal("Gem::Requirement", [[["~>", version]]])]
        data = b64encode(dumps(value)).decode()
        versions = "Gem::Version.new('1.2'), Gem::Version.new('1.2')"
        objects = f"""[{versions}, :runtime, "\\xFF\\x00".b, Gem::Requirement.new('~> 1.2')]"""
        assert loads(b64decode(ruby.ask("evaluate", f"Marshal.load(Base64.decode64('{data}')) == {objects}"))) is True
        assert loads(b64decode(ruby.ask("again", data))) == value

    @pytest.mark.parametrize(
        ("words", "value"),
        [
            ("[:a, :b, :a, 'x'.b, 'x'.encode('US-ASCII')]", [Symbol("a"), Symbol("b"), Symbol("a"), b"x", "x"]),
            ("s = 'x'; [s, s, [s]]", ["x", "x", ["x"]]),
            ("[1.5, -0.0, 1e300, Float::INFINITY, 2**64, -2**31]", [1.5, -0.0, 1e300, float("inf"), 2**64, -(2**31)]),
            ("v = Gem::Version.new('1'); [2**70, 1.5, v, v]", [2**70, 1.5] + [UserMarshal("Gem::Version", ["1"])] * 2),
            ("t = Time.utc(2026, 2, 3); [t, 'x', t].length", 3),
        ],
    )
    def test_values_of_ruby(self, ruby: Ruby, words: str, value: Any):
        assert loads(b64decode(ruby.ask("evaluate", words))) == value

    def test_times_and_links_behind_them(self, ruby: Ruby):
        """Ruby counts a time after its zone."""
        time, text, again, text_again = loads(
            b64decode(ruby.ask("evaluate", "t = Time.utc(2026, 2, 3); s = 'x'; [t, s, t, s]"))
        )
        assert time == again
        assert (text, text_again) == ("x", "x")


class TestSpecifications:
    @several
    @given(gemspec=gemspecs())
    def test_ruby_loads_what_we_serve_and_we_read_what_it_builds(self, ruby: Ruby, gemspec: Gemspec):
        """By way of Marshal into Ruby, and by way of YAML back."""
        document, facts = ruby.ask("yaml", b64encode(quick(gemspec)).decode())
        assert facts["name"] == gemspec.name
        assert facts["file"] == gemspec.file_name
        assert facts["summary"] == gemspec.summary
        assert facts["description"] == gemspec.description
        assert facts["homepage"] == gemspec.homepage
        assert facts["authors"] == list(gemspec.authors)
        assert facts["metadata"] == [list(pair) for pair in gemspec.metadata]
        assert facts["date"] == gemspec.date
        assert facts["ruby"] == [list(pair) for pair in gemspec.required_ruby_version]
        assert facts["rubygems"] == [list(pair) for pair in gemspec.required_rubygems_version]
        stated = [[each.name, each.kind, [list(pair) for pair in each.requirement]] for each in gemspec.dependencies]
        assert [each[:3] for each in facts["dependencies"]] == stated
        again = read_gemspec(document)
        assert (again.name, again.version, again.file_name) == (gemspec.name, gemspec.version, gemspec.file_name)
        assert (again.summary, again.description) == (gemspec.summary, gemspec.description)
        assert sorted(again.dependencies, key=str) == sorted(gemspec.dependencies, key=str)
        assert again.required_ruby_version == gemspec.required_ruby_version

    def test_the_zlib_stream_is_whole(self, ruby: Ruby):
        served = quick(Gemspec("kestrel", parse_gem_version("1.0-b"), "java"))
        assert zlib.decompress(served)[:2] == b"\x04\x08"
        assert ruby.ask("quick", b64encode(served).decode())["file"] == "kestrel-1.0.pre.b-java.gem"
