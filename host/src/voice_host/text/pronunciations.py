"""What an agent says otherwise than it is written: names, brands, words of the trade."""

from __future__ import annotations

import re
from collections.abc import Mapping

from voice_host.text.spans import Kind, Span


class Pronunciations:
    """Finds words and phrases in a text.

    Whole words only, and no part of a web or mail address. An entry in small letters matches in any case, one with a capital only as it is written. Of two
    entries that begin at the same place the longer one counts.

    Args:
        entries: what is written, and how it is said; at least one.
    """

    def __init__(self, entries: Mapping[str, str]) -> None:
        said = {" ".join(written.split()): said for written, said in entries.items()}
        phrases = sorted(said, key=len, reverse=True)
        self._said = [said[phrase] for phrase in phrases]
        self._pattern = _alternatives(phrases)
        self._first_words = _alternatives([phrase.split()[0] for phrase in phrases])

    def find(self, text: str, start: int) -> Span | None:
        """Return the first entry in `text[start:]`."""
        match = self._pattern.search(text, start)
        if match is None:
            return None
        return Span(match.start(), match.end(), self._of(match), Kind.PRONUNCIATION)

    def apply(self, words: str) -> str:
        """Replace all entries in words that are spoken."""
        return self._pattern.sub(self._of, words)

    def begins(self, text: str, start: int, end: int) -> int:
        """Return where the first word within `text[start:end]` stands that may begin an entry, or `end`."""
        match = self._first_words.search(text, start, end)
        return match.start() if match else end

    def _of(self, match: re.Match[str]) -> str:
        return self._said[(match.lastindex or 1) - 1]


def _alternatives(phrases: list[str]) -> re.Pattern[str]:
    def pattern(phrase: str) -> str:
        words = r"\s{1,4}".join(map(re.escape, phrase.split()))
        return f"(?i:{words})" if phrase == phrase.lower() else words

    return re.compile(rf"(?<!\w)(?<!\w[.@])(?:{'|'.join(f'({pattern(phrase)})' for phrase in phrases)})(?!\w|[.@]\w)")
