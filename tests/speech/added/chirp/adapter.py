"""Chirp's adapters: half a second of audio is a sentence, and each word is a tenth of a second of the same byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pydantic import SecretStr

from voice_host_sdk import SpeechAudio, SpeechEvent, SpeechStarted, STTConfig, Transcript, TTSConfig

SENTENCE = "When do you open on Friday?"


class ChirpSpeechToText:
    name = "chirp"
    reports_speech_end = False

    def __init__(self, key: SecretStr) -> None:
        assert key.get_secret_value()

    async def open(self, config: STTConfig) -> ChirpEars:
        return ChirpEars(config.sample_rate)

    async def aclose(self) -> None:
        pass


class ChirpEars:
    def __init__(self, sample_rate: int) -> None:
        self._missing = sample_rate  # half a second of 16-bit samples
        self._events: asyncio.Queue[SpeechEvent] = asyncio.Queue()

    async def send_audio(self, pcm: bytes) -> None:
        if self._missing > 0:
            self._missing -= len(pcm)
            if self._missing <= 0:
                self._events.put_nowait(SpeechStarted())
                self._events.put_nowait(Transcript(SENTENCE, final=True))

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        while True:
            yield await self._events.get()

    async def aclose(self) -> None:
        pass


class ChirpTextToSpeech:
    name = "chirp"

    def __init__(self, key: SecretStr) -> None:
        assert key.get_secret_value()

    async def open(self, config: TTSConfig) -> ChirpVoice:
        return ChirpVoice(config.sample_rate)

    async def aclose(self) -> None:
        pass


class ChirpVoice:
    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate

    async def utterance(self) -> Chirps:
        return Chirps(self._sample_rate)

    async def aclose(self) -> None:
        pass


class Chirps:
    def __init__(self, sample_rate: int) -> None:
        self._word = b"\x11" * (sample_rate // 5)
        self._words: asyncio.Queue[str | None] = asyncio.Queue()

    async def send_text(self, text: str) -> None:
        for word in text.split():
            self._words.put_nowait(word)

    async def end(self) -> None:
        self._words.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        while await self._words.get() is not None:
            yield SpeechAudio(self._word)

    async def aclose(self) -> None:
        pass
