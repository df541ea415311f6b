"""Dates, times of day, years and decades. Ambiguous dates such as 05/06/2026 are read number by number."""

from __future__ import annotations

import re

from voice_host.text.lexicon import MONTHS, SHORT_MONTHS, WEEKDAYS
from voice_host.text.numbers import cardinal, decade, ordinal, year
from voice_host.text.spans import Kind, Reading

_LONGEST_MONTH = 31

MONTH = (
    r"(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_MONTH = rf"{MONTH}\b(?:\.(?=,? ?\d| [a-z]))?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_TO_DAY = r"(?:(?: ?[-–—] ?| to )(?P<upto>\d{1,2})(?:st|nd|rd|th)?(?![\d:]))?"
_YEAR = r"(?P<year>1\d{3}|20\d{2})"
_END = r"(?![\w/]|[-.,:]\d)"

_MONTH_FIRST = re.compile(rf"{_MONTH} {_DAY}{_TO_DAY}(?:(?P<comma>,?) {_YEAR})?{_END}")
_MONTH_AND_YEAR = re.compile(rf"{_MONTH}(?P<comma>,?) {_YEAR}{_END}")
_DAY_FIRST = re.compile(rf"{_DAY}{_TO_DAY}(?: of)? {_MONTH}(?:(?P<comma>,?) {_YEAR})?(?![\w/])")
_DAY_MONTH_YEAR = re.compile(
    rf"(?P<day>\d{{1,2}})(?P<mark>[-/]){MONTH}(?P=mark)(?P<year>1\d{{3}}|20\d{{2}}|\d\d)(?!\w|[-/]\d)"
)
_SHORT_MONTH = re.compile(r"(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?")
_MONTH_CONTEXT = re.compile(
    r"(?:[a-z]\.? ?[-–—] ?|\b(?:[Ii]n|[Ss]ince|[Uu]ntil|[Bb]y|[Ll]ast|[Nn]ext|[Ee]arly|[Ll]ate|[Mm]id-?|to)\s?)\Z"
)
_MONTH_RANGE = re.compile(r" ?[-–—] ?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)")

_OFFSET = r"(?:Z\b|(?P<sign>[+-])(?P<off>\d\d):?(?P<offmin>\d\d)?\b)"
_ISO_DATE = re.compile(
    r"(?P<year>1\d{3}|20\d{2})(?P<mark>[-/.])(?P<first>\d{2}|(?<=[-/])\d)(?P=mark)(?P<second>\d{2}|(?<=[-/])\d)"
    r"(?:[T ](?P<hour>[01]\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<seconds>[0-5]\d)(?:[.,]\d{1,9})?)?"
    rf"(?P<zone> ?{_OFFSET})?"
    r"|(?P<tail>T))?(?!\d|-\d)"
)
_NUMERIC_DATE = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[/.-])(?P<second>\d{1,2})(?P=mark)(?P<year>1\d{3}|20\d{2}|(?<=/)\d\d)(?!\w|[/-]\d|\.\d)"
)
_DAY_AND_MONTH = re.compile(r"(\d{1,2})/(\d{1,2})(?![\w/]|[.,]\d)")
_ON = re.compile(
    r"\b(?:on|until|till|since|before|after|dated?|due(?: by)?|starting|ending|effective"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day,?)\s(?:the )?"
    r"(?:\d{1,2}/\d{1,2}(?: ?[-–] ?|,? (?:and|or|to|through|until) |, )){0,4}\Z",
    re.IGNORECASE,
)
_PERHAPS_ON = re.compile(r"\b(?:by|from|through|and|to)\s(?:the )?\Z", re.IGNORECASE)
_PART_FOLLOWS = re.compile(r" (?:of|full|empty|price|cups?|inch(?:es)?|miles?|hours?|majority|scale)\b")
_NOT_IN_DATE = re.compile(r"[\w.,/-]\Z")

