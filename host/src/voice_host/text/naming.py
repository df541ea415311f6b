"""Digits that identify something instead of counting it: codes, accounts, rooms, roads, flights, versions."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal

from voice_host.text.lexicon import MONTHS, SHORT_MONTHS, STREETS, WEEKDAYS, word_set
from voice_host.text.numbers import SUBSCRIPTS, digit_groups, digits, name, number, read_number
from voice_host.text.spans import Kind, Reading

Manner = Literal["digits", "name", ""]
"""Digit by digit, as the number of a room is said, or nothing known."""

_READ_DIGIT_BY_DIGIT = word_set("""
    code codes pin pins passcode password zip postcode postal extension ext reference ref confirmation account acct
    routing iban tracking serial ticket invoice member membership policy license licence passport ssn imei isbn vin sku
    otp case claim id booking reservation order card phone telephone tel fax mobile cell hotline sort batch receipt
    customer registration plate security social voucher docket pnr record locator cvv cvc
""")
_READ_AS_NAME = word_set("""
    room rooms rm suite ste gate flight route highway hwy interstate road bus tram train line platform apartment apt
    unit building bldg channel boeing airbus box stall bay locker cabin exit terminal table seat pier
""")
_SUBJECTS = word_set("""
    number code pin passcode password otp id reference ref extension zip postcode iban
