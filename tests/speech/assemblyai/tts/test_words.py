import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators.assemblyai_tts import AssemblyAITTSSimulator, Timings, tone
from tests.speech.assemblyai.tts.speech import KEY, begin, hear, say, words_in
from voice_host.speech.assemblyai.tts import AssemblyAITextToSpeech, AssemblyAIVoiceStream
from voice_host.speech.assemblyai.tts.request import TimedAudio
from voice_host_sdk import (
    TTSConfig,
    WordTiming,
)


@pytest.mark.parametrize("timings", [Timings.AFTER, Timings.BEFORE])
async def test_words_come_with_their_audio(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream, timings: Timings
) -> None:
    simulator.timings = timings
    await say(line, "Something before it.")
    heard = await hear(await begin(line))
    expected = [("We", 0, 300), ("open", 300, 600), ("at", 600, 900), ("nine.", 900, 1200)]
    assert words_in(heard) == expected
    assert b"".join(piece.pcm for piece in heard) == tone(1200, pitch=1)
    if timings is Timings.BEFORE:
        position = 0
        for piece in heard:
            end = position + len(piece.pcm)
            assert all(position <= word.start_ms * 48 < end for word in piece.words)
            position = end


async def test_words_are_known_though_their_audio_still_waits(
    simulator: AssemblyAITTSSimulator, line: AssemblyAIVoiceStream
) -> None:
    utterance = await begin(line)
    await simulator.until(lambda tts: bool(tts.requests) and tts.requests[0].complete)
    after = await begin(line, "More.")  # its audio comes after the timings of the first
    await simulator.until(lambda tts: len(tts.requests) == 2 and tts.requests[1].complete)
    await anext(after)
    first = await anext(utterance)
    assert [word.text for word in first.words] == ["We"]
    assert words_in([first, *await hear(utterance)])[-1] == ("nine.", 900, 1200)
    await after.aclose()


async def test_without_timings_the_audio_is_complete(simulator: AssemblyAITTSSimulator) -> None:
    simulator.timings = Timings.NEVER
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url, words_timeout_s=0.01).open(TTSConfig())
    heard = await hear(await begin(line))
    assert b"".join(piece.pcm for piece in heard) == tone(1200)
    assert words_in(heard) == []
    await line.aclose()


async def test_nobody_waits_for_timings_that_were_not_asked_for(simulator: AssemblyAITTSSimulator) -> None:
    service = AssemblyAITextToSpeech(KEY, url=f"{simulator.url}?word_boundaries=false", words_timeout_s=60)
    line = await service.open(TTSConfig())
    async with asyncio.timeout(10):
        assert await say(line) == tone(1200)
    await line.aclose()


async def test_late_timings_are_dropped(simulator: AssemblyAITTSSimulator) -> None:
    simulator.timings = Timings.NEVER
    line = await AssemblyAITextToSpeech(KEY, url=simulator.url, words_timeout_s=0.01).open(TTSConfig())
    await say(line)
    late = {"word": "late", "start": 0, "end": 9, "confidence": 1}
    await simulator.sessions[0].send({"type": "WordBoundaries", "flush_id": 0, "audio_start_ms": 0, "words": [late]})
    assert words_in(await hear(await begin(line))) == []
    await line.aclose()


@given(
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=30),
    starts=st.lists(st.integers(0, 130), max_size=12),
    known_after=st.integers(0, 30),
    rate=st.sampled_from([8000, 24000, 48000]),
)
def test_each_word_is_given_once_and_never_before_its_audio(
    cuts: list[int], starts: list[int], known_after: int, rate: int
) -> None:
    audio = bytes(index % 251 for index in range(sum(cuts)))
    words = tuple(WordTiming(str(number), start, start + 5) for number, start in enumerate(starts))
    timed, heard, position = TimedAudio(rate), [], 0
    for number, size in enumerate(cuts):
        if number == known_after:
            timed.add_words(words)
        if piece := timed.push(audio[position : position + size]):
            heard.append(piece)
        position += size
    if known_after >= len(cuts):
        timed.add_words(words)
    if last := timed.finish():
        heard.append(last)
    assert b"".join(piece.pcm for piece in heard) == audio[: len(audio) & ~1]
    assert all(piece.pcm and len(piece.pcm) % 2 == 0 for piece in heard)
    given_words = [word for piece in heard for word in piece.words]
    assert [word.start_ms for word in given_words] == (sorted(starts) if heard else [])
    passed = 0
    for piece in heard[:-1]:
        passed += len(piece.pcm)
        assert all(word.start_ms * rate * 2 / 1000 < passed for word in piece.words)
