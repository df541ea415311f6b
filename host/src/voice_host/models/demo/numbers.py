"""Numbers as digits or words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from num2words import num2words  # type: ignore[import-untyped]

from voice_host.models.demo.utterance import Utterance

_LONGEST = 2  # words of a number below a hundred
_CARDINALS = {tuple(re.split("[- ]", num2words(value))): value for value in range(100)}
_ORDINALS = {tuple(re.split("[- ]", num2words(value, to="ordinal"))): value for value in range(1, 100)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_QUANTITIES = {("couple",): 2, ("a", "couple"): 2, ("dozen",): 12, ("a", "dozen"): 12, ("half", "a", "dozen"): 6}
_FIRST_WORDS = {words[0] for words in (*_CARDINALS, *_ORDINALS, *_QUANTITIES)}
DIGITS = {"oh": "0", "o": "0"} | {words[0]: str(value) for words, value in _CARDINALS.items() if value < 10}


@dataclass(frozen=True)
class Number:
    """A number that was said. `end` is the index after its last word."""

    value: int | float
    end: int
    ordinal: bool = False


def number_at(said: Utterance, start: int) -> Number | None:
    """Read the number that begins at a word; None when there is none."""
    word = said.word(start)
    if not word:
        return None
    if digits := re.fullmatch(r"([0-9]{1,9})(st|nd|rd|th)?", word):
        return _with_fraction(said, Number(int(digits.group(1)), start + 1, bool(digits.group(2))))
    if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,6}", word):
        return Number(float(word), start + 1)
    if word not in _FIRST_WORDS:
        return None
    for words, value in _QUANTITIES.items():
        end = start + len(words)
        if _words(said, start, end) == words:
            return Number(value, end + 1 if said.word(end) == "of" else end)
    for length in range(_LONGEST, 0, -1):
        if (value := _ORDINALS.get(_words(said, start, start + length), 0)) and word != "second":
            return Number(value, start + length, ordinal=True)
    return _cardinal(said, start)


def _cardinal(said: Utterance, start: int) -> Number | None:
    """Read "twenty one", "a hundred and five", "two thousand five hundred", "twenty one point five"."""
    total, group, end = 0, None, start
    if said.word(start) == "a" and said.word(start + 1) in _SCALES:
        group, end = 1, start + 1
    while True:
        scale = _SCALES.get(said.word(end), 0)
        if scale and group is not None:
            group *= scale
            end += 1
            if scale > 100:
                total, group = total + group, 0
            continue
        small = _below_hundred(said, end + 1 if end > start and said.word(end) == "and" else end)
        if small is None or (group is not None and said.word(end - 1) not in _SCALES and end > start):
            break
        group, end = (group or 0) + small[0], small[1]
    if group is None:
        return None
    return _with_fraction(said, Number(total + group, end))


def _below_hundred(said: Utterance, start: int) -> tuple[int, int] | None:
    for length in range(_LONGEST, 0, -1):
        value = _CARDINALS.get(_words(said, start, start + length))
        if value is not None:
            return value, start + length
    return None


def _with_fraction(said: Utterance, number: Number) -> Number:
    end = number.end
    if _words(said, end, end + 3) == ("and", "a", "half"):
        return Number(number.value + 0.5, end + 3)
    decimals = ""
    if said.word(end) == "point":
        while (digit := DIGITS.get(said.word(end + 1 + len(decimals)))) is not None:
            decimals += digit
    return Number(float(f"{number.value}.{decimals}"), end + 1 + len(decimals)) if decimals else number


def _words(said: Utterance, start: int, end: int) -> tuple[str, ...]:
    words = tuple(said.word(index) for index in range(start, end))
    # A comma parts numbers: "twenty, one".
    return words if not any(index in said.pauses for index in range(start, end - 1)) else ()
