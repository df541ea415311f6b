"""Speech whose words can be read off the audio: what was heard, lost or heard twice shows in a transcript."""

from __future__ import annotations

from array import array

from tests.simulators.scripted_recogniser import WINDOW_MS, Message, TurnWriter

WORDS = [
    *("one", "two", "three", "four", "five", "six", "seven", "eight"),
    *("nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
]
WORD_MS, GAP_MS = 200, 60
LOUDEST, STEP = 20_000, 500
SHORTEST_MS = 60
"""Of a word, to be understood."""


def speech(text: str, sample_rate: int = 16_000) -> bytes:
    """Return PCM16 in which each word of `text` is a tone as loud as its place in `WORDS` says."""
    samples = array("h")
    for word in text.split():
        peak = LOUDEST - STEP * WORDS.index(word)
        samples.extend(([peak] * 10 + [-peak] * 10) * (sample_rate * WORD_MS // 20_000))
        samples.extend([0] * (sample_rate * GAP_MS // 1000))
    return samples.tobytes()


def silence(duration_ms: int, sample_rate: int = 16_000) -> bytes:
    """Return PCM16 silence."""
    return bytes(sample_rate * duration_ms // 1000 * 2)


class CodedRecogniser:
    """Reads the words off the audio, as an `Ear` of the simulator."""

    def __init__(self, sample_rate: int, turns: TurnWriter, end_silence_ms: int) -> None:
        self._window = sample_rate * WINDOW_MS // 1000 * 2
        self._turns = turns
        self.end_silence_ms = end_silence_ms
        self._pending = bytearray()
        self._words: list[str] = []
        self._word: str | None = None
        self._word_ms = 0
        self._silent_ms = 0

    def feed(self, pcm: bytes) -> list[Message]:
        """Add audio and return the messages it causes."""
        self._pending += pcm
        messages: list[Message] = []
        while len(self._pending) >= self._window:
            peak = max(array("h", bytes(self._pending[: self._window])))
            del self._pending[: self._window]
            messages += self._hear(WORDS[(LOUDEST - peak) // STEP] if peak > 0 else None)
        return messages

    def end_turn(self) -> list[Message]:
        """End the turn in progress, if there is one."""
        words, self._words = self._words, []
        return self._turns.final(" ".join(words)) if words else []

    def _hear(self, word: str | None) -> list[Message]:
        messages: list[Message] = []
        if word != self._word:
            if self._word is not None and self._word_ms >= SHORTEST_MS:
                if not self._words:
                    messages.append({"type": "SpeechStarted", "timestamp": 0, "confidence": 0.98})
                self._words.append(self._word)
                messages.append(self._turns.partial(" ".join(self._words)))
            self._word, self._word_ms = word, 0
        self._word_ms += WINDOW_MS
        if word is not None:
            self._silent_ms = 0
            return messages
        self._silent_ms += WINDOW_MS
        return messages + (self.end_turn() if self._silent_ms >= self.end_silence_ms else [])
