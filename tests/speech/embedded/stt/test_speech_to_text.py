from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soxr
from blockbuster import blockbuster_ctx

from tests.benchmarks.word_errors import word_errors
from tests.speech.embedded.speech import (
    CLIPS,
    SAMPLE_RATE,
    SILENCE_1_S,
    clip,
    feed,
    plain,
    until_final,
    words_of,
)
from voice_host.speech.embedded.stt import EmbeddedSpeechToText
from voice_host.speech.embedded.stt.recogniser import LocalRecogniser
from voice_host.speech.embedded.stt.stream import EmbeddedSpeechToTextStream
from voice_host_sdk import ProviderError, SpeechEnded, SpeechEvent, SpeechStarted, STTConfig, Transcript

WEATHER = clip("whats_the_weather_like.wav")
FORWARD = clip("go_forward_ten_meters.wav")
ASKED = "What's the weather like?"


class Scripted:
    """A recogniser that answers when it is let, and counts."""

    def __init__(self, *answers: str | ProviderError) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.let = asyncio.Event()
        self.let.set()

    async def warm(self) -> None:
        pass

    async def recognise(self, pcm: bytes) -> str:
        self.asked += 1
        await self.let.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    async def preview(self, pcm: bytes) -> str | None:
        return None

    async def aclose(self) -> None:
        pass


def stream_to(recogniser: Scripted | LocalRecogniser, *, stalled_after_s: float = 60.0) -> EmbeddedSpeechToTextStream:
    return EmbeddedSpeechToTextStream(STTConfig(), recogniser, on_close=lambda _: None, stalled_after_s=stalled_after_s)


async def all_events(stream: EmbeddedSpeechToTextStream, pcm: bytes) -> list[SpeechEvent]:
    """Say something, and return every event there is once everything has been recognised."""
    told: list[SpeechEvent] = []

    async def read() -> None:
        told.extend([event async for event in stream])

    reading = asyncio.create_task(read())
    await feed(stream, pcm)
    async with asyncio.timeout(30):
        while len(asyncio.all_tasks()) > 2:  # noqa: ASYNC110 - this one and the reader: what the stream began is done
            await asyncio.sleep(0.005)
    await stream.aclose()
    await reading
    return told


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def own_threads() -> set[str]:
    """Threads but those of the event loop's own executor."""
    return {one.name for one in threading.enumerate() if not one.name.startswith("asyncio_")}


# --- what was said ---


