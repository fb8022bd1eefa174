"""An index page read by the standard library's HTML parser, which knows nothing of how ours are written."""

from __future__ import annotations

from html.parser import HTMLParser

from attrs import Factory, define

_VOID = frozenset({"meta", "br"})


@define
class Anchor:
    """One ``a`` element: its attributes in order, names possibly repeated, its text and its ancestors."""

    attributes: list[tuple[str, str | None]]
    ancestors: tuple[str, ...]
    text: str = ""

    def __getitem__(self, name: str) -> str | None:
        return dict(self.attributes)[name]

    def get(self, name: str) -> str | None:
        return dict(self.attributes).get(name)


@define
class PageReader(HTMLParser):
    """Collects anchors, meta tags, the title, and any element that an index page has no business to hold."""

    anchors: list[Anchor] = Factory(list)
    metas: dict[str, str | None] = Factory(dict)
    title: str = ""
    elements: set[str] = Factory(set)
    path: list[str] = Factory(list)

    def __attrs_pre_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        if tag == "a":
            self.anchors.append(Anchor(attributes=attrs, ancestors=tuple(self.path)))
        if tag == "meta" and "name" in dict(attrs):
            self.metas[dict(attrs)["name"]] = dict(attrs)["content"]
        if tag not in _VOID:
            self.path.append(tag)

    def handle_endtag(self, tag):
        if self.path.pop() != tag:
            raise ValueError(f"unexpected end of {tag}")

    def handle_data(self, data):
        if self.path[-1:] == ["a"]:
            self.anchors[-1].text += data
        if self.path[-1:] == ["title"]:
            self.title += data


def read_page(body: bytes) -> PageReader:
    reader = PageReader()
    reader.feed(body.decode("utf-8"))
    reader.close()
    return reader