_NOT_IN_YEAR = re.compile(r"[\w.,]\Z")
_DECADE = re.compile(r"['’]?(\d{2}|\d{3}0)['’]?s\b")
_COMMON_YEAR = re.compile(r"(19\d{2}|20\d{2})(?![\w%]|[.,:/-]\d)")
_OTHER_YEAR = re.compile(r"(1[0-8]\d{2})(?!\w|[.,:/-]\d)")
_ERA = re.compile(r"\d{1,4}(?: ?(?:to|until|and|[-–—]) ?\d{1,4})? ?(?:BCE?|CE|AD|B\.C\.|A\.D\.)(?!\w)")
_AFTER_ERA = re.compile(r"\b(?:AD|A\.D\.) \Z")
_YEAR_FOLLOWS = re.compile(
    r"\b(?:in|since|until|till|year|summer|winter|spring|autumn|circa|ca\.|c\.|anno"
    r"|(?:war|treaty|act|revolution|summer|winter|spring|fall|autumn|battle|fire|census|crisis|crash|panic|election"
    r"|earthquake|flood|plague|constitution|class|year|vintage|code|storm|rush|congress) of)\s\Z",
    re.IGNORECASE,
)
_FROM = re.compile(r"\b(?:from|between)\s\Z", re.IGNORECASE)
_TO_YEAR = re.compile(r"\s(?:to|until|and)\s(?:1[1-9]|20)\d\d(?![\w%]|[.,:/-]\d|\s[a-z]+s\b)")
_FROM_YEAR = re.compile(r"\b(?:from|between)\s(?:1[1-8])\d\d\s(?:to|until|and)\s\Z", re.IGNORECASE)

_WEEKDAY = re.compile(r"(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b(\.(?!\w))?")
_WEEKDAY_ALIKE = frozenset({"Sat", "Sun", "Wed"})
_WEEKDAY_JOINED = re.compile(
    r"(?:,? ?(?:and|or|&)? ?|/| ?[-–—] ?| ?to )(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}\b"
    r"|,? \d| (?:morning|evening|night)"
)
_WEEKDAY_BEFORE = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}\.?(?:,? ?(?:and|or|&)? ?|/| ?[-–—] ?| ?to )"
    r"|\b(?:[Oo]n|[Ee]very|[Nn]ext|[Ll]ast|[Tt]his|[Uu]ntil|[Bb]y) )\Z"
)

_HALF_OF_DAY = r" ?(?P<half{0}>[ap])\.?m\b\.?"
_CLOCK = r"(?P<hour{0}>[01]?\d|2[0-4])[:.](?P<minute{0}>[0-5]\d)(?::(?P<second{0}>[0-5]\d))?"
_TIME = re.compile(
    rf"(?:{_CLOCK.format(1)}(?:{_HALF_OF_DAY.format(1)})|(?P<hour2>1[0-2]|0?[1-9])(?:{_HALF_OF_DAY.format(2)})"
    rf"|{_CLOCK.format(3).replace('[:.]', ':')}(?:(?P<zone>{_OFFSET.replace('[+-]', '[+]')})|(?![\w:%]|\.\d)))",
    re.IGNORECASE,
)
_NOT_IN_TIME = re.compile(r"[\w.:,/]\Z")
_BARE_HOUR = re.compile(
    r"(?:1?\d|2[0-4])(?= ?[-–—] ?(?:[01]?\d|2[0-4])(?::[0-5]\d(?![\w:])|(?::[0-5]\d)? ?[ap]\.?m\b))", re.IGNORECASE
)
_ZONE = re.compile(r"(UTC|GMT)\s?([+−–-])\s?(\d{1,2})(?::?(\d{2}))?(?![\w:])")


def _month(match: re.Match[str]) -> str:
    return SHORT_MONTHS[match["month"][:3].lower()]


def _year_of(match: re.Match[str]) -> str:
    return f"{match['comma']} {year(int(match['year']))}" if match["year"] else ""


def _is_day(day: int) -> bool:
    return 1 <= day <= _LONGEST_MONTH


def month_date(text: str, start: int) -> Reading | None:
    """`Nov 22, 2026`, `March 3–5`, `March 2005`, `Jan-Mar`."""
    if match := _MONTH_FIRST.match(text, start):
        day, upto = int(match["day"]), int(match["upto"] or 0)
        if _is_day(day) and (not match["upto"] or _is_day(upto)):
            last = f" to {ordinal(upto)}" if upto else ""
            return Reading(match.end(), f"{_month(match)} {ordinal(day)}{last}{_year_of(match)}", Kind.DATE)
    if match := _MONTH_AND_YEAR.match(text, start):
        return Reading(match.end(), f"{_month(match)}{_year_of(match)}", Kind.DATE)
    match = _SHORT_MONTH.match(text, start)
    if match is None or (
        text[match.end() : match.end() + 1] in ("'", "’", "-") and not _MONTH_RANGE.match(text, match.end())
    ):
        return None
    if _MONTH_CONTEXT.search(text, max(0, start - 8), start) or _MONTH_RANGE.match(text, match.end()):
        end = match.end() - (match.group().endswith(".") and ends_sentence(text, match.end()))
        return Reading(end, SHORT_MONTHS[match[1][:3].lower()], Kind.WEEKDAY)
    return None


_SENTENCE_CLOSES = re.compile(r"[\"')”’]?(?:\s*\Z|\s+[A-Z\"“])")