""")
"""Words that may be followed by whose number it is before the digits: `The code for the back door is 4821`."""
_WHOSE = word_set("for at to on with from")
_ALSO_VERBS = word_set("order ticket card case claim record")
_DETERMINERS = word_set("your the my our this that his her their its for under of and or")
_LINKS = word_set("is was are number numbers no nr num digits be as #")
_ENDS = word_set("ends ending end starts starting begins")
_DIALS = frozenset({"call", "dial", "text", "phone"})
_NOUNS = _READ_DIGIT_BY_DIGIT | _READ_AS_NAME | _LINKS
_NUMBER_WORDS = frozenset({"number", "numbers", "no", "nr", "num", "id", "#"})
_LEAST_NAMING_DIGITS = 3
_LEAST_NUMBERED_DIGITS = 4

_CONTEXT = 72  # characters before the digits in which the word is looked for
# A stop that is not that of "no.", "ext." and the like.
_SENTENCE_END = re.compile(
    r"(?<!\bno)(?<!\bnr)(?<!ext)(?<!apt)(?<!acct)(?<!\brm)(?<!\bste)(?<!bldg)(?<!\bref)[.!?](?=\s)|\n"
)
_LETTERS = re.compile(r"[\w:] ([A-Z]{1,4}) \Z")
_WORD = re.compile(r"[a-z]+|#|,(?! )")
_NUMBERED = re.compile(r"(?:#|\b(?:[Nn]umber|[Nn]o\.|is|are):?) ?\Z")
_GROUPS = re.compile(r"\d+(?:-\d+)*(?: (?:\d{2,})(?![\w%]| ?(?:am|pm|a\.m|p\.m)\b| [a-z]+s\b))*")
_COUNTS = re.compile(
    r" (?!is\b|was\b|has\b|this\b|as\b|plus\b|please\b|thanks\b|works\b|does\b|expires\b|starts\b|begins\b|departs\b"
    r"|leaves\b|arrives\b|always\b|boards\b|lands\b|opens\b|closes\b|stops\b|runs\b|goes\b|takes\b|needs\b|ends\b)"
    r"(?:[a-z]{3,}[^s\W]s\b|people\b|times\b)"
)
_DIAL_ENDS = re.compile(
    r"(?:[.,;:!?)]|\Z|\s*\n| (?:in|for|if|to|and|or|now|immediately|right|at|from|when|before|on)\b)"
)
_HOUSE = re.compile(
    r"\d{3,5}(?= (?:[NSEW]\.? )?(?:[A-Z][a-z]+ |\d{1,3}(?:st|nd|rd|th) ){1,2}"
    r"(?:St|Ave|Rd|Blvd|Dr|Ln|Ct|Street|Avenue|Road|Boulevard|Drive|Lane|Court|Way)\b)"
)
_DIGITS_ONLY = re.compile(r"\d{1,15}(?![\d%])(?![.,:/]\d)")
_CARD = re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?![\w-])|\d{4}([ -])\d{6}\2\d{5}(?![\w-])")
_CHAIN = re.compile(r"\d{1,9}(?:-\d{1,9}){2,8}(?![\w]|-\w)|\d{5}-\d{4}(?![\w]|-\w)")

_ABBREVIATED = frozenset({short.capitalize() for short in (*WEEKDAYS, *SHORT_MONTHS, *STREETS)} | set(MONTHS) | {"vs"})
_RUN = re.compile(r"[A-Za-z]+|\d+|[₀-₉]+")
_WITH_WORDS = re.compile(r"\d+-[a-z]{2}")  # a 10-year-old, 9-to-5
_CODE = re.compile(r"[A-Za-z0-9₀-₉]{1,32}(?:-[A-Za-z0-9]{1,32}){0,8}")
_DIMENSIONS = re.compile(r"\d{1,9}x\d")
_VERSION = re.compile(r"[vV]?\d{1,9}(?:\.\d{1,9}){2,8}(?![\w]|\.\d)|[vV]\d{1,9}(?:\.\d{1,9}){1,8}(?![\w]|\.\d)")
_IP_PART = re.compile(r"0|[1-9]\d{0,2}")
_HEX_GROUPS = re.compile(
    r"(?=[0-9A-Fa-f:]{0,39}(?:[A-Fa-f]|::))[0-9A-Fa-f]{1,4}(?::{1,2}[0-9A-Fa-f]{1,4}){2,7}(?![\w:])"
)
_PORT = re.compile(r":(\d{2,5})(?!\d)")
_IP_PARTS = 4
_HIGHEST_IP_PART = 255


def digits_that_name(text: str, start: int) -> Reading | None:
    """Digits after a word that says what they identify: `code 4821`, `room 305`, `a card that ends in 4242`."""
    match = _DIGITS_ONLY.match(text, start)
    if match is None:
        return None
    manner = naming_before(text, start)
    if manner == "digits":
        groups = _GROUPS.match(text, start) or match
        many = sum(map(str.isdecimal, groups.group())) >= _LEAST_NAMING_DIGITS
        if many and (_NUMBERED.search(text, max(0, start - 12), start) or not _COUNTS.match(text, groups.end())):
            return Reading(groups.end(), digit_groups(groups.group()), Kind.NAME)
        return None
    if manner == "name" and len(match.group()) >= _LEAST_NAMING_DIGITS and not _COUNTS.match(text, match.end()):
        return Reading(match.end(), name(match.group()), Kind.NAME)
    if house := _HOUSE.match(text, start):
        return Reading(house.end(), name(house.group()), Kind.NAME)
    return None


def naming_before(text: str, start: int) -> Manner:
    """Return how digits at `start` are read according to the words before them; empty if those do not decide."""
    left = text[max(0, start - _CONTEXT) : start]
    if (letters := _LETTERS.search(left)) and letters[1].lower() not in _NOUNS:
        left = left[: letters.start(1)]  # of the code itself: "member ID XJH 4471", "flight BA 2490"
    left = left.lower()
    if ends := [*_SENTENCE_END.finditer(left)]:
        left = left[ends[-1].end() :]
    words = _WORD.findall(left)
    place = len(words) - 1
    while place >= 0 and words[place] in _LINKS:
        place -= 1
    links = words[place + 1 :]
    numbered = not _NUMBER_WORDS.isdisjoint(links) and _long(text, start)
    if place < 0:
        return "digits" if numbered and links[-1] in ("is", "was", "#") else ""
    noun, before = words[place], words[place - 1] if place else ""
    if (noun in ("in", "with") and before in _ENDS) or (links and "last" in (noun, before)):
        return "digits"  # "ends in 4242", "the last four are 4242"
    if not links and noun in _DIALS:
        match = _DIGITS_ONLY.match(text, start)
        return "digits" if match and _DIAL_ENDS.match(text, match.end()) else ""
    if not links and noun in _ALSO_VERBS and before not in _DETERMINERS | _READ_DIGIT_BY_DIGIT:
        return ""  # "order 100 pizzas"
    if noun in _READ_DIGIT_BY_DIGIT:
        return "digits"
    if noun in _READ_AS_NAME:
        return "name"
    return "digits" if numbered or (links and _subject_names(words[:place]) and not _counts(text, start)) else ""


def _subject_names(words: list[str]) -> bool:
    """Whether the words begin with whose number it is: `the code for the back`."""
    if "," in words:
        words = words[len(words) - words[::-1].index(",") :]
    return any(subject in _SUBJECTS and whose in _WHOSE for subject, whose in pairwise(words))


def _counts(text: str, start: int) -> bool:
    match = _DIGITS_ONLY.match(text, start)
    return match is not None and _COUNTS.match(text, match.end()) is not None


def _long(text: str, start: int) -> bool:
    match = _DIGITS_ONLY.match(text, start)
    return match is not None and len(match.group()) >= _LEAST_NUMBERED_DIGITS


def card_or_chain(text: str, start: int) -> Reading | None:
    """`4111 1111 1111 1111`, `123-45-6789`, `90210-1234`: in their groups."""
    match = _CARD.match(text, start) or _CHAIN.match(text, start)
    return Reading(match.end(), digit_groups(match.group()), Kind.NAME) if match else None


def network_address(text: str, start: int) -> Reading | None:
    """`192.168.1.1`, `2001:db8::1`, `00:1A:2B:3C:4D:5E`."""
    if match := _HEX_GROUPS.match(text, start):
        words = " colon ".join(" ".join(map(_character, group)) for group in match.group().split(":"))
        return Reading(match.end(), " ".join(words.split()), Kind.ADDRESS)
    match = _VERSION.match(text, start)
    if match is None or not match.group()[0].isdecimal():
        return None
    parts = match.group().split(".")
    if len(parts) != _IP_PARTS or not all(_IP_PART.fullmatch(p) and int(p) <= _HIGHEST_IP_PART for p in parts):
        return None
    words = " dot ".join(map(digits, parts))
    if port := _PORT.match(text, match.end()):
        return Reading(port.end(), f"{words} port {digits(port[1])}", Kind.ADDRESS)
    return Reading(match.end(), words, Kind.ADDRESS)


def _character(character: str) -> str:
    return digits(character) if character.isdecimal() else character.upper()


def version(text: str, start: int) -> Reading | None:
    """`3.11.2`, `v2.0.1`."""
    match = _VERSION.match(text, start)
    if match is None or ((grouped := read_number(text, start)) and grouped.grouped):
        return None
    v = match.group()[0] if match.group()[0] in "vV" else ""
    words = " point ".join(number(part) for part in match.group()[len(v) :].split("."))
    return Reading(match.end(), f"{v} {words}" if v else words, Kind.CODE)


def code(text: str, start: int) -> Reading | None:
    """Letters and digits together: `A307`, `UA1549`, `COVID-19`, `4K`, `H₂O`, `A1B2-3456`."""
    match = _CODE.match(text, start)
    if match is None or _DIMENSIONS.match(text, start):
        return None
    written = match.group()
    runs = _RUN.findall(written)
    if written.isalpha() or written.isdecimal() or not any(run.isdecimal() or run[0] in "₀₁₂₃₄₅₆₇₈₉" for run in runs):
        return None
    if written[0].isalpha() and "-" in written and runs[0].islower() and len(runs[0]) > 1:
        return Reading(start + len(runs[0]), runs[0], Kind.PLAIN)  # mid-1990s, pre-2020
    if not _ABBREVIATED.isdisjoint(runs) or _WITH_WORDS.match(written):
        return None
    parts = written.split("-")
    if all(part.isdecimal() for part in parts[:-1]) and len(parts) > 1 and parts[-1][0].isdecimal():
        return None  # 10-15min
    if sum(run.isdecimal() for run in runs) > 1 or (len(parts) > 2):
        words = ", ".join(_spelled(part) for part in parts)
        return Reading(match.end(), words, Kind.CODE)
    if naming_before(text, start) == "digits":
        return Reading(match.end(), " ".join(_spelled(part) for part in parts), Kind.CODE)
    words = " ".join(_named(run) for run in runs)
    return Reading(match.end(), words, Kind.CODE)


def _spelled(part: str) -> str:
    return " ".join(digits(run.translate(SUBSCRIPTS)) if not run.isalpha() else run for run in _RUN.findall(part))


def _named(run: str) -> str:
    return run if run.isalpha() else name(run.translate(SUBSCRIPTS))
