from __future__ import annotations

import asyncio

import pytest

from voice_host.speech.embedded.stt.event_buffer import EventBuffer
from voice_host_sdk import ProviderError, SpeechEnded, SpeechStarted, Transcript


async def test_an_unread_partial_is_replaced_by_the_next_one() -> None:
    buffer = EventBuffer()
    told = [SpeechStarted(), Transcript("a"), Transcript("a b"), SpeechEnded(), Transcript("a b", final=True)]
    for event in told:
        buffer.put(event)
    reader = aiter(buffer.events())
    assert [await anext(reader) for _ in range(4)] == [told[0], told[2], told[3], told[4]]


async def test_audio_waits_for_a_reader() -> None:
    buffer = EventBuffer()
    for _ in range(32):
        buffer.put(SpeechStarted())
        await buffer.room()
        buffer.put(SpeechEnded())
    waiting = asyncio.create_task(buffer.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await anext(aiter(buffer.events()))
    await waiting


async def test_a_failure_is_raised_after_what_is_there() -> None:
    buffer = EventBuffer()
    buffer.put(SpeechStarted())
    buffer.fail(ProviderError("Broken.", code="stt_failed"))
    reader = aiter(buffer.events())
    assert await anext(reader) == SpeechStarted()
    with pytest.raises(ProviderError, match="Broken"):
        await anext(reader)
    with pytest.raises(ProviderError, match="Broken"):
        await buffer.room()


async def test_closing_ends_a_reader_that_waits() -> None:
    buffer = EventBuffer()

    async def read() -> list[object]:
        return [event async for event in buffer.events()]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    buffer.close()
    assert await reading == []
    with pytest.raises(ProviderError) as refused:
        await buffer.room()
    assert refused.value.code == "stt_closed"
