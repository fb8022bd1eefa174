"""Figures of several processes as one page: what each tells of its own, and how they add up."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator

from attrs import define, field, frozen
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

#: Kinds of figures that mean the same whichever process counted.
_ADDED = frozenset({"counter", "histogram", "summary"})
#: Families of one operating system process: its memory, its start, its descriptors.
_OF_A_PROCESS = ("process_", "python_")

_Labels = tuple[tuple[str, str], ...]
_Values = dict[tuple[str, _Labels], float]


def snapshot(registry: CollectorRegistry) -> bytes:
    """All figures of a registry as they are now, for :class:`Gathered` in another process."""
    families = [
        (
            family.name,
            family.documentation,
            family.type,
            # When a counter was made is no figure that adds up.
            [
                (sample.name, sample.labels, sample.value)
                for sample in family.samples
                if not sample.name.endswith("_created")
            ],
        )
        for family in registry.collect()
    ]
    return json.dumps(families).encode("ascii")


@frozen
class _Family:
    name: str
    documentation: str
    kind: str
    values: _Values

    @property
    def is_added(self) -> bool:
        return self.kind in _ADDED and not self.name.startswith(_OF_A_PROCESS)


def _families(told: bytes) -> list[_Family]:
    return [
        _Family(name, text, kind, {(sample, tuple(labels.items())): value for sample, labels, value in samples})
        for name, text, kind, samples in json.loads(told)
    ]


@define(eq=False)
class Gathered(Collector):
    """
    A collector of what processes have told.

    Counters and histograms are sums over all processes, those that have ended included, so that none goes back when a
    process is replaced. Everything else, and what is about the process itself, has a label ``worker``.
    """

    _living: dict[Hashable, tuple[str, list[_Family]]] = field(factory=dict, init=False)
    _past: dict[str, _Family] = field(factory=dict, init=False)

    def take(self, process: Hashable, label: str, told: bytes) -> None:
        """Keep what ``process`` tells in place of what it told before; ``label`` is for its own figures."""
        self._living[process] = (label, _families(told))

    def retire(self, process: Hashable) -> None:
        """``process`` has ended: what it last told remains in the sums."""
        _, families = self._living.pop(process, ("", []))
        for family in families:
            if family.is_added:
                self._add(self._past, family, family.values)

    def collect(self) -> Iterator[Metric]:
        found = {name: _copy(family) for name, family in self._past.items()}
        for label, families in self._living.values():
            for family in families:
                self._add(found, family, family.values if family.is_added else _labelled(family.values, label))
        for family in found.values():
            metric = Metric(family.name, family.documentation, family.kind)
            for (name, labels), value in family.values.items():
                metric.add_sample(name, dict(labels), value)
            yield metric

    @staticmethod
    def _add(found: dict[str, _Family], family: _Family, values: _Values) -> None:
        if family.name not in found:
            found[family.name] = _Family(family.name, family.documentation, family.kind, {})
        sums = found[family.name].values
        for key, value in values.items():
            sums[key] = sums.get(key, 0) + value


def _labelled(values: _Values, label: str) -> _Values:
    return {(name, (*labels, ("worker", label))): value for (name, labels), value in values.items()}


def _copy(family: _Family) -> _Family:
    return _Family(family.name, family.documentation, family.kind, dict(family.values))
