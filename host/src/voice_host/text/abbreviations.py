"""Expanding abbreviations."""

from __future__ import annotations

import re

from voice_host.text.boundaries import SENTENCE_STARTER
from voice_host.text.dates import ends_sentence
from voice_host.text.lexicon import (
    LOWER_CASE_ONLY,
    NUMBERING,
    SHORT_FORMS,
    SLASHED,
    STAY_AT_SENTENCE_END,
    STREETS,
    TITLES,
)
from voice_host.text.spans import Kind, Reading

_STOPPED = re.compile(r"((?:[A-Za-z]\.){1,2}[A-Za-z]|[A-Za-z]{1,8})\.(?![^\W\d])")
_NAME_FOLLOWS = re.compile(r"\s{1,4}[A-Z]|\s(?:and|&) (?:Mr|Mrs|Ms|Dr|Prof)\b")
_BARE_TITLE = re.compile(r"(Mrs?|Dr|Prof)(?= [A-Z][a-z])")
_NUMBER_FOLLOWS = re.compile(r"\s?(?=[#(]?\d)")
_STREET = re.compile(r"(St|Ave|Rd|Blvd|Dr|Ln|Ct|Pl|Sq|Hwy|Pkwy|Ter)\b(\.?)")
_NO_STREET = rf"(?!(?:{'|'.join([*map(str.capitalize, STREETS), *STREETS.values()])})\b)"
_NAME_BEFORE = re.compile(rf"(?<![\w.]){_NO_STREET}(?:[A-Z][a-z'’]{{1,30}}|\d{{1,3}}(?:st|nd|rd|th)|[a-z]{{2,30}}) \Z")
_CAPITAL_BEFORE = re.compile(rf"(?<![\w.]){_NO_STREET}[A-Z][a-z'’]{{1,30}} \Z")
_NUMBERED_NAME_BEFORE = re.compile(
    r"(?<![\w.,:/-])\d{1,5}[A-Za-z]? (?:[NSEW]\.? )?(?:(?:[A-Z][a-z'’]{1,30}|\d{1,3}(?:st|nd|rd|th)) ){1,3}\Z"
)
_ALWAYS_STREETS = frozenset({"St", "Ave", "Rd", "Blvd"})
_CAPITAL_FOLLOWS = re.compile(r"\s{1,4}[A-Z]")
_VERSUS = re.compile(r"vs(?= \w)")
_SLASHED = re.compile(
    "(?:" + "|".join(sorted(map(re.escape, SLASHED), key=len, reverse=True)) + r")(?![\w/]|(?<!w/)/)|w/(?=\s?\w)",
    re.IGNORECASE,
)
_SINGLE_LETTERS = re.compile(r"([A-Za-z])/([A-Za-z])(?![\w/])")
_SECTIONS = re.compile(r"(§{1,3}) ?")


def abbreviation(text: str, start: int) -> Reading | None:
    """A title, a street, a numbering or another short form."""
    if text[max(0, start - 1) : start] in (".", "@"):
        return None
    if reading := _street(text, start):
        return reading
    if match := _VERSUS.match(text, start):
        return Reading(match.end(), "versus", Kind.ABBREVIATION)
    if match := _BARE_TITLE.match(text, start):
        return Reading(match.end(), TITLES[match[1].lower()], Kind.ABBREVIATION)
    match = _STOPPED.match(text, start)
    if match is None:
        return None
    written, end = match[1], match.end()
    short = written.lower()
    if short in TITLES and written[0].isupper() and _NAME_FOLLOWS.match(text, end):
        return Reading(end, TITLES[short], Kind.ABBREVIATION)
    initial = short in LOWER_CASE_ONLY and written[0].isupper()
    if short in NUMBERING and not initial and (number := _NUMBER_FOLLOWS.match(text, end)):
        return Reading(number.end(), NUMBERING[short], Kind.ABBREVIATION)
    if short in SHORT_FORMS:
        return _short_form(text, match, short)
    return None


def _short_form(text: str, match: re.Match[str], short: str) -> Reading:
    words, end = SHORT_FORMS[short], match.end()
    if match[1][0].isupper() and words.islower():
        words = words.capitalize()
    closes = short in STAY_AT_SENTENCE_END and ends_sentence(text, end)
    return Reading(end - closes, words, Kind.ABBREVIATION)


def _street(text: str, start: int) -> Reading | None:
    match = _STREET.match(text, start)
    if match is None:
        return None
    numbered = _NUMBERED_NAME_BEFORE.search(text, max(0, start - 80), start) is not None
    if not numbered:
        before = _NAME_BEFORE if match[2] else _CAPITAL_BEFORE
        named = match[1] in _ALWAYS_STREETS and before.search(text, max(0, start - 34), start)
        if not named or (_CAPITAL_FOLLOWS.match(text, match.end()) and not SENTENCE_STARTER.match(text, match.end())):
            return None
    closes = bool(match[2]) and ends_sentence(text, match.end())
    return Reading(match.end() - closes, STREETS[match[1].lower()], Kind.ABBREVIATION)


def slashed(text: str, start: int) -> Reading | None:
    """`w/`, `and/or`, `a/c`, `I/O`."""
    if match := _SLASHED.match(text, start):
        return Reading(match.end(), SLASHED[match.group().lower()], Kind.ABBREVIATION)
    if match := _SINGLE_LETTERS.match(text, start):
        return Reading(match.end(), f"{match[1].upper()} {match[2].upper()}", Kind.ABBREVIATION)
    return None


def sections(text: str, start: int) -> Reading | None:
    """`§ 5` -> `section five`, `§§ 12-14` -> `sections twelve to fourteen`."""
    match = _SECTIONS.match(text, start)
    if match is None:
        return None
    return Reading(match.end(), "section" if len(match[1]) == 1 else "sections", Kind.ABBREVIATION)
