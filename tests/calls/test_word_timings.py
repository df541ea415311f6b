"""A voice that times its words: what the caller heard is known to the word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from fastapi import FastAPI

from tests.calls.client import TestCaller, calling
from tests.calls.studio import serving
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator, Timings
from tests.simulators.gateway import GatewaySimulator
from voice_host import VoiceAgentManager, VoiceSessionHandler
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelRegistry
from voice_host.settings import ModelKeys, Settings
from voice_host.speech.assemblyai.stt import AssemblyAISpeechToText
from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech
from voice_host.speech.select import SpeechProviders
from voice_host_sdk import AgentConfig, TurnConfig

REPLY = "I certainly will call you back tomorrow."
UNHURRIED = {"I": 2500, "certainly": 2500}
"""Two words take nearly all of the reply's time: an estimate from its letters would be far off."""


@dataclass
class TimedStudio:
    stt: AssemblyAISimulator
    tts: AssemblyAITTSSimulator
    llm: GatewaySimulator
    url: str


@asynccontextmanager
async def timed_studio(voice_key: str = "voice-key") -> AsyncIterator[TimedStudio]:
    """Serve one agent that hears and speaks by AssemblyAI. Up to 5 s of speech is sent ahead."""
    async with (
        AssemblyAISimulator(api_key="stt-key") as stt,
        AssemblyAITTSSimulator(api_key="voice-key", ms_per_word=60) as tts,
        GatewaySimulator(api_key="gateway-key") as llm,
    ):
        config = AgentConfig(turns=TurnConfig(playout_lead_ms=5000))
        registry = ModelRegistry(
            Settings(keys=ModelKeys(VOICE_HOST_LLM_BASE_URL=llm.base_url, VOICE_HOST_LLM_API_KEY="gateway-key"))
        )
        await registry.prepare(None, "test-model")
        runtime = AgentRuntime("desk", config, registry.resolve(None, "test-model"), registry=registry)
        manager = VoiceAgentManager(config=config, runtime=runtime)
        speech = SpeechProviders(
            AssemblyAISpeechToText("stt-key", url=stt.url), AssemblyAITextToSpeech(voice_key, url=tts.url)
        )
        app = FastAPI()
        app.add_api_websocket_route("/session", VoiceSessionHandler(agent_manager=manager, speech=speech).handle)
        try:
            async with serving(app) as address:
                yield TimedStudio(stt, tts, llm, f"ws://{address}/session")
        finally:
            await manager.aclose_all()
            await runtime.aclose()
            await speech.aclose()
    assert tts.violations == []
    assert tts.open_connections == 0


async def audio_of_ms(caller: TestCaller, duration_ms: int) -> None:
    """Wait until so much speech has arrived."""
    await caller.until(lambda _: len(caller.audio) >= duration_ms * 48)


@pytest.mark.parametrize("timings", [Timings.AFTER, Timings.BEFORE])
@pytest.mark.parametrize(("played_ms", "heard"), [(600, "I"), (3000, "I certainly")])
async def test_a_caller_who_interrupts_has_heard_what_was_played_to_the_word(
    timings: Timings, played_ms: int, heard: str
) -> None:
    async with timed_studio() as s:
        s.tts.timings = timings
        s.tts.word_ms.update(UNHURRIED)
        s.llm.reply(REPLY)
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await caller.type("Will you call me back?")
            session = await s.stt.connected()
            await audio_of_ms(caller, 4500)
            await caller.send("playback", reply=1, played_ms=played_ms)
            await caller.send("ping")
            await caller.expect("pong")  # the report is in; each of the two words lasts far longer than the rest takes
            await session.speech_started()
            await session.partial("please wait")
            assert (await caller.expect("cancelled", reply=1))["heard"] == heard
            await session.final("please wait a moment")
            await caller.expect("tts_done", reply=2)
        spoken = [m["content"] for m in (await s.llm.request(1)).messages if m["role"] == "assistant"]
        assert spoken == [f"{heard} [interrupted by the caller]"]
        assert s.tts.spoken == [REPLY, "Fine."]


async def test_the_word_is_right_in_the_second_clause_too() -> None:
    async with timed_studio() as s:
        s.tts.word_ms.update(UNHURRIED)
        s.llm.reply(f"Yes. {REPLY}")
        async with calling(s.url) as caller:
            await caller.type("Will you call me back?")
            await audio_of_ms(caller, 4500)
            await caller.send("playback", reply=1, played_ms=3000)
            await caller.send("cancel")
            assert (await caller.expect("cancelled", reply=1))["heard"] == "Yes. I certainly"
        assert s.tts.spoken == ["Yes.", REPLY]
        assert s.tts.connections == 1


async def test_a_barge_in_stops_the_voice_and_the_next_reply_has_the_same_socket() -> None:
    async with timed_studio() as s:
        s.tts.speed, s.tts.ms_per_word, s.tts.stale_frames = 1.0, 1000, 3
        s.llm.reply("One two three four five six seven eight nine ten.")
        s.llm.reply("Goodbye.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("audio", count=2)
            s.tts.speed, s.tts.ms_per_word = None, 60
            await caller.type("Stop that")
            cancelled = await caller.expect("cancelled", reply=1)
            await caller.expect("tts_done", reply=2)
            assert caller.audio_after(cancelled) == s.tts.requests[1].pcm
        assert s.tts.requests[0].cancelled
        assert s.tts.connections == 1
        assert s.tts.spoken[1] == "Goodbye."


async def test_a_refused_voice_key_names_its_variable_and_the_reply_comes_as_text() -> None:
    async with timed_studio(voice_key="wrong") as s:
        s.llm.reply("Hello there. Good day.")
        async with calling(s.url) as caller:
            await caller.type("Hi")
            error = await caller.expect("error", code="tts_auth")
            assert "ASSEMBLYAI_API_KEY" in error["message"]
            assert "wrong" not in error["message"]
            await caller.expect("tts_done", reply=1)
            assert caller.all("chat")[0]["text"] == "Hello there. Good day."
        s.tts.violations.clear()
