"""When to let the model begin on a turn that is not final, and whether the final turn matches. No I/O."""

from __future__ import annotations

import re

from voice_host.turns.events import DropSpeculation, Speculate, TurnAction

_NOT_A_WORD = re.compile(r"[^\w']+")


class SpeculatedTurn:
    """The turn that is speculated on, if any.

    Args:
        min_confidence: that the turn has ended, 0 to 1; None: never speculate.
    """

    def __init__(self, min_confidence: float | None) -> None:
        self._min_confidence = min_confidence
        self._words: str | None = None

    def partial(self, text: str, confidence: float | None) -> list[TurnAction]:
        """Take a partial transcript while the agent is silent."""
        words = _words(text)
        if words == self._words:
            return []
        dropped = self.drop()
        if self._min_confidence is None or confidence is None or confidence < self._min_confidence:
            return dropped
        self._words = words
        return [*dropped, Speculate(text)]

    def commit(self, text: str) -> tuple[list[TurnAction], bool]:
        """Take the final turn. Returns what to do first, and whether the speculation answers it."""
        if self._words is not None and _words(text) == self._words:
            self._words = None
            return [], True
        return self.drop(), False

    def drop(self) -> list[TurnAction]:
        """Give up the speculation, if there is one."""
        if self._words is None:
            return []
        self._words = None
        return [DropSpeculation()]


def _words(text: str) -> str:
    """Return the words alone: final transcripts have punctuation and case that partial ones lack."""
    return _NOT_A_WORD.sub(" ", text.casefold()).strip()
