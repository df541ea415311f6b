"""Text on its way to the synthesiser: where it may be divided, and when each of its words is spoken."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voice_host_sdk import WordTiming

LONGEST_PIECE = 400
"""Characters (25 s of speech, 80 ms of work) given to the synthesiser at one go, which serves one call at a time."""

_CLAUSE_END = re.compile(r"[.!?;:,](?=\s)")
_WORD = re.compile(r"\S+")


def divide(text: str) -> tuple[str, str]:
    """Split a text before `LONGEST_PIECE`: at the last clause end, else between words, else anywhere."""
    ends = [match.end() for match in _CLAUSE_END.finditer(text, 0, LONGEST_PIECE + 1)]
    spaces = [match.end() for match in _WORD.finditer(text, 0, LONGEST_PIECE)][:-1]
    at = (ends or spaces or [LONGEST_PIECE])[-1]
    return text[:at], text[at:]


def word_timings(
    text: str, starts: Sequence[tuple[int, int]], samples: int, sample_rate: int, offset_ms: int
) -> tuple[WordTiming, ...]:
    """Return the words of `text` as they are written, with their times.

    Args:
        text: what was spoken.
        starts: pairs of a character's index and the sample at which it is spoken, as the synthesiser tells them:
            several for a number, none for what it does not speak.
        samples: the length of the speech.
        sample_rate: Hz.
        offset_ms: added to all times.
    """
    ends_ms = offset_ms + samples * 1000 // sample_rate
    timings: list[WordTiming] = []
    for match in reversed(list(_WORD.finditer(text))):
        spoken = [sample for index, sample in starts if match.start() <= index < match.end()]
        start_ms = offset_ms + min(spoken) * 1000 // sample_rate if spoken else ends_ms
        timings.append(WordTiming(match.group(), min(start_ms, ends_ms), ends_ms))
        ends_ms = timings[-1].start_ms
    return tuple(reversed(timings))
