"""Checks the recogniser's text: whether it has words, and whether they sound like the end of a turn."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_NOISE = "you"
"""What the model writes for noise: this word alone, or musical notes."""

# Turns rarely end with one of these; those that do end a quarter of a second later.
_UNFINISHED = re.compile(
    "a|an|the|and|or|but|because|if|than|as|of|to|for|from|with|at|by|into|about|between|until|till|via|per|"
    "my|your|his|its|our|their|this|these|those|is|are|was|were|am|be|been|um|uh|uhm|er|erm|hmm|mm|oh"
)
_NUMBER = re.compile(
    r"\w*\d\w*|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|"
    "seventy|eighty|ninety|hundred|thousand|double|triple"
)


def words_of(text: str) -> str:
    """Return the text of a recognised utterance; empty if it is what the model writes for noise."""
    words = _WORD.findall(text)
    if not words or (len(words) == 1 and words[0].casefold() == _NOISE):
        return ""
    return text


def sounds_complete(text: str) -> bool:
    """Return whether a turn may end with these words: not after a number, a hesitation or "at the".

    The model ends nearly every draft with a full stop; one without is cut off.
    """
    words = _WORD.findall(text)
    if not words or text[-1] not in ".?!":
        return False
    last = words[-1].casefold()
    return not _UNFINISHED.fullmatch(last) and not _NUMBER.fullmatch(last)
