"""An agent's own pronunciations: names, brands, technical terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby

from voice_host.text.spans import Kind, Span


class Pronunciations:
    """Finds words and phrases in a text.

    Only whole words match, and no part of a web or mail address. An entry in lower case matches in any case, one with a
    capital only as it is written. Of two entries that begin at the same place, the longer one wins.

    Args:
        entries: how each word or phrase is spoken; at least one.
    """

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._said = {" ".join(written.split()): said for written, said in entries.items()}
        phrases = sorted(self._said, key=lambda phrase: (-len(phrase), _in_any_case(phrase)))
        self._pattern = _alternatives(phrases)
        self._first_words = _alternatives([phrase.split()[0] for phrase in phrases])

    def find(self, text: str, start: int) -> Span | None:
        """Return the first entry in `text[start:]`."""
        match = self._pattern.search(text, start)
        if match is None:
            return None
        return Span(match.start(), match.end(), self._of(match), Kind.PRONUNCIATION)

    def begins(self, text: str, start: int, end: int) -> int:
        """Return where the first word within `text[start:end]` stands that may begin an entry, or `end`."""
        match = self._first_words.search(text, start, end)
        return match.start() if match else end

    def apply(self, words: str) -> str:
        """Replace all entries in words that are spoken."""
        return self._pattern.sub(self._of, words)

    def _of(self, match: re.Match[str]) -> str:
        written = " ".join(match.group().split())
        for key in (written, written.lower()):
            if key in self._said:
                return self._said[key]
        # A letter whose small form is another than that of the entry, such as a dotted capital I.
        return next(
            said
            for phrase, said in self._said.items()
            if _in_any_case(phrase) and re.fullmatch(_words(phrase), written, re.IGNORECASE)
        )


def _in_any_case(phrase: str) -> bool:
    return phrase == phrase.lower()


def _words(phrase: str) -> str:
    return r"\s{1,4}".join(map(re.escape, phrase.split()))


def _alternatives(phrases: list[str]) -> re.Pattern[str]:
    """Match any of the phrases, the first that fits.

    Those that match in any case are put into common groups: `re` tests the first letter of a group's alternatives at
    once, and of groups of one each of them.
    """
    groups = (
        f"(?{'i' if in_any_case else ''}:{'|'.join(map(_words, group))})"
        for in_any_case, group in groupby(phrases, _in_any_case)
    )
    return re.compile(rf"(?<!\w)(?<!\w[.@])(?:{'|'.join(groups)})(?!\w|[.@]\w)")
