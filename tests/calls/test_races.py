"""What happens when things cross: bursts of turns, tools that finish late, ends in the middle of a beginning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.websockets import WebSocket

from tests.calls.client import calling
from tests.calls.studio import studio
from tests.calls.test_endings import Recorder
from voice_host import VoiceSessionHandler
from voice_host.call.call import Call
from voice_host.call.handler import STT_LOST_PHRASE
from voice_host.settings import LimitsSettings, ResilienceSettings
from voice_host.testing.ears import ScriptedEars
from voice_host_sdk import (
    AgentConfig,
    LifecycleCallbacks,
    Session,
    SpeechEnded,
    SpeechStarted,
    SpeechToTextStream,
    STTConfig,
    tool,
)


async def test_interrupting_twice_while_a_tool_finishes_keeps_every_turn_and_the_result() -> None:
    started, release = asyncio.Event(), asyncio.Event()
    recorder = Recorder()

    @tool(on_interrupt="finish")
    async def book() -> str:
        """Book."""
        started.set()
        await release.wait()
        return "booked"

    async with studio(AgentConfig(tools=(book,)), callbacks=recorder) as s:
        s.llm.call_tool("book")
        s.llm.reply("Sure.")
        async with calling(s.url) as caller:
            await caller.type("book a table")
            await started.wait()
            await caller.type("are you there")
            await caller.expect("turn", count=2)
            await caller.type("hello again")
            await caller.expect("turn", count=3)
            release.set()
            await caller.expect("tts_done", reply=3)
        sent = str((await s.llm.request(1)).messages)
        assert all(text in sent for text in ("book a table", "booked", "are you there", "hello again"))
        assert not s.llm.refused
    assert ("tool", "book") in recorder.seen


async def test_turns_typed_in_a_burst_are_all_remembered() -> None:
    async with studio() as s:
        for _ in range(4):
            s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            for text in ("my name is Anna", "I want a table", "for two"):
                await caller.type(text)
            await caller.expect("metrics", reply=3)
            await caller.type("end")
            await caller.expect("tts_done", reply=4)
        sent = str(s.llm.requests[-1].messages)
        assert all(text in sent for text in ("my name is Anna", "I want a table", "for two"))


@pytest.mark.parametrize("slow_platform", [False, True])
async def test_what_a_callback_says_at_the_beginning_is_heard_in_order(slow_platform: bool) -> None:
    class Welcoming(LifecycleCallbacks):
        async def on_session_created(self, session: Session) -> None:
            await session.say("Welcome back.")
            await session.say("It has been a while.")

    async def on_created(session_id: str, agent: Any) -> None:
        await asyncio.sleep(0)

    options = {"on_session_created": on_created} if slow_platform else {}
    async with studio(callbacks=Welcoming(), **options) as s, calling(s.url) as caller:
        await caller.expect("metrics", count=2)
        assert s.tts.spoken == ["Welcome back.", "It has been a while."]


async def test_a_callback_may_hang_up_before_anything_is_said() -> None:
    class Blocking(LifecycleCallbacks):
        async def on_session_created(self, session: Session) -> None:
            await session.end("blocked")

    async with studio(callbacks=Blocking()) as s, calling(s.url) as caller:
        await caller.expect("ready")
        assert await caller.ended() == (1000, "blocked")


async def test_a_tool_without_a_schema_refuses_the_one_call_it_was_made_for() -> None:
    def bad(thing: NotAType) -> str:  # type: ignore[name-defined]  # noqa: F821
        """Do."""
        return ""

    class Wrong(LifecycleCallbacks):
        async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
            return config.model_copy(update={"tools": (bad,)})

    async with studio(callbacks=Wrong()) as s, calling(s.url) as caller:
        assert (await caller.ended())[0] == 4500


async def test_half_a_surrogate_pair_costs_nobody_the_call() -> None:
    async with studio() as s:
        s.llm.reply("Hello \ud83d there.")
        async with calling(s.url) as caller:
            await caller.ws.send('{"type":"text","text":"\\ud800"}')
            await caller.expect("error", code="bad_message")
            await caller.type("Hi")
            await caller.expect("tts_done", reply=1)
        assert s.tts.spoken


async def test_a_tool_that_lets_a_cancellation_through_becomes_a_result() -> None:
    async def look() -> str:
        """Look."""
        waiting = asyncio.ensure_future(asyncio.Event().wait())
        waiting.cancel()
        await waiting
        return "never"

    async with studio(AgentConfig(tools=(look,))) as s:
        s.llm.call_tool("look")
        s.llm.reply("Sorry.")
        async with calling(s.url) as caller:
            await caller.type("Go")
            await caller.expect("tts_done", reply=1)
            assert caller.all("tool_result")[0]["ok"] is False


async def test_a_greeting_that_was_cut_is_remembered_as_cut() -> None:
    greeting = "One two three four five six seven eight nine."
    async with studio(AgentConfig(greeting=greeting), ms_per_word=400) as s:
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await caller.expect("audio", count=15)
            await caller.type("hello")
            await caller.expect("tts_done", reply=2)
        (said,) = [m["content"] for m in (await s.llm.request(0)).messages if m["role"] == "assistant"]
        assert said.startswith("One")
        assert said.endswith("[interrupted by the caller]")


async def test_reset_right_after_a_turn_forgets_what_was_cut_before_it() -> None:
    greeting = "One two three four five six seven eight nine."
    async with studio(AgentConfig(greeting=greeting), ms_per_word=400) as s:
        s.llm.reply("Fine.")
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await caller.expect("audio", count=15)
            await caller.type("hello")
            await caller.send("reset")
            await caller.expect("reset")
            await caller.type("who")
            await caller.expect("tts_done", reply=3)
        assert [m["content"] for m in s.llm.requests[-1].messages if m["role"] != "system"] == ["who"]


@pytest.mark.fault("caller: takes nothing")
async def test_the_handler_gets_away_from_a_client_that_takes_nothing() -> None:
    stuck = asyncio.Event()
    connected = False

    async def receive() -> dict[str, Any]:
        nonlocal connected
        if not connected:
            connected = True
            return {"type": "websocket.connect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            stuck.set()
            await asyncio.Event().wait()

    recorder = Recorder()
    async with studio(callbacks=recorder, limits=LimitsSettings(send_timeout_s=0.05)) as s:
        ws = WebSocket({"type": "websocket", "subprotocols": [], "query_string": b"", "headers": []}, receive, send)
        async with asyncio.timeout(10):
            await s.handler.handle(ws)
        assert stuck.is_set()
        assert s.manager.parked_sessions == 1
    assert recorder.names == ["created", "destroyed"]


async def test_a_typed_turn_is_not_timed_from_a_cough() -> None:
    class Ears(ScriptedEars):
        async def open(self, config: STTConfig) -> SpeechToTextStream:
            line = await super().open(config)
            listening.set()
            return line

    ears, listening = Ears(), asyncio.Event()
    async with studio(ears=ears) as s:
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await listening.wait()
            ears.hear(SpeechStarted())
            ears.hear(SpeechEnded())
            await caller.send("ping")
            await caller.expect("pong")
            await caller.type("hi")
            stages = (await caller.expect("metrics", reply=1))["stages_ms"]
            assert "speech_end" not in stages


async def test_a_recogniser_that_simply_ends_is_a_failure_that_is_said() -> None:
    class Ending:
        async def send_audio(self, pcm: bytes) -> None: ...

        def __aiter__(self) -> Ending:
            return self

        async def __anext__(self) -> Any:
            raise StopAsyncIteration

        async def aclose(self) -> None: ...

    class Handler(VoiceSessionHandler):
        async def _connect_stt(self, call: Call) -> SpeechToTextStream:
            return Ending()

    resilience = ResilienceSettings(stt_tell_after_s=0.1)
    async with studio(resilience=resilience, handler_class=Handler) as s, calling(s.url) as caller:
        await caller.expect("error", code="stt_closed")
        await caller.expect("chat", text=STT_LOST_PHRASE)


async def test_a_service_that_fails_in_an_unforeseen_way_ends_the_call_properly() -> None:
    recorder = Recorder()

    class Broken(ScriptedEars):
        @property
        def reports_speech_end(self) -> bool:  # type: ignore[override]
            raise OSError("no")

    async with studio(callbacks=recorder, ears=Broken()) as s, calling(s.url) as caller:
        assert (await caller.ended())[0] == 1011
        assert caller.all("error")[-1]["fatal"] is True
    assert recorder.names == ["created", "destroyed"]


async def test_a_handler_that_is_cancelled_again_and_again_still_ends_its_session_once() -> None:
    recorder = Recorder()
    started, release = asyncio.Event(), asyncio.Event()
    handling: list[asyncio.Task[Any]] = []

    @tool(on_interrupt="finish")
    async def stubborn() -> str:
        """Take its time."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await release.wait()
        return ""

    async with studio(AgentConfig(tools=(stubborn,)), callbacks=recorder) as s:
        handle = s.handler.handle

        async def noted(ws: Any) -> None:
            handling.append(asyncio.current_task())  # type: ignore[arg-type]
            await handle(ws)

        s.handler.handle = noted  # type: ignore[method-assign, assignment]
        s.llm.call_tool("stubborn")
        async with calling(s.url) as caller:
            await caller.type("go")
            await started.wait()
            for _ in range(3):
                handling[0].cancel()
                await asyncio.wait([handling[0]], timeout=0.05)
            release.set()
            await s.manager.aclose_all()
    assert recorder.names.count("destroyed") == 1
