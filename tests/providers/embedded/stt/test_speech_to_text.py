from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soxr
from blockbuster import blockbuster_ctx

from tests.providers.embedded.speech import CLIPS, SAMPLE_RATE, SILENCE_1_S, clip, feed, until_final, words_of
from voice_host.providers.embedded import EmbeddedSpeechToText
from voice_host.providers.embedded.stt.recogniser_pool import RecogniserPool
from voice_host.providers.embedded.stt.stream import EmbeddedSpeechToTextStream
from voice_host_sdk import ProviderError, SpeechEnded, SpeechEvent, SpeechStarted, STTConfig, Transcript

WEATHER = clip("whats_the_weather_like.wav")


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def own_threads() -> set[str]:
    """Threads but those of the event loop's own executor."""
    return {one.name for one in threading.enumerate() if not one.name.startswith("asyncio_")}


@pytest.mark.parametrize("name", CLIPS)
async def test_recorded_speech_becomes_its_words(speech_to_text: EmbeddedSpeechToText, name: str) -> None:
    stream = await speech_to_text.open(STTConfig())
    reading = asyncio.create_task(until_final(stream))
    await feed(stream, clip(name) + SILENCE_1_S)
    events = await reading
    assert events[-1] == Transcript(CLIPS[name], final=True)
    states = [event for event in events if not isinstance(event, Transcript)]
    assert states == [SpeechStarted(), SpeechEnded()] * (len(states) // 2)
    assert states


async def test_partials_come_while_somebody_speaks(speech_to_text: EmbeddedSpeechToText) -> None:
    await speech_to_text.warm()
    stream = await speech_to_text.open(STTConfig())
    partials: list[str] = []
    events = aiter(stream)
    for start in range(0, len(WEATHER), 16_000):
        await feed(stream, WEATHER[start : start + 16_000])
        async with asyncio.timeout(20):
            while not partials:
                event = await anext(events)
                if isinstance(event, Transcript):
                    partials.append(event.text)
                elif start < 32_000:
                    break
    assert partials
    assert "what" in partials[0]


async def test_turns_follow_one_another(speech_to_text: EmbeddedSpeechToText) -> None:
    stream = await speech_to_text.open(STTConfig())
    assert await words_of(stream, WEATHER) == "what's the weather like"
    assert await words_of(stream, clip("go_forward_ten_meters.wav")) == "go forward ten meters"
    assert await words_of(stream, WEATHER) == "what's the weather like"


async def test_a_caller_who_goes_on_before_the_words_are_known_is_one_turn(
    speech_to_text: EmbeddedSpeechToText,
) -> None:
    stream = await speech_to_text.open(STTConfig())
    words = await words_of(stream, WEATHER + SILENCE_1_S + clip("go_forward_ten_meters.wav"))
    assert words == "what's the weather like go forward ten meters"


@pytest.mark.parametrize("frame_bytes", [333, 2, 100_000])
async def test_frames_may_have_any_length(speech_to_text: EmbeddedSpeechToText, frame_bytes: int) -> None:
    stream = await speech_to_text.open(STTConfig())
    assert await words_of(stream, WEATHER, frame_bytes=frame_bytes) == "what's the weather like"


@pytest.mark.parametrize("sample_rate", [48_000, 24_000])
async def test_a_microphone_may_have_another_sample_rate(
    speech_to_text: EmbeddedSpeechToText, sample_rate: int
) -> None:
    samples = np.frombuffer(WEATHER + SILENCE_1_S, dtype="<i2")
    pcm = soxr.resample(samples, SAMPLE_RATE, sample_rate).tobytes()
    stream = await speech_to_text.open(STTConfig(sample_rate=sample_rate))
    reading = asyncio.create_task(until_final(stream))
    await feed(stream, pcm)
    assert (await reading)[-1] == Transcript("what's the weather like", final=True)


async def test_silence_and_noise_say_nothing(speech_to_text: EmbeddedSpeechToText) -> None:
    stream = await speech_to_text.open(STTConfig())
    told: list[SpeechEvent] = []

    async def read() -> None:
        told.extend([event async for event in stream])

    reading = asyncio.create_task(read())
    noise = np.random.default_rng(1).normal(0, 300, 3 * SAMPLE_RATE).astype("<i2").tobytes()
    await feed(stream, SILENCE_1_S * 3 + noise)
    await stream.aclose()
    await reading
    assert told == []
    assert speech_to_text.counters.utterances == 0


async def test_a_microphone_that_stops_in_mid_speech_ends_the_turn() -> None:
    pool = RecogniserPool(1)
    stream = EmbeddedSpeechToTextStream(STTConfig(), pool, on_close=lambda _: None, stalled_after_s=0.02)
    reading = asyncio.create_task(until_final(stream))
    await stream.send_audio(WEATHER[: 39 * 1024])  # while the voice is still there
    events = await reading
    assert events[-1] == Transcript("what's the weather like", final=True)
    assert SpeechEnded() in events
    await stream.aclose()
    await pool.aclose()


async def test_audio_that_waited_while_the_event_loop_stood_still_is_no_silence() -> None:
    pool = RecogniserPool(1)
    stream = EmbeddedSpeechToTextStream(STTConfig(), pool, on_close=lambda _: None, stalled_after_s=0.5)
    reading = asyncio.create_task(until_final(stream))
    half = 20 * 1024
    await stream.send_audio(WEATHER[:half])

    async def go_on() -> None:
        for _ in range(5):  # as many steps as from a socket to the recogniser
            await asyncio.sleep(0)
        await feed(stream, WEATHER[half:] + SILENCE_1_S)

    going_on = asyncio.create_task(go_on())
    time.sleep(0.6)  # noqa: ASYNC251
    await going_on
    assert (await reading)[-1] == Transcript("what's the weather like", final=True)
    await stream.aclose()
    await pool.aclose()


async def test_a_recogniser_that_fails_is_told_to_the_call(speech_to_text: EmbeddedSpeechToText) -> None:
    stream = await speech_to_text.open(STTConfig())
    reading = asyncio.create_task(until_final(stream))
    await feed(stream, WEATHER)
    await speech_to_text._pool.aclose()
    feeding = asyncio.create_task(feed(stream, SILENCE_1_S))
    with pytest.raises(ProviderError) as failed:
        await reading
    assert failed.value.code == "stt_closed"
    await asyncio.wait([feeding])
    feeding.exception()  # refused as well, unless all was sent by then
    with pytest.raises(ProviderError):
        await stream.send_audio(SILENCE_1_S)


async def test_calls_share_the_processes(speech_to_text: EmbeddedSpeechToText) -> None:
    streams = [await speech_to_text.open(STTConfig()) for _ in range(5)]
    said = await asyncio.gather(*(words_of(stream, WEATHER) for stream in streams))
    assert said == ["what's the weather like"] * 5
    assert len(speech_to_text.process_ids) == 2


async def test_the_event_loop_is_never_blocked(speech_to_text: EmbeddedSpeechToText) -> None:
    await speech_to_text.warm()
    with blockbuster_ctx():
        stream = await speech_to_text.open(STTConfig())
        assert await words_of(stream, WEATHER) == "what's the weather like"
        await stream.aclose()


async def test_a_closed_stream_is_over(speech_to_text: EmbeddedSpeechToText) -> None:
    stream = await speech_to_text.open(STTConfig())
    await stream.send_audio(WEATHER)
    await stream.aclose()
    await stream.aclose()
    assert [event async for event in stream] == []
    with pytest.raises(ProviderError) as refused:
        await stream.send_audio(WEATHER)
    assert refused.value.code == "stt_closed"


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_closing_leaves_nothing() -> None:
    async def call() -> tuple[int, ...]:
        provider = EmbeddedSpeechToText(processes=2)
        stream = await provider.open(STTConfig())
        await feed(stream, WEATHER + SILENCE_1_S)  # a decode is on its way
        pids = provider.process_ids
        await provider.aclose()
        await provider.aclose()
        with pytest.raises(ProviderError):
            await provider.open(STTConfig())
        return pids

    await call()  # what the interpreter and the event loop keep is there from now on
    descriptors, threads = open_descriptors(), own_threads()
    pids = await call()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    async with asyncio.timeout(10):
        while own_threads() - threads or open_descriptors() > descriptors:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    assert own_threads() <= threads
