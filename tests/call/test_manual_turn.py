"""The caller's turn where the client decides when it ends."""

from __future__ import annotations

import asyncio
from typing import Any

from voice_host.call.events import AnswerWithdrawn, Problem, TurnCommitted
from voice_host.call.manual_turn import COMMIT_QUIET_S, COMMIT_SILENCE_S, COMMIT_TIMEOUT_S, MAX_CHARACTERS, ManualTurn
from voice_host.testing import run_in_virtual_time
from voice_host.turns.events import TurnFinished
from voice_host_sdk import SpeechEnded, SpeechStarted, Transcript


class Turns:
    def __init__(self) -> None:
        self.seen: list[Any] = []

        async def see(event: Any) -> None:
            self.seen.append(event)

        self.manual = ManualTurn(see, see, lambda: self.seen.append("silence"))

    async def took(self, work: Any) -> float:
        began_s = asyncio.get_running_loop().time()
        await work
        return round(asyncio.get_running_loop().time() - began_s, 6)


def test_what_was_recognised_before_and_after_the_commit_is_one_turn() -> None:
    async def check() -> None:
        t = Turns()
        t.manual.take(Transcript("What time", final=True))
        t.manual.take(SpeechStarted())
        committed = asyncio.create_task(t.manual.commit())
        await t.manual.respond("By the way:")
        await asyncio.sleep(COMMIT_SILENCE_S + 1)
        assert t.seen == ["silence"]
        t.manual.take(SpeechEnded())
        t.manual.take(Transcript("is it?", final=True))
        await committed
        assert t.seen[1:] == [
            TurnCommitted("What time is it?"),
            TurnFinished("By the way:\nWhat time is it?", asked=True),
        ]

    run_in_virtual_time(check())


def test_what_is_no_longer_asked_for_comes_first_when_an_answer_is_asked_for_again() -> None:
    async def check() -> None:
        t = Turns()
        await t.manual.withdraw()
        for typed, spoken in (("One", "two."), ("Three", "four."), ("Five", "six.")):
            t.manual.take(SpeechStarted())
            committed = asyncio.create_task(t.manual.commit())
            await asyncio.sleep(0)
            await t.manual.respond(typed)
            if typed != "Five":
                await t.manual.withdraw()
            t.manual.take(Transcript(spoken, final=True))
            await committed
        told = [event for event in t.seen if event != "silence"]
        assert told[:4] == [AnswerWithdrawn(), TurnCommitted("two."), AnswerWithdrawn(), TurnCommitted("four.")]
        assert told[4:] == [TurnCommitted("six."), TurnFinished("One\ntwo.\nThree\nfour.\nFive\nsix.", asked=True)]

    run_in_virtual_time(check())


def test_how_long_a_commit_waits() -> None:
    async def check() -> None:
        t = Turns()
        assert await t.took(t.manual.commit()) == COMMIT_SILENCE_S
        t.manual.take(Transcript("Hello", final=True))
        assert await t.took(t.manual.commit()) == COMMIT_QUIET_S
        t.manual.take(SpeechStarted())
        assert await t.took(t.manual.commit()) == COMMIT_TIMEOUT_S
        assert [event.text for event in t.seen if isinstance(event, TurnCommitted)] == ["", "Hello", ""]

    run_in_virtual_time(check())


def test_what_is_discarded_is_no_part_of_the_turn() -> None:
    async def check() -> None:
        t = Turns()
        t.manual.take(Transcript("Forget this", final=True))
        t.manual.take(SpeechStarted())
        t.manual.discard()
        t.manual.take(Transcript("and this", final=True))
        await t.manual.commit()
        await t.manual.respond("")
        assert t.seen[1] == TurnCommitted("")
        assert isinstance(t.seen[2], Problem)

    run_in_virtual_time(check())


def test_a_client_that_never_asks_for_an_answer_does_not_fill_the_memory() -> None:
    async def check() -> None:
        t = Turns()
        for _ in range(3):
            t.manual.take(Transcript("word " * MAX_CHARACTERS, final=True))
            await t.manual.commit()
        await t.manual.respond("")
        assert len(t.seen[-1].text) <= MAX_CHARACTERS

    run_in_virtual_time(check())
