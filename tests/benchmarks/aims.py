"""What was aimed at, and what was reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.numbers import summarise
from tests.benchmarks.results import FLOOR, HOST, Results, SubjectResults
from tests.benchmarks.stages import Talk

Read = Callable[[SubjectResults], float | None]
CROWD = 140
"""Calls at which the own time is compared with the floor's."""


@dataclass(frozen=True)
class Aim:
    """One aim. `most`/`least`: of the ratio to the floor, of what is above the floor, or of the value itself.

    Attributes:
        by: `ratio`, `above` or `value`.
        limit: None: it is only reported.
        reached: None: it was not measured.
    """

    name: str
    unit: str
    by: str
    limit: float | None
    host: float | None
    floor: float | None
    at_least: bool = False

    @property
    def compared(self) -> float | None:
        """What is held against the limit."""
        if self.host is None or self.by == "value":
            return self.host
        if self.floor is None:
            return None
        if self.by == "above":
            return self.host - self.floor
        return self.host / self.floor if self.floor else None

    @property
    def reached(self) -> bool | None:
        if self.compared is None or self.limit is None:
            return None
        return self.compared >= self.limit if self.at_least else self.compared <= self.limit

    @property
    def ratio(self) -> float | None:
        return self.host / self.floor if self.host is not None and self.floor else None


def aims(results: Results) -> list[Aim]:
    """Return all aims with what was measured of them."""
    found = results.by_subject

    def aim(name: str, unit: str, by: str, limit: float | None, read: Read, *, at_least: bool = False) -> Aim:
        host, floor = (read(found[subject]) if subject in found else None for subject in (HOST, FLOOR))
        return Aim(name, unit, by, limit, host, floor, at_least)

    return [
        aim(f"own p95, {CROWD} calls on a core", "ms", "ratio", 1.5, lambda r: _own(_step(r, CROWD), "p95")),
        aim("calls a core holds", "", "value", 200, lambda r: r.calls_held, at_least=True),
        aim("CPU for a minute of call, 10 calls", "s", "ratio", 1.6, lambda r: _cpu(r.talk.get(10))),
        aim("CPU for a minute of call, 20 calls", "s", "ratio", 1.8, lambda r: _cpu(r.talk.get(20))),
        aim("memory for a call", "KB", "value", 200, _memory),
        aim("own p50, 1 call", "ms", "above", 0.7, lambda r: _own(r.alone, "median")),
        aim("microphone frame -> service, beyond what it asks for", "ms", "value", 15, _microphone),
        aim("agent audible after the caller begins", "ms", "value", None, lambda r: _audible(r.barge_in)),
        aim("the same, client that holds", "ms", "value", 205, lambda r: _audible(r.held_barge_in)),
        aim("underruns, 10 calls", "%", "value", 1, lambda r: _underruns(r.talk.get(10))),
    ]


def _step(result: SubjectResults, calls: int) -> Talk | None:
    return next((talk for talk in result.capacity if talk.calls == calls), None)


def _own(talk: Talk | None, which: str) -> float | None:
    own = summarise(turn.own_ms for turn in talk.turns) if talk is not None else None
    return getattr(own, which) if own else None


def _median(values: list[float]) -> float | None:
    spread = summarise(values)
    return spread.median if spread else None


def _cpu(talk: Talk | None) -> float | None:
    return _median(talk.cpu_s_per_minute) if talk is not None else None


def _memory(result: SubjectResults) -> float | None:
    most = max(result.talk, default=None)
    return _median(result.talk[most].kb_per_call) if most is not None else None


def _microphone(result: SubjectResults) -> float | None:
    return _median([delays["beyond_ms"] for talk in result.talk.values() for delays in talk.microphone])


def _audible(talks: dict[int, Talk]) -> float | None:
    cuts = talks[min(talks)].interruptions if talks else []
    return _median([turn.audible_ms for turn in cuts if turn.audible_ms is not None])


def _underruns(talk: Talk | None) -> float | None:
    return talk.underruns * 100 if talk is not None and talk.turns else None
