"""The measurements. Each runs against one subject at a time, while the other one idles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.benchmarks import workload
from tests.benchmarks.bench import Bench, Load, Seen, Subject
from tests.benchmarks.callers.caller import Manner
from tests.benchmarks.numbers import summarise
from tests.benchmarks.processes import Usage
from tests.benchmarks.turns import Turn

OWN_LIMIT_MS = 100.0
UNDERRUN_LIMIT = 0.01

BRISK_MS_PER_WORD = 10
"""The voice's pace where only beginnings are measured: more turns in the same time."""

NATURAL_MS_PER_WORD = 300

WARM_UP_TURNS = 2
"""The first turns of the first call, shown apart."""

GENERATOR_LIMIT = 0.85
"""Share of their cores at which services and callers would begin to be measured themselves."""

_TALK, _BRIEF = workload.SCRIPTS.index(workload.TALK), workload.SCRIPTS.index(workload.BRIEF)
CYCLE_S = 12.5
"""About how long a turn of a talking call takes with its reply and the pause: 2.2 + 0.4 + 8.1 + 1.6 s."""

PAUSE_S = (0.2, 3.0)
INTERRUPTING = Manner(_BRIEF, workload.LONG, pause_s=(0.0, 0.25), spread_s=1.0, interrupts=True)
HOLDING = Manner(_BRIEF, workload.LONG, pause_s=(0.0, 0.25), spread_s=1.0, interrupts=True, holds=True)


@dataclass
class Talk:
    """What came of some calls within some stretches of time."""

    calls: int
    turns: list[Turn] = field(default_factory=list)
    warm_up: list[Turn] = field(default_factory=list)
    lost: int = 0
    errors: list[str] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    kb_per_call: list[float] = field(default_factory=list)
    microphone: list[dict[str, float]] = field(default_factory=list)

    @property
    def answers(self) -> list[Turn]:
        """The turns that interrupted nothing."""
        return [turn for turn in self.turns if not turn.heard.interrupts]

    @property
    def interruptions(self) -> list[Turn]:
        """The turns that cut a reply."""
        return [turn for turn in self.turns if turn.heard.interrupts and turn.audible_ms is not None]

    @property
    def underruns(self) -> float:
        """The share of speech time in which a client had nothing to play."""
        speech_ms = sum(turn.heard.speech_ms for turn in self.turns)
        return sum(turn.heard.gap_ms for turn in self.turns) / speech_ms if speech_ms else 0.0

    @property
    def holds(self) -> bool:
        """Whether callers would not notice the load."""
        own = summarise(turn.own_ms for turn in self.turns)
        return own is not None and own.p95 <= OWN_LIMIT_MS and self.underruns <= UNDERRUN_LIMIT and self.lost == 0

    @property
    def overloaded(self) -> bool:
        """Whether services and callers were so busy that the subject's numbers are not its own."""
        return any(load.others_cpu > GENERATOR_LIMIT for load in self.loads)

    @property
    def cpu_s_per_minute(self) -> list[float]:
        """CPU seconds of the subject for a minute of one call, in each round."""
        return [load.subject_cpu * 60 / self.calls for load in self.loads]

    @property
    def crowded(self) -> float:
        """The share of time others took the subject's core, at worst."""
        return max((load.crowded for load in self.loads), default=0.0)

    def enter(self, seen: Seen) -> None:
        """Add what was seen."""
        self.turns += seen.turns
        self.lost += seen.lost + seen.gone
        self.errors += seen.errors
        self.loads.append(seen.load)
        if seen.microphone:
            self.microphone.append(seen.microphone)

    def add(self, other: Talk) -> None:
        """Take the samples of another round of the same measurement."""
        self.turns += other.turns
        self.warm_up += other.warm_up
        self.errors += other.errors
        self.lost += other.lost
        self.loads += other.loads
        self.kb_per_call += other.kb_per_call
        self.microphone += other.microphone


def _talking_manner(spread_s: float) -> Manner:
    """Turns of two seconds, with pauses between them in which people think; no two calls are in step."""
    return Manner(_TALK, workload.LONG, pause_s=PAUSE_S, spread_s=spread_s)


