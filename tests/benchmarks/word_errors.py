"""Comparing what was said with what was heard, word by word."""

from __future__ import annotations

import re

from voice_host.text import VoiceCleaner

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_clean = VoiceCleaner()


def spoken_words(text: str) -> list[str]:
    """Return the words of a text in lower case, numbers as they are spoken: `7:30` and `seven thirty` are alike."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(_clean(text).replace("-", " "))]


def word_errors(said: str, heard: str) -> int:
    """Return how many words were added, left out or changed at least."""
    reference, hypothesis = spoken_words(said), spoken_words(heard)
    row = list(range(len(hypothesis) + 1))
    for number, word in enumerate(reference, 1):
        previous, row[0] = row[0], number
        for at, other in enumerate(hypothesis, 1):
            previous, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, previous + (word != other))
    return row[-1]
