"""From the model's text, as it streams, to what is said: clauses, their plain words as soon as they are safe."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from voice_host.text.clauses import ClauseSplitter

# Words that no cleaning changes, each followed by another word: "May" must wait, "5" may follow and make it a date.
_PLAIN_WORDS = re.compile(r"(?:\s*(?:[A-Za-z]?[a-z']+|I|A),?(?=\s+[A-Za-z]))+")


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A part of a clause: as the model wrote it, as it is to be spoken (maybe nothing), and whether the clause ends."""

    written: str
    spoken: str
    ends: bool


class SpokenStream:
    """Cuts text into clauses and cleans them for the voice. No I/O.

    A clause is cleaned as a whole, since a later word may change how an earlier one is said. Only words of plain prose
    are released before the clause is complete, so that a voice can begin while the model still writes.

    Args:
        clean: makes text fit to be spoken; must leave plain prose as it is.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._splitter = ClauseSplitter()
        self._released = 0  # characters of the pending clause that went out already

    @property
    def pending(self) -> bool:
        """Whether there is text that waits for more."""
        return len(self._splitter.pending) > self._released

    def feed(self, text: str) -> list[SpokenPiece]:
        """Take the next text of the model and return what can be said now."""
        pieces = [self._rest_of(clause) for clause in self._splitter.feed(text)]
        if plain := _PLAIN_WORDS.match(self._splitter.pending, self._released):
            self._released = plain.end()
            pieces.append(SpokenPiece(plain.group(), plain.group(), ends=False))
        return pieces

    def deadline(self) -> list[SpokenPiece]:
        """Nothing has come for a while: return the clause that waits only for what comes after it, if it does."""
        clause = self._splitter.deadline()
        return [self._rest_of(clause)] if clause else []

    def flush(self) -> list[SpokenPiece]:
        """No more text comes: return what is left."""
        clause = self._splitter.flush()
        return [self._rest_of(clause)] if clause else []

    def _rest_of(self, clause: str) -> SpokenPiece:
        rest = clause[self._released :]
        self._released = max(0, self._released - len(clause))
        return SpokenPiece(rest, self._clean(rest), ends=True)
