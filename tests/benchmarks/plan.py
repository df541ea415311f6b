"""Which measurements a run takes, how long each lasts, and in which order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.benchmarks import workload
from tests.benchmarks.bench import Subject, running
from tests.benchmarks.results import Results, SubjectResults, capacity_point
from tests.benchmarks.stages import CYCLE_S, Stages, Talk

SUBJECTS = ("floor", "host")
SECTIONS = ("latency", "cpu", "barge-in", "connect", "capacity")

CROWDED_LIMIT = 0.04
"""Share of the time the subject may wait for its core before a measurement is taken again."""


@dataclass(frozen=True)
class Plan:
    """Seconds for each subject and measurement. Keys of dictionaries are numbers of calls.

    Attributes:
        settle_s: until calls that were added speak in their own rhythm.
        floor_steps: those of `capacity_steps` at which the floor is measured, too.
        patience: measurements that are taken once more because somebody else used the core.
        at_most_s: the run ends after so long and reports what it has.
    """

    sections: tuple[str, ...]
    latency_s: float
    short_first_s: float
    talk_s: dict[int, float]
    barge_in_s: dict[int, float]
    ready_times: dict[int, int]
    capacity_steps: tuple[int, ...]
    floor_steps: tuple[int, ...]
    capacity_s: float
    settle_s: float
    patience: int
    at_most_s: float


FULL = Plan(
    sections=SECTIONS,
    latency_s=30,
    short_first_s=8,
    talk_s={10: 2 * CYCLE_S, 20: 2 * CYCLE_S},
    barge_in_s={1: 10, 10: 8},
    ready_times={1: 15, 20: 3},
    capacity_steps=(40, 80, 100, 120, 140, 160, 200, 240),
    floor_steps=(140, 200, 240),
    capacity_s=CYCLE_S,
    settle_s=CYCLE_S,
    patience=2,
    at_most_s=640,
)

QUICK = Plan(
    sections=("latency", "cpu", "barge-in"),
    latency_s=11,
    short_first_s=0,
    talk_s={10: 10},
    barge_in_s={1: 6},
    ready_times={1: 8, 20: 1},
    capacity_steps=(40, 140),
    floor_steps=(140,),
    capacity_s=8,
    settle_s=4,
    patience=0,
    at_most_s=100,
)


class Quiet:
    """Takes a measurement again when somebody else used the core meanwhile, and keeps the quieter one.

    Args:
        patience: how often in all; each subject gets as many as it needs while they last.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience

    async def __call__(self, measure: Callable[[], Awaitable[Talk]]) -> Talk:
        talk = await measure()
        if talk.crowded > CROWDED_LIMIT and self._patience > 0:
            self._patience -= 1
            _say(f"  others used the core for {talk.crowded:.0%} of the time: once more")
            talk = min(talk, await measure(), key=lambda t: t.crowded)
        return talk


async def run(plan: Plan, subjects: tuple[str, ...] = SUBJECTS) -> Results:
    """Take every measurement, one at a time. What was measured until the time is over is returned."""
    results = Results({name: SubjectResults() for name in subjects})
    began_s = time.monotonic()
    try:
        async with asyncio.timeout(plan.at_most_s), running(subjects) as (bench, started):
            run = _Run(plan, Stages(bench), started, results)
            for section in plan.sections:
                _say(f"{section} ({time.monotonic() - began_s:.0f} s)")
                await run.section(section)
    except (TimeoutError, RuntimeError) as ended:  # the time is over, or a process has ended
        results.cut_short = True
        _say(f"stopped after {time.monotonic() - began_s:.0f} s: {ended or 'the time is over'}")
    return results


class _Run:
    """The sections of one run."""

    def __init__(self, plan: Plan, stages: Stages, subjects: list[Subject], results: Results) -> None:
        self._plan = plan
        self._stages = stages
        self._subjects = subjects
        self._results = results
        self._quiet = Quiet(plan.patience)

    async def section(self, name: str) -> None:
        """Take the measurements of a section."""
        work = {
            "latency": self._latency,
            "cpu": self._cpu,
            "barge-in": self._barge_in,
            "connect": self._connect,
            "capacity": self._capacity,
        }[name]
        for subject in self._subjects:
            await work(subject, self._results.by_subject[subject.name])

    async def _latency(self, subject: Subject, result: SubjectResults) -> None:
        result.alone.add(await self._quiet(partial(self._stages.latency, subject, self._plan.latency_s)))
        if self._plan.short_first_s:
            measure = partial(self._stages.latency, subject, self._plan.short_first_s, workload.SHORT_FIRST)
            result.short_first.add(await self._quiet(measure))

    async def _cpu(self, subject: Subject, result: SubjectResults) -> None:
        for count, seconds in self._plan.talk_s.items():
            measure = partial(self._stages.talk, subject, count, seconds, settle_s=self._plan.settle_s)
            result.talk[count] = await self._quiet(measure)

    async def _barge_in(self, subject: Subject, result: SubjectResults) -> None:
        for count, seconds in self._plan.barge_in_s.items():
            for holds in (False, True):
                if holds and subject.name == "floor":
                    continue  # it sends no `hold`
                measure = partial(self._stages.barge_in, subject, count, seconds, holds=holds)
                (result.held_barge_in if holds else result.barge_in)[count] = await self._quiet(measure)

    async def _connect(self, subject: Subject, result: SubjectResults) -> None:
        for count, times in self._plan.ready_times.items():
            result.ready_ms[count] = await self._stages.ready_ms(subject, count, times)

    async def _capacity(self, subject: Subject, result: SubjectResults) -> None:
        steps = self._plan.floor_steps if subject.name == "floor" else self._plan.capacity_steps

        def shown(talk: Talk) -> None:
            point = capacity_point(talk)
            result.capacity.append(talk)
            _say(
                f"  {subject.name}, {talk.calls} calls: own p95 {point['own_p95_ms']:.0f} ms, "
                f"core {point['subject_cpu']:.0%}"
            )

        await self._stages.capacity(subject, steps, self._plan.capacity_s, shown, settle_s=self._plan.settle_s)


async def profile(path: str, calls: int = 10, seconds: float = 20) -> None:
    """Write a profile of the host while calls talk."""
    async with running(("host",)) as (bench, subjects):
        stages, host = Stages(bench), subjects[0]
        await stages.latency(host, 5)
        host.child.tell({"do": "profile"})
        await stages.talk(host, calls, seconds, settle_s=5)
        await host.child.ask({"do": "save_profile", "path": path}, "profile")


async def trace(subject: str, calls: int) -> dict[str, Any]:
    """Return what held the loop of a subject while so many calls talked; see `tracer`."""
    async with running((subject,)) as (bench, (started,)):
        return await Stages(bench).trace(started, calls, 2 * CYCLE_S, settle_s=CYCLE_S)


def _say(words: str) -> None:
    print(words, flush=True)
