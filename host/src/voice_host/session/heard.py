"""Which part of a reply the caller heard, from how much of its audio was played."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

from voice_host_sdk import WordTiming

TYPICAL_MS_PER_CHARACTER = 65.0
"""Speech runs at about 15 characters a second (150-165 words a minute); used while a clause is still being made."""


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
    """The clauses of one reply, in the order in which they are spoken."""

    def __init__(self) -> None:
        self._clauses: list[SpokenClause] = []
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

    def at(self, played_ms: float) -> str:
        """Return what was audible after `played_ms`, cut at a word."""
        heard = ""
        for clause, following in zip_longest(self._clauses, self._clauses[1:]):
            if clause.complete and played_ms >= clause.end_ms:
                heard += clause.text
                continue
            heard += _part(clause, min(played_ms, clause.end_ms) - clause.start_ms)
            if following is None or played_ms < clause.end_ms:
                break  # else the voice failed in this clause, and spoke the next
        return heard.strip()


def _part(clause: SpokenClause, played_ms: float) -> str:
    if played_ms <= 0:
        return ""
    if clause.words:
        spoken = sum(word.start_ms < played_ms for word in clause.words)
        return first_words(clause.text, spoken)
    duration_ms = clause.end_ms - clause.start_ms
    if not clause.complete:
        duration_ms = max(duration_ms, len(clause.text) * TYPICAL_MS_PER_CHARACTER)
    cut = int(len(clause.text) * min(1.0, played_ms / duration_ms)) if duration_ms > 0 else 0
    if cut < len(clause.text) and not clause.text[cut].isspace():
        # Snap back to the last whole word.
        cut = max(clause.text.rfind(" ", 0, cut), clause.text.rfind("\n", 0, cut), 0)
    return clause.text[:cut]


def first_words(text: str, count: int) -> str:
    """Return the beginning of `text` with its first `count` words, white space as it is."""
    position = 0
    for word in text.split()[:count]:
        position = text.index(word, position) + len(word)
    return text[:position]


def unheard(text: str, heard: str, overlap_words: int) -> str:
    """Return what of `text` was not heard, beginning with the last few words that were."""
    words = text.split()
    begin = len(heard.split())
    return " ".join(words[max(0, begin - overlap_words) :]) if begin < len(words) else ""
