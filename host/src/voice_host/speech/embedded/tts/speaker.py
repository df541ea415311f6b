"""Speech for one utterance at the call's sample rate, with word timings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

from voice_host.resampler import Resampler
from voice_host.speech.embedded.engines import SYNTHESISER_HZ, SpokenSentence, Synthesiser
from voice_host_sdk import SpeechAudio, WordTiming

_PIECE_MS = 100
"""Length of the pieces of audio that are returned."""


class Speaker:
    """Speaks the texts of one utterance one after the other, as one stream of audio at `sample_rate` Hz."""

    def __init__(self, synthesiser: Synthesiser, sample_rate: int) -> None:
        self._synthesiser = synthesiser
        self._resampler = Resampler(SYNTHESISER_HZ, sample_rate)
        self._size = 2 * (sample_rate * _PIECE_MS // 1000)
        self._bytes_per_ms = 2 * sample_rate / 1000
        self._spoken_samples = 0  # at the synthesiser's rate
        self._pcm = bytearray()
        self._handed_on_bytes = 0
        self._words: list[WordTiming] = []

    async def speak(self, text: str) -> AsyncIterator[SpeechAudio]:
        """Yield the audio of a text in pieces of 100 ms, each with the words that begin in it.

        Raises:
            ProviderError: the synthesiser failed.
        """
        async for sentence in self._synthesiser.speak(text):
            self._words += _word_timings(sentence, self._spoken_samples)
            self._spoken_samples += len(sentence.pcm) // 2
            step = 2 * (SYNTHESISER_HZ * _PIECE_MS // 1000)
            for start in range(0, len(sentence.pcm), step):  # on the event loop, so a little at a time
                self._pcm += self._resampler.resample(sentence.pcm[start : start + step])
                while len(self._pcm) >= self._size:
                    yield self._next_piece()

    def finish(self) -> Iterator[SpeechAudio]:
        """Yield the rest after the last text."""
        self._pcm += self._resampler.resample(b"", last=True)
        while len(self._pcm) > self._size:
            yield self._next_piece()
        if self._pcm or self._words:
            yield SpeechAudio(bytes(self._pcm), tuple(self._words))

    def _next_piece(self) -> SpeechAudio:
        pcm = bytes(self._pcm[: self._size])
        del self._pcm[: self._size]
        self._handed_on_bytes += len(pcm)
        end_ms = self._handed_on_bytes / self._bytes_per_ms
        begun = sum(word.start_ms < end_ms for word in self._words)
        words, self._words = self._words[:begun], self._words[begun:]
        return SpeechAudio(pcm, tuple(words))


def _word_timings(sentence: SpokenSentence, offset: int) -> Iterator[WordTiming]:
    words = sentence.text.split()
    starts = [*sentence.word_starts, len(sentence.pcm) // 2]
    for word, (start, end) in zip(words, pairwise(starts), strict=True):
        yield WordTiming(word, _ms(offset + start), _ms(offset + end))


def _ms(samples: int) -> int:
    return samples * 1000 // SYNTHESISER_HZ
