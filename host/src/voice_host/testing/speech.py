"""The caller's speech over time: audio for the microphone, and events of the recogniser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voice_host_sdk import SpeechEnded, SpeechEvent, SpeechStarted, STTConfig, Transcript

WORDS_PER_S = 3.0
"""A calm speaker on the telephone."""

ONSET_S = 0.1
"""Voice after which the recogniser reports the onset of speech."""

RECOGNITION_S = 0.1
"""From the end of a word to the partial transcript that contains it."""

SPEECH_END_S = 0.2
"""Silence after which the recogniser reports the end of speech."""

FRAME_S = 0.1
_LOUD = (8000).to_bytes(2, "little", signed=True) + (-8000).to_bytes(2, "little", signed=True)


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of the microphone's audio: PCM16 mono."""

    pcm: bytes
    duration_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """An utterance: its duration, and its events with their times in seconds, in order."""

    duration_s: float
    events: tuple[tuple[float, SpeechEvent], ...]

    def frames(self, sample_rate: int) -> Iterator[Frame]:
        """Yield the audio, a square wave, in frames of at most `FRAME_S`."""
        left_s = self.duration_s
        while left_s > 1e-6:
            length_s = min(FRAME_S, left_s)
            yield Frame(_LOUD * int(length_s * sample_rate / 2), length_s)
            left_s -= length_s


def speech(text: str, for_s: float | None, config: STTConfig) -> Speech:
    """Return `text` as a good recogniser reports it; the turn ends after the shorter silence of `config`.

    Raises:
        ValueError: there are no words, or no time for them.
    """
    words = text.split()
    if not words:
        raise ValueError("there are no words to be said; a noise is a cough()")
    duration_s = len(words) / WORDS_PER_S if for_s is None else for_s
    if duration_s <= 0:
        raise ValueError(f"for_s must be greater than 0, not {duration_s:g}")
    silence_s = max(config.min_end_of_turn_silence_when_confident / 1000, SPEECH_END_S)
    events: list[tuple[float, SpeechEvent]] = [(min(ONSET_S, duration_s), SpeechStarted())]
    for count in range(1, len(words) + 1):
        at_s = duration_s * count / len(words) + RECOGNITION_S
        events.append((at_s, Transcript(" ".join(words[:count]))))
    events.append((duration_s + SPEECH_END_S, SpeechEnded()))
    events.append((duration_s + silence_s, Transcript(text, final=True)))
    return Speech(duration_s, tuple(sorted(events, key=lambda event: event[0])))


def cough(for_s: float) -> Speech:
    """Return a noise, which is detected as speech without words.

    Raises:
        ValueError: `for_s` is not positive.
    """
    if for_s <= 0:
        raise ValueError(f"for_s must be greater than 0, not {for_s:g}")
    return Speech(for_s, ((min(ONSET_S, for_s), SpeechStarted()), (for_s + SPEECH_END_S, SpeechEnded())))
