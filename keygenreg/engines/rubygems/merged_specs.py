"""Our older indexes and another source's as one, made of its list of versions, line by line.

Such an index may have millions of entries, so it is written as it is made, and only what later lines of the list take
away is remembered meanwhile. Source: of the format, :mod:`~keygenreg.engines.rubygems.ruby_marshal`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from keygenreg.engines.rubygems.ruby_marshal import VERSION, counted, packed

#: A name, a version and a platform, as bytes.
Triple = tuple[bytes, bytes, bytes]
#: The lines of a list of versions, from the first one, each time it is called.
Lines = Callable[[], Iterable[bytes]]

_LABEL = re.compile(rb"([0-9]+(?:\.[0-9A-Za-z]+)*)(?:-([0-9A-Za-z_.-]{1,100}))?")
_LETTER = re.compile(rb"[A-Za-z]")
_LONGEST = 255
# More digits than any version of worth has; numbers of any length would take long to compare.
_NUMBERS = re.compile(rb"[0-9]{1,18}(?:\.[0-9]{1,18})*")
_AT_ONCE = 2000


def upstream_triples(lines: Lines) -> Iterator[Triple]:
    """What is there after all lines, in the order of the lines that add it."""
    taken = _taken(lines)
    for name, label in _steps(lines):
        found = None if label.startswith(b"-") or len(label) > _LONGEST else _LABEL.fullmatch(label)
        if found is None or (name in taken and not _is_left(taken[name], label)):
            continue
        yield name, found[1], found[2] or b"ruby"


def _steps(lines: Lines) -> Iterator[tuple[bytes, bytes]]:
    for name, labels in _labels(lines):
        for label in labels.split(b","):
            yield name, label


def _labels(lines: Lines) -> Iterator[tuple[bytes, bytes]]:
    for piece in lines():
        for line in piece.split(b"\n"):
            name, _, rest = line.partition(b" ")
            yield name, rest.partition(b" ")[0]


def _taken(lines: Lines) -> dict[bytes, dict[bytes, bool]]:
    """Of each gem that lost versions, those, and whether they came back."""
    taken: dict[bytes, dict[bytes, bool]] = {}
    for name, labels in _labels(lines):
        if name not in taken and not labels.startswith(b"-") and b",-" not in labels:
            continue
        of_gem = taken.setdefault(name, {})
        for label in labels.split(b","):
            if label.startswith(b"-"):
                of_gem[label[1:]] = False
            elif label in of_gem:
                of_gem[label] = True
    return taken


def _is_left(of_gem: dict[bytes, bool], label: bytes) -> bool:
    """Whether this is the one time that a version is told of; it is not for the next one."""
    left = of_gem.get(label, True)
    if label in of_gem:
        of_gem[label] = False
    return left


def released(triples: Iterable[Triple]) -> Iterator[Triple]:
    return (triple for triple in triples if not _LETTER.search(triple[1]))


def prereleased(triples: Iterable[Triple]) -> Iterator[Triple]:
    return (triple for triple in triples if _LETTER.search(triple[1]))


def latest(triples: Iterable[Triple]) -> Iterator[Triple]:
    """The highest release of each gem and platform."""
    best: dict[tuple[bytes, bytes], tuple[tuple[int, ...], bytes]] = {}
    for name, version, platform in released(triples):
        if _NUMBERS.fullmatch(version) is None:
            continue
        order = _order(version)
        known = best.get((name, platform))
        if known is None or known[0] < order:
            best[name, platform] = order, version
    return ((name, version, platform) for (name, platform), (_, version) in best.items())


def _order(version: bytes) -> tuple[int, ...]:
    """As ``Gem::Version`` compares versions without letters."""
    order = list(map(int, version.split(b".")))
    while order and not order[-1]:
        order.pop()
    return tuple(order)


#: By the name of the index.
KINDS: dict[str, Callable[[Iterable[Triple]], Iterator[Triple]]] = {
    "specs.4.8.gz": released,
    "latest_specs.4.8.gz": latest,
    "prerelease_specs.4.8.gz": prereleased,
}


def marshalled(triples: Callable[[], Iterator[Triple]]) -> Iterator[bytes]:
    """
    An index in Marshal format, in pieces.

    :param triples: the same ones each time it is called: they are counted first.
    """
    yield VERSION + b"[" + packed(sum(1 for _ in triples()))
    # The two symbols are written out once; afterwards their numbers stand for them.
    string, version = b":\x06ET", b":\x11Gem::Version"
    pieces: list[bytes] = []
    for name, number, platform in triples():
        pieces.append(
            b'[\x08I"%b\x06%bU%b[\x06I"%b\x06;\x00TI"%b\x06;\x00T'
            % (counted(name), string, version, counted(number), counted(platform))
        )
        string, version = b";\x00T", b";\x06"
        if len(pieces) > _AT_ONCE:
            yield b"".join(pieces)
            pieces.clear()
    yield b"".join(pieces)


def local_triples(index: Sequence) -> list[Triple]:
    """:param index: one of ours, as :func:`~keygenreg.engines.rubygems.ruby_unmarshal.loads` reads it."""
    return [(name.encode(), version.value[0].encode(), platform.encode()) for name, version, platform in index]