@pytest.mark.parametrize("name", CLIPS)
async def test_recorded_speech_becomes_its_words(speech_to_text: EmbeddedSpeechToText, name: str) -> None:
    stream = await speech_to_text.open(STTConfig())
    reading = asyncio.create_task(until_final(stream))
    await feed(stream, clip(name) + SILENCE_1_S)
    events = await reading
    final = events[-1]
    assert isinstance(final, Transcript)
    assert word_errors(CLIPS[name], final.text) <= (name == "cards_005.wav")
    states = [event for event in events if not isinstance(event, Transcript)]
    assert states == [SpeechStarted(), SpeechEnded()] * (len(states) // 2)
    assert states


async def test_words_come_with_punctuation_and_case(speech_to_text: EmbeddedSpeechToText) -> None:
    assert await words_of(await speech_to_text.open(STTConfig()), WEATHER) == ASKED


async def test_turns_follow_one_another(speech_to_text: EmbeddedSpeechToText) -> None:
    stream = await speech_to_text.open(STTConfig())
    assert await words_of(stream, WEATHER) == ASKED
    assert plain(await words_of(stream, FORWARD)) == "go forward ten meters"
    assert await words_of(stream, WEATHER) == ASKED


@pytest.mark.parametrize("frame_bytes", [333, 2, 100_000])
async def test_frames_may_have_any_length(speech_to_text: EmbeddedSpeechToText, frame_bytes: int) -> None:
    stream = await speech_to_text.open(STTConfig())
    assert await words_of(stream, WEATHER, frame_bytes=frame_bytes) == ASKED


@pytest.mark.parametrize("sample_rate", [48_000, 24_000])
async def test_a_microphone_may_have_another_sample_rate(
    speech_to_text: EmbeddedSpeechToText, sample_rate: int
) -> None:
    samples = np.frombuffer(WEATHER + SILENCE_1_S, dtype="<i2")
    pcm = soxr.resample(samples, SAMPLE_RATE, sample_rate).tobytes()
    stream = await speech_to_text.open(STTConfig(sample_rate=sample_rate))
    reading = asyncio.create_task(until_final(stream))
    await feed(stream, pcm)
    assert (await reading)[-1] == Transcript(ASKED, final=True)


async def test_speech_of_half_a_minute_without_a_pause_is_recognised(speech_to_text: EmbeddedSpeechToText) -> None:
    # Beyond 16 s the decoder fails where it is given the mask of the encoder's frames.
    recogniser = LocalRecogniser(1)
    told = await recogniser.recognise(WEATHER[8_000:48_000] * 24)
    assert plain(told).count("weather") >= 5
    await recogniser.aclose()


# --- while it is said ---


async def test_partials_come_while_somebody_speaks(speech_to_text: EmbeddedSpeechToText) -> None:
    stream = await speech_to_text.open(STTConfig())
    told = asyncio.create_task(anext(event async for event in stream if isinstance(event, Transcript)))
    await feed(stream, WEATHER[:40_000])  # in mid-speech
    partial = await told
    assert partial.confidence is None
    assert plain(partial.text).startswith("what")
    assert not partial.final


async def test_a_draft_is_shown_with_how_sure_it_is_that_the_turn_has_ended() -> None:
    for words, sure in ((ASKED, True), ("One, two.", False)):
        events = await all_events(stream_to(Scripted(words)), WEATHER + SILENCE_1_S)
        *_, draft, final = [event for event in events if isinstance(event, Transcript)]
        assert draft.confidence is not None
        assert (draft.text, draft.confidence > 0.7) == (words, sure)
        assert final == Transcript(words, final=True)


async def test_a_pause_after_a_number_is_no_end(speech_to_text: EmbeddedSpeechToText) -> None:
    """Pauses of 0.58 and 0.48 s, longer than those that end a turn which sounds complete."""
    recogniser = Scripted("One.", "One, two.", "One, two, three.")
    events = await all_events(stream_to(recogniser), clip("one_two_three.wav") + SILENCE_1_S)
    finals = [event.text for event in events if isinstance(event, Transcript) and event.final]
    assert finals == ["One, two, three."]


async def test_a_caller_who_goes_on_before_the_words_are_known_is_one_turn() -> None:
    recogniser = Scripted(ASKED, "Go forward ten meters.")
    recogniser.let.clear()
    stream = stream_to(recogniser)
    reading = asyncio.create_task(until_final(stream))
    await feed(stream, WEATHER + SILENCE_1_S + FORWARD + SILENCE_1_S)
    recogniser.let.set()
    assert (await reading)[-1] == Transcript(f"{ASKED} Go forward ten meters.", final=True)
    await stream.aclose()


# --- what is no speech ---


async def test_silence_and_noise_say_nothing() -> None:
    recogniser = Scripted()
    noise = np.random.default_rng(1).normal(0, 300, 3 * SAMPLE_RATE).astype("<i2").tobytes()
    assert await all_events(stream_to(recogniser), SILENCE_1_S * 3 + noise) == []
    assert recogniser.asked == 0


@pytest.mark.parametrize("kind", ["white noise", "hum", "a bang", "clicks", "silence"])
async def test_sounds_that_are_no_speech_have_no_words(kind: str) -> None:
    """Given to the recogniser past the detector, which lets none of them through."""
    noise = np.random.default_rng(2)
    seconds = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    samples = {
        "white noise": noise.normal(0, 3000, len(seconds)),
        "hum": 3000 * np.sin(2 * np.pi * 50 * seconds) + 1000 * np.sin(2 * np.pi * 150 * seconds),
        "a bang": noise.normal(0, 8000, len(seconds)) * np.exp(-np.abs(seconds - 0.5) * 20),
        "clicks": (noise.random(len(seconds)) < 0.001) * 20_000.0,
        "silence": np.zeros(len(seconds)),
    }[kind]
    recogniser = LocalRecogniser(1)
    assert await recogniser.recognise(samples.clip(-32768, 32767).astype("<i2").tobytes()) == ""
    await recogniser.aclose()


async def test_an_utterance_without_words_is_no_turn() -> None:
    events = await all_events(stream_to(Scripted("")), WEATHER + SILENCE_1_S)
    assert events == [SpeechStarted(), SpeechEnded()]


async def test_a_noise_that_words_were_shown_of_is_taken_back() -> None:
    """By an empty final transcript: else those words would become a turn once the wait for a final one is over."""

    class Changing(Scripted):
        async def preview(self, pcm: bytes) -> str | None:
            return "Thank you."

    events = await all_events(stream_to(Changing("", "Thank you.")), WEATHER + SILENCE_1_S)
    told = [event for event in events if isinstance(event, Transcript)]
    assert told[-1] == Transcript("", final=True)
    assert {event.text for event in told[:-1]} == {"Thank you."}


# --- microphones that stop, loops that stand still ---


async def test_a_microphone_that_stops_in_mid_speech_ends_the_turn() -> None:
    recogniser = LocalRecogniser(1)
    stream = stream_to(recogniser, stalled_after_s=0.02)
    reading = asyncio.create_task(until_final(stream))
    await stream.send_audio(WEATHER[: 39 * 1024])  # while the voice is still there
    events = await reading
    assert events[-1] == Transcript(ASKED, final=True)
    assert SpeechEnded() in events
    await stream.aclose()
    await recogniser.aclose()


async def test_audio_that_waited_while_the_event_loop_stood_still_is_no_silence() -> None:
    recogniser = LocalRecogniser(1)
    stream = stream_to(recogniser, stalled_after_s=0.5)
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
    assert (await reading)[-1] == Transcript(ASKED, final=True)
    await stream.aclose()
    await recogniser.aclose()


# --- failures, sharing, closing ---


@pytest.mark.fault("stt: the embedded recogniser has too much to do")
@pytest.mark.parametrize("code", ["stt_busy", "stt_failed"])
async def test_a_recogniser_that_fails_is_told_to_the_call(code: str) -> None:
    stream = stream_to(Scripted(ProviderError("It failed.", code=code)))
    reading = asyncio.create_task(until_final(stream))
    feeding = asyncio.create_task(feed(stream, WEATHER + SILENCE_1_S))
    with pytest.raises(ProviderError) as failed:
        await reading
    assert failed.value.code == code
    await asyncio.wait([feeding])
    feeding.exception()  # refused as well, unless all was sent by then
    with pytest.raises(ProviderError):
        await stream.send_audio(SILENCE_1_S)
    await stream.aclose()


async def test_calls_share_one_model(speech_to_text: EmbeddedSpeechToText) -> None:
    streams = [await speech_to_text.open(STTConfig()) for _ in range(5)]
    said = await asyncio.gather(*(words_of(stream, WEATHER) for stream in streams))
    assert said == [ASKED] * 5
    assert len([one for one in own_threads() if one.startswith("embedded-stt")]) <= 4


async def test_the_event_loop_is_never_blocked(speech_to_text: EmbeddedSpeechToText) -> None:
    with blockbuster_ctx():
        stream = await speech_to_text.open(STTConfig())
        assert await words_of(stream, WEATHER) == ASKED
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
    async def call() -> None:
        provider = EmbeddedSpeechToText()
        stream = await provider.open(STTConfig())
        await feed(stream, WEATHER + SILENCE_1_S)  # a decode is on its way
        await provider.aclose()
        await provider.aclose()
        with pytest.raises(ProviderError):
            await provider.open(STTConfig())

    await call()  # what the interpreter, the event loop and the model keep is there from now on
    descriptors, threads = open_descriptors(), own_threads()
    await call()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert own_threads() <= threads
    assert open_descriptors() <= descriptors
