"""What makes a call feel human, over the real protocol: early words, speculation, latency. More in tests/call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.calls.client import calling
from tests.calls.studio import studio
from voice_host.call.latency import STAGES
from voice_host_sdk import AgentConfig, LifecycleCallbacks, Session


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


@pytest.mark.fault("model: endless tool loop")
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


async def test_the_stages_of_replies_are_counted_by_the_kind_of_turn() -> None:
    before = counted()
    async with studio(AgentConfig(greeting="Hello.")) as s:
        s.llm.reply("Typed.")
        s.llm.reply("Spoken.")
        async with calling(s.url) as caller:
            await caller.expect("metrics", reply=1)
            await caller.type("Hi")
            await caller.expect("metrics", reply=2)
            await (await s.stt.connected()).final("And now I speak")
            await caller.expect("metrics", reply=3)
            await s.manager.session((await caller.expect("ready"))["session_id"]).agent.session.say("By the way.")
            await caller.expect("metrics", reply=4)
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 2]


def counted() -> list[float]:
    """How many first audios of replies to spoken turns, typed turns and none were counted so far."""
    name = "voice_host_stage_seconds_count"
    labels = {"agent": "desk", "stage": "first_audio_out"}
    return [REGISTRY.get_sample_value(name, {**labels, "kind": kind}) or 0 for kind in ("spoken", "typed", "own")]
