"""Speech-to-text that refuses, closes, goes silent or vanishes: it is replaced, and no word is lost or said twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.calls.client import TestCaller, calling
from tests.calls.studio import Studio, studio
from tests.simulators.coded_speech import CodedRecogniser, silence, speech
from voice_host.call import listening
from voice_host.call.listening import STT_LOST_PHRASE, STT_RECOVERED_PHRASE
from voice_host.settings import ResilienceSettings
from voice_host_sdk import AgentConfig, STTConfig

PATIENT = ResilienceSettings()
IMPATIENT = ResilienceSettings(stt_tell_after_s=0.2)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "RETRY_FIRST_S", 0.05)
    monkeypatch.setattr(listening, "RETRY_MAX_S", 0.1)


@asynccontextmanager
async def call(resilience: ResilienceSettings, **options: Any) -> AsyncIterator[tuple[Studio, TestCaller]]:
    async with studio(resilience=resilience, **options) as s:
        s.stt.ear = CodedRecogniser
        s.llm.reply("Fine.")
        async with calling(s.url) as caller:
            yield s, caller
        assert s.stt.violations == []


@pytest.mark.fault("stt: refuses the connection")
async def test_a_service_that_is_not_there_is_told_once_and_typing_works() -> None:
    async with call(IMPATIENT, stt_options={"url": "ws://127.0.0.1:9/v3/ws"}) as (_, caller):
        assert (await caller.expect("error"))["code"] == "stt_unreachable"
        await caller.expect("chat", text=STT_LOST_PHRASE)
        await caller.type("Hi")
        await caller.expect("tts_done", reply=2)
        assert len(caller.all("error")) == 1


@pytest.mark.fault("stt: never says Begin")
async def test_a_session_that_never_begins_is_replaced_and_the_caller_told_when_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voice_host.call.listening.STEADY_S", 0.1)
    async with call(
        IMPATIENT, stt_options={"resilience": ResilienceSettings(speech_connect_timeout_s=0.2)}, prepare=_never_begins
    ) as (s, caller):
        assert (await caller.expect("error"))["code"] == "stt_timeout"
        await caller.expect("chat", text=STT_LOST_PHRASE)
        s.stt.begins = True
        await caller.expect("chat", text=STT_RECOVERED_PHRASE)
        await caller.speak(speech("one two three") + silence(450))
        await caller.expect("turn", text="one two three")
        assert len(caller.all("error")) == 1


def _never_begins(s: Studio) -> None:
    s.stt.begins = False


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(1000, marks=pytest.mark.fault("stt: closes with 1000")),
        pytest.param(3005, marks=pytest.mark.fault("stt: closes with 3005")),
        pytest.param(3007, marks=pytest.mark.fault("stt: closes with 3007")),
        pytest.param(3008, marks=pytest.mark.fault("stt: closes with 3008")),
        pytest.param(3009, marks=pytest.mark.fault("stt: closes with 3009")),
        pytest.param(None, marks=pytest.mark.fault("stt: breaks without a close")),
    ],
)
async def test_a_line_that_closes_within_a_turn_is_replaced_and_the_turn_is_whole(code: int | None) -> None:
    # A second: a busy machine may take a while between the words, and the host fills it with silence.
    unhurried = AgentConfig(stt_config=STTConfig(min_end_of_turn_silence_when_confident=1000))
    async with call(PATIENT, config=unhurried) as (s, caller):
        session = await s.stt.connected()
        await caller.speak(speech("one"))
        await caller.expect("transcript", text="one", final=False)
        if code is None:
            session.drop()
        else:
            await session.error(code) if code != 1000 else await session.close(1000)
        await caller.speak(speech("two") + silence(1050))
        await caller.expect("turn", text="one two")
        assert len(s.stt.sessions) == 2
        assert not caller.all("error")
        assert STT_LOST_PHRASE not in s.tts.spoken


@pytest.mark.fault("stt: closes with 1008", "stt: closes with 3006")
@pytest.mark.parametrize("code", [1008, 3006])
async def test_a_refusal_within_the_call_is_told_at_once_and_not_tried_again(code: int) -> None:
    async with call(PATIENT) as (s, caller):
        await (await s.stt.connected()).error(code)
        await caller.expect("error")
        await caller.expect("chat", text=STT_LOST_PHRASE)
        await caller.type("Hi")
        await caller.expect("tts_done", reply=2)
        assert len(s.stt.sessions) == 1


@pytest.mark.fault("stt: sends garbage")
async def test_garbage_is_skipped() -> None:
    async with call(PATIENT) as (s, caller):
        session = await s.stt.connected()
        for garbage in (
            "",
            "{",
            "[]",
            b"\xff\xfe",
            '{"type":"Turn"}',
            '{"type":"Turn","turn_order":"x"}',
        ):
            await session.send_raw(garbage)
        await caller.speak(speech("one two") + silence(450))
        await caller.expect("turn", text="one two")
        assert len(s.stt.sessions) == 1
        assert not caller.all("error")


@pytest.mark.fault("stt: takes audio and says nothing", "stt: half-open connection")
@pytest.mark.parametrize("how", ["deaf", "half-open"])
async def test_speech_without_any_event_costs_the_line_and_is_heard_by_the_next(how: str) -> None:
    async with call(ResilienceSettings(stt_silent_after_s=0.5)) as (
        s,
        caller,
    ):
        session = await s.stt.connected()
        if how == "deaf":
            s.stt.deaf = True
        else:
            session.freeze()
        words = "one two three four"
        speaking = asyncio.create_task(caller.speak(speech(words) + silence(450)))
        await s.stt.until(lambda stt: len(stt.sessions) == 2)
        s.stt.deaf = False
        await caller.expect("turn", text=words)
        await speaking
        assert not caller.all("error")


@pytest.mark.fault("stt: is away for two seconds")
async def test_no_word_of_a_two_second_outage_is_lost_and_none_is_said_twice() -> None:
    first, rest = "one two three", "four five six seven eight nine ten eleven twelve thirteen"
    async with call(ResilienceSettings(), prepare=_strict_pace) as (s, caller):
        s.llm.reply("Fine again.")
        await s.stt.connected()
        await caller.speak(speech(first) + silence(450))
        await caller.expect("turn", text=first)
        await caller.expect("metrics", reply=1)
        speaking = asyncio.create_task(caller.speak(speech(rest) + silence(450)))
        await caller.expect("transcript", text="four")
        s.stt.go_down()
        await asyncio.sleep(2)
        s.stt.come_back()
        await speaking
        await caller.expect("turn", text=rest)
        assert [f["text"] for f in caller.all("turn")] == [first, rest]
        assert not caller.all("error")


def _strict_pace(s: Studio) -> None:
    s.stt.burst_ms = 1200


@pytest.mark.fault("stt: is away for long")
async def test_an_outage_that_lasts_is_told_once_and_its_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_host.call.listening.STEADY_S", 0.1)
    async with call(IMPATIENT) as (s, caller):
        s.llm.reply("Fine again.")
        await s.stt.connected()
        s.stt.go_down()
        await caller.expect("chat", text=STT_LOST_PHRASE)
        await caller.type("Hello?")
        await caller.expect("metrics", reply=2)
        s.stt.come_back()
        await caller.expect("chat", text=STT_RECOVERED_PHRASE)
        await caller.speak(speech("one two") + silence(450))
        await caller.expect("turn", text="one two")
        assert len(caller.all("error")) == 1


async def test_a_hold_does_not_outlast_the_line_that_began_it() -> None:
    async with call(PATIENT, ms_per_word=300) as (s, caller):
        s.llm.reply("Nothing of this is asked for.")
        session = await s.stt.connected()
        await caller.type("Hi")
        await caller.expect("audio")
        await session.speech_started()
        session.drop()
        await s.stt.connected(2)
        await caller.expect("tts_done", reply=1)
        assert not caller.all("cancelled")


def test_the_simulators_ear_reads_what_was_said() -> None:
    from tests.simulators.scripted_recogniser import TurnWriter

    ear = CodedRecogniser(16_000, TurnWriter(double_finals=False), 400)
    heard = ear.feed(speech("three one") + silence(STTConfig().min_end_of_turn_silence_when_confident))
    assert [message["transcript"] for message in heard if message.get("end_of_turn")] == ["three one"]
