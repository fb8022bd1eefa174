"""Specifications as values, as facts, and read from YAML."""

from __future__ import annotations

import contextlib
import json
import time
from base64 import b64encode
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.domain.reading import IngestError
from keygenreg.engines.rubygems.gemspec import ANY, Dependency, Gemspec, facts_of, gemspec_of
from keygenreg.engines.rubygems.gemspec_yaml import read_gemspec
from keygenreg.engines.rubygems.platform import canonical_platform
from keygenreg.engines.rubygems.strict_yaml import DEEPEST, LONGEST, parse
from tests.engines.rubygems.gems import dependency, specification
from tests.engines.rubygems.strategies import gemspecs

_FACTS = facts_of(read_gemspec(specification(dependencies=[dependency("hawk")])))
_ANYTHING = st.recursive(
    st.text(max_size=5) | st.none() | st.integers() | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)

_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
_TREES = st.recursive(_TEXTS, lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner), max_leaves=10)


class TestFacts:
    @settings(max_examples=40)
    @given(gemspecs())
    def test_facts_say_everything(self, gemspec: Gemspec):
        """Also after a stay in the database."""
        assert gemspec_of(json.loads(json.dumps(facts_of(gemspec)))) == gemspec

    @given(st.sampled_from(sorted(_FACTS)), _ANYTHING)
    def test_damaged_facts_are_facts_or_refused(self, name: str, value: Any):
        with contextlib.suppress(ValueError):
            gemspec_of(_FACTS | {name: value})

    @pytest.mark.parametrize("name", sorted(_FACTS))
    def test_facts_that_lack_one_are_refused(self, name: str):
        with pytest.raises(ValueError, match="not the facts"):
            gemspec_of({key: value for key, value in _FACTS.items() if key != name})

    def test_names_of_files(self):
        gemspec = read_gemspec(specification("a", "1.0-b", platform="x86_64-linux-gnu"))
        assert gemspec.file_name == "a-1.0.pre.b-x86_64-linux.gem"
        assert read_gemspec(specification("a", "1")).file_name == "a-1.gem"
        assert read_gemspec(specification("a", "1", platform="jruby")).label == "1-java"


