"""What the recogniser's text tells: whether there are words in it, and whether they sound like the end of a turn."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_NOISE = "you"
"""What the model writes where nobody speaks: this word alone, or notes."""

# Few turns end with one of these, and those that do lose a quarter of a second.
_UNFINISHED = re.compile(
    "a|an|the|and|or|but|because|if|than|as|of|to|for|from|with|at|by|into|about|between|until|till|via|per|"
    "my|your|his|its|our|their|this|these|those|is|are|was|were|am|be|been|um|uh|uhm|er|erm|hmm|mm|oh"
)
_NUMBER = re.compile(
    r"\w*\d\w*|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|"
    "seventy|eighty|ninety|hundred|thousand|double|triple"
)


def words_of(text: str) -> str:
    """Return the text of a recognised utterance; empty when it is what the model makes of noise."""
    words = _WORD.findall(text)
    if not words or (len(words) == 1 and words[0].casefold() == _NOISE):
        return ""
    return text


def sounds_complete(text: str) -> bool:
    """Tell whether a turn may end with these words. After a number, a hesitation or "at the" more is to be expected.

    The model ends nearly every draft with a full stop; where it does not, the speech is cut off.
    """
    words = _WORD.findall(text)
    if not words or text[-1] not in ".?!":
        return False
    last = words[-1].casefold()
    return not _UNFINISHED.fullmatch(last) and not _NUMBER.fullmatch(last)
