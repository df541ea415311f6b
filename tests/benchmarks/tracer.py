"""What holds an event loop: how late its timers are, and what ran meanwhile. Runs inside the program under test.

A probe on the loop notes how late it is. While it is overdue, a thread looks at what the loop's thread does.
Collections of garbage are timed, and the system says how long the thread ran and how long it waited for its core.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from tests.benchmarks.numbers import summarise

PROBE_S = 0.005
STALL_S = 0.02
"""The probe is so late: a stall, of which the causes are noted."""

SAMPLE_S = 0.002
FRAMES = 3
"""Innermost frames of a sample that are told."""

LONGEST = 8
"""Stalls that are told one by one."""


@dataclass
class Stall:
    """A time in which the probe was overdue.

    Attributes:
        at_s: since the trace began. `late_ms`: how late the probe was.
        cpu_ms: CPU time of the loop's thread meanwhile. `waited_ms`: it waited for its core, which others used.
        gc_ms: CPU time of it in collections, by generation.
        samples: what ran, with how many samples.
    """

    at_s: float
    late_ms: float
    cpu_ms: float
    waited_ms: float
    gc_ms: dict[int, float]
    samples: dict[str, int] = field(default_factory=dict)


class Tracer:
    """Traces the running loop until `stop()`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._schedstat = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._began_s = time.monotonic()
        self._late_ms: list[float] = []
        self._stalls: list[Stall] = []
        self._samples: Counter[str] = Counter()
        self._collections: list[tuple[float, int, float, int]] = []
        self._collecting_s = 0.0
        self._ran_s, self._waited_s = self._thread_times()
        self._stopped = threading.Event()
        self._due_s = time.monotonic() + PROBE_S
        self._timer = self._loop.call_later(PROBE_S, self._probe)
        gc.callbacks.append(self._on_gc)
        self._sampler = threading.Thread(target=self._sample, name="tracer", daemon=True)
        self._sampler.start()

    def stop(self) -> dict[str, Any]:
        """End, and return what was found, as plain data."""
        self._timer.cancel()
        self._stopped.set()
        self._sampler.join()
        gc.callbacks.remove(self._on_gc)
        seconds = time.monotonic() - self._began_s
        late = summarise(self._late_ms)
        collections: dict[int, dict[str, float]] = {}
        for _, generation, took_ms, freed in self._collections:
            empty = {"count": 0, "total_ms": 0.0, "longest_ms": 0.0, "freed": 0}
            entry = collections.setdefault(generation, empty)
            entry["freed"] += freed
            entry["count"] += 1
            entry["total_ms"] += took_ms
            entry["longest_ms"] = max(entry["longest_ms"], took_ms)
        causes: Counter[str] = Counter()
        for stall in self._stalls:
            causes.update(stall.samples)
        return {
            "seconds": seconds,
            "late_ms": asdict(late) if late else None,
            "stalls": len(self._stalls),
            "stalled_share": sum(stall.late_ms for stall in self._stalls) / 1000 / seconds,
            "longest": [asdict(s) for s in sorted(self._stalls, key=lambda s: -s.late_ms)[:LONGEST]],
            "causes": dict(causes.most_common(25)),
            "gc": collections,
            "gc_frozen": gc.get_freeze_count(),
            "gc_threshold": gc.get_threshold(),
            "objects": len(gc.get_objects()),
            "tasks": len(asyncio.all_tasks(self._loop)),
        }

    def _probe(self) -> None:
        now_s = time.monotonic()
        late_s = now_s - self._due_s
        self._late_ms.append(late_s * 1000)
        ran_s, waited_s = self._thread_times()
        if late_s >= STALL_S:
            gc_ms: dict[int, float] = {}
            for ended_s, generation, took_ms, _ in reversed(self._collections):
                if ended_s < self._due_s:
                    break
                gc_ms[generation] = gc_ms.get(generation, 0.0) + took_ms
            samples = dict(self._samples.most_common(12))
            cpu_ms, waited_ms = (ran_s - self._ran_s) * 1000, (waited_s - self._waited_s) * 1000
            at_s = self._due_s - self._began_s
            self._stalls.append(Stall(at_s, late_s * 1000, cpu_ms, waited_ms, gc_ms, samples))
        self._samples.clear()
        self._ran_s, self._waited_s = ran_s, waited_s
        self._due_s = now_s + PROBE_S
        self._timer = self._loop.call_later(PROBE_S, self._probe)

    def _thread_times(self) -> tuple[float, float]:
        ran_ns, waited_ns, _ = self._schedstat.read_text(encoding="ascii").split()
        return int(ran_ns) / 1e9, int(waited_ns) / 1e9

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if threading.get_ident() != self._thread:
            return
        if phase == "start":
            self._collecting_s = time.thread_time()
            return
        took_ms = (time.thread_time() - self._collecting_s) * 1000
        self._collections.append((time.monotonic(), info["generation"], took_ms, info["collected"]))

    def _sample(self) -> None:
        while not self._stopped.wait(SAMPLE_S):
            if time.monotonic() - self._due_s > SAMPLE_S:
                frame = sys._current_frames().get(self._thread)
                if frame is not None:
                    self._samples[_described(frame)] += 1


