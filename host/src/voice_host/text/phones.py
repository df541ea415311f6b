"""Telephone numbers and codes: digit by digit, in their groups."""

from __future__ import annotations

import re

from voice_host.text.numbers import digits
from voice_host.text.speaking import speak

_START = r"(?<![\w.,+/-])"
_NORTH_AMERICAN = re.compile(rf"{_START}(?:\+?1[ .-]?)?(?:\(\d{{3}}\) ?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}(?![\w-])")
_INTERNATIONAL = re.compile(rf"{_START}\+\d{{1,15}}(?:[ .-]\(?\d{{1,12}}\)?|\(\d{{1,6}}\) ?){{0,6}}(?!\w)")
_NATIONAL = re.compile(rf"{_START}\(?0\d{{1,5}}\)?(?:[ /-] ?\d{{2,9}}){{1,5}}(?!\w)")
_LOCAL = re.compile(rf"{_START}\d{{3}}-\d{{4}}(?![\w-]|[.,]\d)")
_CODE = re.compile(
    r"\b((?:call|dial|pin|passcode|code|zip|postcode|extension|reference|confirmation)(?: code| number)?(?: is)?:? )"
    r"(\d{3,12})(?![\w%]|[.,:]\d)",
    re.IGNORECASE,
)
_GROUP = re.compile(r"\d+")
_LEAST_DIGITS = 7
_DIGITS_PER_BREATH = 4


def say_phone_numbers(text: str) -> str:
    """Put telephone numbers and codes into words."""
    for pattern in (_NORTH_AMERICAN, _INTERNATIONAL, _NATIONAL, _LOCAL):
        text = speak(pattern, _phone_number, text)
    return speak(_CODE, lambda match: match[1] + digits(match[2]), text)


def _phone_number(match: re.Match[str]) -> str:
    groups = [part for group in _GROUP.findall(match.group()) for part in _breaths(group)]
    if sum(len(group) for group in groups) < _LEAST_DIGITS:
        return match.group()
    words = ", ".join(digits(group) for group in groups)
    return f"plus {words}" if match.group().startswith("+") else words


def _breaths(group: str) -> list[str]:
    """Cut a long row of digits into pieces of three, the last of up to four."""
    pieces: list[str] = []
    while len(group) > _DIGITS_PER_BREATH:
        pieces.append(group[:3])
        group = group[3:]
    return [*pieces, group]
