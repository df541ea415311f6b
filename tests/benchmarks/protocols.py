"""What other client protocols cost, compared with our own: the same host, agent and services, in turn."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.benchmarks.bench import Subject, running
from tests.benchmarks.numbers import Summary, summarise
from tests.benchmarks.results import machine
from tests.benchmarks.stages import Stages, Talk

OWN = "own"
PHONES = ("twilio", "telnyx")
PROTOCOLS = (OWN, "realtime", *PHONES)
SERVICES = ("listener", "model", "voice")
LATENCY_AIM_MS = 3.0
CAPACITY_AIM = 0.85


@dataclass(frozen=True)
class ProtocolPlan:
    """How long each protocol is measured.

    Attributes:
        rounds: in which own time is taken: of one call for `latency_s`, and of `calls` for `talk_s`.
        pairs: how often CPU is counted while `crowd` calls talk for `crowd_s`: so many that the core has hardly time to
            idle. After each pause the next frame finds cold caches. That costs protocols most that do more for a frame,
            and calls that fill a core have little of it.
        settle_s: until calls speak in their own rhythm.
    """

    rounds: int
    latency_s: float
    calls: int
    talk_s: float
    pairs: int
    crowd: int
    crowd_s: float
    settle_s: float


FULL = ProtocolPlan(2, latency_s=10, calls=20, talk_s=15, pairs=5, crowd=150, crowd_s=8, settle_s=4)
QUICK = ProtocolPlan(1, latency_s=8, calls=10, talk_s=8, pairs=1, crowd=100, crowd_s=6, settle_s=4)


class Rounds:
    """What was found, by protocol.

    Attributes:
        alone, some: of one call and of some, one of each round.
        crowd: of many calls, one of each pair.
        capacity: how many calls the same CPU carries, as a part of the calls over our own protocol, of each pair.
    """

    def __init__(self) -> None:
        self.alone: dict[str, list[Talk]] = defaultdict(list)
        self.some: dict[str, list[Talk]] = defaultdict(list)
        self.crowd: dict[str, list[Talk]] = defaultdict(list)
        self.capacity: dict[str, list[float]] = defaultdict(list)


def own_above(talks: dict[str, list[Talk]], protocol: str, which: str) -> list[float]:
    """Return the own time above that of our own protocol, in ms, of each round. `which`: `median` or `p95`."""
    pairs = zip(talks[protocol], talks[OWN], strict=True)
    return [getattr(own_time(talk), which) - getattr(own_time(base), which) for talk, base in pairs]


def own_time(talk: Talk) -> Summary:
    """Return the spread of the host's own time, in ms.

    Raises:
        RuntimeError: there was no answer.
    """
    found = summarise(turn.own_ms for turn in talk.turns)
    if found is None:
        raise RuntimeError(f"no turn was answered: {talk.lost} lost, errors {talk.errors}")
    return found


async def measure(plan: ProtocolPlan, protocols: tuple[str, ...] = PROTOCOLS) -> Rounds:
    """Measure all protocols in each round, in an order that changes with it."""
    found = Rounds()
    async with running(("phone_host",), SERVICES) as (bench, (host,)):
        stages = Stages(bench)
        for name in protocols:
            await stages.latency(_over(host, name), 2)  # what the first call of a protocol does once
        for number in range(plan.rounds):
            first = number % len(protocols)
            for name in (*protocols[first:], *protocols[:first]):
                await _own_time(stages, _over(host, name), plan, found)
        await _capacity(stages, host, plan, protocols, found)
    return found


async def _own_time(stages: Stages, subject: Subject, plan: ProtocolPlan, found: Rounds) -> None:
    alone = await stages.latency(subject, plan.latency_s)
    some = await stages.talk(subject, plan.calls, plan.talk_s, settle_s=plan.settle_s)
    found.alone[subject.protocol].append(alone)
    found.some[subject.protocol].append(some)
    own_ms = [f"{own_time(talk).median:.1f} ms with {talk.calls}" for talk in (alone, some)]
    print(f"  {subject.protocol}: own {', '.join(own_ms)}; turns {len(some.turns)}, lost {some.lost}", flush=True)


async def _capacity(
    stages: Stages, host: Subject, plan: ProtocolPlan, protocols: tuple[str, ...], found: Rounds
) -> None:
    """Count the CPU of each protocol between two measurements of our own: a machine's speed drifts within minutes."""
    before = await _crowd(stages, _over(host, OWN), plan, found)
    for _ in range(plan.pairs):
        for name in protocols:
            if name != OWN:
                between = await _crowd(stages, _over(host, name), plan, found)
                after = await _crowd(stages, _over(host, OWN), plan, found)
                found.capacity[name].append((before + after) / 2 / between)
                before = after


