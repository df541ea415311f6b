"""Text for the synthesiser: removing what cannot be spoken, splitting it, and estimating word timings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate

LONGEST_PIECE = 400
"""Characters given to the synthesiser at once: 25 s of speech. Much more would need over a gigabyte of memory."""

_CLAUSE_END = re.compile(r"[.!?;:,](?=\s)")
_WORD = re.compile(r"\S+")

_ALSO_SPOKEN = frozenset("“”‘’—°£€¥¢")
"""What can be spoken besides letters and ASCII."""
_SAME_AS = str.maketrans({"–": "—", "⁄": "/", "−": "-"})

_PAUSES = {",": 3, ";": 4, ":": 4, "—": 4, ".": 5, "!": 5, "?": 5, "…": 5}
"""The pause after a word that ends with the character, in phonemes."""
_PHONEMES_OF_A_DIGIT = 4
_STRESS = re.compile("[ˈˌː]")


def speakable(text: str) -> str:
    """Return a text without what the synthesiser cannot handle: emoji, symbols, marks, superscripts."""
    composed = unicodedata.normalize("NFKC", text).translate(_SAME_AS)
    kept = (one if _can_be_spoken(one) else "" if unicodedata.combining(one) else " " for one in composed)
    return " ".join("".join(kept).split())


def _can_be_spoken(one: str) -> bool:
    return (" " <= one <= "~") or one.isalpha() or one in _ALSO_SPOKEN


def divide(text: str) -> tuple[str, str]:
    """Split a text before `LONGEST_PIECE`: at the last end of a clause, else between words, else anywhere."""
    ends = [match.end() for match in _CLAUSE_END.finditer(text, 0, LONGEST_PIECE + 1)]
    spaces = [match.end() for match in _WORD.finditer(text, 0, LONGEST_PIECE)][:-1]
    at = (ends or spaces or [LONGEST_PIECE])[-1]
    return text[:at], text[at:]


def word_starts(words: Sequence[str], phonemes: Sequence[str], begin: int, end: int) -> list[int]:
    """Estimate the sample at which each written word begins, by dividing the audible part in proportion to length.

    Args:
        words: as they are written.
        phonemes: of the words as they are spoken. If a written word becomes several spoken ones, such as a number,
            letters and digits are counted instead.
        begin: the first audible sample.
        end: the sample after the last audible one.
    """
    if len(words) == len(phonemes):
        lengths = [_length_spoken(word) for word in phonemes]
    else:
        lengths = [_length_written(word) for word in words]
    pauses = [_PAUSES.get(word.rstrip("\"'”’)")[-1:], 0) for word in words]
    shares = [length + pause for length, pause in zip(lengths, pauses, strict=True)]
    total = sum(shares) - (pauses[-1] if pauses else 0)
    if total <= 0:
        return [begin] * len(words)
    return [begin + (end - begin) * min(before, total) // total for before in accumulate(shares[:-1], initial=0)][
        : len(words)
    ]


def _length_spoken(phonemes: str) -> int:
    return sum(one.isalpha() for one in _STRESS.sub("", phonemes))


def _length_written(word: str) -> int:
    return sum(_PHONEMES_OF_A_DIGIT if one.isdigit() else one.isalpha() for one in word)
