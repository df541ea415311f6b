"""What makes a call feel human, over the real protocol: resuming, speculation, fillers, nudges, latency."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.calls.client import calling
from tests.calls.studio import studio
from voice_host.session.latency import STAGES
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session, SilenceConfig, TurnConfig, tool


async def test_words_go_to_the_voice_while_the_clause_is_still_being_written() -> None:
    async with studio() as s:
        gate = asyncio.Event()
        s.llm.reply("We ", "open ", "at ", "nine ", "on ", "Fridays.", gates={4: gate})
        async with calling(s.url) as caller:
            await caller.type("When?")
            await s.tts.until(lambda tts: tts.spoken == ["We open at"])
            gate.set()
            await caller.expect("tts_done")
            assert s.tts.spoken == ["We open at nine on Fridays."]
        assert s.tts.violations == []


async def test_the_next_clause_is_on_its_way_while_the_first_one_speaks() -> None:
    async with studio(ms_per_word=1500) as s:
        s.llm.reply("One two three. Four five six.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await s.tts.until(lambda tts: len(tts.utterances) == 2 and tts.utterances[1].ended)
            assert not caller.all("tts_done")


async def test_an_interruption_that_was_no_turn_is_resumed_as_a_new_reply() -> None:
    config = AgentConfig(turns=TurnConfig(false_interruption_ms=300))
    async with studio(config, ms_per_word=300) as s:
        s.llm.reply("One two three four five six seven.")
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            session = await s.stt.connected()
            await caller.expect("audio", count=14)  # some 900 ms: three words
            await session.speech_started()
            await session.partial("let me see")
            cut = await caller.expect("cancelled", reply=1)
            resumed = await caller.expect("chat", reply=2)
            assert resumed["text"].endswith("five six seven.")
            assert len(resumed["text"].split()) == 7 - len(cut["heard"].split()) + min(3, len(cut["heard"].split()))
            await caller.expect("metrics", reply=2)
            await caller.type("Thanks")
            await caller.expect("tts_done", reply=3)
        history = [(m["role"], m["content"]) for m in (await s.llm.request(1)).messages[1:]]
        assert history[0] == ("user", "Count")
        assert history[1][1].endswith("five six seven.")
        assert history[-1] == ("user", "Thanks")


async def test_a_model_begins_on_a_confident_partial_and_nothing_shows_before_the_turn_is_final() -> None:
    seen: list[str] = []

    class Watching(LifecycleCallbacks):
        async def on_user_turn(self, session: Session, turn: Any) -> None:
            seen.append(turn.text)

        async def on_tool_call(self, session: Session, call: Any) -> None:
            seen.append(call.name)

    ran: list[str] = []

    def look() -> str:
        """Look."""
        ran.append("look")
        return "nine"

    async with studio(AgentConfig(tools=(look,)), callbacks=Watching()) as s:
        s.llm.call_tool("look", text="Let me see.")
        s.llm.reply("At nine.")
        async with calling(s.url) as caller:
            session = await s.stt.connected()
            await session.send(confident("when do you open"))
            request = await s.llm.request(0)
            assert request.messages[-1]["content"] == "when do you open"
            await request.answered.wait()
            await caller.send("ping")
            await caller.expect("pong")
            assert caller.kinds() == ["ready", "transcript", "pong"]
            assert (seen, ran, s.tts.spoken) == ([], [], [])
            await session.final("When do you open?")
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"] == "Let me see. At nine."
            assert ran == ["look"]
        assert len(s.llm.requests) == 2
    assert seen == ["When do you open?", "look"]


async def test_a_speculation_on_another_turn_is_thrown_away() -> None:
    async with studio() as s:
        never = asyncio.Event()
        s.llm.reply("Wrong.", gates={0: never})
        s.llm.reply("Right.")
        async with calling(s.url) as caller:
            session = await s.stt.connected()
            await session.send(confident("when do you"))
            await s.llm.request(0)
            await session.final("when do you close")
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"] == "Right."
        assert s.tts.spoken == ["Right."]
        assert [m["content"] for m in (await s.llm.request(1)).messages[1:]] == ["when do you close"]


def confident(text: str) -> dict[str, Any]:
    """A partial transcript that is sure to be the whole turn, as the service sends it."""
    return {
        "type": "Turn",
        "turn_order": 0,
        "turn_is_formatted": False,
        "end_of_turn": False,
        "transcript": text,
        "end_of_turn_confidence": 0.95,
        "words": [],
        "utterance": "",
    }


async def test_dead_air_is_covered_and_the_filler_is_not_remembered() -> None:
    release = asyncio.Event()

    async def slow() -> str:
        """Look it up."""
        await release.wait()
        return "nine"

    config = AgentConfig(tools=(slow,), silence=SilenceConfig(filler_after_s=0.05, fillers=("One moment.",)))
    async with studio(config) as s:
        s.llm.call_tool("slow", text="Let me look.")
        s.llm.reply("At nine.")
        s.llm.reply("Bye.")
        async with calling(s.url) as caller:
            await caller.type("When?")
            await s.tts.until(lambda tts: tts.spoken == ["Let me look.", "One moment."])
            release.set()
            await caller.expect("metrics", reply=1)
            assert caller.all("chat")[0]["text"] == "Let me look. At nine."
            await caller.type("Thanks")
            await caller.expect("tts_done", reply=2)
        assert "One moment" not in str((await s.llm.request(2)).messages)


@pytest.mark.fault("model: endless tool loop")
async def test_a_step_limit_ends_in_words() -> None:
    def again() -> str:
        """Do it again."""
        return "again"

    config = AgentConfig(tools=(again,), max_steps=2, step_limit_phrase="That was too much.")
    async with studio(config) as s:
        s.llm.call_tool("again")
        s.llm.call_tool("again")
        async with calling(s.url) as caller:
            await caller.type("Go")
            await caller.expect("tts_done")
            assert caller.all("error")[0]["code"] == "step_limit"
        assert s.tts.spoken == ["That was too much."]


async def test_a_silent_caller_is_asked_and_then_hung_up_on() -> None:
    silence = SilenceConfig(nudge_after_s=0.1, nudges=("Hello?",), idle_timeout_s=1.0)
    async with studio(AgentConfig(silence=silence)) as s, calling(s.url) as caller:
        await caller.expect("chat", text="Hello?")
        assert await caller.ended() == (1000, "nothing was said for too long")


async def test_barge_in_works_in_the_greeting_too() -> None:
    config = AgentConfig(greeting="Welcome to the very long greeting of this house.")
    async with studio(config, ms_per_word=400) as s:
        s.llm.reply("Yes.")
        async with calling(s.url) as caller:
            session = await s.stt.connected()
            await caller.expect("audio", count=2)
            await session.partial("hello there")
            await caller.expect("cancelled", reply=1)
            await session.final("hello there")
            await caller.expect("tts_done", reply=2)


async def test_without_barge_in_the_agent_finishes_and_answers_then() -> None:
    async with studio(AgentConfig(turns=TurnConfig(barge_in=False)), ms_per_word=150) as s:
        s.llm.reply("One two three four five.")
        s.llm.reply("Yes.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            session = await s.stt.connected()
            await caller.expect("audio")
            await session.speak_turn("what about Sunday")
            await caller.expect("tts_done", reply=2)
            assert not caller.all("cancelled")
            assert caller.all("turn")[-1]["text"] == "what about Sunday"


async def test_the_clients_playback_decides_what_was_heard() -> None:
    async with studio(ms_per_word=400) as s:
        s.llm.reply("One two three four five six seven eight.")
        async with calling(s.url) as caller:
            await caller.type("Count")
            await caller.expect("audio", count=20)
            await caller.send("playback", reply=1, played_ms=0)
            await caller.send("cancel")
            assert (await caller.expect("cancelled"))["heard"] == ""


async def test_a_tool_that_must_finish_is_awaited_by_the_next_reply() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    @tool(on_interrupt="finish")
    async def book() -> str:
        """Book it."""
        started.set()
        await release.wait()
        return "booked as B 7"

    async with studio(AgentConfig(tools=(book,))) as s:
        s.llm.call_tool("book")
        s.llm.reply("It is booked.")
        async with calling(s.url) as caller:
            await caller.type("Book")
            await started.wait()
            await caller.type("Did it work?")
            await caller.expect("cancelled", reply=1)
            assert len(s.llm.requests) == 1
            release.set()
            await caller.expect("tts_done", reply=2)
        assert "booked as B 7" in str((await s.llm.request(1)).messages)
        assert not s.llm.refused


async def test_every_reply_reports_its_stages_once() -> None:
    async with studio() as s:
        s.llm.reply("Hello there.")
        async with calling(s.url) as caller:
            await caller.type("Hi")
            stages = (await caller.expect("metrics", reply=1))["stages_ms"]
            expected = [stage for stage in STAGES if stage not in ("speech_end", "barge_in_to_silence")]
            assert list(stages) == expected
            ordered = list(stages.values())
            assert ordered == sorted(ordered)
            assert len(caller.all("metrics")) == 1
