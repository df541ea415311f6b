"""Text to audio at a call's own sample rate. Blocks: for the synthesis thread."""

from __future__ import annotations

import threading

from voice_host.providers.embedded.tts.espeak import Espeak
from voice_host.providers.embedded.tts.spoken_text import word_timings
from voice_host.providers.resampler import Resampler
from voice_host_sdk import SpeechAudio, TTSConfig

_PIECE_MS = 100
"""Length of the pieces that are handed on: a reader that stops between two is never far behind."""


class Speaker:
    """Speaks the pieces of one utterance, one after the other, as one stream of audio."""

    def __init__(self, engine: Espeak, config: TTSConfig) -> None:
        self._engine = engine
        self._voice = engine.voice(config.voice)
        self._sample_rate = config.sample_rate
        self._resampler = Resampler(engine.sample_rate, config.sample_rate)
        self._spoken_samples = 0  # at the engine's rate
        self._handed_on_bytes = 0

    def speak(self, text: str, last: bool, cancelled: threading.Event) -> list[SpeechAudio]:
        """Return the audio of `text` in pieces of 100 ms, each with the words that begin in it; `last` ends the stream.

        Raises:
            ProviderError: the engine failed.
        """
        speech = self._engine.synthesise(text, self._voice, cancelled)
        if cancelled.is_set():
            return []
        rate = self._engine.sample_rate
        samples = len(speech.pcm) // 2
        words = list(word_timings(text, speech.words, samples, rate, self._spoken_samples * 1000 // rate))
        self._spoken_samples += samples
        pcm = self._resampler.resample(speech.pcm, last=last)
        size = 2 * (self._sample_rate * _PIECE_MS // 1000)
        pieces: list[SpeechAudio] = []
        for start in range(0, len(pcm), size):
            piece = pcm[start : start + size]
            self._handed_on_bytes += len(piece)
            end_ms = self._handed_on_bytes * 500 // self._sample_rate
            is_last = start + size >= len(pcm)
            begun = [word for word in words if is_last or word.start_ms < end_ms]
            words = words[len(begun) :]
            pieces.append(SpeechAudio(piece, tuple(begun)))
        return pieces
