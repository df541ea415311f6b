"""What one run found, as plain data."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.conversation import Talk
from tests.benchmarks.numbers import Summary, summarise
from tests.benchmarks.stages import overloaded

PACKAGES = ("websockets", "uvicorn", "pydantic-ai-slim", "openai")


@dataclass
class SubjectResults:
    """Everything measured of one subject. Keys of the dictionaries are numbers of calls."""

    alone: Talk = field(default_factory=lambda: Talk(1))
    short_first: Talk = field(default_factory=lambda: Talk(1))
    talk: dict[int, Talk] = field(default_factory=dict)
    barge_in: dict[int, Talk] = field(default_factory=dict)
    ready_ms: dict[int, list[float]] = field(default_factory=dict)
    capacity: list[Talk] = field(default_factory=list)

    @property
    def calls_held(self) -> int | None:
        """The most calls that callers would not have noticed the load of; None: not measured."""
        if not self.capacity:
            return None
        return max((talk.calls for talk in self.capacity if talk.holds), default=0)

    @property
    def more_may_be_held(self) -> bool:
        """Whether the search ended before the subject did."""
        return bool(self.capacity) and (self.capacity[-1].holds or overloaded(self.capacity[-1]))


@dataclass
class Measure:
    """One line of the report."""

    name: str
    unit: str
    by_subject: dict[str, Summary | None]
    aim: str = ""

    def ratio(self, subject: str, floor: str) -> float | None:
        """The subject's median as a multiple of the floor's."""
        mine, floors = self.by_subject.get(subject), self.by_subject.get(floor)
        return mine.median / floors.median if mine and floors and floors.median > 0 else None


def measures(results: dict[str, SubjectResults]) -> list[Measure]:
    """Everything that was measured, in the order of the report."""
    lines: list[Measure] = []

    def line(name: str, unit: str, samples: Mapping[str, Iterable[float]], aim: str = "") -> None:
        summaries = {subject: summarise(values) for subject, values in samples.items()}
        if any(summaries.values()):
            lines.append(Measure(name, unit, summaries, aim))

    def turns(name: str, attribute: str, pick: Any, aim: str = "") -> None:
        line(name, "ms", {s: [getattr(turn, attribute) for turn in pick(r)] for s, r in results.items()}, aim)

    turns("own, 1 call", "own_ms", lambda r: r.alone.turns, "<= 18, p95 <= 22")
    for count in sorted({count for r in results.values() for count in r.talk}):
        aim = "p95 <= 25" if count == 10 else ""
        turns(f"own, {_calls(count)}", "own_ms", lambda r, n=count: r.talk[n].turns if n in r.talk else [], aim)
    turns("own, first sentence of 4 words, 1 call", "own_ms", lambda r: r.short_first.turns)
    turns("own, warm-up turns, 1 call", "own_ms", lambda r: r.alone.warm_up)
    turns("t1, 1 call", "t1_ms", lambda r: r.alone.turns)
    for part, what in (("asking", "final -> request"), ("wording", "token -> word"), ("relaying", "audio -> client")):
        turns(f"of own, 1 call: {what}", f"{part}_ms", lambda r: r.alone.turns)
    for count in sorted({count for r in results.values() for count in r.barge_in}):
        cuts = {s: r.barge_in[count].interruptions for s, r in results.items() if count in r.barge_in}
        where = _calls(count)
        line(f"words -> cancelled, {where}", "ms", {s: [i.to_cancelled_ms for i in c] for s, c in cuts.items()})
        stale = {s: [i.stale_ms for i in c] for s, c in cuts.items()}
        line(f"stale audio after onset, {where}", "ms", stale, "<= 200")
        line(f"agent audible after onset, {where}", "ms", {s: [i.audible_ms for i in c] for s, c in cuts.items()})
        line(f"audio after cancelled, {where}", "bytes", {s: [i.late_bytes for i in c] for s, c in cuts.items()}, "0")
        line(f"own after a barge-in, {where}", "ms", {s: [i.turn.own_ms for i in c] for s, c in cuts.items()})
    for count in sorted({count for r in results.values() for count in r.ready_ms}):
        name = "connect -> ready" if count == 1 else f"connect -> ready, {count} at once"
        line(name, "ms", {s: r.ready_ms.get(count, []) for s, r in results.items()}, "<= 5")
    for count in sorted({count for r in results.values() for count in r.talk}):
        talks = {s: r.talk[count] for s, r in results.items() if count in r.talk}
        where, cpu_aim, memory_aim = _calls(count), "<= 0.8" if count == 10 else "", "<= 200" if count == 10 else ""
        line(f"CPU for a minute of call, {where}", "s", {s: t.cpu_s_per_minute for s, t in talks.items()}, cpu_aim)
        line(f"memory for a call, {where}", "KB", {s: t.kb_per_call for s, t in talks.items()}, memory_aim)
        line(f"playback underruns, {where}", "%", {s: [t.underruns * 100] for s, t in talks.items()})
    crowded = {s: [load.crowded * 100 for t in _talks(r) for load in t.loads] for s, r in results.items()}
    line("time its core was taken by others", "%", crowded)
    held = {s: r.calls_held for s, r in results.items()}
    line("calls held by a core", "", {s: [float(n)] for s, n in held.items() if n is not None}, ">= 120")
    return lines


def as_json(results: dict[str, SubjectResults]) -> dict[str, Any]:
    """All of it, for a file."""
    return {
        "machine": machine(),
        "measures": [asdict(measure) for measure in measures(results)],
        "capacity": {subject: [capacity_point(talk) for talk in r.capacity] for subject, r in results.items()},
        "load": {s: [asdict(load) for t in _talks(r) for load in t.loads] for s, r in results.items()},
        "troubles": {subject: troubles(r) for subject, r in results.items()},
    }


def capacity_point(talk: Talk) -> dict[str, float]:
    """One step of the search."""
    own = summarise(turn.own_ms for turn in talk.turns)
    return {
        "calls": talk.calls,
        "own_median_ms": own.median if own else float("nan"),
        "own_p95_ms": own.p95 if own else float("nan"),
        "underruns": talk.underruns,
        "lost": talk.lost,
        "subject_cpu": talk.loads[-1].subject_cpu,
        "crowded": talk.loads[-1].crowded,
        "others_cpu": talk.loads[-1].others_cpu,
    }


def troubles(result: SubjectResults) -> dict[str, Any]:
    """Turns that were not answered, and errors that callers were told. Both must be empty for the rest to count."""
    talks = _talks(result)
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


def _talks(result: SubjectResults) -> list[Talk]:
    return [result.alone, result.short_first, *result.talk.values(), *result.barge_in.values()]


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"
