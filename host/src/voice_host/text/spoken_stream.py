"""From the model's streamed text to spoken text: clause by clause, but plain words as soon as they are certain."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from voice_host.text.clauses import ClauseSplitter
from voice_host.text.spans import SpokenWord, Worded
from voice_host.text.wording import CONTEXT_CHARS


class ClauseWording(Protocol):
    """Words clauses for the voice: `Wording`, or a custom cleaner."""

    def word(self, written: str, *, start: int = 0, before: str = "") -> Worded:
        """Word a clause from `start`; see `Wording.word`."""
        ...

    def plain_until(self, text: str, start: int) -> int:
        """Return how far plain words are said as they are written; see `Wording.plain_until`."""
        ...


class SpokenPiece(NamedTuple):
    """A part of a clause: as written, as spoken (may be empty), and whether it ends the clause."""

    written: str
    spoken: str
    ends: bool
    worded: Worded | None = None
    """None: it is spoken as it is written."""

    @property
    def words(self) -> tuple[SpokenWord, ...]:
        """The spoken words, with their places in `written`."""
        return (self.worded or Worded.plain(self.written)).words


class SpokenStream:
    """Cuts text into clauses and words them for the voice. No I/O.

    A clause is worded as a whole, since a later word may change how an earlier one is spoken. Only words of plain prose
    are released before the clause is complete, so that the voice can start while the model is still writing. What was
    released, and the clauses before, are still taken into account: however the text is cut, it is spoken the same way.

    Args:
        wording: puts clauses into words.
    """

    def __init__(self, wording: ClauseWording) -> None:
        self._wording = wording
        self._splitter = ClauseSplitter()
        self._released = 0  # characters of the pending clause that went out already
        self._before = ""  # the end of the clauses before

    @property
    def pending(self) -> bool:
        """Whether there is text that waits for more."""
        return len(self._splitter.pending) > self._released

    def feed(self, text: str) -> list[SpokenPiece]:
        """Add text of the model and return what can be spoken now."""
        pieces = [self._rest_of(clause) for clause in self._splitter.feed(text)]
        pending, start = self._splitter.pending, self._released
        if (end := self._wording.plain_until(pending, start)) > start:
            self._released = end
            written = pending[start:end]
            pieces.append(SpokenPiece(written, written, ends=False))
        return pieces

    def deadline(self) -> list[SpokenPiece]:
        """Return the pending clause if it only waits for what follows. Call it when nothing has arrived for a while."""
        clause = self._splitter.deadline()
        return [self._rest_of(clause)] if clause else []

    def flush(self) -> list[SpokenPiece]:
        """Return the rest, after the last text."""
        clause = self._splitter.flush()
        return [self._rest_of(clause)] if clause else []

    def _rest_of(self, clause: str) -> SpokenPiece:
        start = min(self._released, len(clause))
        self._released -= start
        worded = self._wording.word(clause, start=start, before=self._before)
        self._before = (self._before + clause)[-CONTEXT_CHARS:]
        return SpokenPiece(clause[start:], worded.spoken, True, worded)
