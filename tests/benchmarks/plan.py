"""Which measurements a run takes, how long each lasts, and in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from tests.benchmarks import workload
from tests.benchmarks.conversation import Talk
from tests.benchmarks.processes import Cores, child
from tests.benchmarks.results import SubjectResults, capacity_point
from tests.benchmarks.services_link import ServicesLink
from tests.benchmarks.stages import Stages, Subject

SUBJECTS = ("floor", "host")

CROWDED_LIMIT = 0.04
"""Share of the time the subject may wait for its core before a measurement is taken again."""


@dataclass(frozen=True)
class Plan:
    """Seconds for each subject and measurement; 0 leaves it out.

    Attributes:
        rounds: subjects take turns so many times.
        patience: measurements that are taken once more because somebody else used the core.
    """

    alone_s: float
    short_first_s: float
    talk_s: dict[int, float]
    barge_in_s: dict[int, float]
    ready_times: dict[int, int]
    capacity_steps: tuple[int, ...]
    capacity_s: float
    rounds: int
    patience: int


FULL = Plan(
    alone_s=20,
    short_first_s=8,
    talk_s={10: 20, 25: 15},
    barge_in_s={1: 10, 10: 8},
    ready_times={1: 15, 20: 3},
    capacity_steps=(20, 40, 60, 80, 100, 120, 160, 200, 240),
    capacity_s=8,
    rounds=2,
    patience=4,
)

QUICK = Plan(
    alone_s=8,
    short_first_s=0,
    talk_s={10: 9},
    barge_in_s={1: 6},
    ready_times={1: 8, 20: 1},
    capacity_steps=(),
    capacity_s=0,
    rounds=1,
    patience=1,
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
            print(f"  others used the core for {talk.crowded:.0%} of the time: once more", flush=True)
            talk = min(talk, await measure(), key=lambda t: t.crowded)
        return talk


async def run(plan: Plan) -> dict[str, SubjectResults]:
    """Take every measurement, one at a time."""
    results = {name: SubjectResults() for name in SUBJECTS}
    quiet = Quiet(plan.patience)
    async with running() as (stages, subjects):
        for number in range(plan.rounds):
            # In the other order the second time: what drifts on the machine must not favour one of them.
            for subject in subjects if number % 2 == 0 else reversed(subjects):
                print(f"round {number + 1} of {plan.rounds}: {subject.name}", flush=True)
                await _take_turns(stages, subject, plan, results[subject.name], quiet)
        for subject in subjects:
            if plan.capacity_steps:
                print(f"more and more calls: {subject.name}", flush=True)
                steps = await stages.capacity(subject, plan.capacity_steps, plan.capacity_s, _show)
                results[subject.name].capacity = steps
    return results


async def profile(path: str, calls: int = 10, seconds: float = 20) -> None:
    """Write a profile of the host while calls talk."""
    async with running(("host",)) as (stages, subjects):
        host = subjects[0]
        await stages.latency(host, 5)
        host.child.tell({"do": "profile"})
        await stages.talk(host, calls, seconds)
        await host.child.ask({"do": "save_profile", "path": path}, "profile")


@asynccontextmanager
async def running(names: tuple[str, ...] = SUBJECTS) -> AsyncIterator[tuple[Stages, list[Subject]]]:
    """The services and the subjects, each in its process; all gone afterwards."""
    cores = Cores.of_this_machine()
    cores.occupy_others()
    link = ServicesLink()
    async with AsyncExitStack() as stack:
        module = "tests.benchmarks.services"
        link.child, services = await stack.enter_async_context(child(module, cores=cores.others, told=link.told))
        subjects = []
        for name in names:
            module = f"tests.benchmarks.subjects.{name}"
            process, ready = await stack.enter_async_context(child(module, *services["ports"], cores=cores.subject))
            subjects.append(Subject(name, process, (ready["port"], ready["path"])))
        stages = Stages(link, len(cores.others))
        stack.callback(stages.close)
        yield stages, subjects


async def _take_turns(stages: Stages, subject: Subject, plan: Plan, result: SubjectResults, quiet: Quiet) -> None:
    result.alone.add(await quiet(partial(stages.latency, subject, plan.alone_s)))
    if plan.short_first_s:
        style = workload.SHORT_FIRST
        result.short_first.add(await quiet(partial(stages.latency, subject, plan.short_first_s, style)))
    for count, seconds in plan.talk_s.items():
        talk = await quiet(partial(stages.talk, subject, count, seconds))
        result.talk.setdefault(count, Talk(count)).add(talk)
    for count, seconds in plan.barge_in_s.items():
        talk = await quiet(partial(stages.barge_in, subject, count, seconds))
        result.barge_in.setdefault(count, Talk(count)).add(talk)
    for count, times in plan.ready_times.items():
        result.ready_ms.setdefault(count, []).extend(await stages.ready_ms(subject, count, times))


def _show(talk: Talk) -> None:
    point = capacity_point(talk)
    print(f"  {talk.calls} calls: own p95 {point['own_p95_ms']:.0f} ms, core {point['subject_cpu']:.0%}", flush=True)
