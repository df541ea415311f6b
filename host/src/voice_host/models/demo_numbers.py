"""Numbers, times and days in spoken words."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, timedelta

from voice_host.models.demo_words import Said, likeness, listed, sounds_like

_UNITS = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = {
    word: 10 * tens for tens, word in enumerate(listed("twenty thirty forty fifty sixty seventy eighty ninety"), 2)
}
_SINGLE = {word: value for value, word in enumerate(_UNITS)} | {"oh": 0, "couple": 2, "dozen": 12}
_HOMOPHONES = {"for": 4, "fore": 4, "to": 2, "too": 2, "won": 1, "ate": 8, "tree": 3, "tin": 10}
"""What a recogniser makes of numbers. Only where a number is expected."""

WEEKDAYS = listed("monday tuesday wednesday thursday friday saturday sunday")
_RELATIVE_DAYS = {"today": 0, "tonight": 0, "tomorrow": 1}
_MONTHS = listed("january february march april may june july august september october november december")
_ORDINALS = {
    word: value
    for value, word in enumerate(
        listed(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
            "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ),
        1,
    )
} | {"thirtieth": 30}


def number_at(said: Said, start: int, *, homophones: bool = False) -> tuple[int | float, int] | None:
    """Read the number that begins at a token: its value and the index after it. None when there is none."""
    if not said.free(start):
        return None
    token = said.tokens[start]
    if re.fullmatch(r"[0-9]{1,9}", token):
        return int(token), start + 1
    if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,6}", token):
        return float(token), start + 1
    following = said.tokens[start + 1] if said.free(start + 1) else ""
    if token in ("a", "one") and following == "hundred":
        return 100, start + 2
    if token in _TENS:
        unit = _SINGLE.get(following, 0)
        return (_TENS[token] + unit, start + 2) if 1 <= unit <= 9 and following in _UNITS else (_TENS[token], start + 1)
    if token in _SINGLE and token != "oh":
        value = _SINGLE[token]
        return (value * 100, start + 2) if following == "hundred" and value else (value, start + 1)
    if homophones and token in _HOMOPHONES:
        return _HOMOPHONES[token], start + 1
    return None


def find_number(said: Said, nouns: Collection[str], *, asked: bool) -> int | float | None:
    """Find a number, preferably one that stands before one of the nouns (stems), and mark it as used."""
    found: list[tuple[bool, int, int | float, int]] = []
    for start in range(len(said.tokens)):
        number = number_at(said, start)
        if number is None:
            continue
        value, end = number
        near = said.tokens[end] if said.free(end) else ""
        found.append((not _is_noun(near, nouns), start, value, end))
    if not found:  # "for for people"
        for start in range(len(said.tokens)):
            number = number_at(said, start, homophones=True)
            near = said.tokens[start + 1] if said.free(start + 1) else ""
            if number and (_is_noun(near, nouns) or (asked and len(said.tokens) - len(said.used) == 1)):
                found.append((False, start, *number))
    if not found:
        return None
    _, start, value, end = min(found)
    said.take(start, end)
    return value


def _is_noun(word: str, nouns: Collection[str]) -> bool:
    return bool(word) and any(likeness(word, noun) > 0 for noun in nouns)


def find_time(said: Said, *, asked: bool) -> tuple[int, int, str] | None:
    """Find a time of day and mark it as used: hour and minute as spoken, and `am`, `pm` or an empty string.

    "seven thirty", "half past seven", "quarter to eight", "at seven", "7 pm", "19:30", "noon". A bare number is a
    time only after "at" and its kin, or when a time was asked for.
    """
    for start in range(len(said.tokens)):
        if not said.free(start):
            continue
        if said.tokens[start] in ("noon", "midday", "midnight"):
            hour = 0 if said.tokens[start] == "midnight" else 12
            said.take(start, start + 1)
            return hour, 0, "pm" if hour else "am"
        read = _relative_time(said, start) or _clock_time(said, start, asked=asked)
        if read is None:
            continue
        hour, minute, end = read
        meridiem, end = _meridiem(said, end)
        said.take(start, end)
        return hour, minute, meridiem
    return None


def _relative_time(said: Said, start: int) -> tuple[int, int, int] | None:
    minutes = {"half": 30, "quarter": 15}.get(said.tokens[start])
    if minutes is None or not said.free(start + 1) or said.tokens[start + 1] not in ("past", "to", "after"):
        return None
    hour = number_at(said, start + 2)
    if hour is None or not 1 <= hour[0] <= 12:
        return None
    if said.tokens[start + 1] == "to":
        return (int(hour[0]) - 2) % 12 + 1, 60 - minutes, hour[1]
    return int(hour[0]), minutes, hour[1]


def _clock_time(said: Said, start: int, *, asked: bool) -> tuple[int, int, int] | None:
    digits = re.fullmatch(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])", said.tokens[start])
    if digits:
        return int(digits.group(1)), int(digits.group(2)), start + 1
    hour = _hour(said, start)
    if hour is None:
        return None
    end = start + 1
    minute = _minute(said, end)
    if minute is not None:
        return hour, *minute
    if said.free(end) and said.tokens[end] in ("am", "pm", "o'clock", "oclock"):
        return hour, 0, end
    if said.free(end) and said.free(end + 1) and said.tokens[end : end + 2] == ["o", "clock"]:
        return hour, 0, end + 2
    before = said.tokens[start - 1] if start else ""
    return (hour, 0, end) if asked or before in ("at", "around", "by", "until", "till", "after", "before") else None


def _hour(said: Said, start: int) -> int | None:
    token = said.tokens[start]
    value = int(token) if re.fullmatch(r"[0-9]{1,2}", token) else _SINGLE.get(token, -1)
    return value if 1 <= value <= 23 and token != "dozen" else None


def _minute(said: Said, start: int) -> tuple[int, int] | None:
    if said.free(start) and said.tokens[start] == "oh":
        number = number_at(said, start + 1)
        return (int(number[0]), number[1]) if number and 1 <= number[0] <= 9 else None
    number = number_at(said, start)
    return (int(number[0]), number[1]) if number and isinstance(number[0], int) and 10 <= number[0] <= 59 else None


def _meridiem(said: Said, end: int) -> tuple[str, int]:
    if said.free(end) and said.tokens[end] in ("o'clock", "oclock"):
        end += 1
    if said.free(end) and said.tokens[end] in ("am", "pm"):
        return said.tokens[end], end + 1
    if said.has("in the evening", "in the afternoon", "tonight"):
        return "pm", end
    return ("am", end) if said.has("in the morning") else ("", end)


def find_day(said: Said, today: date, *, as_date: bool) -> str | None:
    """Find a day and mark it as used: as it was said ("friday", "may 3"), or as an ISO date."""
    for start, token in enumerate(said.tokens):
        if not said.free(start):
            continue
        if token in _RELATIVE_DAYS:
            said.take(start, start + 1)
            return (today + timedelta(days=_RELATIVE_DAYS[token])).isoformat() if as_date else token
        singular = token.removesuffix("'s").removesuffix("s")
        for index, weekday in enumerate(WEEKDAYS):
            if singular == weekday or sounds_like(singular, weekday):
                said.take(start, start + 1)
                ahead = (index - today.weekday()) % 7
                return (today + timedelta(days=ahead)).isoformat() if as_date else weekday
        if as_date and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", token):
            return said.take(start, start + 1)
        if token in _MONTHS and (day := _day_of_month(said, start)) is not None:
            return _calendar_day(today, _MONTHS.index(token) + 1, day) if as_date else f"{token} {day}"
    return None


def _day_of_month(said: Said, month: int) -> int | None:
    """Read "may third", "may 3", "third of may", "the 3rd of may" around the month's token; mark it as used."""
    after = _ordinal(said, month + 1)
    if after is not None:
        said.take(month, month + 2)
        return after
    back = 2 if month >= 2 and said.tokens[month - 1] == "of" else 1
    before = _ordinal(said, month - back)
    if before is not None:
        said.take(month - back, month + 1)
    return before


def _ordinal(said: Said, index: int) -> int | None:
    if not said.free(index):
        return None
    token = said.tokens[index]
    digits = re.fullmatch(r"([0-9]{1,2})(?:st|nd|rd|th)?", token)
    value = int(digits.group(1)) if digits else _ORDINALS.get(token, _SINGLE.get(token, 0))
    return value if 1 <= value <= 31 else None


def _calendar_day(today: date, month: int, day: int) -> str:
    for year in range(today.year, today.year + 9):  # a 29th of February is at most eight years away
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found.isoformat()
    return f"{today.year:04}-{month:02}-{day:02}"
