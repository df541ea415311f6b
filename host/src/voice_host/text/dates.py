"""Dates and times of day, spoken. Ambiguous dates such as 05/06/2026 are read number by number."""

from __future__ import annotations

import re

from voice_host.text.numbers import cardinal, decade, ordinal, year
from voice_host.text.speaking import RANGE, speak

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH_BY_PREFIX = {month[:3].lower(): month for month in _MONTHS}
_LONGEST_MONTH = 31

_MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b(?:\.(?=,? ?\d| [a-z]))?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>1\d{3}|20\d{2})"
_END = r"(?![\w/]|[-.,]\d)"

_ISO_DATE = re.compile(r"(?<![\w/.-])(?P<year>1\d{3}|20\d{2})-(?P<first>\d{2})-(?P<second>\d{2})(?!\d|-\d)T?")
_NUMERIC_DATE = re.compile(
    rf"(?<![\w/.-])(?P<first>\d{{1,2}})(?P<separator>[/.-])(?P<second>\d{{1,2}})(?P=separator){_YEAR}(?!\w|[/-]\d)"
)
_MONTH_FIRST = re.compile(rf"\b{_MONTH} {_DAY}(?:(?P<comma>,?) {_YEAR})?{_END}")
_DAY_FIRST = re.compile(rf"(?<![\w.,/-])(?P<the>[Tt]he )?{_DAY}(?: of)? {_MONTH}(?:(?P<comma>,?) {_YEAR})?(?![\w/])")
_MONTH_AND_YEAR = re.compile(rf"\b{_MONTH}(?P<comma>,?) {_YEAR}{_END}")
_DECADE = re.compile(r"(?<![\w.,])['’]?(\d{2}|\d{3}0)['’]?s\b")

_WEEKDAYS = {day[:3]: day for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")}
_WEEKDAY = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:day|s|sday|nesday|r|rs|rsday|urday)?\b(?:\.(?= ?[-–—a-z\d]))?"
_WEEKDAY_RANGE = re.compile(rf"\b{_WEEKDAY}{RANGE}{_WEEKDAY}")

_HALF_OF_DAY = r" ?(?P<half{0}>[ap])\.?m\b\.?"
_CLOCK = r"(?P<hour{0}>[01]?\d|2[0-4])[:.](?P<minute{0}>[0-5]\d)(?::(?P<second{0}>[0-5]\d))?"
_HOUR = r"(?P<hour{0}>1[0-2]|0?[1-9])"
_TIME_START = r"(?<![\w.:,/])"
_TIME = re.compile(
    rf"{_TIME_START}(?:{_CLOCK.format(1)}(?:{_HALF_OF_DAY.format(1)})|{_HOUR.format(2)}(?:{_HALF_OF_DAY.format(2)})"
    rf"|{_CLOCK.format(3).replace('[:.]', ':')}(?![\w:%]|\.\d))",
    re.IGNORECASE,
)
_TIME_RANGE = re.compile(
    rf"{_TIME_START}(?P<start>(?:[01]?\d|2[0-4])(?::[0-5]\d)?(?: ?[ap]\.?m\b\.?)?){RANGE}"
    rf"(?=(?:[01]?\d|2[0-4])(?::[0-5]\d(?![\w:])|(?::[0-5]\d)? ?[ap]\.?m\b))",
    re.IGNORECASE,
)
_BARE_HOUR = re.compile(r"\d{1,2}\Z")


def say_dates(text: str) -> str:
    """Put dates, decades and ranges of weekdays into words."""
    text = speak(_ISO_DATE, _iso_date, text)
    text = speak(_NUMERIC_DATE, _numeric_date, text)
    text = speak(_MONTH_FIRST, _month_first, text)
    text = speak(_DAY_FIRST, _day_first, text)
    text = speak(_MONTH_AND_YEAR, lambda match: f"{_month(match)}{match['comma']} {year(int(match['year']))}", text)
    return speak(_DECADE, lambda match: decade(int(match[1])), text)


def say_weekday_ranges(text: str) -> str:
    """`Mon-Fri` -> `Monday to Friday`."""
    return speak(_WEEKDAY_RANGE, lambda match: f"{_WEEKDAYS[match[1]]} to {_WEEKDAYS[match[2]]}", text)


def say_times(text: str) -> str:
    """Put times of day into words: `10:30` -> `ten thirty`, `17:05` -> `five oh five p.m.`."""
    text = _TIME_RANGE.sub(lambda match: f"{_range_start(match['start'])} to ", text)
    return speak(_TIME, _time, text)


def _range_start(start: str) -> str:
    return cardinal(int(start)) if _BARE_HOUR.match(start) else start


def _month(match: re.Match[str]) -> str:
    return _MONTH_BY_PREFIX[match["month"][:3].lower()]


def _year_of(match: re.Match[str]) -> str:
    return f"{match['comma']} {year(int(match['year']))}" if match["year"] else ""


def _is_day(day: int) -> bool:
    return 1 <= day <= _LONGEST_MONTH


def _month_first(match: re.Match[str]) -> str:
    day = int(match["day"])
    return f"{_month(match)} {ordinal(day)}{_year_of(match)}" if _is_day(day) else match.group()


def _day_first(match: re.Match[str]) -> str:
    day = int(match["day"])
    if not _is_day(day):
        return match.group()
    return f"{match['the'] or 'the '}{ordinal(day)} of {_month(match)}{_year_of(match)}"


def _full_date(month: int, day: int, in_year: str) -> str:
    return f"{_MONTHS[month - 1]} {ordinal(day)}, {year(int(in_year))}"


def _iso_date(match: re.Match[str]) -> str:
    month, day = int(match["first"]), int(match["second"])
    if not (1 <= month <= len(_MONTHS) and _is_day(day)):
        return match.group()
    words = _full_date(month, day, match["year"])
    return f"{words} at" if match.group().endswith("T") else words


def _numeric_date(match: re.Match[str]) -> str:
    """Month or day first? Only a number above twelve tells; dotted dates put the day first everywhere."""
    first, second = int(match["first"]), int(match["second"])
    if not (_is_day(first) and _is_day(second)) or min(first, second) > len(_MONTHS):
        return match.group()
    if second > len(_MONTHS) or first == second:
        return _full_date(first, second, match["year"])
    if first > len(_MONTHS) or match["separator"] == ".":
        return _full_date(second, first, match["year"])
    return f"{cardinal(first)}, {cardinal(second)}, {year(int(match['year']))}"


def _time(match: re.Match[str]) -> str:
    hour = int(match["hour1"] or match["hour2"] or match["hour3"])
    minute = int(match["minute1"] or match["minute3"] or 0)
    second = match["second1"] or match["second3"]
    half = (match["half1"] or match["half2"] or "").lower()
    if not half and (hour == 0 or hour > 12):
        half = "p" if 12 < hour < 24 else "a"
    words = cardinal(hour % 12 or 12)
    if minute:
        words += f" oh {cardinal(minute)}" if minute < 10 else f" {cardinal(minute)}"
    elif not half:
        words += " o'clock"
    if second:
        words += f" and {cardinal(int(second))} seconds"
    return f"{words} {half}.m." if half else words
