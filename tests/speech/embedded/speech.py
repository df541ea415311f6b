"""Recorded speech, and ways to put it into a recogniser."""

from __future__ import annotations

import asyncio
import json
import wave
from pathlib import Path

import pytest

from tests.benchmarks.word_errors import spoken_words
from voice_host_sdk import SpeechEvent, SpeechToTextStream, Transcript

DATA = Path(__file__).parents[2] / "data"
CLIPS: dict[str, str] = {clip["file"]: clip["text"] for clip in json.loads((DATA / "manifest.json").read_text())}
SAMPLE_RATE = 16_000
SILENCE_1_S = bytes(2 * SAMPLE_RATE)


def plain(text: str) -> str:
    """The words alone, as they are spoken: without punctuation and case, numbers in words."""
    return " ".join(spoken_words(text))


def clip(name: str) -> bytes:
    with wave.open(str(DATA / name)) as recording:
        assert (recording.getframerate(), recording.getnchannels(), recording.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        return recording.readframes(recording.getnframes())


async def feed(stream: SpeechToTextStream, pcm: bytes, *, frame_bytes: int = 640) -> None:
    """Send audio as fast as it is taken, in frames of 20 ms unless told."""
    for start in range(0, len(pcm), frame_bytes):
        await stream.send_audio(pcm[start : start + frame_bytes])


async def until_final(stream: SpeechToTextStream) -> list[SpeechEvent]:
    """Return the events up to and with the next final transcript."""
    events: list[SpeechEvent] = []
    async with asyncio.timeout(60):
        async for event in stream:
            events.append(event)
            if isinstance(event, Transcript) and event.final:
                return events
    return pytest.fail(f"the stream ended without a final transcript: {events}")


async def words_of(stream: SpeechToTextStream, pcm: bytes, *, frame_bytes: int = 640) -> str:
    """Say something, fall silent, and return the final transcript."""
    reading = asyncio.create_task(until_final(stream))
    await feed(stream, pcm + SILENCE_1_S, frame_bytes=frame_bytes)
    final = (await reading)[-1]
    assert isinstance(final, Transcript)
    return final.text
