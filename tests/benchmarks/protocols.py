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
    """How long each protocol is measured in each round.

    Attributes:
        calls: that talk at a time while CPU is counted.
        settle_s: until they speak in their own rhythm.
    """

    rounds: int
    latency_s: float
    calls: int
    talk_s: float
    settle_s: float


FULL = ProtocolPlan(rounds=3, latency_s=12, calls=20, talk_s=25, settle_s=6)
QUICK = ProtocolPlan(rounds=1, latency_s=8, calls=10, talk_s=8, settle_s=4)


class Rounds:
    """What was found, by protocol, one of each round."""

    def __init__(self) -> None:
        self.alone: dict[str, list[Talk]] = defaultdict(list)
        self.crowd: dict[str, list[Talk]] = defaultdict(list)

    def own_above(self, protocol: str, which: str, *, crowd: bool = False) -> list[float]:
        """Return the own time above that of our own protocol, in ms, of each round. `which`: `median` or `p95`."""
        talks = self.crowd if crowd else self.alone
        pairs = zip(talks[protocol], talks[OWN], strict=True)
        return [getattr(own_time(talk), which) - getattr(own_time(base), which) for talk, base in pairs]

    def capacity(self, protocol: str) -> list[float]:
        """Return how many calls the same CPU carries, as a part of the calls over our own protocol, of each round."""
        pairs = zip(self.crowd[protocol], self.crowd[OWN], strict=True)
        return [base.cpu_s_per_minute[0] / talk.cpu_s_per_minute[0] for talk, base in pairs]


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
                await _measure(stages, _over(host, name), plan, found)
    return found


async def _measure(stages: Stages, subject: Subject, plan: ProtocolPlan, found: Rounds) -> None:
    alone = await stages.latency(subject, plan.latency_s)
    crowd = await stages.talk(subject, plan.calls, plan.talk_s, settle_s=plan.settle_s)
    found.alone[subject.protocol].append(alone)
    found.crowd[subject.protocol].append(crowd)
    print(
        f"  {subject.protocol}: own {own_time(alone).median:.1f} ms with one call, {own_time(crowd).median:.1f} with "
        f"{plan.calls}; CPU {crowd.cpu_s_per_minute[0]:.3f} s a minute; turns {len(crowd.turns)}, lost {crowd.lost}, "
        f"core taken by others {crowd.crowded:.0%}",
        flush=True,
    )


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
    for title, crowd in (("1 call", False), (f"{plan.calls} calls", True)):
        talks = found.crowd if crowd else found.alone
        for which in ("median", "p95"):
            cells = [_cell([getattr(own_time(talk), which) for talk in talks[name]]) for name in names]
            lines.append(f"| own {which}, {title}, ms | | {' | '.join(cells)} |")
            aim = "" if which == "p95" and not crowd else f"<= {LATENCY_AIM_MS:g}"
            above = ["" if name == OWN else _cell(found.own_above(name, which, crowd=crowd)) for name in names]
            lines.append(f"| above our own protocol, {which}, {title}, ms | {aim} | {' | '.join(above)} |")
    cpu = [_cell([talk.cpu_s_per_minute[0] for talk in found.crowd[name]], 3) for name in names]
    lines.append(f"| CPU for a minute of call, {plan.calls} calls, s | | {' | '.join(cpu)} |")
    ratios = ["" if name == OWN else _cell(found.capacity(name), 2) for name in names]
    lines.append(f"| calls that the same CPU carries, of our own | >= {CAPACITY_AIM:g} | {' | '.join(ratios)} |")
    lost = [str(sum(talk.lost for talk in (*found.alone[name], *found.crowd[name]))) for name in names]
    lines.append(f"| turns without an answer | 0 | {' | '.join(lost)} |")
    crowded = [_cell([talk.crowded * 100 for talk in found.crowd[name]], 0) for name in names]
    lines.append(f"| time its core was taken by others, % | | {' | '.join(crowded)} |")
    return "\n".join(lines) + "\n"


def _cell(values: Iterable[float], digits: int = 1) -> str:
    values = list(values)
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def run(plan: ProtocolPlan) -> str:
    """Measure, and return the report."""
    began_s = time.monotonic()
    found = asyncio.run(measure(plan))
    return f"{report(plan, found)}\n{plan.rounds} rounds, {time.monotonic() - began_s:.0f} s\n"
