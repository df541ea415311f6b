from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from blockbuster import blockbuster_ctx
from hibari import Hibari
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.word_errors import word_errors
from tests.speech.embedded.speech import plain, words_of
from voice_host.speech.embedded.engines import SYNTHESISER_HZ, SpokenSentence
from voice_host.speech.embedded.stt import EmbeddedSpeechToText
from voice_host.speech.embedded.tts import EmbeddedTextToSpeech
from voice_host.speech.embedded.tts.hibari_voice import load_voice
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
    assert 1.2 < len(samples) / sample_rate < 2.5
    assert np.abs(samples).max() > 3000
    assert {len(one.pcm) for one in audio[:-1]} == {2 * (sample_rate // 10)}


async def test_words_carry_their_times(text_to_speech: EmbeddedTextToSpeech) -> None:
    stream = await text_to_speech.open(TTSConfig())
    audio = await speak(stream, "It costs", "21.50 dollars,", "– or so.")
    words = [word for one in audio for word in one.words]
    assert [word.text for word in words] == ["It", "costs", "21.50", "dollars,", "–", "or", "so."]
    assert words[0].start_ms < 100
    assert all(one.end_ms == next_one.start_ms for one, next_one in itertools.pairwise(words))
    assert words[-1].end_ms == pytest.approx(len(pcm_of(audio)) / 48, abs=50)
    for number, one in enumerate(audio[:-1]):
        assert all(100 * number <= word.start_ms < 100 * (number + 1) for word in one.words)


@pytest.mark.parametrize("words_kept", [4, 8, 12])
async def test_word_times_are_near_the_words(
    text_to_speech: EmbeddedTextToSpeech, speech_to_text: EmbeddedSpeechToText, words_kept: int
) -> None:
    """Speech that is cut where a word is said to end holds the words before it, give or take one."""
    text = "On Saturday the museum is open from ten in the morning until eight in the evening."
    voice = await text_to_speech.open(TTSConfig(sample_rate=16_000))
    audio = await speak(voice, text)
    words = [word for one in audio for word in one.words]
    cut = pcm_of(audio)[: 32 * words[words_kept - 1].end_ms]
    heard = await words_of(await speech_to_text.open(STTConfig()), cut)
    assert abs(len(plain(heard).split()) - words_kept) <= 1


async def test_a_recogniser_understands_it(
    text_to_speech: EmbeddedTextToSpeech, speech_to_text: EmbeddedSpeechToText
) -> None:
    text = "Hello! We can keep a table for four people on Friday. What is your name?"
    voice = await text_to_speech.open(TTSConfig(sample_rate=16_000))
    heard = await words_of(await speech_to_text.open(STTConfig()), pcm_of(await speak(voice, text)))
    assert word_errors(text, heard) <= 1


async def test_speech_begins_and_ends_without_much_silence(text_to_speech: EmbeddedTextToSpeech) -> None:
    stream = await text_to_speech.open(TTSConfig())
    samples = np.abs(np.frombuffer(pcm_of(await speak(stream, "Sure, I can do that.")), dtype="<i2").astype(int))
    loud = np.flatnonzero(samples > samples.max() * 0.02)
    assert loud[0] < 24 * 80
    assert len(samples) - loud[-1] < 24 * 300


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("0123456789.,:/-$€%°²½'“ \n")), max_size=40))
def test_any_text_can_be_spoken(text: str) -> None:
    voice, rest, spoken = load_voice(), text, ""
    while rest:
        sentence, rest = voice.speak_first_sentence(rest)
        spoken += sentence.text
        assert len(sentence.word_starts) == len(sentence.text.split())
        assert list(sentence.word_starts) == sorted(sentence.word_starts)
        assert all(0 <= start <= len(sentence.pcm) // 2 for start in sentence.word_starts)
    assert spoken == text


@pytest.mark.parametrize("text", ["5 m², ³√8 and x⁻¹", "½ or ⅓", "٣ + ५", "№ 5", "[a](/b/)", "$1e9 -- 1/0", "’"])
def test_odd_text_can_be_spoken(text: str) -> None:
    sentence, rest = load_voice().speak_first_sentence(text)
    assert sentence.text + rest == text


def test_sentences_are_spoken_one_by_one() -> None:
    voice = load_voice()
    first, rest = voice.speak_first_sentence("Dr. Smith is in. Please wait.")
    assert (first.text, rest) == ("Dr. Smith is in.", " Please wait.")
    second, rest = voice.speak_first_sentence(rest)
    assert (second.text, rest) == (" Please wait.", "")
    assert 0.4 < len(second.pcm) / 2 / SYNTHESISER_HZ < 1.5


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


async def test_ten_calls_at_once_each_get_their_own_words(text_to_speech: EmbeddedTextToSpeech) -> None:
    texts = [f"This is call number {number}, with {'many ' * number} words." for number in range(10)]
    voices = ["jess", "heart", "emma", "../../etc/passwd", "x"] * 2
    streams = [await text_to_speech.open(TTSConfig(voice=voice)) for voice in voices]
    alone = [pcm_of(await speak(stream, text)) for stream, text in zip(streams, texts, strict=True)]
    together = await asyncio.gather(*(speak(stream, text) for stream, text in zip(streams, texts, strict=True)))
    for number, (first, audio) in enumerate(zip(alone, together, strict=True)):
        assert len(pcm_of(audio)) == pytest.approx(len(first), rel=0.02)
        assert [word.text for one in audio for word in one.words] == texts[number].split()


async def test_every_voice_is_the_one_there_is(text_to_speech: EmbeddedTextToSpeech) -> None:
    spoken = set()
    for voice in ("heart", "emma", "jess", "../../etc/passwd", "x"):  # hibari would download the second
        spoken.add(pcm_of(await speak(await text_to_speech.open(TTSConfig(voice=voice)), "Hello.")))
    assert len(spoken) == 1
    assert spoken.pop()


@pytest.mark.fault("voice: the embedded voice has too much to do")
async def test_a_full_queue_is_told_and_not_waited_for() -> None:
    class Full:
        async def warm(self) -> None:
            pass

        async def speak(self, text: str) -> AsyncIterator[SpokenSentence]:
            raise ProviderError("It has too much to do.", code="tts_busy")
            yield

        async def aclose(self) -> None:
            pass

    provider = EmbeddedTextToSpeech(Full())
    with pytest.raises(ProviderError) as refused:
        await speak(await provider.open(TTSConfig()), "Hello.")
    assert refused.value.code == "tts_busy"
    await provider.aclose()


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
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embedded-tts")]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(ProviderError) as refused:
        await provider.open(TTSConfig())
    assert refused.value.code == "tts_closed"


def test_a_long_sentence_is_given_to_the_model_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred numbers are two minutes of speech, for which the model would need 800 MB at once."""
    sizes: list[int] = []
    synthesise = Hibari.from_ids

    def from_ids(self: Any, ids: list[int], **options: Any) -> Any:
        sizes.append(len(ids))
        return synthesise(self, ids, **options)

    monkeypatch.setattr(Hibari, "from_ids", from_ids)
    text = "999 " * 100
    sentence, rest = load_voice().speak_first_sentence(text)
    assert (sentence.text.split() + rest.split()) == text.split()
    assert len(sizes) > 1
    assert max(sizes) <= 402
