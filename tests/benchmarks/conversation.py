"""Calls that talk side by side, turn after turn, and what is measured while they do."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.benchmarks.caller import Caller, pause_s
from tests.benchmarks.numbers import summarise
from tests.benchmarks.processes import Child
from tests.benchmarks.turns import Interruption, Turn

OWN_LIMIT_MS = 100.0
UNDERRUN_LIMIT = 0.01


@dataclass
class Load:
    """What a stretch of talk cost.

    Attributes:
        subject_cpu: cores the subject used. `crowded`: the share of time it waited for its core, which others used.
        others_cpu: the share of their cores that callers and services used.
    """

    seconds: float
    subject_cpu: float
    crowded: float
    others_cpu: float


@dataclass
class Talk:
    """What came of some calls within a stretch of time."""

    calls: int
    turns: list[Turn] = field(default_factory=list)
    warm_up: list[Turn] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    lost: int = 0
    errors: list[str] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    kb_per_call: list[float] = field(default_factory=list)

    @property
    def underruns(self) -> float:
        """The share of speech time in which a client had nothing to play."""
        speech_ms = sum(turn.speech_ms for turn in self.turns)
        return sum(turn.gap_ms for turn in self.turns) / speech_ms if speech_ms else 0.0

    @property
    def holds(self) -> bool:
        """Whether callers would not notice the load."""
        own = summarise(turn.own_ms for turn in self.turns)
        return own is not None and own.p95 <= OWN_LIMIT_MS and self.underruns <= UNDERRUN_LIMIT and self.lost == 0

    @property
    def cpu_s_per_minute(self) -> list[float]:
        """CPU seconds of the subject for a minute of one call, in each round."""
        return [load.subject_cpu * 60 / self.calls for load in self.loads]

    @property
    def crowded(self) -> float:
        """The share of time others took the subject's core, at worst."""
        return max(load.crowded for load in self.loads)

    def add(self, other: Talk) -> None:
        """Take the samples of another round of the same measurement."""
        self.turns += other.turns
        self.warm_up += other.warm_up
        self.interruptions += other.interruptions
        self.errors += other.errors
        self.lost += other.lost
        self.loads += other.loads
        self.kb_per_call += other.kb_per_call


class Gauge:
    """Reads what everybody's CPU does while a stretch of talk goes on.

    Args:
        subject: the process under test. `services`: that of the services; the callers' is this one.
        others: how many cores services and callers share.
    """

    def __init__(self, subject: Child, services: Child, others: int) -> None:
        self._subject = subject
        self._services = services
        self._others = others

    @asynccontextmanager
    async def measuring(self, talk: Talk) -> AsyncIterator[None]:
        """Enter the load while inside into `talk`."""
        before, others_s, begun = await self._subject.usage(), await self._others_cpu_s(), time.monotonic()
        yield
        after, seconds = await self._subject.usage(), time.monotonic() - begun
        load = Load(
            seconds=seconds,
            subject_cpu=(after.cpu_s - before.cpu_s) / seconds,
            crowded=(after.waited_s - before.waited_s) / seconds,
            others_cpu=(await self._others_cpu_s() - others_s) / seconds / self._others,
        )
        talk.loads.append(load)

    async def _others_cpu_s(self) -> float:
        mine = resource.getrusage(resource.RUSAGE_SELF)
        return (await self._services.usage()).cpu_s + mine.ru_utime + mine.ru_stime


class Conversation:
    """Runs callers until it is left. `measure` says what happened in a stretch of time.

    Args:
        style: of the replies. `partials`: how many the recogniser sends while the caller speaks.
        interrupts: every reply is interrupted after a second, instead of heard out.
        warm_up_turns: the first turns of each call, shown apart.
    """

    def __init__(
        self, gauge: Gauge, style: int, *, partials: int = 0, interrupts: bool = False, warm_up_turns: int = 0
    ) -> None:
        self._warm_up_turns = warm_up_turns
        self._gauge = gauge
        self._style = style
        self._partials = partials
        self._interrupts = interrupts
        self._talk = Talk(0)
        self._callers: list[Caller] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._spoken: Counter[int] = Counter()

    def add(self, callers: list[Caller]) -> None:
        """Let these callers begin."""
        self._callers += callers
        work = self._interrupt if self._interrupts else self._converse
        self._tasks += [asyncio.create_task(work(caller)) for caller in callers]

    async def measure(self, seconds: float) -> Talk:
        """Return what happened from now on.

        Raises:
            Exception: what went wrong in a caller.
        """
        talk = self._talk = Talk(len(self._callers))
        for caller in self._callers:
            caller.lost, caller.errors = 0, []
        async with self._gauge.measuring(talk):
            failed, _ = await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in failed:
            task.result()
        self._talk = Talk(0)
        for caller in self._callers:
            talk.lost += caller.lost
            talk.errors += caller.errors
        return talk

    async def stop(self) -> None:
        """Stop talking; the calls stay connected."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _converse(self, caller: Caller) -> None:
        # Spread over the first turn's length, so that the calls do not speak in step.
        await asyncio.sleep(pause_s() * (1 + 2 * self._partials))
        while True:
            if (turn := await caller.speak(self._style, partials=self._partials)) is not None:
                self._enter(caller, turn)
                await caller.hear_out()
            await asyncio.sleep(pause_s())

    async def _interrupt(self, caller: Caller) -> None:
        await asyncio.sleep(pause_s())
        while await caller.speak(self._style, partials=self._partials) is None:
            pass
        while True:
            await asyncio.sleep(1 + pause_s())
            if (interruption := await caller.interrupt(self._style)) is not None:
                self._talk.interruptions.append(interruption)

    def _enter(self, caller: Caller, turn: Turn) -> None:
        self._spoken[caller.number] += 1
        warm = self._spoken[caller.number] > self._warm_up_turns
        (self._talk.turns if warm else self._talk.warm_up).append(turn)
