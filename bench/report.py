"""Sections into a document: each part's figures stay there until the part is measured again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bench.figures import Section

BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"
_PART = re.compile(r"<!-- part (\w+) -->\n(.*?)(?=<!-- part \w+ -->|\Z)", re.DOTALL)


def text_of(section: Section, taken: str) -> str:
    """A section with when and how it was measured."""
    return f"{section.markdown()}\n\n_{taken}_"


def rewrite(path: Path, found: Mapping[str, str], order: list[str]) -> None:
    """
    Put the texts of parts between the two marks of a document, in an order; other parts stay what they were.

    :raises ValueError: the document has no such marks.
    """
    document = path.read_text("utf-8")
    before, begin, rest = document.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {BEGIN} and {END}")
    texts = {name: text.strip() for name, text in _PART.findall(inside)} | dict(found)
    parts = "\n".join(f"<!-- part {name} -->\n{texts[name]}\n" for name in order if name in texts)
    path.write_text(f"{before}{BEGIN}\n{parts}{END}{after}", "utf-8")
