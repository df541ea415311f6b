"""What the patterns share: how a written number looks, and how words take the place of a match."""

from __future__ import annotations

import re
from collections.abc import Callable

# All repetitions are bounded and a number begins only where no digit stands before it: the patterns stay linear.
NUMBER = r"\d{1,15}(?:,\d{3}){0,5}(?:\.\d{1,15})?(?!\d)"
NUMBER_START = r"(?<![\d.,])"
RANGE = r" ?[-–—] ?"

_NO_SPACE_AFTER = frozenset(" \t\n([{\"'“‘-–—")
_NO_SPACE_BEFORE = frozenset(" \t\n)]}.,;:!?\"'”’-–—")


def speak(pattern: re.Pattern[str], words: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace what `pattern` matches by `words`, set off by spaces from letters and symbols beside it."""

    def replace(match: re.Match[str]) -> str:
        spoken = words(match)
        if spoken == match.group():
            return spoken
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        left = " " if before and before not in _NO_SPACE_AFTER else ""
        right = " " if after and after not in _NO_SPACE_BEFORE else ""
        return left + spoken + right

    return pattern.sub(replace, text)
