"""The content of `GET /metrics`: this process' metrics, those of the workers, and those of releases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from voice_host.fleet.report import AgentReport
from voice_host.observability.figures import CPU, Figures, Key
from voice_host.observability.metrics import SAMPLE_KINDS, bucket_label
from voice_host.observability.recent import Totals

_OF_RELEASE = ("agent", "release")


def exposition(labels: Mapping[str, str], figures: Figures, agents: Iterable[AgentReport] = ()) -> bytes:
    """Return the metrics in Prometheus' text format. Takes a while with many agents: not for the event loop.

    Args:
        labels: labels to use instead of agent ids; the values of agents with the same label are added up.
        figures: what the agents' processes count.
        agents: the status of the agents, with their releases and workers.
    """
    return generate_latest(_Exposed(labels, figures, agents))


class _Exposed(Collector):
    def __init__(self, labels: Mapping[str, str], figures: Figures, agents: Iterable[AgentReport]) -> None:
        self._labels = labels
        self._figures = figures
        self._agents = agents

    def collect(self) -> Iterator[Metric]:
        of_workers = self._figures.samples()
        more = _by_family(of_workers)
        for family in self._figures.registry.collect():
            yield self._renamed(family, more.get(family.name, {}))
        for family in (*_of_releases(self._agents), *_of_totals(of_workers)):
            yield self._renamed(family, {})

    def _renamed(self, family: Metric, more: Mapping[Key, float]) -> Metric:
        if not more and not any(sample.labels.get("agent") in self._labels for sample in family.samples):
            return family
        merged: dict[Key, Sample] = {}
        added = (Sample(name, dict(labels), value) for (name, labels), value in more.items())
        for sample in (*family.samples, *added):
            renamed = sample
            if (label := self._labels.get(sample.labels.get("agent", ""))) is not None:
                renamed = sample._replace(labels={**sample.labels, "agent": label})
            key = (renamed.name, tuple(sorted(renamed.labels.items())))
            if (before := merged.get(key)) is not None:
                began = renamed.name.endswith("_created")
                value = min(before.value, renamed.value) if began else before.value + renamed.value
                renamed = before._replace(value=value)
            merged[key] = renamed
        copy = Metric(family.name, family.documentation, family.type, family.unit)
        copy.samples = list(merged.values())
        return copy


def _by_family(of_workers: Mapping[str, Mapping[str, Mapping[Key, float]]]) -> dict[str, dict[Key, float]]:
    """Add up the samples of all releases, by metric."""
    found: dict[str, dict[Key, float]] = {}
    for releases in of_workers.values():
        for samples in releases.values():
            for key, value in samples.items():
                if key != CPU:
                    of_family = found.setdefault(SAMPLE_KINDS[key[0]].family, {})
                    of_family[key] = of_family.get(key, 0.0) + value
    return found


def _of_releases(agents: Iterable[AgentReport]) -> Iterable[Metric]:
    """The metrics of what runs now, from the reports."""
    traffic = GaugeMetricFamily(
        "voice_host_release_traffic_percent", "Share of production's calls that a release gets.", labels=_OF_RELEASE
    )
    workers = GaugeMetricFamily(
        "voice_host_workers", "Worker processes, by their status.", labels=(*_OF_RELEASE, "status")
    )
    active = GaugeMetricFamily(
        "voice_host_release_calls_active", "Calls connected now, by release.", labels=_OF_RELEASE
    )
    memory = GaugeMetricFamily(
        "voice_host_worker_memory_bytes", "Memory of the worker processes of a release.", labels=_OF_RELEASE
    )
    restarts = CounterMetricFamily(
        "voice_host_worker_restarts", "Worker processes that ended and were started again.", labels=_OF_RELEASE
    )
    for agent in agents:
        for release in agent.releases:
            of_release = (agent.id, release.name)
            traffic.add_metric(of_release, release.traffic)
            restarts.add_metric(of_release, release.restarts)
            active.add_metric(of_release, sum(worker.calls for worker in release.workers))
            memory.add_metric(of_release, sum(worker.memory_bytes for worker in release.workers))
            statuses = [worker.status for worker in release.workers]
            for status in dict.fromkeys(("ready", *statuses)):
                workers.add_metric((*of_release, status), statuses.count(status))
    return traffic, workers, active, memory, restarts


def _of_totals(of_workers: Mapping[str, Mapping[str, Mapping[Key, float]]]) -> Iterable[Metric]:
    """The metrics by release that are added up over workers, also over those that have left."""
    cpu = CounterMetricFamily(
        "voice_host_worker_cpu_seconds", "CPU time of the worker processes of a release.", labels=_OF_RELEASE
    )
    calls = CounterMetricFamily("voice_host_release_calls", "Calls accepted, by release.", labels=_OF_RELEASE)
    errors = CounterMetricFamily(
        "voice_host_release_errors", "Errors reported to callers, by release.", labels=_OF_RELEASE
    )
    first_audio = HistogramMetricFamily(
        "voice_host_release_first_audio_seconds",
        "Time from the end of the caller's turn to the first audio of the reply, by release.",
        labels=_OF_RELEASE,
    )
    for agent_id, releases in of_workers.items():
        for release, samples in releases.items():
            totals = Totals.of(samples)
            cpu.add_metric((agent_id, release), samples.get(CPU, 0.0))
            calls.add_metric((agent_id, release), totals.calls)
            errors.add_metric((agent_id, release), totals.errors)
            buckets = [(bucket_label(bound), count) for bound, count in sorted(totals.first_audio.items())]
            if buckets:
                first_audio.add_metric((agent_id, release), buckets, totals.first_audio_s)
    return cpu, calls, errors, first_audio


def release_metrics() -> Mapping[str, Any]:
    """Return the names of the metrics that only exist by release, as they are exposed, with their types."""
    families = (*_of_releases(()), *_of_totals({}))
    return {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}