class Stages:
    """What can be measured."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def latency(self, subject: Subject, seconds: float, style: int = workload.LONG) -> Talk:
        """One call, turn after turn, each heard to its end; a brisk voice makes for many of them."""
        manner = Manner(_BRIEF, style, pause_s=(0.05, 0.2), spread_s=0.3)
        talk = Talk(1)
        async with self._talking(subject, 1, manner, BRISK_MS_PER_WORD), self._bench.watching(subject) as seen:
            await asyncio.sleep(seconds)
        talk.enter(seen)
        talk.warm_up = [turn for turn in talk.turns if turn.heard.nth <= WARM_UP_TURNS]
        talk.turns = [turn for turn in talk.turns if turn.heard.nth > WARM_UP_TURNS]
        return talk

    async def barge_in(self, subject: Subject, count: int, seconds: float, *, holds: bool) -> Talk:
        """Every reply is interrupted after a second."""
        talk = Talk(count)
        manner = HOLDING if holds else INTERRUPTING
        async with self._talking(subject, count, manner), self._bench.watching(subject) as seen:
            await asyncio.sleep(seconds)
        talk.enter(seen)
        return talk

    async def talk(self, subject: Subject, count: int, seconds: float, *, settle_s: float) -> Talk:
        """Calls as people hold them: they speak for two seconds, hear the reply out, and think a while."""
        talk, _ = await self.talk_with_usage(subject, count, seconds, settle_s=settle_s)
        return talk

    async def talk_with_usage(
        self, subject: Subject, count: int, seconds: float, *, settle_s: float
    ) -> tuple[Talk, tuple[Usage, Usage]]:
        """Return also what the subject had used when the measurement began and ended."""
        idle = await subject.child.usage(use_up_slack=True)
        talk = Talk(count)
        async with self._talking(subject, count, _talking_manner(settle_s)):
            await asyncio.sleep(settle_s)
            before = await subject.child.usage()
            async with self._bench.watching(subject) as seen:
                await asyncio.sleep(seconds)
            after = await subject.child.usage()
            talk.enter(seen)
            talk.kb_per_call.append((after.rss_kb - idle.rss_kb) / count)
        return talk, (before, after)

    async def trace(self, subject: Subject, count: int, seconds: float, *, settle_s: float) -> dict[str, Any]:
        """What holds the subject's loop while calls talk."""
        async with self._talking(subject, count, _talking_manner(settle_s)):
            await asyncio.sleep(settle_s)
            subject.child.tell({"do": "trace"})
            async with self._bench.watching(subject) as seen:
                await asyncio.sleep(seconds)
            found = await subject.child.ask({"do": "traced"}, "trace")
        talk = Talk(count)
        talk.enter(seen)
        own = summarise(turn.own_ms for turn in talk.turns)
        return {**found, "calls": count, "own_ms": asdict(own) if own else None, "load": asdict(seen.load)}

    async def ready_ms(self, subject: Subject, at_once: int, times: int) -> list[float]:
        """From the first packet to `ready`, for callers who arrive together."""
        return await self._bench.arrive(subject, at_once, times)

    async def capacity(
        self,
        subject: Subject,
        steps: tuple[int, ...],
        seconds: float,
        shown: Callable[[Talk], None],
        *,
        settle_s: float,
    ) -> list[Talk]:
        """More and more calls until callers would notice, or until the callers' own cores are full."""
        self._bench.set_pace(NATURAL_MS_PER_WORD)
        rounds: list[Talk] = []
        try:
            for count in steps:
                await self._bench.join(subject, count - self._bench.calls, _talking_manner(settle_s))
                await asyncio.sleep(settle_s)
                async with self._bench.watching(subject) as seen:
                    await asyncio.sleep(seconds)
                talk = Talk(count)
                talk.enter(seen)
                rounds.append(talk)
                shown(talk)
                # One bad moment of the machine must not end the search; two in a row are the subject's own.
                if (not any(t.holds for t in rounds[-2:]) and len(rounds) > 1) or talk.overloaded:
                    break
        finally:
            await self._bench.leave()
        return rounds

    @asynccontextmanager
    async def _talking(
        self, subject: Subject, count: int, manner: Manner, ms_per_word: int = NATURAL_MS_PER_WORD
    ) -> AsyncIterator[None]:
        self._bench.set_pace(ms_per_word)
        await self._bench.join(subject, count, manner)
        try:
            yield
        finally:
            await self._bench.leave()
