"""A voice that refuses, closes, stalls or does not stop: said again, said by another voice, or shown; never a hang."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.calls.client import TestCaller, calling
from tests.calls.studio import Studio, studio
from tests.simulators.orpheus import SAMPLE_RATE, Fault, OrpheusSimulator
from voice_host.settings import ResilienceSettings
from voice_host.speech.orpheus.adapter import OrpheusTextToSpeech

TEXT = "One two three. Four five six."
QUICK = ResilienceSettings(voice_silent_after_s=0.3)


@asynccontextmanager
async def call(
    *faults: Fault | None, text: str = TEXT, resilience: ResilienceSettings = QUICK, **options: Any
) -> AsyncIterator[tuple[Studio, TestCaller]]:
    """A call whose agent answers twice, and whose voice fails as it is told."""
    async with studio(resilience=resilience, **options) as s:
        s.llm.reply(text)
        s.llm.reply("Seven eight nine.")
        s.tts.faults.extend(faults)
        async with calling(s.url) as caller:
            yield s, caller
        assert s.tts.violations == []


@asynccontextmanager
async def call_with_fallback(
    *faults: Fault | None, **options: Any
) -> AsyncIterator[tuple[Studio, TestCaller, OrpheusSimulator]]:
    async with OrpheusSimulator(api_key="other-key", ms_per_word=40) as other:
        fallback = OrpheusTextToSpeech("other-key", url=other.url)
        async with call(*faults, fallback_voice=fallback, **options) as (s, caller):
            yield s, caller, other


async def replies(caller: TestCaller) -> None:
    """Two turns, each answered to its end."""
    for reply in (1, 2):
        await caller.type("Count")
        await caller.expect("tts_done", reply=reply)
        await caller.expect("metrics", reply=reply)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.CLOSE_BEFORE_AUDIO, marks=pytest.mark.fault("voice: closes before audio")),
        pytest.param(Fault.FAIL_BEFORE_AUDIO, marks=pytest.mark.fault("voice: closes before audio")),
        pytest.param(Fault.DROP_BEFORE_AUDIO, marks=pytest.mark.fault("voice: closes before audio")),
        pytest.param(Fault.STALL, marks=pytest.mark.fault("voice: stalls before audio")),
        pytest.param(Fault.HALF_SAMPLE, marks=pytest.mark.fault("voice: sends odd byte counts")),
    ],
)
async def test_what_nobody_heard_is_said_again_and_nobody_notices(fault: Fault) -> None:
    async with call(fault) as (_, caller):
        await replies(caller)
        assert not caller.all("error")
        assert len(caller.audio) == 9 * 40 * SAMPLE_RATE * 2 // 1000


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param(
            Fault.FAIL_BEFORE_AUDIO, "tts_failed", marks=pytest.mark.fault("voice: closes before audio again and again")
        ),
        pytest.param(Fault.STALL, "tts_timeout", marks=pytest.mark.fault("voice: stalls again and again")),
    ],
)
async def test_a_clause_that_cannot_be_said_is_shown_and_the_next_one_said(fault: Fault, code: str) -> None:
    async with call(fault, fault, text="One two three.") as (_, caller):
        await replies(caller)
        (error,) = caller.all("error")
        assert error["code"] == code
        assert caller.all("chat")[0]["text"] == "One two three."
        assert caller.audio


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        pytest.param(
            Fault.FAIL_MID_AUDIO, ["tts_failed"], marks=pytest.mark.fault("voice: closes mid-audio with 1011")
        ),
        pytest.param(Fault.DROP_MID_AUDIO, ["tts_failed"], marks=pytest.mark.fault("voice: breaks mid-audio")),
        pytest.param(Fault.STALL_MID_AUDIO, ["tts_timeout"], marks=pytest.mark.fault("voice: stalls mid-audio")),
        pytest.param(Fault.CLOSE_MID_AUDIO, [], marks=pytest.mark.fault("voice: closes mid-audio with 1000")),
    ],
)
async def test_a_clause_that_breaks_off_is_not_said_twice_and_the_next_one_follows(
    fault: Fault, codes: list[str]
) -> None:
    async with call(fault) as (s, caller):
        await replies(caller)
        assert [error["code"] for error in caller.all("error")] == codes
        assert s.tts.spoken == ["One two three.", "Four five six.", "Seven eight nine."]
        assert len(caller.audio) == (9 * 40 - 60) * SAMPLE_RATE * 2 // 1000


@pytest.mark.fault("voice: floods")
async def test_a_voice_that_does_not_stop_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_host.call.failover_tts.MOST_S_AT_LEAST", 0.5)
    monkeypatch.setattr("voice_host.call.failover_tts.MOST_S_PER_CHARACTER", 0.01)
    async with call(Fault.FLOOD) as (s, caller):
        await replies(caller)
        assert [error["code"] for error in caller.all("error")] == ["tts_failed"]
        assert len(caller.audio) < 2 * SAMPLE_RATE * 2
        flood = s.tts.utterances[0]
        await s.tts.until(lambda _: not flood.open)


@pytest.mark.fault("voice: refuses, with a fallback voice")
async def test_another_voice_speaks_and_goes_on_speaking() -> None:
    async with call_with_fallback() as (s, caller, other):
        s.tts.upgrade_status = 503
        await s.tts.close_idle()
        await replies(caller)
        assert other.spoken == ["One two three.", "Four five six.", "Seven eight nine."]
        assert s.tts.spoken == []
        assert not caller.all("error")


@pytest.mark.fault("voice: stalls, with a fallback voice")
async def test_a_clause_that_stalled_twice_is_said_by_the_other_voice() -> None:
    async with call_with_fallback(Fault.STALL, Fault.STALL, text="One two three.") as (_, caller, other):
        await replies(caller)
        assert other.spoken == ["One two three.", "Seven eight nine."]
        assert not caller.all("error")
        assert len(caller.audio) == 6 * 40 * SAMPLE_RATE * 2 // 1000


@pytest.mark.fault("voice: both voices fail")
async def test_when_the_other_voice_fails_too_the_reply_is_shown() -> None:
    async with call_with_fallback() as (s, caller, other):
        s.tts.upgrade_status = other.upgrade_status = 503
        await s.tts.close_idle()
        await replies(caller)
        assert {error["code"] for error in caller.all("error")} == {"tts_failed"}
        assert len(caller.all("error")) == 2
        assert [f["text"] for f in caller.all("chat")] == ["One two three. Four five six.", "Seven eight nine."]


async def test_the_voice_is_tried_again_after_a_while() -> None:
    async with call_with_fallback(resilience=ResilienceSettings(voice_retry_after_s=0)) as (s, caller, other):
        s.tts.upgrade_status = 503
        await s.tts.close_idle()
        await caller.type("Count")
        await caller.expect("metrics", reply=1)
        s.tts.upgrade_status = None
        await caller.type("Count")
        await caller.expect("metrics", reply=2)
        assert other.spoken == ["One two three.", "Four five six."]
        assert s.tts.spoken == ["Seven eight nine."]


async def test_the_button_stops_a_voice_that_stalls() -> None:
    async with call(Fault.STALL, Fault.STALL, resilience=ResilienceSettings()) as (s, caller):
        await caller.type("Count")
        await s.tts.until(lambda tts: bool(tts.utterances and len(tts.utterances[0].words) == 3))
        await caller.send("cancel")
        await caller.expect("cancelled", reply=1)
