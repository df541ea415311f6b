"""Saying and hearing things over a line to the simulated voice."""

import asyncio

import pytest

from voice_host.speech.assemblyai.tts import AssemblyAIVoiceStream
from voice_host.speech.assemblyai.tts.utterance import AssemblyAIUtterance
from voice_host_sdk import (
    ProviderError,
    SpeechAudio,
)

KEY = "voice-secret-key"
TEXT = "We open at nine."


async def begin(line: AssemblyAIVoiceStream, text: str = TEXT) -> AssemblyAIUtterance:
    utterance = await line.utterance()
    await utterance.send_text(text)
    await utterance.end()
    return utterance


async def hear(utterance: AssemblyAIUtterance) -> list[SpeechAudio]:
    async with asyncio.timeout(20):
        heard = [piece async for piece in utterance]
    await utterance.aclose()
    return heard


async def listen(utterance: AssemblyAIUtterance) -> bytes:
    return b"".join(piece.pcm for piece in await hear(utterance))


async def say(line: AssemblyAIVoiceStream, text: str = TEXT) -> bytes:
    return await listen(await begin(line, text))


async def failure_of(line: AssemblyAIVoiceStream) -> ProviderError:
    with pytest.raises(ProviderError) as failed:
        await say(line)
    return failed.value


def words_in(heard: list[SpeechAudio]) -> list[tuple[str, int, int]]:
    return [(word.text, word.start_ms, word.end_ms) for piece in heard for word in piece.words]
