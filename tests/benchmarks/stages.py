"""The measurements. Each runs against one subject at a time, while the other one idles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks import workload
from tests.benchmarks.caller import Caller, calls, connect, hang_up, join
from tests.benchmarks.conversation import Conversation, Gauge, Talk
from tests.benchmarks.microphones import Microphones
from tests.benchmarks.processes import Child
from tests.benchmarks.services_link import ServicesLink

BRISK_MS_PER_WORD = 20
"""The voice's pace where only beginnings are measured: more turns in the same time."""

NATURAL_MS_PER_WORD = 300

WARM_UP_TURNS = 2
"""The first turns of each call, shown apart."""

TALK_PARTIALS = 5
SETTLE_S = 4.0
"""Until calls that were added speak in their own rhythm."""

GENERATOR_LIMIT = 0.85
"""Share of their cores at which services and callers would begin to be measured themselves."""


@dataclass
class Subject:
    """A program under test that runs."""

    name: str
    child: Child
    address: tuple[int, str]


class Stages:
    """What can be measured. Everybody shares the services and one set of microphones.

    Args:
        others: how many cores callers and services share.
    """

    def __init__(self, services: ServicesLink, others: int) -> None:
        self._services = services
        self._others = others
        self._microphones = Microphones()

    def close(self) -> None:
        """Switch the microphones off."""
        self._microphones.stop()

    async def latency(self, subject: Subject, seconds: float, style: int = workload.LONG) -> Talk:
        """One call, turn after turn, each heard to its end; a brisk voice makes for many of them."""
        conversation = Conversation(self._gauge(subject), style, warm_up_turns=WARM_UP_TURNS)
        return await self._converse(subject, 1, seconds, conversation)

    async def barge_in(self, subject: Subject, count: int, seconds: float) -> Talk:
        """Every reply is interrupted after a second."""
        conversation = Conversation(self._gauge(subject), workload.LONG, interrupts=True)
        return await self._converse(subject, count, seconds, conversation, NATURAL_MS_PER_WORD)

    async def talk(self, subject: Subject, count: int, seconds: float) -> Talk:
        """Calls as people hold them: they speak for two seconds and hear the reply out. Memory is measured, too."""
        before = await subject.child.usage(use_up_slack=True)
        self._services.set_pace(NATURAL_MS_PER_WORD)
        async with calls(count, subject.address, self._services, self._microphones) as callers:
            conversation = Conversation(self._gauge(subject), workload.LONG, partials=TALK_PARTIALS)
            conversation.add(callers)
            try:
                await conversation.measure(SETTLE_S)
                talk = await conversation.measure(seconds)
            finally:
                await conversation.stop()
            talk.kb_per_call.append(((await subject.child.usage()).rss_kb - before.rss_kb) / count)
        return talk

    async def ready_ms(self, subject: Subject, at_once: int, times: int) -> list[float]:
        """From the first packet to `ready`, for callers who arrive together."""
        samples: list[float] = []

        async def arrive() -> Caller:
            begun = time.monotonic()
            caller = await connect(subject.address, self._services)
            samples.append((time.monotonic() - begun) * 1000)
            return caller

        for _ in range(times):
            await hang_up(await asyncio.gather(*(arrive() for _ in range(at_once))))
            await asyncio.sleep(0.05)
        return samples

    async def capacity(
        self, subject: Subject, steps: tuple[int, ...], seconds: float, shown: Callable[[Talk], None]
    ) -> list[Talk]:
        """More and more calls until callers would notice, or until the callers' own cores are full."""
        self._services.set_pace(NATURAL_MS_PER_WORD)
        rounds: list[Talk] = []
        callers: list[Caller] = []
        conversation = Conversation(self._gauge(subject), workload.LONG, partials=TALK_PARTIALS)
        try:
            for count in steps:
                while len(callers) < count:
                    callers.append(await join(subject.address, self._services, self._microphones))
                    conversation.add(callers[-1:])
                await conversation.measure(SETTLE_S)
                talk = await conversation.measure(seconds)
                rounds.append(talk)
                shown(talk)
                # One bad moment of the machine must not end the search; two in a row are the subject's own.
                if (not any(t.holds for t in rounds[-2:]) and len(rounds) > 1) or overloaded(talk):
                    break
        finally:
            await conversation.stop()
            await hang_up(callers, self._microphones)
        return rounds

    async def _converse(
        self,
        subject: Subject,
        count: int,
        seconds: float,
        conversation: Conversation,
        ms_per_word: int = BRISK_MS_PER_WORD,
    ) -> Talk:
        self._services.set_pace(ms_per_word)
        async with calls(count, subject.address, self._services, self._microphones) as callers:
            conversation.add(callers)
            try:
                return await conversation.measure(seconds)
            finally:
                await conversation.stop()

    def _gauge(self, subject: Subject) -> Gauge:
        return Gauge(subject.child, self._services.child, self._others)


def overloaded(talk: Talk) -> bool:
    """Whether services and callers were so busy that the subject's numbers are not its own."""
    return any(load.others_cpu > GENERATOR_LIMIT for load in talk.loads)
