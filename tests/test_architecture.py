"""House rules that reviewers should not have to look for; layers are import-linter's (``pyproject.toml``)."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

import keygenreg
from keygenreg.configuration import KNOWN
from keygenreg.database.query import Query

ROOT = Path(keygenreg.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCES}
MAY_CHOOSE_REACTOR = ("assembly/", "command/", "tap.py")
LONGEST_MODULE = 300


def everywhere(*kinds: type[ast.AST]) -> Iterator[tuple[str, Any]]:
    """``(module, node)`` of all nodes of some kinds."""
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield module, node


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The full names that an import statement binds or loads."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    prefix = "keygenreg" if node.level else ""
    module = ".".join(part for part in (prefix, node.module) if part)
    return [f"{module}.{alias.name}" for alias in node.names]


class TestModules:
    def test_names_mean_something(self) -> None:
        """Nothing is called after the fact that it did not fit elsewhere."""
        meaningless = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools"}
        assert not [path for path in SOURCES if meaningless & set(path.relative_to(ROOT).with_suffix("").parts)]

    def test_modules_are_short(self) -> None:
        long = {
            module: lines
            for module, lines in ((path.name, len(path.read_text("utf-8").splitlines())) for path in SOURCES)
            if lines > LONGEST_MODULE
        }
        assert not long

    def test_every_module_says_what_it_holds(self) -> None:
        silent = [module for module, tree in TREES.items() if not (ast.get_docstring(tree) or "").strip()]
        assert not silent

    def test_nothing_is_left_to_do(self) -> None:
        assert not [path for path in SOURCES if re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text("utf-8"))]


class TestImports:
    def test_reactor_is_passed_in(self) -> None:
        """Only those that put the program together know which reactor it is."""
        found = [
            f"{module}:{node.lineno}"
            for module, node in everywhere(ast.Import, ast.ImportFrom)
            if "twisted.internet.reactor" in imported(node) and not module.startswith(MAY_CHOOSE_REACTOR)
        ]
        assert not found

    def test_no_import_of_our_own_inside_functions(self) -> None:
        """A cycle is to be taken apart, not hidden."""
        found = [
            f"{module}:{node.lineno}"
            for module, function in everywhere(ast.FunctionDef, ast.AsyncFunctionDef)
            for node in ast.walk(function)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            and any(name.split(".")[0] == "keygenreg" for name in imported(node))
        ]
        assert not found

    def test_listing_twistd_plugins_installs_no_reactor(self) -> None:
        """``twistd --reactor=...`` chooses before anything of ours is loaded."""
        script = (
            "import sys\n"
            "from twisted.plugin import getPlugins\n"
            "from twisted.application.service import IServiceMaker\n"
            "print([each.tapname for each in getPlugins(IServiceMaker)].count('keygenreg'))\n"
            "print([name for name in ('klein', 'twisted.internet.reactor', 'keygenreg') if name in sys.modules])\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT.parent, check=True
        )
        assert run.stdout.split("\n")[:2] == ["1", "[]"]


class TestKlein:
    def test_nobody_subclasses_klein(self) -> None:
        """Klein makes its subclasses anew at each binding, without arguments."""
        found = [
            f"{module}:{node.lineno}"
            for module, node in everywhere(ast.ClassDef)
            if any(ast.unparse(base).split(".")[-1] == "Klein" for base in node.bases)
        ]
        assert not found

    def test_no_path_is_redirected_for_its_slashes(self) -> None:
        """A 308 would be kept for ever by clients, and slashes are never significant (decision 5)."""
        found = [
            module
            for module, tree in TREES.items()
            if "app = Klein()" in (text := ast.unparse(tree))
            and not ("strict_slashes = False" in text and "merge_slashes = False" in text)
        ]
        assert not found

    def test_route_variables_do_not_clash(self) -> None:
        """Klein passes them on as keywords, and these it needs itself."""
        reserved = {"f", "self", "request", "endpoint"}
        found = [
            f"{module}:{node.lineno}"
            for module, node in everywhere(ast.Call)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "route"
            for text in ast.walk(node)
            if isinstance(text, ast.Constant) and isinstance(text.value, str)
            if reserved & {part.rpartition(":")[2] for part in re.findall(r"<([^<>]+)>", text.value)}
        ]
        assert not found


def feature_queries() -> Iterator[tuple[str, Query]]:
    """All queries that the modules of engines and of the management API hold, however deep."""
    for package in ("keygenreg.engines", "keygenreg.management"):
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                for query in inside(value, set()):
                    yield f"{found.name}.{name}", query


def inside(value: Any, seen: set[int]) -> Iterator[Query]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Query):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from inside(each, seen)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from inside(each, seen)
    elif attrs.has(type(value)):
        for each in attrs.fields(type(value)):
            yield from inside(getattr(value, each.name, None), seen)


PROTECTED = re.compile(r"\b(?:FROM|JOIN)\s+(?:ONLY\s+)?(releases|artifacts|packages)\b", re.I)
_TABLE_AHEAD = re.compile(r"\b(?:AS|MATERIALIZED|FROM|JOIN|LATERAL)\s*$", re.I)


def unguarded_tables(sql: str) -> list[str]:
    """
    Tables of per-bearer rows that a select reads with no ``visible_*`` name anywhere in it.

    Each table expression (``WITH x AS (...)``, ``FROM (...) x``) stands for itself; conditions and values in
    parentheses belong to the select around them.
    """
    selects = [""]
    finished = []
    opened_table: list[bool] = []
    for piece in re.split(r"([()])", sql):
        if piece == "(":
            opened_table.append(bool(_TABLE_AHEAD.search(selects[-1])))
            if opened_table[-1]:
                selects.append("")
        elif piece == ")" and opened_table:
            if opened_table.pop():
                finished.append(selects.pop())
                # What guards a table expression guards the select that joins it.
                selects[-1] += "visible_" if "visible_" in finished[-1] else ""
        else:
            selects[-1] += piece
    return [
        table for text in (*finished, *selects) if "visible_" not in text for table in PROTECTED.findall(text)
    ]


class TestQueries:
    @pytest.mark.parametrize(
        ("sql", "tables"),
        [
            ("SELECT * FROM visible_releases", []),
            ("SELECT * FROM releases r", ["releases"]),
            ("SELECT * FROM visible_packages p JOIN releases r ON r.package_id = p.id", []),
            ("SELECT * FROM visible_packages p WHERE EXISTS (SELECT 1 FROM releases r WHERE r.package_id = p.id)", []),
            ("SELECT (SELECT count(*) FROM artifacts) AS n FROM visible_packages", []),
            ("SELECT (SELECT count(*) FROM artifacts) AS n", ["artifacts"]),
            ("WITH r AS (SELECT * FROM releases) SELECT * FROM r, visible_packages", ["releases"]),
            ("SELECT * FROM (SELECT * FROM artifacts) a, visible_packages p", ["artifacts"]),
            ("SELECT * FROM (SELECT * FROM visible_artifacts) a JOIN releases r ON r.id = a.release_id", []),
            ("SELECT EXISTS (SELECT 1 FROM visible_packages v WHERE v.id = p.id) FROM packages p", []),
        ],
    )
    def test_the_rule_itself(self, sql: str, tables: list[str]) -> None:
        assert unguarded_tables(sql) == tables

    def test_every_query_is_scoped_or_says_why_not(self) -> None:
        """What a bearer may see is decided in one place; a query that goes around it gives its reason."""
        queries = list(feature_queries())
        assert queries
        blind = {where: query.name for where, query in queries if not query.unscoped and "visible_" not in query.sql}
        assert not blind
        leaking = {
            where: (query.name, unguarded_tables(query.sql))
            for where, query in queries
            if not query.unscoped and unguarded_tables(query.sql)
        }
        assert not leaking


@cache
def attributes_read() -> list[set[str]]:
    """The attributes that each module mentions."""
    return [
        {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} for tree in TREES.values()
    ]


class TestSettings:
    @pytest.mark.parametrize("name", KNOWN)
    def test_every_setting_is_read_somewhere(self, name: str) -> None:
        """A setting that changes nothing is a lie."""
        wanted = set(name.split("."))
        assert any(wanted <= attributes for attributes in attributes_read())
