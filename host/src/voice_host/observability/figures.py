"""Metrics over processes: what worker processes count, added up in the front.

A worker sends the samples that have changed since it last sent some (`ChangedSamples`), and the front adds up those of
all workers (`Figures`). Counters and histograms of a worker that has left stay, gauges go with it.

A worker runs a customer's code, so its samples are not trusted. Only those of the host's own metrics with the label
`agent` are accepted, and that label becomes the worker's own agent. Counters cannot go down, and the number of samples
of an agent is limited.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from prometheus_client import REGISTRY
from prometheus_client.registry import Collector

from voice_host.observability import metrics
from voice_host.observability.metrics import SAMPLE_KINDS
from voice_host.observability.recent import History, Recent, Totals

MAX_SAMPLES = 3000
"""Most samples that one agent may have over all its workers. One with many tools and kinds of errors has about 700."""

SAMPLES_AT_ONCE = 500
"""Most samples in a message, of about 50 KB."""

MAX_LABEL_CHARS = 200
"""Longest value of a label."""

MAX_VALUE = 2.0**53
"""Greatest value: beyond it, a counter would no longer count single events."""

MAX_ENDED_RELEASES = 10
"""How many releases of an agent that no longer run keep figures of their own."""

OLDER = "older"
"""The release that the figures of earlier ones are added to, except those for `recent`."""

CPU = ("voice_host_worker_cpu_seconds_total", ())
"""The key of the CPU time. The front measures it; a worker cannot send it."""

Sample = tuple[str, Mapping[str, str], float]
"""Name, labels, value."""

Key = tuple[str, tuple[tuple[str, str], ...]]
"""Name and sorted labels of a sample."""


def _key(name: str, labels: Mapping[str, str]) -> Key:
    return name, tuple(sorted(labels.items()))


def own_samples(registry: Collector = REGISTRY) -> Iterator[Sample]:
    """Yield this process' samples of the metrics that a worker may send: those with the label `agent`."""
    for family in registry.collect():
        for sample in family.samples:
            kind = SAMPLE_KINDS.get(sample.name)
            if kind is not None and "agent" in kind.labels:
                yield sample.name, sample.labels, sample.value


def own_calls() -> dict[str, int]:
    """Return how many calls are connected in this process, by agent."""
    found = (sample for family in metrics.CALLS_ACTIVE.collect() for sample in family.samples)
    return {sample.labels["agent"]: round(sample.value) for sample in found}


class ChangedSamples:
    """The samples of a worker process that have changed. Belongs to one thread."""

    def __init__(self, registry: Collector = REGISTRY) -> None:
        self._registry = registry
        self._sent: dict[Key, float] = {}

    def send(self, send: Callable[[list[Sample]], bool]) -> None:
        """Send the samples that have changed since they were last sent; at first, those that are not 0.

        Args:
            send: sends some samples, and returns whether it could. If not, they are sent the next time.
        """
        changed = [
            (name, labels, value)
            for name, labels, value in own_samples(self._registry)
            if self._sent.get(_key(name, labels), 0.0) != value
        ]
        for begin in range(0, len(changed), SAMPLES_AT_ONCE):
            batch = changed[begin : begin + SAMPLES_AT_ONCE]
            if not send(batch):
                return
            self._sent.update((_key(name, labels), value) for name, labels, value in batch)


class _Release:
    """The figures of one release of an agent."""

    def __init__(self, now_s: float) -> None:
        self.workers: list[WorkerFigures] = []
        self.ended: dict[Key, float] = {}
        """What workers counted that have left."""
        self.totals = Totals()
        self.history = History(now_s)

    def add_up(self) -> dict[Key, float]:
        found = dict(self.ended)
        for worker in self.workers:
            for key, value in worker.samples.items():
                found[key] = found.get(key, 0.0) + value
        return found


class _Agent:
    """The figures of one agent. `known`: the keys of all samples it ever had."""

    def __init__(self) -> None:
        self.known: set[Key] = set()
        self.releases: dict[str, _Release] = {}

    def release(self, name: str, now_s: float) -> _Release:
        if name not in self.releases:
            self.releases[name] = _Release(now_s)
            self._forget_older(now_s)
        return self.releases[name]

    def _forget_older(self, now_s: float) -> None:
        over = [name for name, release in self.releases.items() if not release.workers and name != OLDER]
        for name in over[: -MAX_ENDED_RELEASES - 1]:  # the last one is about to begin
            forgotten = self.releases.pop(name)
            older = self.releases.setdefault(OLDER, _Release(now_s))
            for key, value in forgotten.ended.items():
                older.ended[key] = older.ended.get(key, 0.0) + value


