"""The speech synthesis model of hibari: the voice `heart`, American English, inside its wheel."""

from __future__ import annotations

import numpy as np
from hibari import Hibari
from numpy.typing import NDArray

from voice_host.speech.embedded.engines import SYNTHESISER_HZ, SpokenSentence
from voice_host.speech.embedded.loaded_once import LoadedOnce
from voice_host.speech.embedded.tts.spoken_text import speakable, word_starts

_VOICE = "heart"
"""The only one that lies in the wheel. For any other name hibari would download a file."""
_AUDIBLE = 0.01
"""Of the loudest sample: softer sound before and after a sentence belongs to no word."""
_LEAD, _TRAIL = SYNTHESISER_HZ * 40 // 1000, SYNTHESISER_HZ * 200 // 1000
"""Samples of silence that are left before and after a sentence. The model makes 300 and 400 ms of it, which a caller
would wait for."""


class HibariVoice:
    """The loaded model (150 MB). May be used from several threads at once."""

    def __init__(self) -> None:
        self._hibari = Hibari(voice=_VOICE)
        assert self._hibari.sample_rate == SYNTHESISER_HZ
        self._hibari("Pneumonoultra.")  # loads what hibari only loads for words, and for those that it does not know

    def speak_first_sentence(self, text: str) -> tuple[SpokenSentence, str]:
        """Speak the first sentence of a text, and return the rest. Blocks for about 1 % of the length of the speech.

        Any text will do; what cannot be spoken is left out.
        """
        sentences = self._hibari.split_sentences(text)
        if not sentences:
            return SpokenSentence(text, b"", [0] * len(text.split())), ""
        end = text.index(sentences[0]) + len(sentences[0])
        written, rest = text[:end], text[end:]
        phonemes: list[str] = self._hibari.phonemize(speakable(written))
        noise = np.random.default_rng(0)  # seeded: the same text gives the same audio
        pieces = [self._hibari.from_ids(self._hibari.ids(piece), rng=noise) for piece in phonemes]
        audio, begin, end = _trimmed(np.concatenate([np.zeros(0, np.float32), *pieces]))
        pcm = (audio.clip(-1.0, 1.0) * 32767).astype("<i2").tobytes()
        starts = word_starts(written.split(), " ".join(phonemes).split(), begin, end)
        return SpokenSentence(written, pcm, starts), rest


def _trimmed(audio: NDArray[np.float32]) -> tuple[NDArray[np.float32], int, int]:
    """Return the audio without most of the silence around it, and where its audible part begins and ends."""
    loud = np.flatnonzero(np.abs(audio) > _AUDIBLE * np.abs(audio).max(initial=0.0))
    if not loud.size:
        return audio, 0, len(audio)
    begin, end = int(loud[0]), int(loud[-1]) + 1
    first = max(0, begin - _LEAD)
    return audio[first : end + _TRAIL], begin - first, end - first


load_voice = LoadedOnce(HibariVoice)
"""Returns the voice of this process; loading it takes 0.8 s."""
