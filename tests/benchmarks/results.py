"""What one run found, as plain data."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.numbers import Summary, summarise
from tests.benchmarks.stages import Talk

PACKAGES = ("websockets", "uvicorn", "uvloop", "pydantic-ai-slim")
FLOOR, HOST = "floor", "host"


@dataclass
class SubjectResults:
    """Everything measured of one subject. Keys of the dictionaries are numbers of calls."""

    alone: Talk = field(default_factory=lambda: Talk(1))
    short_first: Talk = field(default_factory=lambda: Talk(1))
    talk: dict[int, Talk] = field(default_factory=dict)
    barge_in: dict[int, Talk] = field(default_factory=dict)
    held_barge_in: dict[int, Talk] = field(default_factory=dict)
    ready_ms: dict[int, list[float]] = field(default_factory=dict)
    capacity: list[Talk] = field(default_factory=list)

    @property
    def calls_held(self) -> int | None:
        """The most calls that callers would not have noticed the load of; None: not measured."""
        if not self.capacity:
            return None
        return max((talk.calls for talk in self.capacity if talk.holds), default=0)

    @property
    def talks(self) -> list[Talk]:
        """All of them but those of the search for the capacity, which goes on until calls suffer."""
        by_count = (self.talk, self.barge_in, self.held_barge_in)
        return [self.alone, self.short_first, *(talk for talks in by_count for talk in talks.values())]


@dataclass
class Results:
    """What a run found. `cut_short`: its time was over before everything was measured."""

    by_subject: dict[str, SubjectResults]
    cut_short: bool = False


@dataclass
class Measure:
    """One line of the details."""

    name: str
    unit: str
    by_subject: dict[str, Summary | None]

    def ratio(self, subject: str, floor: str) -> float | None:
        """The subject's median as a multiple of the floor's."""
        mine, floors = self.by_subject.get(subject), self.by_subject.get(floor)
        return mine.median / floors.median if mine and floors and floors.median > 0 else None


def measures(results: Results) -> list[Measure]:
    """Everything that was measured, in the order of the report."""
    found = results.by_subject
    lines: list[Measure] = []

    def line(name: str, unit: str, samples: Mapping[str, Iterable[float | None]]) -> None:
        summaries = {s: summarise(value for value in values if value is not None) for s, values in samples.items()}
        if any(summaries.values()):
            lines.append(Measure(name, unit, summaries))

    def turns(name: str, attribute: str, pick: Any) -> None:
        line(name, "ms", {s: [getattr(turn, attribute) for turn in pick(r)] for s, r in found.items()})

    def counts(attribute: str) -> list[int]:
        return sorted({count for r in found.values() for count in getattr(r, attribute)})

    turns("own, 1 call", "own_ms", lambda r: r.alone.turns)
    for count in counts("talk"):
        turns(f"own, {_calls(count)}", "own_ms", lambda r, n=count: r.talk[n].turns if n in r.talk else [])
    turns("own, first sentence of 4 words, 1 call", "own_ms", lambda r: r.short_first.turns)
    turns("own, warm-up turns, 1 call", "own_ms", lambda r: r.alone.warm_up)
    turns("t1, 1 call", "t1_ms", lambda r: r.alone.turns)
    for part, what in (("asking", "final -> request"), ("wording", "token -> word"), ("relaying", "audio -> client")):
        turns(f"of own, 1 call: {what}", f"{part}_ms", lambda r: r.alone.turns)
    for attribute, how in (("barge_in", ""), ("held_barge_in", ", client that holds")):
        for count in counts(attribute):
            talks = {s: getattr(r, attribute).get(count, Talk(count)) for s, r in found.items()}
            _barge_in(line, talks, f"{_calls(count)}{how}")
    for count in counts("ready_ms"):
        name = "connect -> ready" if count == 1 else f"connect -> ready, {count} at once"
        line(name, "ms", {s: r.ready_ms.get(count, []) for s, r in found.items()})
    for count in counts("talk"):
        talks, where = {s: r.talk[count] for s, r in found.items() if count in r.talk}, _calls(count)
        line(f"CPU for a minute of call, {where}", "s", {s: t.cpu_s_per_minute for s, t in talks.items()})
        line(f"memory for a call, {where}", "KB", {s: t.kb_per_call for s, t in talks.items()})
        line(f"playback underruns, {where}", "%", {s: [t.underruns * 100] for s, t in talks.items()})
        for key, name in (("mean_ms", "mean"), ("beyond_ms", "mean, beyond 50 ms messages"), ("p95_ms", "p95")):
            delays = {s: [delays[key] for delays in t.microphone] for s, t in talks.items()}
            line(f"microphone frame -> recogniser, {name}, {where}", "ms", delays)
    crowded = {s: [load.crowded * 100 for t in r.talks for load in t.loads] for s, r in found.items()}
    line("time its core was taken by others", "%", crowded)
    return lines


def _barge_in(line: Any, talks: Mapping[str, Talk], where: str) -> None:
    cuts = {s: t.interruptions for s, t in talks.items()}
    line(
        f"agent audible after the caller begins, {where}", "ms", {s: [t.audible_ms for t in c] for s, c in cuts.items()}
    )
    line(f"words -> cancelled, {where}", "ms", {s: [t.to_cancelled_ms for t in c] for s, c in cuts.items()})
    line(f"stale audio after onset, {where}", "ms", {s: [t.heard.stale_ms for t in c] for s, c in cuts.items()})
    line(f"audio after cancelled, {where}", "bytes", {s: [t.heard.late_bytes for t in c] for s, c in cuts.items()})
    line(f"own after a barge-in, {where}", "ms", {s: [t.own_ms for t in c] for s, c in cuts.items()})


def as_json(results: Results) -> dict[str, Any]:
    """All of it, for a file."""
    from tests.benchmarks.aims import aims

    found = results.by_subject
    return {
        "machine": machine(),
        "cut_short": results.cut_short,
        "aims": [asdict(aim) for aim in aims(results)],
        "measures": [asdict(measure) for measure in measures(results)],
        "capacity": {subject: [capacity_point(talk) for talk in r.capacity] for subject, r in found.items()},
        "load": {s: [asdict(load) for t in r.talks for load in t.loads] for s, r in found.items()},
        "troubles": {subject: troubles(r) for subject, r in found.items()},
    }


def capacity_point(talk: Talk) -> dict[str, float]:
    """One step of the search."""
    own = summarise(turn.own_ms for turn in talk.turns)
    load = talk.loads[-1]
    return {
        "calls": talk.calls,
        "turns": len(talk.turns),
        "own_median_ms": own.median if own else float("nan"),
        "own_p95_ms": own.p95 if own else float("nan"),
        "underruns": talk.underruns,
        "lost": talk.lost,
        "cpu_s_per_minute": talk.cpu_s_per_minute[-1],
        "microphone_beyond_ms": talk.microphone[-1]["beyond_ms"] if talk.microphone else float("nan"),
        "subject_cpu": load.subject_cpu,
        "crowded": load.crowded,
        "others_cpu": load.others_cpu,
    }


def troubles(result: SubjectResults) -> dict[str, Any]:
    """Turns that were not answered, and errors that callers were told. Both must be empty for the rest to count."""
    talks = result.talks
    return {"lost": sum(talk.lost for talk in talks), "errors": [code for talk in talks for code in talk.errors]}


def machine() -> dict[str, str]:
    """What it ran on."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"