class WorkerFigures:
    """The figures of one worker process. Made by `Figures.of_worker`."""

    def __init__(self, agent_id: str, agent: _Agent, release: _Release, lock: threading.Lock) -> None:
        self.samples: dict[Key, float] = {}
        self._agent_id = agent_id
        self._agent = agent
        self._release = release
        self._lock = lock

    def update(self, samples: Iterable[Sample]) -> None:
        """Take over samples that the worker sent. Those that are not accepted are counted."""
        dropped = 0
        with self._lock:
            for name, labels, value in samples:
                key = self._accepted(name, labels, value)
                if key is None or not self._is_known(key):
                    dropped += 1
                    continue
                before = self.samples.get(key, 0.0)
                if SAMPLE_KINDS[name].accumulates:
                    value = max(value, before)
                self.samples[key] = value
                self._release.totals.count(name, labels, value - before)
        if dropped:
            metrics.SAMPLES_DROPPED.labels(self._agent_id).inc(dropped)

    def measured(self, cpu_s: float) -> None:
        """Set the CPU time that the process has used."""
        with self._lock:
            self.samples[CPU] = max(cpu_s, self.samples.get(CPU, 0.0))

    def leave(self) -> None:
        """Keep what the process counted, and forget its gauges: it has ended. Idempotent."""
        with self._lock:
            if self not in self._release.workers:
                return
            self._release.workers.remove(self)
            ended = self._release.ended
            for key, value in self.samples.items():
                if key == CPU or SAMPLE_KINDS[key[0]].accumulates:
                    ended[key] = ended.get(key, 0.0) + value

    def _accepted(self, name: str, labels: Mapping[str, str], value: float) -> Key | None:
        kind = SAMPLE_KINDS.get(name)
        if kind is None or "agent" not in kind.labels or labels.keys() != kind.labels:
            return None
        if not (math.isfinite(value) and abs(value) <= MAX_VALUE and (value >= 0 or not kind.accumulates)):
            return None
        if kind.bounds and labels["le"] not in kind.bounds:
            return None
        if any(len(text) > MAX_LABEL_CHARS or not text.isprintable() for text in labels.values()):
            return None
        return _key(name, {**labels, "agent": self._agent_id})

    def _is_known(self, key: Key) -> bool:
        known = self._agent.known
        if key not in known:
            if len(known) >= MAX_SAMPLES:
                return False
            known.add(key)
        return True


class Figures:
    """The figures of all agents, over all processes. May be read in any thread.

    Args:
        registry: this process' own metrics.
        now: the time in seconds.
    """

    def __init__(self, registry: Collector = REGISTRY, *, now: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry
        self._now = now
        self._lock = threading.Lock()
        self._agents: dict[str, _Agent] = {}
        self._own: dict[str, _Release] = {}
        """What agents in this process count, by agent."""

    def of_worker(self, agent_id: str, release: str) -> WorkerFigures:
        """Return the figures of a worker that begins."""
        with self._lock:
            agent = self._agents.setdefault(agent_id, _Agent())
            of_release = agent.release(release, self._now())
            worker = WorkerFigures(agent_id, agent, of_release, self._lock)
            of_release.workers.append(worker)
        return worker

    def samples(self) -> dict[str, dict[str, dict[Key, float]]]:
        """Return what workers count and counted, by agent, release and key."""
        found = {}
        for agent_id, agent in self._agents.copy().items():
            with self._lock:  # an agent at a time, since the event loop may wait for it
                found[agent_id] = {name: release.add_up() for name, release in agent.releases.items()}
        return found

    def record(self) -> None:
        """Record the figures for `recent`; to be called every `STEP_S` seconds. Reads this process' metrics."""
        own: dict[str, Totals] = {}
        for name, labels, value in own_samples(self.registry):
            own.setdefault(labels["agent"], Totals()).count(name, labels, value)
        now_s = self._now()
        with self._lock:
            for agent_id, totals in own.items():
                self._own.setdefault(agent_id, _Release(now_s)).totals = totals
            of_workers = (release for agent in self._agents.values() for release in agent.releases.values())
            for release in chain(self._own.values(), of_workers):
                release.history.record(now_s, release.totals)

    def recent(self, agent_id: str, release: str | None = None) -> Recent:
        """Return what happened in the last minutes with an agent, or with one of its releases."""
        now_s = self._now()
        total, before, since_s = Totals(), Totals(), now_s
        with self._lock:
            agent = self._agents.get(agent_id)
            releases = agent.releases if agent is not None else {}
            counted = [of for name, of in releases.items() if release in (None, name)]
            if release is None and agent_id in self._own:
                counted.append(self._own[agent_id])
            for each in counted:
                at_s, oldest = each.history.oldest(now_s)
                total.add(each.totals)
                before.add(oldest)
                since_s = min(since_s, at_s)
        return total.since(before, now_s - since_s)
