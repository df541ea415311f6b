"""The model pauses within a reply, and the caller interrupts just after the voice has begun again.

By then more is sent than was played. What was heard has to be exact all the same, however the client tells what it
plays.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.calls.realtime_desk import RealtimeHandler
from tests.calls.studio import Studio, studio
from tests.calls.test_telephone import TelephoneHandler
from tests.calls.turn_taking import hear, partial
from tests.clients.carrier import telephone
from tests.clients.realtime_client import realtime
from voice_host.testing import ScriptedModel, TestCall, Think, call_agent, in_virtual_time
from voice_host.testing.voice import ScriptedVoice
from voice_host_sdk import AgentConfig, TTSConfig, TurnConfig

BEFORE, AFTER = "One two three. ", "Four five six seven eight nine ten."
HEARD = "One two three. Four"

BEFORE_S = 0.9
"""A word takes 0.3 s."""

GAP_S = 3
CONFIG = AgentConfig(turns=TurnConfig(playout_lead_ms=1000))
"""Three words more than were heard are sent by the time of the interruption."""


class Player:
    """Plays what comes, and reports what it has played each 0.1 s while it plays, as browsers do."""

    def __init__(self, call: TestCall) -> None:
        self._call = call
        self._ends_s = self._received_s = 0.0
        call.on_audio(self._take)

    def _take(self, pcm: bytes) -> None:
        duration_s = len(pcm) / 2 / TTSConfig().sample_rate
        self._ends_s = max(self._ends_s, self._call.now_s) + duration_s
        self._received_s += duration_s

    @property
    def played_s(self) -> float:
        return self._received_s - max(0.0, self._ends_s - self._call.now_s)

    async def hear_until(self, played_s: float) -> None:
        """Play until so much was played."""
        while (missing_s := played_s - self.played_s) > 0.001:
            before_s = self.played_s
            await asyncio.sleep(min(0.1, missing_s))
            if self.played_s - before_s >= 0.099:
                await self._call.send({"type": "playback", "reply": 1, "played_ms": 1000 * self.played_s})


@pytest.mark.parametrize("gaps", [1, 3])
@in_virtual_time
async def test_a_client_that_reports_as_it_plays(gaps: int) -> None:
    parts = [part for _ in range(gaps) for part in (BEFORE, Think(GAP_S))]
    async with call_agent(CONFIG, ScriptedModel([*parts, AFTER], "Fine.")) as call:
        player = Player(call)
        await call.type("Count to ten")
        await player.hear_until(gaps * BEFORE_S + 0.05)
        await hear(call, (0, partial("please wait a moment")))
        reply = await call.reply()
        assert call.now_s > gaps * GAP_S
    assert (reply.heard, reply.interrupted) == (BEFORE * gaps + "Four", True)


def desk(handler: type[Any]) -> Any:
    return studio(CONFIG, handler_class=handler, voice=ScriptedVoice(300))


def with_a_gap(s: Studio) -> asyncio.Event:
    """Let the model say both parts. Returns what lets it go on with the second."""
    goes_on = asyncio.Event()
    s.llm.reply(BEFORE, AFTER, gates={1: goes_on})
    s.llm.reply("Fine.")
    return goes_on


async def kept(s: Studio) -> str:
    """Return what the history has of the reply that was cut."""
    [cut] = [message for message in (await s.llm.request(1)).messages if message["role"] == "assistant"]
    return str(cut["content"])


async def test_a_telephone_that_returns_marks() -> None:
    async with desk(TelephoneHandler) as s, telephone(s.url) as carrier:
        goes_on = with_a_gap(s)
        ears = await s.stt.connected()
        await ears.final("Count to ten")
        await carrier.hear_for(BEFORE_S - 0.05)
        await asyncio.sleep(GAP_S)
        plays = asyncio.Event()
        carrier.on_play = lambda _audio, _at_s: plays.set()
        goes_on.set()
        await plays.wait()
        await asyncio.sleep(0.05)
        await ears.final("Wait a moment please")
        assert await kept(s) == f"{HEARD} [interrupted by the caller]"
        assert carrier.clears[0] < BEFORE_S + 0.3


async def test_a_client_of_openai_that_counts_from_the_first_audio() -> None:
    """As the Agents SDK does, which takes the gap for played audio."""
    async with desk(RealtimeHandler) as s, realtime(s.url) as client:
        goes_on = with_a_gap(s)
        ears = await s.stt.connected()
        await client.say()
        await ears.final("Count to ten")
        await client.hear_for(1000 * (BEFORE_S + GAP_S))
        received = len(client.reader.of("response.output_audio.delta"))
        goes_on.set()
        await client.until(lambda _: len(client.reader.of("response.output_audio.delta")) > received, 10)
        await asyncio.sleep(0.05)
        await ears.final("Wait a moment please")
        assert await kept(s) == f"{HEARD} [interrupted by the caller]"
        [(item, played_ms)] = client.truncated
        assert played_ms > 1000 * BEFORE_S + 900
        await client.send("conversation.item.retrieve", item_id=item)
        retrieved = await client.came("conversation.item.retrieved")
        assert retrieved["item"]["content"] == [{"type": "output_audio", "transcript": HEARD}]