def ends_sentence(text: str, end: int) -> bool:
    """Whether an abbreviation's stop before `end` ends the sentence, too."""
    return _SENTENCE_CLOSES.match(text, end) is not None


def weekday(text: str, start: int) -> Reading | None:
    """`Mon` -> `Monday`; those that are words too only among others or where a day is meant."""
    match = _WEEKDAY.match(text, start)
    if match is None:
        return None
    near = (
        _WEEKDAY_JOINED.match(text, match.end()) is not None
        or _WEEKDAY_BEFORE.search(text, max(0, start - 16), start) is not None
    )
    if match[1] in _WEEKDAY_ALIKE and not near and not match[2]:
        return None
    end = match.end()
    if match[2] and ends_sentence(text, end):
        if match[1] in _WEEKDAY_ALIKE and not near:
            return None
        end -= 1
    return Reading(end, WEEKDAYS[match[1].lower()], Kind.WEEKDAY)


def numeric_date(text: str, start: int) -> Reading | None:
    """`2026-11-22`, `2026-01-05T09:00:00Z`, `22/11/2026`, `15-Mar-2024`, `22 November`, `on 12/25`."""
    if reading := _without_year(text, start):
        return reading
    before = text[max(0, start - 1) : start]
    if before and _NOT_IN_DATE.match(before):
        return None
    if match := _ISO_DATE.match(text, start):
        return _iso(match)
    if match := _NUMERIC_DATE.match(text, start):
        words = _numeric(match)
        return Reading(match.end(), words, Kind.DATE) if words else None
    if (match := _DAY_FIRST.match(text, start)) and _is_day(int(match["day"])):
        return _day_first(match, after_the=text[max(0, start - 4) : start].lower() == "the ")
    if (match := _DAY_MONTH_YEAR.match(text, start)) and _is_day(int(match["day"])):
        words = f"the {ordinal(int(match['day']))} of {_month(match)} {year(_full_year(match['year']))}"
        return Reading(match.end(), words, Kind.DATE)
    return None


def _without_year(text: str, start: int) -> Reading | None:
    """`12/25`, `5/6` and `05/06` where a day is meant.

    Who writes `5/6` for a day writes American English, the month first. A zero before it is as common where the day
    comes first: `05/06` is read number by number.
    """
    match = _DAY_AND_MONTH.match(text, start)
    if match is None:
        return None
    first, second = int(match[1]), int(match[2])
    on = _ON.search(text, max(0, start - 80), start) is not None and not _PART_FOLLOWS.match(text, match.end())
    if not on and not _PERHAPS_ON.search(text, max(0, start - 12), start):
        return None
    words = _day_and_month(first, second)
    if not words and max(first, second) <= len(MONTHS) and min(first, second) >= 1:
        if "0" in (match[1][0], match[2][0]):
            words = f"{cardinal(first)}, {cardinal(second)}"
        elif on or first > second:  # "by 5/6" may be a fraction, "by 7/4" is none
            words = f"{MONTHS[first - 1]} {ordinal(second)}"
    return Reading(match.end(), words, Kind.DATE) if words else None


def _full_year(written: str) -> int:
    short = int(written)
    return short if len(written) > 2 else short + (2000 if short < 70 else 1900)


def _day_first(match: re.Match[str], *, after_the: bool) -> Reading | None:
    the = "" if after_the else "the "
    words = f"{the}{ordinal(int(match['day']))}"
    if match["upto"]:
        if not _is_day(int(match["upto"])):
            return None
        words += f" to the {ordinal(int(match['upto']))}"
    return Reading(match.end(), f"{words} of {_month(match)}{_year_of(match)}", Kind.DATE)


def _day_and_month(first: int, second: int) -> str:
    """The words, if only one of the numbers can be the month; else nothing."""
    if not (_is_day(first) and _is_day(second)) or min(first, second) > len(MONTHS):
        return ""
    if second > len(MONTHS) or first == second:
        return f"{MONTHS[first - 1]} {ordinal(second)}"
    return f"{MONTHS[second - 1]} {ordinal(first)}" if first > len(MONTHS) else ""


def _numeric(match: re.Match[str]) -> str:
    """Month or day first? Only a number above twelve tells; dotted dates put the day first everywhere."""
    first, second, in_year = int(match["first"]), int(match["second"]), year(_full_year(match["year"]))
    if words := _day_and_month(first, second):
        return f"{words}, {in_year}"
    if not (_is_day(first) and _is_day(second)) or min(first, second) > len(MONTHS):
        return ""
    if match["mark"] == ".":
        return f"{MONTHS[second - 1]} {ordinal(first)}, {in_year}"
    return f"{cardinal(first)}, {cardinal(second)}, {in_year}"


