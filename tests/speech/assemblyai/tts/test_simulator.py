import json
from typing import Any

import pytest
from assemblyai import AsyncTTSSession
from assemblyai import TTSConfig as OfficialConfig
from websockets.asyncio.client import connect

from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator, tone
from tests.speech.assemblyai.tts.speech import KEY, TEXT

# --- the simulator is strict ---


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "[]",
        "{}",
        b'{"type":"Flush"}',
        '{"type":"Speak"}',
        '{"type":"Generate"}',
        '{"type":"Generate","text":7}',
        json.dumps({"type": "Generate", "text": "a " * 1001}),
        json.dumps({"type": "Generate", "text": "a" * 61}),
    ],
)
async def test_the_simulator_refuses_what_the_service_refuses(
    simulator: AssemblyAITTSSimulator, message: str | bytes
) -> None:
    async with connect(simulator.url, additional_headers={"Authorization": KEY}) as socket:
        assert json.loads(await socket.recv())["type"] == "Begin"
        await socket.send(message)
        error = json.loads(await socket.recv())
        await socket.wait_closed()
        assert (error["type"], error["error_code"], socket.close_code) == ("Error", 3006, 3006)
    assert len(simulator.violations) == 1


@pytest.mark.parametrize("query", ["voice_id=jess", "sample_rate=32000", "encoding=mp3", "word_boundaries=maybe"])
async def test_the_simulator_refuses_parameters(simulator: AssemblyAITTSSimulator, query: str) -> None:
    async with connect(f"{simulator.url}?{query}", additional_headers={"Authorization": KEY}) as socket:
        assert json.loads(await socket.recv())["error_code"] == 3006
        await socket.wait_closed()
        assert socket.close_code == 3006


async def test_the_simulator_says_nothing_before_a_flush_and_no_more_than_it_can_take(
    simulator: AssemblyAITTSSimulator,
) -> None:
    async with connect(simulator.url, additional_headers={"Authorization": KEY}) as socket:
        await socket.recv()
        for _ in range(5):
            await socket.send(json.dumps({"type": "Generate", "text": "One two. " * 200}))
        error = json.loads(await socket.recv())
        assert (error["type"], error["error_code"]) == ("Error", 3010)
    assert simulator.requests == []


# --- the official client understands the simulator ---


async def test_the_official_client_speaks_cancels_and_speaks_again(
    simulator: AssemblyAITTSSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    import assemblyai

    monkeypatch.setattr(assemblyai.settings, "tts_base_url", f"ws://{simulator.host}")
    session = AsyncTTSSession(OfficialConfig(voice_id="aai-jane"), api_key=KEY, word_boundaries=True)
    events: list[Any] = []
    for name in ("FlushDone", "WordBoundaries", "Cancelled"):
        session.on(name, events.append)
    async with session:
        assert b"".join([audio async for audio in session.speak(TEXT)]) == tone(1200)
        simulator.speed, simulator.stale_frames = 5.0, 3
        cut_off = session.speak("A long sentence that is cut off.")
        await anext(cut_off)
        await session.cancel()
        assert [audio async for audio in cut_off] == []
        simulator.speed = None
        assert b"".join([audio async for audio in session.speak(TEXT)]) == tone(1200, pitch=3)
    assert session.termination is not None
    kinds = [type(event).__name__ for event in events]
    assert kinds == [
        "TTSFlushDoneEvent",
        "TTSWordBoundariesEvent",
        "TTSCancelledEvent",
        "TTSFlushDoneEvent",
        "TTSWordBoundariesEvent",
    ]
    timed = events[-1]
    assert [(word.word, word.start - timed.audio_start_ms) for word in timed.words] == [
        ("We", 0),
        ("open", 300),
        ("at", 600),
        ("nine.", 900),
    ]
    assert simulator.violations == []


async def test_the_official_client_is_told_that_its_key_is_wrong(
    simulator: AssemblyAITTSSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    import assemblyai

    monkeypatch.setattr(assemblyai.settings, "tts_base_url", f"ws://{simulator.host}")
    with pytest.raises(assemblyai.TTSError) as refused:
        await AsyncTTSSession(api_key="wrong").connect()
    assert refused.value.body is not None
    assert (refused.value.body["close_code"], refused.value.retryable) == (1008, False)
