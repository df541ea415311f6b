"""Telephone numbers: digit by digit, in the groups in which they are written."""

from __future__ import annotations

import re

from voice_host.text.lexicon import word_set
from voice_host.text.numbers import digits
from voice_host.text.spans import Kind, Reading

_NOT_BEFORE = re.compile(r"[\w.,+/-]\Z")
_NORTH_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])")
_INTERNATIONAL = re.compile(r"\+\d{1,15}(?:[ .-]\(?\d{1,12}\)?|\(\d{1,6}\) ?){0,6}(?!\w)")
_NATIONAL = re.compile(r"\(?0\d{1,5}\)?(?:[ /-] ?\d{2,9}){1,5}(?!\w)")
_LOCAL = re.compile(r"\d{3}-\d{4}(?![\w-]|[.,]\d)")
_IN_LETTERS = re.compile(r"(?:1-)?(\d{3})-(?=[A-Z]{4,})")
_GROUP = re.compile(r"\d+")
_LEAST_DIGITS = 7
_DIGITS_PER_BREATH = 4
_TWO_DIGIT_COUNTRIES = word_set("""
    20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91
    92 93 94 95 98
""")


def telephone(text: str, start: int) -> Reading | None:
    """`(555) 123-4567`, `+49 30 123456`, `020 7946 0958`, `555-0199`, `1-800-FLOWERS`."""
    if _NOT_BEFORE.search(text, max(0, start - 1), start):
        return None
    if match := _IN_LETTERS.match(text, start):
        one = "one, " if match.group().startswith("1-") else ""
        return Reading(match.end(), f"{one}{digits(match[1])},", Kind.TELEPHONE)
    for pattern in (_NORTH_AMERICAN, _INTERNATIONAL, _NATIONAL, _LOCAL):
        if (match := pattern.match(text, start)) and (words := _words(match.group())):
            return Reading(match.end(), words, Kind.TELEPHONE)
    return None


def _words(written: str) -> str:
    """The words, or nothing for too few digits."""
    groups = _GROUP.findall(written)
    if len(groups) == 1 and written.startswith("+"):
        groups = _dialling_groups(groups[0])
    if sum(map(len, groups)) < _LEAST_DIGITS:
        return ""
    words = ", ".join(digits(part) for group in groups for part in _breaths(group))
    return f"plus {words}" if written.startswith("+") else words


def _dialling_groups(number: str) -> list[str]:
    """Set off the country code; no country code is the beginning of another."""
    if number[0] == "1" and len(number) == 11:
        return ["1", number[1:4], number[4:7], number[7:]]
    length = 1 if number[0] in "17" else 2 if number[:2] in _TWO_DIGIT_COUNTRIES else 3
    return [number[:length], number[length:]] if len(number) > length else [number]


def _breaths(group: str) -> list[str]:
    """Cut a long row of digits into pieces of three, the last of up to four."""
    pieces: list[str] = []
    while len(group) > _DIGITS_PER_BREATH:
        pieces.append(group[:3])
        group = group[3:]
    return [*pieces, group]
