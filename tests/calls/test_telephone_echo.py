"""A telephone on a loudspeaker: the agent's speech comes back 20 dB down and 200 ms late, over mu-law at 8 kHz."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.calls.studio import Studio, studio
from tests.calls.test_telephone import Callbacks, TelephoneHandler
from tests.clients.carrier import Carrier, telephone
from tests.clients.loudspeaker import Loudspeaker
from tests.simulators.assemblyai import SimulatedSession
from tests.speech.embedded.speech import clip
from voice_host.resampler import Resampler
from voice_host_sdk import AgentConfig, SpeechAudio, TTSConfig

AGENT = clip("austen_0930.wav") + clip("cards_005.wav")
"""6.8 s of recorded speech, as what the agent says."""

CALLER = Resampler(16_000, 8000).resample(clip("go_forward_ten_meters.wav"), last=True)

GREETING = "Welcome to the museum which is open on Saturday from ten in the morning until eight in the evening"
MISHEARD = "welcome to them you see them which is opened on saturdays from ten in the mourning"
UNLIKE = "we shall come to see you in summer if nothing else is planned by then"
"""What a recogniser may make of an echo: mostly the agent's words, or none of them."""


class RecordedVoice:
    """A `TextToSpeech` whose every utterance is the recording."""

    name = "recorded"

    async def open(self, config: TTSConfig) -> RecordedVoice:
        self._pcm = Resampler(16_000, config.sample_rate).resample(AGENT, last=True)
        self._piece = config.sample_rate // 10 * 2
        return self

    async def utterance(self) -> RecordedUtterance:
        return RecordedUtterance([self._pcm[at : at + self._piece] for at in range(0, len(self._pcm), self._piece)])

    async def aclose(self) -> None:
        """Nothing is held."""


class RecordedUtterance:
    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def send_text(self, text: str) -> None:
        """It says the same always."""

    async def end(self) -> None:
        """It has an end."""

    async def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        for piece in self._pieces:
            yield SpeechAudio(piece)

    async def aclose(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def on_a_loudspeaker(
    callbacks: Callbacks, late_s: float
) -> AsyncIterator[tuple[Studio, SimulatedSession, Carrier, Loudspeaker]]:
    async with (
        studio(
            AgentConfig(greeting=GREETING), callbacks=callbacks, handler_class=TelephoneHandler, voice=RecordedVoice()
        ) as s,
        telephone(s.url) as carrier,
    ):
        loudspeaker = Loudspeaker(carrier, late_s=late_s)
        sending = asyncio.create_task(loudspeaker.run())
        try:
            yield s, await s.stt.connected(), carrier, loudspeaker
        finally:
            sending.cancel()


async def recognise(ears: SimulatedSession, words: str) -> None:
    """Let the recogniser hear these words, three in a second."""
    await ears.speech_started()
    heard = words.split()
    for count in range(1, len(heard) + 1):
        await asyncio.sleep(0.33)
        await ears.partial(" ".join(heard[:count]))
    await asyncio.sleep(0.4)
    await ears.final(words)


@pytest.mark.parametrize("late_s", [0.2, 0.5])
@pytest.mark.parametrize("words", [GREETING, MISHEARD, UNLIKE])
@pytest.mark.fault("stt: hears the agent's own voice")
async def test_the_agent_does_not_interrupt_itself(words: str, late_s: float) -> None:
    callbacks = Callbacks()
    async with on_a_loudspeaker(callbacks, late_s) as (_, ears, carrier, _):
        await carrier.hear_for(0.3 + late_s)
        await recognise(ears, words)
        await carrier.hear_for(6.79 - carrier.heard_s)
        await asyncio.sleep(3)
        assert carrier.clears == []
        assert [reply.heard for reply in callbacks.replies] == [GREETING]
        assert callbacks.turns == []


async def test_a_caller_interrupts_it_all_the_same() -> None:
    callbacks = Callbacks()
    async with on_a_loudspeaker(callbacks, 0.2) as (s, ears, carrier, loudspeaker):
        s.llm.reply("Yes?")
        await carrier.hear_for(2)
        loudspeaker.say(CALLER)
        await asyncio.sleep(0.3)
        await recognise(ears, "go forward ten meters")
        await carrier.until(lambda _: len(carrier.clears) == 1, 10)
        assert carrier.clears[0] == pytest.approx(2 + 0.3 + 0.66 + 0.1, abs=0.3)
        await asyncio.sleep(1)
    assert callbacks.replies[0].interrupted
    assert [turn.text for turn in callbacks.turns] == ["go forward ten meters"]
