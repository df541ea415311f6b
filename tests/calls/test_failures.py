"""When a service fails, the caller hears or sees why, and the call goes on."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client import REGISTRY

from tests.calls.client import calling
from tests.calls.studio import studio
from tests.simulators.orpheus import Fault
from voice_host.call.handler import STT_LOST_PHRASE
from voice_host.speech.orpheus.adapter import OrpheusTextToSpeech
from voice_host_sdk import AgentConfig, tool


def broken_tool() -> str:
    """Look something up."""
    raise ValueError("the secret is 42")


@pytest.mark.fault("stt: wrong key")
async def test_a_refused_speech_to_text_key_names_its_variable_and_typing_still_works() -> None:
    async with studio(stt_key="wrong") as s:
        s.llm.reply("Hello.")
        async with calling(s.url) as caller:
            error = await caller.expect("error")
            assert error["code"] == "stt_auth"
            assert error["fatal"] is False
            assert "ASSEMBLYAI_API_KEY" in error["message"]
            assert "wrong" not in error["message"]
            await caller.expect("chat", text=STT_LOST_PHRASE)
            await caller.expect("metrics", reply=1)
            await caller.type("Hi")
            await caller.expect("tts_done", reply=2)
            assert len(s.stt.sessions) == len(caller.all("error")) == 1


@pytest.mark.fault("voice: wrong key")
async def test_a_refused_voice_key_names_its_variable_and_the_reply_comes_as_text() -> None:
    async with studio(tts_key="wrong") as s:
        s.llm.reply("Hello there. Good day.")
        async with calling(s.url) as caller:
            await caller.type("Hi")
            error = await caller.expect("error", code="tts_auth")
            assert "ASSEMBLYAI_TTS_API_KEY" in error["message"]
            await caller.expect("tts_done", reply=1)
            assert caller.all("chat")[0]["text"] == "Hello there. Good day."
            assert len(caller.all("error")) == 1


@pytest.mark.fault("model: 401")
async def test_a_refused_model_key_is_said_aloud() -> None:
    async with studio(AgentConfig(error_phrase="Something broke."), llm_key="wrong") as s:
        async with calling(s.url) as caller:
            await caller.type("Hi")
            error = await caller.expect("error", code="model_auth")
            assert "VOICE_HOST_LLM_API_KEY" in error["message"]
            await caller.expect("tts_done", reply=1)
            assert caller.all("chat")[0]["text"] == "Something broke."
        assert s.tts.spoken == ["Something broke."]


@pytest.mark.fault("model: 400")
async def test_a_model_that_fails_leaves_a_valid_history() -> None:
    async with studio() as s:
        s.llm.fail(400)
        s.llm.reply("Better now.")
        async with calling(s.url) as caller:
            await caller.type("First")
            await caller.expect("metrics", reply=1)
            await caller.type("Second")
            await caller.expect("tts_done", reply=2)
            assert caller.all("chat", reply=2)[0]["text"] == "Better now."
        assert not s.llm.refused


@pytest.mark.fault("model: empty answer")
async def test_a_model_that_says_nothing_is_answered_with_the_error_phrase() -> None:
    async with studio(AgentConfig(error_phrase="Something broke.")) as s:
        s.llm.reply("")
        s.llm.reply("")  # it is asked once more
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("tts_done", reply=1)
            assert caller.all("chat")[0]["text"] == "Something broke."


async def test_a_voice_that_dies_is_retried_before_audio_and_reported_after() -> None:
    async with studio() as s:
        s.llm.reply("Hello there.")
        s.llm.reply("And again.")
        s.tts.faults.extend([Fault.DROP_BEFORE_AUDIO, None, Fault.FAIL_MID_AUDIO])
        async with calling(s.url) as caller:
            await caller.type("Hi")
            await caller.expect("metrics", reply=1)
            assert not caller.all("error")
            assert caller.audio
            await caller.type("Hi")
            await caller.expect("error", code="tts_failed")
            await caller.expect("tts_done", reply=2)


@pytest.mark.fault("plugin: tool raises")
async def test_a_tool_that_raises_becomes_a_result_the_model_can_speak_about() -> None:
    async with studio(AgentConfig(tools=(broken_tool,))) as s:
        s.llm.call_tool("broken_tool")
        s.llm.reply("That did not work.")
        async with calling(s.url) as caller:
            await caller.type("Go")
            await caller.expect("tts_done")
            assert caller.all("tool_result")[0]["ok"] is False
        answer = (await s.llm.request(1)).messages[-1]
        assert "broken_tool failed" in answer["content"]
        assert "42" not in answer["content"]


@pytest.mark.real_time
@pytest.mark.fault("plugin: tool takes too long")
async def test_a_tool_that_takes_too_long_is_given_up() -> None:
    @tool(timeout_s=0.05)
    async def slow() -> str:
        """Wait for ever."""
        await asyncio.Event().wait()
        return "never"

    @tool(timeout_s=0.05)
    def slow_in_a_thread() -> str:
        """Sleep in a thread."""
        time.sleep(0.5)
        return "too late"

    before = timeouts_of("slow")
    async with studio(AgentConfig(tools=(slow, slow_in_a_thread))) as s:
        s.llm.call_tool("slow")
        s.llm.call_tool("slow_in_a_thread")
        s.llm.reply("Sorry.")
        async with calling(s.url) as caller:
            await caller.type("Go")
            await caller.expect("tts_done")
            assert [f["ok"] for f in caller.all("tool_result")] == [False, False]
        assert "longer than 0.05 seconds" in (await s.llm.request(2)).messages[-1]["content"]
    assert timeouts_of("slow") == before + 1


def timeouts_of(name: str) -> float:
    labels = {"agent": "desk", "tool": name}
    return REGISTRY.get_sample_value("voice_host_tool_timeouts_total", labels) or 0.0


@pytest.mark.fault("plugin: tool exits")
async def test_a_tool_that_exits_does_not_take_the_host_along() -> None:
    async def leave() -> str:
        """Exit."""
        raise SystemExit(3)

    async with studio(AgentConfig(tools=(leave,))) as s:
        s.llm.call_tool("leave")
        s.llm.reply("Still here.")
        async with calling(s.url) as caller:
            await caller.type("Go")
            await caller.expect("tts_done")
            assert caller.all("chat")[0]["text"] == "Still here."


@pytest.mark.fault("caller: malformed messages")
async def test_malformed_messages_get_an_error_and_the_call_goes_on() -> None:
    async with studio() as s:
        s.llm.reply("Hello.")
        async with calling(s.url) as caller:
            for raw in (
                "{",
                "[]",
                '"text"',
                '{"type": 3}',
                '{"type":"text"}',
                '{"type":"text","text":""}',
                "[" * 100_000,
            ):
                await caller.ws.send(raw)
            await caller.send("text", text="x" * 5000)
            await caller.expect("error", count=8)
            await caller.send("brand-new-type")
            await caller.send("playback", reply=99, played_ms=5)
            await caller.ws.send(b"\x01")  # half a sample
            await caller.type("Hi")
            await caller.expect("tts_done")
            assert {f["code"] for f in caller.all("error")} == {"bad_message", "over_limit"}
            assert not any(f["fatal"] for f in caller.all("error"))


async def test_a_sync_tool_of_one_agent_does_not_hold_up_the_call() -> None:
    def blocking() -> str:
        """Block a thread."""
        time.sleep(0.3)
        return "done"

    async with studio(AgentConfig(tools=(blocking,))) as s:
        s.llm.call_tool("blocking")
        s.llm.reply("Done.")
        async with calling(s.url) as caller:
            await caller.type("Go")
            await caller.expect("tool_call")
            await caller.send("ping")
            await caller.expect("pong")
            assert not caller.all("tool_result")
            await caller.expect("tts_done")


@pytest.mark.fault("voice: cannot be reached")
async def test_a_voice_that_cannot_be_reached_is_said_once_a_reply_and_nothing_counts_as_heard() -> None:
    async with studio(voice=OrpheusTextToSpeech("tts-key", url="ws://127.0.0.1:9/websocket")) as s:
        s.llm.reply("One two three four. Five six seven eight.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("metrics", reply=1)
            (error,) = caller.all("error")
            assert error["code"] == "tts_unreachable"
            assert "ASSEMBLYAI_TTS_WSS_URL" in error["message"]
            assert caller.all("chat")[0]["text"] == "One two three four. Five six seven eight."
            await caller.send("cancel")
            assert (await caller.expect("cancelled"))["heard"] == ""
