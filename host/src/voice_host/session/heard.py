"""Which part of a reply the caller heard, from how much of its audio was played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from voice_host_sdk import WordTiming

TYPICAL_MS_PER_CHARACTER = 65.0
"""Speech runs at about 15 characters a second (150-165 words a minute); used while a clause is still being made."""

SKIPPED = "[…]"
"""Stands in a heard text for words whose audio came too late to be sent, as in a quotation."""


@dataclass(slots=True, eq=False)
class SpokenClause:
    """A clause beside its audio. Times are in ms from the reply's first audio.

    `text` is what the model wrote, and may still grow while the clause is already being spoken; empty for what is said
    beside the reply, such as a filler.
    """

    text: str = ""
    complete: bool = False
    start_ms: float = 0.0
    end_ms: float = 0.0
    words: list[WordTiming] = field(default_factory=list)


class HeardText:
    """The clauses of one reply, in the order in which they are spoken, less what was skipped of their audio."""

    def __init__(self) -> None:
        self._clauses: list[SpokenClause] = []
        self._skips: list[tuple[float, float]] = []
        self._total_ms = 0.0

    def begin(self, clause: SpokenClause) -> None:
        """The audio that follows belongs to `clause`."""
        clause.start_ms = clause.end_ms = self._total_ms
        self._clauses.append(clause)

    def add_audio(self, duration_ms: float, words: tuple[WordTiming, ...] = ()) -> None:
        """More audio of the clause begun last."""
        self._total_ms += duration_ms
        if self._clauses:
            self._clauses[-1].end_ms = self._total_ms
            self._clauses[-1].words += words

    def skip(self, start_ms: float, end_ms: float) -> None:
        """This part of the audio is left out. To be told in order."""
        self._skips.append((start_ms, end_ms))

    def at(self, played_ms: float) -> str:
        """Return what was audible of the first `played_ms`, cut at words, with `SKIPPED` for words left out."""
        return self._compose(played_ms, self._skips)

    def reached(self, played_ms: float) -> str:
        """Return how far in the text the audio had come after `played_ms`, heard or skipped."""
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
                break  # else the voice failed in this clause, and spoke the next
        return heard.strip()


def _end_of_words(clause: SpokenClause, played_ms: float, *, whole: bool = False) -> int:
    """Where in the text the last word ends that has been played by then; begun is enough unless `whole`."""
    if clause.complete and played_ms >= clause.end_ms:
        return len(clause.text)
    if whole and clause.words:
        return _end_of_word(clause, sum(word.end_ms <= played_ms - clause.start_ms for word in clause.words))
    cut = _position(clause, played_ms)
    if not clause.words and cut < len(clause.text) and not clause.text[cut].isspace():
        # Snap back to the last whole word.
        return max(clause.text.rfind(" ", 0, cut), clause.text.rfind("\n", 0, cut), 0)
    return cut


def _first_word_after(clause: SpokenClause, played_ms: float) -> int:
    """Where in the text the first word begins, with the space before it, that is played whole from then on."""
    cut = _position(clause, played_ms)
    if not clause.words:
        while 0 < cut < len(clause.text) and not clause.text[cut - 1].isspace():
            cut += 1
    return cut


def _position(clause: SpokenClause, played_ms: float) -> int:
    """Where in the text the voice is by then: behind the word begun last if words are timed, else an estimate."""
    played_ms = min(played_ms, clause.end_ms) - clause.start_ms
    if played_ms <= 0:
        return 0
    if clause.words:
        return _end_of_word(clause, sum(word.start_ms < played_ms for word in clause.words))
    duration_ms = clause.end_ms - clause.start_ms
    if not clause.complete:
        duration_ms = max(duration_ms, len(clause.text) * TYPICAL_MS_PER_CHARACTER)
    return int(len(clause.text) * min(1.0, played_ms / duration_ms))


def _end_of_word(clause: SpokenClause, count: int) -> int:
    return len(first_words(clause.text, count))


def first_words(text: str, count: int) -> str:
    """Return the beginning of `text` with its first `count` words, white space as it is."""
    position = 0
    for word in text.split()[:count]:
        position = text.index(word, position) + len(word)
    return text[:position]


def unheard(text: str, reached: str, overlap_words: int) -> str:
    """Return what of `text` follows its beginning `reached`, starting with the last few words of that."""
    words = text.split()
    begin = len(reached.split())
    return " ".join(words[max(0, begin - overlap_words) :]) if begin < len(words) else ""
