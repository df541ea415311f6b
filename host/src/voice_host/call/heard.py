"""Which part of a reply the caller heard, from how much of its audio was played."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, zip_longest

from voice_host.text import SpokenPiece, SpokenWord
from voice_host_sdk import WordTiming

TYPICAL_MS_PER_CHARACTER = 65.0
"""Speech runs at about 15 characters a second (150-165 words a minute); used while a clause is still being made."""

SKIPPED = "[…]"
"""Replaces words in a heard text whose audio was too late to be sent."""


_WORD = re.compile(r"\S+")


@dataclass(slots=True, eq=False)
class SpokenClause:
    """A clause and the times of its audio, in ms from the reply's first audio.

    Attributes:
        text: the model's text, which may grow while the clause is spoken. Empty for a filler.
        complete: whether all of its audio has arrived.
        words: the times of its spoken words, if the voice reports them.
    """

    text: str = ""
    complete: bool = False
    start_ms: float = 0.0
    end_ms: float = 0.0
    words: list[WordTiming] = field(default_factory=list)
    _pieces: list[tuple[int, SpokenPiece]] = field(default_factory=list)

    def add(self, piece: SpokenPiece) -> None:
        """Append text of the model, with the words that are spoken for it."""
        self._pieces.append((len(self.text), piece))
        self.text += piece.written

    def spoken_words(self) -> list[SpokenWord]:
        """Return the words sent to the voice, with their positions in `text`; by default, the words of `text`."""
        if not self._pieces:
            ends = [match.end() for match in _WORD.finditer(self.text)]
            return [SpokenWord(self.text[begin:end].strip(), begin, end) for begin, end in pairwise([0, *ends])]
        return [
            SpokenWord(word.text, offset + word.start, offset + word.end)
            for offset, piece in self._pieces
            for word in piece.words
        ]


class HeardText:
    """Maps positions in a reply's audio to its text: the clauses in spoken order, and skipped audio."""

    def __init__(self) -> None:
        self._clauses: list[SpokenClause] = []
        self._skips: list[tuple[float, float]] = []
        self._total_ms = 0.0

    def begin(self, clause: SpokenClause) -> None:
        """The audio added from now on belongs to `clause`."""
        clause.start_ms = clause.end_ms = self._total_ms
        self._clauses.append(clause)

    def add_audio(self, duration_ms: float, words: tuple[WordTiming, ...] = ()) -> None:
        """Add audio of the clause begun last."""
        self._total_ms += duration_ms
        if self._clauses:
            self._clauses[-1].end_ms = self._total_ms
            self._clauses[-1].words += words

    def skip(self, start_ms: float, end_ms: float) -> None:
        """Note that a part of the audio is skipped. Parts must be given in order."""
        self._skips.append((start_ms, end_ms))

    def at(self, played_ms: float) -> str:
        """Return the text that was audible after `played_ms`, cut at a word, with `SKIPPED` for skipped words."""
        return self._compose(played_ms, self._skips)

    def reached(self, played_ms: float) -> str:
        """Return the text up to `played_ms` of the audio, heard or skipped."""
        return self._compose(played_ms, [])

    def _compose(self, played_ms: float, skips: Sequence[tuple[float, float]]) -> str:
        heard = ""
        for clause, following in zip_longest(self._clauses, self._clauses[1:]):
            begin = 0
            for start_ms, end_ms in skips:
                if end_ms <= clause.start_ms or start_ms >= min(clause.end_ms, played_ms):
                    continue
                last, begin = begin, _first_word_after(clause, end_ms)
                end = max(last, _end_of_words(clause, start_ms, whole=True))
                heard += clause.text[last:end]
                if clause.text[end:begin].strip() and not heard.rstrip().endswith(SKIPPED):
                    heard += f" {SKIPPED} "
            heard += clause.text[begin : max(begin, _end_of_words(clause, played_ms))]
            if following is None or played_ms < clause.end_ms:
                break  # unless the voice failed within this clause and spoke the next
        return heard.strip()


def _end_of_words(clause: SpokenClause, played_ms: float, *, whole: bool = False) -> int:
    """Return the end, in the text, of the last word played by then. A word that has begun counts, unless `whole`.

    Text that is spoken as several words, such as an amount, counts once the last of them does.
    """
    if clause.complete and played_ms >= clause.end_ms:
        return len(clause.text)
    words = clause.spoken_words()
    count = _words_played(clause, words, played_ms, whole=whole)
    return words[count - 1].end if count else 0


def _first_word_after(clause: SpokenClause, played_ms: float) -> int:
    """Return the start, in the text, of the first word played entirely after then, including the space before it."""
    words = clause.spoken_words()
    count = _words_played(clause, words, played_ms, partly=True)
    return words[count].start if count < len(words) else len(clause.text)


def _words_played(
    clause: SpokenClause, words: list[SpokenWord], played_ms: float, *, whole: bool = False, partly: bool = False
) -> int:
    """Return how many spoken words have been played by then.

    With word timings: those that have begun, or ended if `whole`. Otherwise an estimate of those that have ended, or
    begun if `partly`.
    """
    played_ms = min(played_ms, clause.end_ms) - clause.start_ms
    if played_ms <= 0 or not words:  # a filler has no words of the model, though its voice may time them
        return 0
    letters = [_letters(word.text) for word in words]
    ends = [*accumulate(map(len, letters))]
    if clause.words and _are_timed("".join(letters), clause.words):
        # The voice may split words differently, so letters are counted.
        played = sum(
            len(_letters(word.text))
            for word in clause.words
            if (word.end_ms <= played_ms if whole else word.start_ms < played_ms)
        )
        if whole:
            return sum(end <= played for end in ends) if played else 0
        return sum(begin < played for begin in [0, *ends[:-1]])
    spaced = [*accumulate(len(word.text) + 1 for word in words)]
    total = spaced[-1] - 1 if spaced else 0
    duration_ms = clause.end_ms - clause.start_ms
    if not clause.complete:
        duration_ms = max(duration_ms, total * TYPICAL_MS_PER_CHARACTER)
    cut = int(total * min(1.0, played_ms / duration_ms))
    if partly:
        return sum(begin < cut for begin in [0, *spaced[:-1]])
    return sum(end - 1 <= cut for end in spaced)


def _letters(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())


def _are_timed(letters: str, timings: Sequence[WordTiming]) -> bool:
    """Whether the timings match the words sent to the voice. They do not if the voice normalizes text itself."""
    timed = "".join(_letters(word.text) for word in timings)
    return letters.startswith(timed) or timed.startswith(letters)


def unheard(text: str, reached: str, overlap_words: int) -> str:
    """Return the rest of `text` after its beginning `reached`, preceded by the last few words of `reached`."""
    words = text.split()
    begin = len(reached.split())
    return " ".join(words[max(0, begin - overlap_words) :]) if begin < len(words) else ""