class TestReading:
    def test_what_gem_build_writes(self):
        gemspec = read_gemspec(
            specification(
                dependencies=[
                    dependency("hawk", [(">=", "1.10"), ("<", "3")]), dependency("rake", [("~>", "13")], "development"),
                    dependency("any"),
                ],
                ruby=[(">=", "2.7")],
            )
        )  # fmt: skip
        assert gemspec == Gemspec(
            name="kestrel",
            version=gemspec.version,
            summary="Wie süß",
            description="More than\none line",
            authors=("Ada", "Bob"),
            email=("ada@example.com",),
            homepage="https://example.com",
            licenses=("MIT",),
            metadata=(("plain_key", "value"),),
            date="2026-02-03",
            rubygems_version="3.3.15",
            required_ruby_version=((">=", "2.7"),),
            dependencies=(
                Dependency("hawk", "runtime", ((">=", "1.10"), ("<", "3"))),
                Dependency("rake", "development", (("~>", "13"),)),
                Dependency("any", "runtime", ANY),
            ),
        )
        assert [each.name for each in gemspec.runtime_dependencies] == ["hawk", "any"]

    def test_null_is_nothing(self):
        document = specification().replace("homepage: https://example.com", "homepage:")
        document = document.replace("email:\n- ada@", "email: ~\nx:\n- ")
        gemspec = read_gemspec(document.replace("summary: 'Wie süß'", "summary: null"))
        assert (gemspec.homepage, gemspec.email, gemspec.summary) == (None, None, None)
        assert read_gemspec(document.replace("summary: 'Wie süß'", "summary: 'null'")).summary == "null"

    def test_versions_are_no_numbers(self):
        assert read_gemspec(specification(version="1.10")).version.text == "1.10"

    def test_what_old_ones_write(self):
        """Of RubyGems before 2.0: other tags, other names, one author, a quoted operator with a tag, an alias."""
        document = (
            "--- !ruby/object:Gem::Specification\nname: old\nversion: !ruby/object:Gem::Version\n  version: '1'\n"
            "author: Ada\nlicense: MIT\nplatform: !ruby/object:Gem::Platform\n  cpu: x86\n  os: mswin32\n"
            "  version: '60'\n"
            "dependencies:\n- !ruby/object:Gem::Dependency\n  name: hawk\n"
            "  version_requirements: &x !ruby/object:Gem::Version::Requirement\n    requirements:\n    - - ! '>='\n"
            "      - !ruby/object:Gem::Version\n        version: '2'\n        prerelease: false\n"
            "required_ruby_version: *x\nsummary: !binary |-\n  " + b64encode("süß".encode()).decode() + "\n"
            "rubyforge_project: x\ndefault_executable:\nhas_rdoc: true\n"
        )
        gemspec = read_gemspec(document)
        assert (gemspec.authors, gemspec.licenses, gemspec.summary) == (("Ada",), ("MIT",), "süß")
        assert gemspec.platform == "x86-mswin32-60"
        assert gemspec.required_ruby_version == ((">=", "2"),) == gemspec.dependencies[0].requirement

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("name: 'a b'", "twice"),
            ("extra: !ruby/object:OpenStruct {}", "kind that is not read"),
            ("extra: !ruby/object:Gem::Installer {}", "kind that is not read"),
            ("extra: !ruby/hash:Gem::Version {}", "kind that is not read"),
            ("extra: !ruby/regexp /x/", "kind that is not read"),
            ("extra: !ruby/symbol x", "kind that is not read"),
            ("extra: !!python/object/apply:os.system [id]", "kind that is not read"),
            ("extra: !ruby/object:Gem::Version x", "mere text"),
            ("extra: !ruby/object:Gem::Requirement []", "is a list"),
            ("? [a]\n: b", "no plain text"),
            ("extra: {<<: {a: b}}", "no plain text"),
            ("extra: *nothing", "no YAML|not there"),
            ("extra: &a [*a]", "no YAML|itself"),
            ("extra: [", "no YAML"),
            ("extra: \"\\ud800\"", "no YAML|cannot be stored"),
            ("...\n--- x", "more than one document"),
            ("extra: " + "[" * (DEEPEST + 10) + "]" * (DEEPEST + 10), "nested"),
            ("extra: 'x\x00'", "no YAML"),
            ("x" * LONGEST + ": y", "larger than"),
        ],
    )  # fmt: skip
    def test_hostile_documents(self, line: str, reason: str):
        with pytest.raises(IngestError, match=reason):
            read_gemspec(specification(more=f"{line}\n"))

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ("name: kestrel", "name: 'no name'", "name that is none"),
            ("name: kestrel", "name: [kestrel]", "something else than a text"),
            ("name: kestrel", "name: '42'", "name that is none"),
            ("version: 1.0.0", "version: v1", "version that is none"),
            ("version: 1.0.0", "version: '" + "1" * 100_000 + "'", "version that is none"),
            ("version: 1.0.0", "version: {}", "something else than a text"),
            ("platform: ruby", "platform: 'x y'", "platform that is none"),
            ("platform: ruby", "platform: '../..'", "platform that is none"),
            ("dependencies: []", "dependencies: {a: b}", "no list"),
            ("dependencies: []", "dependencies: [x]", "dependency that is none"),
            ("dependencies: []", f"dependencies:\n{dependency('a,b:c')}", "no name of a gem"),
            ("dependencies: []", f"dependencies:\n{dependency('a', [('or', '1')])}", "compares versions"),
            ("dependencies: []", f"dependencies:\n{dependency('a', kind='strange')}", "unknown type"),
            ("metadata:\n  plain_key: value", "metadata: [x]", "something else than a text"),
            ("Gem::Specification", "Gem::Version", "no Gem::Specification"),
        ],
    )
    def test_specifications_that_are_none(self, old: str, new: str, reason: str):
        document = specification()
        assert old in document
        with pytest.raises(IngestError, match=reason) as caught:
            read_gemspec(document.replace(old, new, 1))
        assert len(caught.value.sentence) < 400

    @pytest.mark.parametrize("document", ["", "---", "just text", "[]", "%YAML 9.9\n---\na", "\ufeff"])
    def test_no_specification_at_all(self, document: str):
        with pytest.raises(IngestError):
            read_gemspec(document)

    def test_aliases_do_not_multiply(self):
        """A thousand million texts in a hundred lines."""
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
        start = time.process_time()
        with pytest.raises(IngestError, match="more than 200000 values"):
            read_gemspec(specification(more="\n".join(lines)))
        assert time.process_time() - start < 20

    @given(st.text(max_size=200))
    def test_any_text(self, text: str):
        """After a good beginning too: read, or refused with a sentence."""
        for document in (text, specification(more=text)):
            try:
                read_gemspec(document)
            except IngestError as refused:
                assert refused.sentence

    @given(
        _ANYTHING,
        st.sampled_from(
            ["name", "version", "platform", "authors", "email", "date", "dependencies", "metadata", "summary",
             "required_ruby_version", "specification_version"]
        ),
    )  # fmt: skip
    def test_anything_in_place_of_a_member(self, value: Any, member: str):
        members = {"name": "a", "version": "1", "platform": "ruby"} | {member: value}
        document = "--- !ruby/object:Gem::Specification\n" + yaml.safe_dump(members, allow_unicode=True)
        try:
            gemspec = read_gemspec(document)
        except IngestError:
            return
        assert gemspec_of(json.loads(json.dumps(facts_of(gemspec)))) == gemspec

    @given(_TREES)
    def test_trees_are_those_that_were_written(self, value: Any):
        """An independent writer and our reader agree."""
        def plain(node: Any) -> Any:
            if hasattr(node, "members"):
                return {key: plain(member) for key, member in node.members.items()}
            return [plain(item) for item in node.items] if hasattr(node, "items") else node.text

        document = yaml.safe_dump(value, default_style='"', allow_unicode=True)
        assert plain(parse(document)) == value


class TestPlatforms:
    @pytest.mark.parametrize(
        ("name", "filed"),
        [("ruby", "ruby"), ("", "ruby"), ("jruby", "java"), ("x86_64-linux-gnu", "x86_64-linux"),
         ("mswin32", "x86-mswin32"),
         ("x86_64-linux-musl", "x86_64-linux-musl"), ("i686-darwin8", "x86-darwin-8"), ("strange", "unknown")],
    )  # fmt: skip
    def test_what_they_are_filed_under(self, name: str, filed: str):
        assert canonical_platform(name) == filed

    @given(st.text())
    def test_any_text(self, text: str):
        assert isinstance(canonical_platform(text), str)
