"""Index pages of other registries as HTML: read for what PEP 503 and its successors put there, whatever else there is.

Nothing a page says is more than data. The reading takes time in proportion to the page: what is left open ends it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from attrs import Factory, define

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9:_-]*", re.ASCII)
_ATTRIBUTE = re.compile(r"[^\s=>/]+|=")
_BARE = re.compile(r"[^\s>]*")
_SPACE = re.compile(r"[\s/]*")
#: Elements whose content is no markup.
_RAW = ("script", "style", "textarea", "title", "noscript")


@define
class Anchor:
    """One link: its attributes, names in lower case, the first of equal ones; and the text within."""

    attributes: dict[str, str]
    text: str = ""
    _pieces: list[str] = Factory(list)

    def add(self, text: str) -> None:
        self._pieces.append(text)

    def close(self) -> None:
        """Its text is complete."""
        self.text = _unescaped("".join(self._pieces)).strip()


@define
class Page:
    """What a page holds, in its order: links, the content of ``meta`` elements by name, and what URLs start from."""

    anchors: list[Anchor] = Factory(list)
    metas: dict[str, str] = Factory(dict)
    base: str | None = None


def read_page(text: str) -> Page:
    """Read a page. Total: any text is one, mostly without links."""
    page = Page()
    open_anchor: Anchor | None = None
    for kind, name, attributes in _tokens(text):
        if kind == "text":
            if open_anchor is not None:
                open_anchor.add(name)
        elif kind == "start" and name == "a":
            open_anchor = Anchor(attributes)
            page.anchors.append(open_anchor)
        elif kind == "end" and name == "a":
            open_anchor = None
        elif kind == "start" and name == "meta" and "name" in attributes:
            page.metas.setdefault(attributes["name"].lower(), attributes.get("content", ""))
        elif kind == "start" and name == "base" and page.base is None:
            page.base = attributes.get("href")
    for anchor in page.anchors:
        anchor.close()
    return page


def _tokens(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """``(text, its characters)``, ``(start, name, attributes)`` and ``(end, name)``; names in lower case."""
    position = 0
    while position < len(text):
        opening = text.find("<", position)
        if opening != position:
            yield "text", text[position : None if opening < 0 else opening], {}
            if opening < 0:
                return
        position = opening + 1
        if text.startswith("!--", position):
            position = _after(text, "-->", position)
        elif text.startswith(("!", "?"), position):
            position = _after(text, ">", position)
        elif text.startswith("/", position):
            name = _NAME.match(text, position + 1)
            position = _after(text, ">", position)
            if name and position > 0:
                yield "end", name.group().lower(), {}
        elif name := _NAME.match(text, position):
            attributes: dict[str, str] = {}
            position = _read_attributes(text, name.end(), attributes)
            if position > 0:
                tag = name.group().lower()
                yield "start", tag, attributes
                if tag in _RAW:
                    position = _after_raw(text, tag, position)
        else:
            yield "text", "<", {}
        if position < 0:
            return


def _after(text: str, mark: str, position: int) -> int:
    """Where the text goes on behind ``mark``; -1 when it never comes."""
    found = text.find(mark, position)
    return found if found < 0 else found + len(mark)


def _after_raw(text: str, tag: str, position: int) -> int:
    closing = re.compile(f"</{tag}", re.IGNORECASE).search(text, position)
    return closing.start() if closing else -1


def _read_attributes(text: str, position: int, into: dict[str, str]) -> int:
    """Read up to the end of a start tag; where that is, or -1 when it never comes."""
    while True:
        position = _SPACE.match(text, position).end()
        if position >= len(text):
            return -1
        if text[position] == ">":
            return position + 1
        name = _ATTRIBUTE.match(text, position)
        position = _SPACE_ONLY.match(text, name.end()).end()
        value = ""
        if text.startswith("=", position):
            position = _SPACE_ONLY.match(text, position + 1).end()
            quote = text[position : position + 1]
            if quote in ('"', "'"):
                end = text.find(quote, position + 1)
                if end < 0:
                    return -1
                value, position = text[position + 1 : end], end + 1
            else:
                bare = _BARE.match(text, position)
                value, position = bare.group(), bare.end()
        into.setdefault(name.group().lower(), _unescaped(value))


_SPACE_ONLY = re.compile(r"\s*")


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a number beyond Python's limit for int()
        return text