async def _crowd(stages: Stages, subject: Subject, plan: ProtocolPlan, found: Rounds) -> float:
    """Return the CPU seconds for a minute of call."""
    talk = await stages.talk(subject, plan.crowd, plan.crowd_s, settle_s=plan.settle_s)
    found.crowd[subject.protocol].append(talk)
    cpu_s, load = talk.cpu_s_per_minute[0], talk.loads[0]
    print(
        f"  {subject.protocol}, {plan.crowd} calls: CPU {cpu_s:.3f} s a minute, core used {load.subject_cpu:.0%} and "
        f"taken by others {talk.crowded:.0%}; turns {len(talk.turns)}, lost {talk.lost}",
        flush=True,
    )
    return cpu_s


async def profile(path: str, protocol: str, calls: int = 10, seconds: float = 20) -> None:
    """Write a profile of the host while calls talk over a protocol."""
    async with running(("phone_host",), SERVICES) as (bench, (host,)):
        stages, subject = Stages(bench), _over(host, protocol)
        await stages.latency(subject, 3)
        host.child.tell({"do": "profile"})
        await stages.talk(subject, calls, seconds, settle_s=5)
        await host.child.ask({"do": "save_profile", "path": path}, "profile")


def _over(host: Subject, protocol: str) -> Subject:
    path = "/v1/realtime?model=benchmark" if protocol == "realtime" else host.path
    return replace(host, protocol=protocol, path=path, rings=protocol in PHONES)


# --- the report -------------------------------------------------------------------------------------------------------


def report(plan: ProtocolPlan, found: Rounds) -> str:
    """Return the table: of each value the median of the rounds, and the least and the most."""
    names = list(found.alone)
    lines = [" | ".join(f"{name} {value}" for name, value in machine().items()), ""]
    lines += [f"| | aim | {' | '.join(names)} |", f"| --- | --- |{' --- |' * len(names)}"]
    for title, talks in (("1 call", found.alone), (f"{plan.calls} calls", found.some)):
        for which in ("median", "p95"):
            cells = [_cell([getattr(own_time(talk), which) for talk in talks[name]]) for name in names]
            lines.append(f"| own {which}, {title}, ms | | {' | '.join(cells)} |")
            aim = "" if which == "p95" and talks is found.alone else f"<= {LATENCY_AIM_MS:g}"
            above = ["" if name == OWN else _cell(own_above(talks, name, which)) for name in names]
            lines.append(f"| above our own protocol, {which}, {title}, ms | {aim} | {' | '.join(above)} |")
    cpu = [_cell([talk.cpu_s_per_minute[0] for talk in found.crowd[name]], 3) for name in names]
    lines.append(f"| CPU for a minute of call, {plan.crowd} calls, s | | {' | '.join(cpu)} |")
    ratios = ["" if name == OWN else _cell(found.capacity[name], 2) for name in names]
    lines.append(f"| calls that the same CPU carries, of our own | >= {CAPACITY_AIM:g} | {' | '.join(ratios)} |")
    every = [[*found.alone[name], *found.some[name], *found.crowd[name]] for name in names]
    lines.append(
        f"| turns without an answer | 0 | {' | '.join(str(sum(talk.lost for talk in each)) for each in every)} |"
    )
    crowded = [_cell([talk.crowded * 100 for talk in found.crowd[name]], 0) for name in names]
    lines.append(f"| time its core was taken by others, % | | {' | '.join(crowded)} |")
    busy = [_cell([talk.loads[0].others_cpu * 100 for talk in found.crowd[name]], 0) for name in names]
    lines.append(f"| how busy callers and services were, at most, % | | {' | '.join(busy)} |")
    return "\n".join(lines) + "\n"


def _cell(values: Iterable[float], digits: int = 1) -> str:
    values = list(values)
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def run(plan: ProtocolPlan) -> str:
    """Measure, and return the report."""
    began_s = time.monotonic()
    found = asyncio.run(measure(plan))
    return f"{report(plan, found)}\n{plan.rounds} rounds, {plan.pairs} pairs, {time.monotonic() - began_s:.0f} s\n"
