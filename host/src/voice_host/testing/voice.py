"""`ScriptedVoice`: a text-to-speech service that produces silence or a tone, with a fixed time for each word."""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncIterator

from voice_host_sdk import ProviderError, SpeechAudio, TextToSpeechStream, TTSConfig, Utterance, WordTiming

MS_PER_WORD = 300
"""200 words a minute: brisk speech."""

FIRST_AUDIO_MS = 150
"""Time from an utterance's first word to its first audio, as of a good service."""


class ScriptedVoice:
    """A `TextToSpeech` for one call.

    Args:
        ms_per_word: the duration of a word.

    Attributes:
        spoken: the text of each utterance, after normalization for speech.
        failure: raised by the next utterance; None: it succeeds.
        peak: the amplitude of a square wave (600 Hz at 24 kHz); 0: silence.
        word_timings: whether the audio has word timings, as of some services.
    """

    name = "scripted"
    peak = 0

    def __init__(self, ms_per_word: int = MS_PER_WORD) -> None:
        self.ms_per_word = ms_per_word
        self.spoken: list[str] = []
        self.failure: ProviderError | None = None
        self.word_timings = True

    async def open(self, config: TTSConfig) -> TextToSpeechStream:
        return _Line(self, config)

    async def aclose(self) -> None:
        """Nothing is held."""


class _Line:
    """One `TextToSpeechStream`."""

    def __init__(self, voice: ScriptedVoice, config: TTSConfig) -> None:
        self._voice = voice
        self._config = config

    async def utterance(self) -> Utterance:
        if self._voice.failure is not None:
            raise self._voice.failure
        return _Utterance(self._voice, self._config)

    async def aclose(self) -> None:
        """Nothing is held."""


class _Utterance:
    def __init__(self, voice: ScriptedVoice, config: TTSConfig) -> None:
        self._voice = voice
        self._word_audio = _tone(voice.peak, config.sample_rate * voice.ms_per_word // 1000)
        self._words: asyncio.Queue[str | None] = asyncio.Queue()  # a test is short
        self._place = len(voice.spoken)
        voice.spoken.append("")

    async def send_text(self, text: str) -> None:
        said = f"{self._voice.spoken[self._place]} {text}"
        self._voice.spoken[self._place] = " ".join(said.split())
        for word in text.split():
            self._words.put_nowait(word)

    async def end(self) -> None:
        self._words.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SpeechAudio]:
        at_ms = 0
        while (word := await self._words.get()) is not None:
            if at_ms == 0:
                await asyncio.sleep(FIRST_AUDIO_MS / 1000)
            end_ms = at_ms + self._voice.ms_per_word
            timing = WordTiming(word, at_ms, end_ms)
            yield SpeechAudio(self._word_audio, (timing,) if self._voice.word_timings else ())
            at_ms = end_ms

    async def aclose(self) -> None:
        self._words.put_nowait(None)


def _tone(peak: int, samples: int) -> bytes:
    """Return a square wave, PCM16."""
    period = array.array("h", [-peak] * 20 + [peak] * 20)
    return (period * (samples // len(period) + 1))[:samples].tobytes()
