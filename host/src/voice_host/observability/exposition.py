"""The content of `GET /metrics`: the host's metrics, with the platform's labels for agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_Key = tuple[str, tuple[tuple[str, str], ...]]


def exposition(labels: Mapping[str, str], registry: Collector = REGISTRY) -> bytes:
    """Return the metrics in Prometheus' text format.

    Args:
        labels: labels to use instead of agent ids; the values of agents with the same label are added up.
        registry: the source of the metrics.
    """
    return generate_latest(_Renamed(registry, labels))


class _Renamed(Collector):
    def __init__(self, registry: Collector, labels: Mapping[str, str]) -> None:
        self._registry = registry
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            if any(sample.labels.get("agent") in self._labels for sample in family.samples):
                family = self._renamed(family)
            yield family

    def _renamed(self, family: Metric) -> Metric:
        merged: dict[_Key, Sample] = {}
        for sample in family.samples:
            agent = sample.labels.get("agent", "")
            renamed = sample._replace(labels={**sample.labels, "agent": self._labels.get(agent, agent)})
            key = (renamed.name, tuple(renamed.labels.items()))
            if (before := merged.get(key)) is not None:
                began = renamed.name.endswith("_created")
                value = min(before.value, renamed.value) if began else before.value + renamed.value
                renamed = renamed._replace(value=value)
            merged[key] = renamed
        copy = Metric(family.name, family.documentation, family.type, family.unit)
        copy.samples = list(merged.values())
        return copy