def _described(frame: FrameType) -> str:
    """The innermost frames, and the outermost one of what the loop called."""
    frames: list[str] = []
    at: FrameType | None = frame
    while at is not None:
        code = at.f_code
        frames.append(f"{Path(code.co_filename).name}:{code.co_qualname}")
        at = at.f_back
    # The runner's own frames come last: what the loop called comes right before them.
    while frames and frames[-1].startswith(("<frozen runpy>", "host.py:<module>", "event_loop.py:", "runners.py:")):
        frames.pop()
    if not frames:
        return "the loop itself"
    return " < ".join(frames[:FRAMES]) + ("" if len(frames) <= FRAMES else f" ... {frames[-1]}")


def text(trace: dict[str, Any]) -> str:
    """Return a trace in words."""
    late = trace["late_ms"]
    own, load = trace["own_ms"], trace["load"]
    lines = [
        f"{trace['calls']} calls: own median {own['median']:.0f} ms, p95 {own['p95']:.0f}, most {own['maximum']:.0f}; "
        f"core {load['subject_cpu']:.0%} busy, taken by others for {load['crowded']:.0%} of the time",
        f"{trace['seconds']:.0f} s, timers late: median {late['median']:.1f} ms, p95 {late['p95']:.1f}, "
        f"most {late['maximum']:.0f}; {trace['stalls']} stalls of {STALL_S * 1000:.0f} ms and more, "
        f"{trace['stalled_share']:.0%} of the time",
        f"garbage: {trace['objects']} objects and {trace['gc_frozen']} frozen ones, thresholds {trace['gc_threshold']}",
        f"{trace['tasks']} tasks",
        *(
            f"  generation {generation}: {found['count']:.0f} collections, {found['total_ms']:.0f} ms in all, "
            f"the longest {found['longest_ms']:.1f} ms; {found['freed']} objects freed"
            for generation, found in sorted(trace["gc"].items())
        ),
        "longest stalls:",
    ]
    for stall in trace["longest"]:
        collected = ", ".join(f"generation {g}: {ms:.0f} ms" for g, ms in stall["gc_ms"].items()) or "none"
        lines.append(
            f"  at {stall['at_s']:.2f} s: {stall['late_ms']:.0f} ms late, of it {stall['cpu_ms']:.0f} ms running, "
            f"{stall['waited_ms']:.0f} ms waiting for the core; garbage: {collected}"
        )
        lines += [f"    {count:4d} {what}" for what, count in list(stall["samples"].items())[:6]]
    lines.append("what ran in stalls, samples:")
    lines += [f"  {count:5d} {what}" for what, count in trace["causes"].items()]
    return "\n".join(lines)
