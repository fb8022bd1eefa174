"""Any registry comes back from its own export as the same registry."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keygenreg.dump.kind import Attribute, Kind
from keygenreg.dump.kinds import KINDS
from keygenreg.formats.dump import values
from tests.dump.conftest import Registry
from tests.dump.writing import SECRETS, DumpText

# What can be neither stored nor spelled in JSON: NUL and lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TIMES = st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='microseconds')}Z")
# As the API shows them: a first small letter, then letters and digits, no capital after a capital's word is lost.
KEYS = st.from_regex(r"[a-z][a-z0-9]{0,4}(?:[A-Z][a-z0-9]{0,4}){0,2}", fullmatch=True)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
METADATA = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXT,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
PERMISSIONS = st.lists(st.sampled_from(["*", "product.read", "release.read", "a,b", '"']), max_size=3)
BY_KIND = {
    values.TEXT: TEXT,
    values.KEY: TEXT,
    values.INTEGER: st.integers(-(2**63), 2**63 - 1),
    values.BOOLEAN: st.booleans(),
    values.TIME: TIMES,
    values.TEXTS: st.lists(TEXT, max_size=3),
    values.METADATA: METADATA,
    values.SETTINGS: st.fixed_dictionaries({}, optional={"defaultUserPermissions": PERMISSIONS}),
}
#: What has a form of its own or must be unique; ``{}`` becomes a number.
NUMBERED = {
    "accounts": {"slug": "slug-{}", "cname": "c{}.example", "domain": "d{}.example"},
    "environments": {"code": "env-{}"},
    "entitlements": {"code": "ent-{}"},
    "products": {"code": "prod-{}"},
    "users": {"email": "u{}@x.example"},
    "licenses": {"key": "K-{}"},
    "packages": {"key": "@scope/p.{}"},
    "releases": {"version": "1.{}.0-beta.1+build", "tag": "tag-{}"},
    "artifacts": {"filename": "dir/f-{}.tar.gz"},
}


def choices(attribute: Attribute) -> st.SearchStrategy[Any]:
    """Values of an attribute that is one of a few words: found by asking for a wrong one."""
    try:
        attribute.value.read("\x7f")
    except ValueError as error:
        return st.sampled_from(str(error).removeprefix("expected one of ").split(", "))
    raise AssertionError(attribute.name)


@st.composite
def attributes(draw: st.DrawFn, kind: Kind, number: int) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for attribute in kind.attributes:
        form = NUMBERED.get(kind.type, {}).get(attribute.name)
        if form is not None:
            strategy = st.just(form.format(number))
        else:
            strategy = BY_KIND[attribute.value] if attribute.value in BY_KIND else choices(attribute)
        if attribute.default is None and not attribute.required:
            strategy = st.none() | strategy
        if attribute.required or draw(st.booleans()):
            given[attribute.name] = draw(strategy)
    if draw(st.booleans()):
        given["created"] = draw(TIMES)
    if draw(st.booleans()):
        given["updated"] = draw(TIMES)
    return given


@st.composite
def registries(draw: st.DrawFn) -> DumpText:
    """One or two accounts with up to two resources of each type, linked at random."""
    dump, number = DumpText(), 0
    for _ in range(draw(st.integers(1, 2))):
        ids: dict[str, list[str]] = {}
        for kind in KINDS:
            for _ in range(1 if kind.type == "accounts" else draw(st.integers(0, 2))):
                number += 1
                references = draw(links(kind, ids))
                if references is not None:
                    add(draw, dump, kind, number, ids, references)
    return dump


@st.composite
def links(draw: st.DrawFn, kind: Kind, ids: dict[str, list[str]]) -> dict[str, str | None] | None:
    """References to what there is; None where something required is missing."""
    references: dict[str, str | None] = {}
    for relationship in kind.relationships:
        if relationship.name == "account":
            continue
        known = [id for type in relationship.targets for id in ids.get(type, [])]
        if relationship.required and not known:
            return None
        references[relationship.name] = draw(st.sampled_from(known if relationship.required else [None, *known]))
    return references


def add(
    draw: st.DrawFn, dump: DumpText, kind: Kind, number: int, ids: dict[str, list[str]], references: dict
) -> None:
    if kind.type == "releases" and references["package"] is not None:
        references["product"] = dump.reference(references["package"], "product")
    if kind.type in ("manifests", "descriptors"):
        references["release"] = dump.reference(references["artifact"], "release")
    pair = (kind.type, *references.values())
    if kind.type.endswith(("-users", "-entitlements")) or kind.type == "constraints":
        pair = (kind.type, *[id for name, id in references.items() if name != "environment"])
        if pair in ids:
            return
        ids[pair] = []
    private = {"accounts": SECRETS, "tokens": {"token": f"prod-{number}"}}.get(kind.type)
    if kind.type == "users" and draw(st.booleans()):
        private = {"passwordHash": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$x"}
    content = None
    if kind.type == "artifacts" and draw(st.booleans()):
        content = {"base64": draw(st.sampled_from(["", "aGVsbG8=", "AAEC"]))}
    given = draw(attributes(kind, number))
    ids.setdefault(kind.type, []).append(dump.add(kind.type, given, private=private, content=content, **references))


@pytest.mark.timeout(400)
@given(registries())
@settings(
    max_examples=12,
    deadline=None,
    # Every try is a whole import: shrinking would take an hour.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_an_export_is_the_registry(registry: Registry, dump: DumpText) -> None:
    """Import, export, replace by the export, export: the two exports are the same text, bytes of artifacts included."""
    registry.load(dump, replace=True)
    without, text = registry.text(), registry.text(content=True)
    registry.load(text, replace=True)
    assert registry.text(content=True) == text
    assert registry.text() == without
    registry.load(text)
    assert registry.text(content=True) == text
    exported = {line["id"]: line for line in map(read, text.splitlines()[1:])}
    for stated in map(read, dump.lines[1:]):
        if stated["type"] != "second-factors":
            compare(stated, exported[stated["id"]])


def read(line: str) -> dict[str, Any]:
    """A line with its numbers as they are written: 1e16 is 10000000000000000, to the last digit."""
    return json.loads(line, parse_float=Decimal, parse_int=Decimal)


def compare(stated: dict[str, Any], exported: dict[str, Any]) -> None:
    """Whatever was stated is exported again as it was."""
    assert exported["type"] == stated["type"]
    assert exported["attributes"] | stated["attributes"] == exported["attributes"]
    assert exported["relationships"] | stated["relationships"] == exported["relationships"]
    assert exported.get("content") == stated.get("content")
    if stated["type"] != "tokens":
        assert exported.get("private") == stated.get("private")