def _iso(match: re.Match[str]) -> Reading | None:
    month, day = int(match["first"]), int(match["second"])
    if not (1 <= month <= len(MONTHS) and _is_day(day)):
        return None
    words = f"{MONTHS[month - 1]} {ordinal(day)}, {year(int(match['year']))}"
    if match["tail"]:
        words += " at"
    elif match["hour"]:
        hour = int(match["hour"])
        clock = _clock(hour, int(match["minute"]), int(match["seconds"] or 0), "p" if 12 <= hour < 24 else "a")
        words += f" at {clock}"
        if match["sign"] == "-" and "T" not in match.group():  # a range of times
            return Reading(match.start("zone"), words, Kind.DATE)
        words += _offset_words(match)
    return Reading(match.end(), words, Kind.DATE)


def _offset_words(match: re.Match[str]) -> str:
    if not match["zone"]:
        return ""
    return f" UTC{_offset(match['sign'], match['off'], match['offmin'])}" if match["sign"] else " UTC"


def _offset(sign: str, hours: str, minutes: str | None) -> str:
    rest = int(minutes or 0)
    if not int(hours) and not rest:
        return ""
    words = f" {'plus' if sign == '+' else 'minus'} {cardinal(int(hours))}"
    return f"{words} {cardinal(rest)}" if rest else words


def utc_offset(text: str, start: int) -> Reading | None:
    """`UTC+01:00` -> `UTC plus one`."""
    match = _ZONE.match(text, start)
    return Reading(match.end(), match[1] + _offset(match[2], match[3], match[4]), Kind.TIME) if match else None


def time_of_day(text: str, start: int) -> Reading | None:
    """`10:30` -> `ten thirty`, `17:05` -> `five oh five p.m.`; `9` in `9-5 pm`."""
    before = text[max(0, start - 1) : start]
    if before and _NOT_IN_TIME.match(before):
        return None
    match = _TIME.match(text, start)
    if match is None:
        hour = _BARE_HOUR.match(text, start)
        return Reading(hour.end(), cardinal(int(hour.group())), Kind.TIME) if hour else None
    hour_of_day = int(match["hour1"] or match["hour2"] or match["hour3"])
    half = (match["half1"] or match["half2"] or "").lower()
    if not half and (hour_of_day == 0 or hour_of_day > 12):
        half = "p" if 12 < hour_of_day < 24 else "a"
    minute, seconds = int(match["minute1"] or match["minute3"] or 0), int(match["second1"] or match["second3"] or 0)
    return Reading(match.end(), _clock(hour_of_day, minute, seconds, half) + _offset_words(match), Kind.TIME)


def _clock(hour: int, minute: int, seconds: int, half: str) -> str:
    words = cardinal(hour % 12 or 12)
    if minute:
        words += f" oh {cardinal(minute)}" if minute < 10 else f" {cardinal(minute)}"
    elif not half:
        words += " o'clock"
    if seconds:
        words += f" and {cardinal(seconds)} {'second' if seconds == 1 else 'seconds'}"
    return f"{words} {half}.m." if half else words


def written_decade(text: str, start: int) -> Reading | None:
    """`1990s`, `'80s`."""
    match = _DECADE.match(text, start)
    if match is None or _NOT_IN_YEAR.search(text, max(0, start - 1), start):
        return None
    return Reading(match.end(), decade(int(match[1])), Kind.YEAR)


def year_number(text: str, start: int) -> Reading | None:
    """`2026`; other years where their neighbours tell: `1479 BC`, `the war of 1812`."""
    if _NOT_IN_YEAR.search(text, max(0, start - 1), start):
        return None
    if match := _COMMON_YEAR.match(text, start):
        return Reading(match.end(), year(int(match[1])), Kind.YEAR)
    if match := _ERA.match(text, start):
        written = re.match(r"\d{1,4}", match.group())
        assert written is not None
        value = int(written.group())
        if value and written.group()[0] != "0":
            return Reading(start + written.end(), year(value) if value > 99 else cardinal(value), Kind.YEAR)
    match = _OTHER_YEAR.match(text, start)
    if match is None:
        return None
    left = max(0, start - 24)
    if (
        _YEAR_FOLLOWS.search(text, left, start)
        or _FROM_YEAR.search(text, left, start)
        or _AFTER_ERA.search(text, left, start)
        or (_FROM.search(text, left, start) and _TO_YEAR.match(text, match.end()) and int(match[1]) % 50)
    ):
        return Reading(match.end(), year(int(match[1])), Kind.YEAR)
    return None
