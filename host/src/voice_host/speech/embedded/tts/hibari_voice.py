"""The speech synthesis model in the wheel of hibari: the voice `heart`, American English."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

import numpy as np
from hibari import Hibari
from hibari.tts import MAX_PHONEMES
from numpy.typing import NDArray

from voice_host.speech.embedded.engines import SYNTHESISER_HZ, SpokenSentence
from voice_host.speech.embedded.loaded_once import LoadedOnce
from voice_host.speech.embedded.tts.spoken_text import speakable, word_starts

_VOICE = "heart"
"""The only voice in the wheel. For any other name hibari would download a file."""
_AUDIBLE = 0.01
"""Of the loudest sample: anything softer before and after a sentence belongs to no word."""
_LEAD, _TRAIL = SYNTHESISER_HZ * 40 // 1000, SYNTHESISER_HZ * 200 // 1000
"""Samples of silence kept before and after a sentence. The model generates 300 and 400 ms, a delay for the caller."""


class HibariVoice:
    """The loaded model (150 MB). May be used from several threads at once."""

    def __init__(self) -> None:
        self._hibari = Hibari(voice=_VOICE)
        assert self._hibari.sample_rate == SYNTHESISER_HZ
        self._hibari("Pneumonoultra.")  # makes hibari load what it needs for words, known and unknown

    def speak_first_sentence(self, text: str) -> tuple[SpokenSentence, str]:
        """Speak the first sentence of a text; also return the rest. Blocks for about 1 % of the length of the speech.

        Accepts any text; what cannot be spoken is left out.
        """
        sentences = self._hibari.split_sentences(text)
        if not sentences:
            return SpokenSentence(text, b"", [0] * len(text.split())), ""
        end = text.index(sentences[0]) + len(sentences[0])
        written, rest = text[:end], text[end:]
        phonemes = [piece for each in self._hibari.phonemize(speakable(written)) for piece in _divided(each)]
        noise = np.random.default_rng(0)  # seeded: the same text gives the same audio
        pieces = [self._hibari.from_ids(self._hibari.ids(piece), rng=noise) for piece in phonemes]
        audio, begin, end = _trimmed(np.concatenate([np.zeros(0, np.float32), *pieces]))
        pcm = (audio.clip(-1.0, 1.0) * 32767).astype("<i2").tobytes()
        starts = word_starts(written.split(), " ".join(phonemes).split(), begin, end)
        return SpokenSentence(written, pcm, starts), rest


def _divided(phonemes: str) -> Iterator[str]:
    """Yield the phonemes of a sentence in pieces that the model is given at once, cut between words."""
    words = phonemes.split(" ")
    while words:
        ends = accumulate(len(word) + 1 for word in words)
        count = max(1, sum(end <= MAX_PHONEMES for end in ends))
        yield " ".join(words[:count])
        words = words[count:]


def _trimmed(audio: NDArray[np.float32]) -> tuple[NDArray[np.float32], int, int]:
    """Return the audio without most of the silence around it, and the begin and end of its audible part."""
    loud = np.flatnonzero(np.abs(audio) > _AUDIBLE * np.abs(audio).max(initial=0.0))
    if not loud.size:
        return audio, 0, len(audio)
    begin, end = int(loud[0]), int(loud[-1]) + 1
    first = max(0, begin - _LEAD)
    return audio[first : end + _TRAIL], begin - first, end - first


load_voice = LoadedOnce(HibariVoice)
"""Returns the voice of this process; loading it takes 0.8 s."""
