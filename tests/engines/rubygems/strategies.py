"""Hypothesis strategies for what gems are made of."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from keygenreg.engines.rubygems.gem_version import GemVersion, parse_gem_version
from keygenreg.engines.rubygems.gemspec import DEVELOPMENT, OPERATORS, RUNTIME, Dependency, Gemspec
from keygenreg.engines.rubygems.ruby_marshal import RubyObject, Symbol, UserDump, UserMarshal

#: What YAML and databases can hold.
texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=20)
names = st.from_regex(r"[a-z][A-Za-z0-9._-]{0,8}", fullmatch=True)


def gem_version_texts() -> st.SearchStrategy[str]:
    segments = st.one_of(st.integers(0, 20).map(str), st.sampled_from(["a", "b", "beta", "rc", "pre", "B", "b1", "1b"]))
    return st.lists(segments, max_size=5).map(lambda rest: ".".join(["1", *rest]))


def gem_versions() -> st.SearchStrategy[GemVersion]:
    return gem_version_texts().map(parse_gem_version)


requirements = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATORS)), gem_version_texts()), min_size=1, max_size=3
).map(tuple)  # fmt: skip

platforms = st.sampled_from(
    ["ruby", "java", "jruby", "x86_64-linux", "x86_64-linux-gnu", "x86_64-linux-musl", "arm64-darwin-22", "x64-mingw32",
     "x64-mingw-ucrt", "x86-mswin32-60", "i686-linux", "universal-darwin", "strange"]
)  # fmt: skip


@st.composite
def gemspecs(draw: st.DrawFn) -> Gemspec:
    dependency = st.builds(Dependency, names, st.sampled_from([RUNTIME, DEVELOPMENT]), requirements)
    several = st.lists(texts, max_size=3).map(tuple)
    return Gemspec(
        name=draw(names),
        version=draw(gem_versions()),
        platform=draw(platforms),
        summary=draw(st.none() | texts),
        description=draw(st.none() | texts),
        authors=draw(several),
        email=draw(st.none() | texts | several),
        homepage=draw(st.none() | texts),
        licenses=draw(several),
        metadata=tuple(draw(st.dictionaries(texts, texts, max_size=3)).items()),
        date=draw(st.dates(min_value=date(1980, 1, 1))).isoformat(),
        rubygems_version="3.3.15",
        required_ruby_version=draw(requirements),
        required_rubygems_version=draw(requirements),
        dependencies=tuple(draw(st.lists(dependency, max_size=3))),
    )


_class_names = st.sampled_from(["Gem::Version", "Gem::Requirement", "A"])
_simple = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(max_size=20),
    st.from_regex(r"[a-z]{1,8}", fullmatch=True).map(Symbol),
)  # fmt: skip

#: Everything that can be written in Marshal format.
marshalable: st.SearchStrategy[Any] = st.recursive(
    _simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
        st.builds(RubyObject, _class_names, st.dictionaries(st.sampled_from(["@a", "@b"]), inner, max_size=2)),
        st.builds(UserMarshal, _class_names, inner),
        st.builds(UserDump, _class_names, st.binary(max_size=10), st.just({}) | st.just({"E": False, "zone": "UTC"})),
        inner.map(lambda value: [shared := UserMarshal("S", value), shared]),
    ),
    max_leaves=12,
)
