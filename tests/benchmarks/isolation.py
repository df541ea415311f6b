"""`uv run python -m tests.benchmarks.isolation [--rounds N]`: what it costs to run agents in processes of their own.

The host with its agent in the same process, in a worker, and in two, in turn; the ratios are of the same round.
The front and its workers share a core. Linux only; eight minutes with three rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections import defaultdict
from collections.abc import Iterable

from tests.benchmarks.bench import Bench, Subject, running
from tests.benchmarks.numbers import summarise
from tests.benchmarks.stages import Stages

ONE_PROCESS, WORKER, TWO_WORKERS = "host", "workers", "two_workers"
ARRIVALS = 60
LATENCY_S = 10.0
TALK_S, SETTLE_S, CALLS = 15.0, 5.0, 10
IDLE_S = 5.0
RESTARTS = 12

COUNTED = ("read_calls", "write_calls", "switches")


class Measured:
    """Values by name and subject, one of each round."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, name: str, subject: str, value: float) -> None:
        self.values[name][subject].append(value)
        print(f"  {name}, {subject}: {value:.3f}", flush=True)

    def compared(self, name: str, subject: str, base: str) -> list[float]:
        """Return the ratio of each round."""
        pairs = zip(self.values[name][subject], self.values[name][base], strict=True)
        return [value / other for value, other in pairs]

    def above(self, name: str, subject: str, base: str) -> list[float]:
        """Return the difference of each round."""
        return [value - other for value, other in zip(self.values[name][subject], self.values[name][base], strict=True)]


async def measure(rounds: int) -> Measured:
    """Take all measurements, each subject in turn."""
    found = Measured()
    async with running((ONE_PROCESS, WORKER, TWO_WORKERS)) as (bench, (one, worker, two)):
        stages = Stages(bench)
        for subject in (one, worker, two):
            await _connect(bench, subject, Measured())  # what the first call does once
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            pair = (one, worker) if number % 2 else (worker, one)
            for subject in pair:
                await _connect(bench, subject, found)
            for subject in pair:
                talk = await stages.latency(subject, LATENCY_S)
                found.add("own, median", subject.name, _median(turn.own_ms for turn in talk.turns))
            for subject in (*pair, two):
                await _talk(stages, subject, found)
        for _ in range(RESTARTS):
            answer = await worker.child.ask({"do": "restart"}, "restarted")
            found.add("a new worker until ready", WORKER, answer["ms"])
    return found


async def _connect(bench: Bench, subject: Subject, found: Measured) -> None:
    before = await subject.child.usage()
    ready_ms = await bench.arrive(subject, 1, ARRIVALS)
    after = await subject.child.usage()
    found.add("connect to ready, median", subject.name, statistics.median(ready_ms))
    found.add("CPU for a call without a word", subject.name, (after.cpu_s - before.cpu_s) * 1000 / ARRIVALS)
    if after.front:
        cpu_s = after.front["cpu_s"] - before.front["cpu_s"]
        found.add("CPU of the front for a call", subject.name, cpu_s * 1000 / ARRIVALS)


async def _talk(stages: Stages, subject: Subject, found: Measured) -> None:
    """The cost of calls that talk, and what the front does meanwhile, compared with a front without calls."""
    idle = [await subject.child.usage()]
    await asyncio.sleep(IDLE_S)
    idle.append(await subject.child.usage())
    talk, (before, after) = await stages.talk_with_usage(subject, CALLS, TALK_S, settle_s=SETTLE_S)
    found.add("CPU for a minute of call", subject.name, statistics.median(talk.cpu_s_per_minute))
    found.add(f"own, median, {CALLS} calls", subject.name, _median(turn.own_ms for turn in talk.turns))
    if before.front:
        for name in ("cpu_s", *COUNTED):
            idle_per_s = (idle[1].front[name] - idle[0].front[name]) / IDLE_S
            per_s = (after.front[name] - before.front[name]) / talk.loads[-1].seconds
            found.add(f"front, {name} a second, no calls", subject.name, idle_per_s)
            found.add(f"front, {name} a second, {CALLS} talking calls", subject.name, per_s)


def _median(values: Iterable[float]) -> float:
    summary = summarise(values)
    return summary.median if summary else float("nan")


def _cell(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def report(found: Measured) -> str:
    """Return the tables: of each value the median of the rounds, and the least and the most."""
    compared = (
        ("connect to ready, median", "ms", WORKER, "<= +1.5 ms"),
        ("CPU for a call without a word", "ms", WORKER, ""),
        ("own, median", "ms", WORKER, "within noise"),
        (f"own, median, {CALLS} calls", "ms", WORKER, "within noise"),
        ("CPU for a minute of call", "s", WORKER, "within noise"),
    )
    lines = ["| | aim | one process | a worker | difference | ratio |", "| --- | --- | --- | --- | --- | --- |"]
    for name, unit, subject, aim in compared:
        values = found.values[name]
        above, ratio = found.above(name, subject, ONE_PROCESS), found.compared(name, subject, ONE_PROCESS)
        cells = (_cell(values[ONE_PROCESS]), _cell(values[subject]), _cell(above), _cell(ratio))
        lines.append(f"| {name}, {unit} | {aim} | {' | '.join(cells)} |")
    lines += ["", "| | aim | |", "| --- | --- | --- |"]
    ratio = found.compared("CPU for a minute of call", TWO_WORKERS, WORKER)
    lines.append(f"| CPU for a minute of call, two workers / one | <= 1.1 | {_cell(ratio)} |")
    lines.append(
        f"| CPU of the front for a call, ms | <= 1.5 | {_cell(found.values['CPU of the front for a call'][WORKER])} |"
    )
    lines.append(
        f"| a new worker until ready, ms | <= 200 | {_cell(found.values['a new worker until ready'][WORKER], 0)} |"
    )
    for name in ("cpu_s", *COUNTED):
        idle, busy = (
            found.values[f"front, {name} a second, {when}"][WORKER] for when in ("no calls", f"{CALLS} talking calls")
        )
        lines.append(
            f"| front, {name} a second: no calls, {CALLS} talking calls | equal | {_cell(idle, 4)}, {_cell(busy, 4)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.isolation", description="Measure worker processes."
    )
    parser.add_argument("--rounds", type=int, default=3)
    print(f"\n{report(asyncio.run(measure(parser.parse_args().rounds)))}")


if __name__ == "__main__":
    main()
