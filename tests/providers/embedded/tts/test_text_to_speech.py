from __future__ import annotations

import asyncio
import itertools
import threading

import numpy as np
import pytest
from blockbuster import blockbuster_ctx

from tests.providers.embedded.speech import words_of
from voice_host.providers.embedded import EmbeddedSpeechToText, EmbeddedTextToSpeech
from voice_host.providers.embedded.tts.espeak import DEFAULT_VOICE, engine
from voice_host_sdk import ProviderError, SpeechAudio, STTConfig, TextToSpeechStream, TTSConfig


async def speak(stream: TextToSpeechStream, *pieces: str) -> list[SpeechAudio]:
    utterance = await stream.utterance()
    for piece in pieces:
        await utterance.send_text(piece)
    await utterance.end()
    audio = [one async for one in utterance]
    await utterance.aclose()
    return audio


def pcm_of(audio: list[SpeechAudio]) -> bytes:
    return b"".join(one.pcm for one in audio)


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 22_050, 24_000, 48_000])
async def test_speech_has_the_asked_sample_rate(text_to_speech: EmbeddedTextToSpeech, sample_rate: int) -> None:
    stream = await text_to_speech.open(TTSConfig(sample_rate=sample_rate))
    audio = await speak(stream, "The weather is fine today.")
    samples = np.frombuffer(pcm_of(audio), dtype="<i2")
    assert 1.2 < len(samples) / sample_rate < 2.2
    assert np.abs(samples).max() > 3000
    assert {len(one.pcm) for one in audio[:-1]} == {2 * (sample_rate // 10)}


async def test_words_carry_their_times(text_to_speech: EmbeddedTextToSpeech) -> None:
    stream = await text_to_speech.open(TTSConfig())
    audio = await speak(stream, "It costs", "21.50 dollars,", "– or so.")
    words = [word for one in audio for word in one.words]
    assert [word.text for word in words] == ["It", "costs", "21.50", "dollars,", "–", "or", "so."]
    assert words[0].start_ms == 0
    assert all(one.end_ms == next_one.start_ms for one, next_one in itertools.pairwise(words))
    assert words[-1].end_ms == pytest.approx(len(pcm_of(audio)) / 48, abs=50)
    for number, one in enumerate(audio[:-1]):
        assert all(100 * number <= word.start_ms < 100 * (number + 1) for word in one.words)


async def test_a_recogniser_understands_it(
    text_to_speech: EmbeddedTextToSpeech, speech_to_text: EmbeddedSpeechToText
) -> None:
    voice = await text_to_speech.open(TTSConfig(sample_rate=16_000))
    audio = pcm_of(await speak(voice, "how are you today"))
    heard = await words_of(await speech_to_text.open(STTConfig()), audio)
    assert len(set(heard.split()) & {"how", "are", "you", "today"}) >= 3


async def test_long_text_is_spoken_whole(text_to_speech: EmbeddedTextToSpeech) -> None:
    stream = await text_to_speech.open(TTSConfig())
    text = "This sentence has six words, no more. " * 40
    audio = await speak(stream, text)
    assert [word.text for one in audio for word in one.words] == text.split()
    starts = [word.start_ms for one in audio for word in one.words]
    assert starts == sorted(starts)
    assert len(pcm_of(audio)) / 48_000 == pytest.approx(starts[-1] / 1000, abs=1)


async def test_speech_begins_before_a_long_text_ends(text_to_speech: EmbeddedTextToSpeech) -> None:
    stream = await text_to_speech.open(TTSConfig())
    utterance = await stream.utterance()
    await utterance.send_text("word " * 100)
    assert (await anext(aiter(utterance))).pcm
    await utterance.aclose()


@pytest.mark.parametrize("text", ["", "   ", "...", "\x00\x01", "🙂"])
async def test_nothing_to_say_is_no_failure(text_to_speech: EmbeddedTextToSpeech, text: str) -> None:
    stream = await text_to_speech.open(TTSConfig())
    assert len(pcm_of(await speak(stream, text))) < 48_000 * 3
    assert pcm_of(await speak(stream, "hello"))


async def test_too_much_text_is_refused(text_to_speech: EmbeddedTextToSpeech) -> None:
    utterance = await (await text_to_speech.open(TTSConfig())).utterance()
    with pytest.raises(ProviderError) as refused:
        await utterance.send_text("word " * 5000)
    assert refused.value.code == "tts_text_too_long"


async def test_closing_an_utterance_stops_it(text_to_speech: EmbeddedTextToSpeech) -> None:
    stream = await text_to_speech.open(TTSConfig())
    utterance = await stream.utterance()
    await utterance.send_text("word " * 300)
    await utterance.end()
    audio: list[SpeechAudio] = []
    async for one in utterance:
        audio.append(one)
        await utterance.aclose()
    await utterance.aclose()
    assert len(audio) == 1
    assert pcm_of(await speak(stream, "next"))


async def test_closing_ends_a_reader_that_waits_for_text(text_to_speech: EmbeddedTextToSpeech) -> None:
    stream = await text_to_speech.open(TTSConfig())
    utterance = await stream.utterance()

    async def read() -> list[SpeechAudio]:
        return [one async for one in utterance]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await stream.aclose()
    assert await reading == []
    with pytest.raises(ProviderError) as refused:
        await stream.utterance()
    assert refused.value.code == "tts_closed"


def test_the_engine_gives_up_when_it_is_told() -> None:
    class After(threading.Event):
        """Is set once it has been asked a few times."""

        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 5

    whole = engine().synthesise("word " * 50, DEFAULT_VOICE, threading.Event())
    cut = engine().synthesise("word " * 50, DEFAULT_VOICE, After())
    assert 0 < len(cut.pcm) < len(whole.pcm) / 10
    assert engine().synthesise("word " * 50, DEFAULT_VOICE, threading.Event()).pcm


async def test_ten_calls_at_once_each_get_their_own_words(text_to_speech: EmbeddedTextToSpeech) -> None:
    texts = [f"This is call number {number}, with {'many ' * number} words." for number in range(10)]
    voices = ["jess", "en-gb", "en-us+f5", "de", "fr"] * 2
    streams = [await text_to_speech.open(TTSConfig(voice=voice)) for voice in voices]
    alone = [pcm_of(await speak(stream, text)) for stream, text in zip(streams, texts, strict=True)]
    together = await asyncio.gather(*(speak(stream, text) for stream, text in zip(streams, texts, strict=True)))
    for number, (first, audio) in enumerate(zip(alone, together, strict=True)):
        assert len(pcm_of(audio)) == pytest.approx(len(first), rel=0.02)
        assert [word.text for one in audio for word in one.words] == texts[number].split()


@pytest.mark.parametrize("name", ["jess", "", "../../etc/passwd", "Edward", "en-us+nobody", "gmw/en-US", "en-us+"])
def test_an_unknown_voice_is_the_default(name: str) -> None:
    voice = engine().voice(name)
    assert voice in {DEFAULT_VOICE, "en-us+"}
    assert engine().synthesise("hello", voice, threading.Event()).pcm


@pytest.mark.parametrize("name", ["en-gb", "en-us+f5", "de", "German", "en-us+Andrea"])
def test_a_voice_espeak_knows_is_used(name: str) -> None:
    assert engine().voice(name) == name
    quiet = threading.Event()
    assert engine().synthesise("hello", name, quiet).pcm != engine().synthesise("hello", DEFAULT_VOICE, quiet).pcm


async def test_the_event_loop_is_never_blocked(text_to_speech: EmbeddedTextToSpeech) -> None:
    with blockbuster_ctx():
        stream = await text_to_speech.open(TTSConfig())
        assert await speak(stream, "Good morning.")
        await stream.aclose()


async def test_closing_the_provider_ends_its_thread() -> None:
    provider = EmbeddedTextToSpeech()
    stream = await provider.open(TTSConfig())
    utterance = await stream.utterance()
    await utterance.send_text("word " * 300)
    await anext(aiter(utterance))
    await provider.aclose()
    await provider.aclose()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embedded-voice")]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(ProviderError) as refused:
        await provider.open(TTSConfig())
    assert refused.value.code == "tts_closed"
