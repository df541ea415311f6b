"""A recogniser that hears when somebody speaks, and is told what they say."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Any, Protocol

WINDOW_MS = 10
ONSET_MS = 100
MS_PER_WORD = 200
VOICED_PEAK = 500
"""Of 32767. Louder than any dither, far below speech."""

Message = dict[str, Any]


def turn_message(
    order: int, text: str, *, end_of_turn: bool, formatted: bool = True, confidence: float | None = None
) -> Message:
    """Return a `Turn` as the service words it."""
    words = [
        {
            "start": index * MS_PER_WORD,
            "end": (index + 1) * MS_PER_WORD,
            "text": word,
            "confidence": 0.92,
            "word_is_final": end_of_turn,
        }
        for index, word in enumerate(text.split())
    ]
    return {
        "type": "Turn",
        "turn_order": order,
        "turn_is_formatted": formatted,
        "end_of_turn": end_of_turn,
        "transcript": text,
        "end_of_turn_confidence": confidence if confidence is not None else float(end_of_turn),
        "words": words,
        "utterance": text if end_of_turn else "",
    }


def unformatted(text: str) -> str:
    """Return `text` without case and punctuation."""
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter in " '")


class TurnWriter:
    """Numbers the turns of a session and words their messages.

    Args:
        double_finals: a plain final, then a formatted one of the same order, as Universal-Streaming models send.
    """

    def __init__(self, *, double_finals: bool) -> None:
        self._double_finals = double_finals
        self.order = 0

    def partial(self, text: str) -> Message:
        """Return the turn so far. Newer models mark partials formatted too."""
        if self._double_finals:
            return turn_message(self.order, unformatted(text), end_of_turn=False, formatted=False, confidence=0.1)
        return turn_message(self.order, text, end_of_turn=False, confidence=0.0)

    def final(self, text: str) -> list[Message]:
        """Return what ends the turn."""
        messages = [turn_message(self.order, text, end_of_turn=True)]
        if self._double_finals:
            plain = turn_message(self.order, unformatted(text), end_of_turn=True, formatted=False)
            messages.insert(0, plain)
        self.order += 1
        return messages


class Ear(Protocol):
    """Turns audio into messages."""

    end_silence_ms: int

    def feed(self, pcm: bytes) -> list[Message]: ...

    def end_turn(self) -> list[Message]: ...


class ScriptedRecogniser:
    """Turns audio into messages by its loudness; the words come from a script, one entry for each stretch of speech.

    `SpeechStarted` comes after 100 ms of voice, one more word with every 200 ms of it, the final after
    `end_silence_ms` without. An empty entry is a noise: it starts and is never a turn. Without an entry nothing is
    heard.
    """

    def __init__(self, sample_rate: int, script: deque[str], turns: TurnWriter, end_silence_ms: int) -> None:
        self._window = sample_rate * WINDOW_MS // 1000 * 2
        self._script = script
        self._turns = turns
        self.end_silence_ms = end_silence_ms
        self._pending = bytearray()
        self._heard_ms = 0
        self._voiced_ms = 0
        self._silent_ms = 0
        self._words: list[str] | None = None
        self._shown = 0

    def feed(self, pcm: bytes) -> list[Message]:
        """Add audio and return the messages it causes."""
        self._pending += pcm
        messages: list[Message] = []
        while len(self._pending) >= self._window:
            window = array("h", bytes(self._pending[: self._window]))
            del self._pending[: self._window]
            self._heard_ms += WINDOW_MS
            if max(map(abs, window)) >= VOICED_PEAK:
                messages += self._voice()
            else:
                messages += self._silence()
        return messages

    def end_turn(self) -> list[Message]:
        """End the turn in progress, if there is one, with all its words."""
        words, self._words = self._words, None
        self._voiced_ms = 0
        return self._turns.final(" ".join(words)) if words else []

    def _voice(self) -> list[Message]:
        self._silent_ms = 0
        self._voiced_ms += WINDOW_MS
        messages: list[Message] = []
        if self._words is None:
            if self._voiced_ms < ONSET_MS or not self._script:
                return []
            self._words, self._shown = self._script.popleft().split(), 0
            messages.append({"type": "SpeechStarted", "timestamp": self._heard_ms, "confidence": 0.98})
        shown = min(len(self._words), self._voiced_ms // MS_PER_WORD)
        if shown > self._shown:
            self._shown = shown
            messages.append(self._turns.partial(" ".join(self._words[:shown])))
        return messages

    def _silence(self) -> list[Message]:
        self._silent_ms += WINDOW_MS
        if self._silent_ms < self.end_silence_ms:
            return []
        return self.end_turn()
