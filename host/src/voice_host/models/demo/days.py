"""Days and times of day as people say them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from voice_host.models.demo.numbers import number_at
from voice_host.models.demo.utterance import Utterance
from voice_host.models.demo.words import listed, sounds_like

WEEKDAYS = listed("monday tuesday wednesday thursday friday saturday sunday")
MONTHS = listed("january february march april may june july august september october november december")
_SHORT = {"mon": 0, "tue": 1, "tues": 1, "wed": 2, "weds": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4}
_TODAY = ("today", "tonight")
_DAYPARTS = {"morning": "am", "afternoon": "pm", "evening": "pm", "night": "pm", "tonight": "pm"}
BEFORE_A_TIME = ("at", "around", "about", "by", "until", "till", "after", "before", "from")


@dataclass(frozen=True)
class Day:
    """The day or days that were said, and whether the words can be trusted."""

    dates: tuple[date, ...]
    start: int
    end: int
    sure: bool = True


@dataclass(frozen=True)
class Time:
    """A time of day as it was said.

    Attributes:
        meridiem: `am`, `pm`, or empty when nothing was said of it.
    """

    hour: int
    minute: int
    meridiem: str
    start: int
    end: int

    @property
    def hour_of_24(self) -> int:
        if self.meridiem == "pm" and self.hour < 12:
            return self.hour + 12
        return 0 if self.meridiem == "am" and self.hour == 12 else self.hour


# --- days -------------------------------------------------------------------------------------------------------------


def find_day(said: Utterance, today: date) -> Day | None:
    """Find a day; what sounds like a weekday counts only when no day was said clearly. Words are not marked as used."""
    for start in range(len(said.words)):
        if said.free(start) and (found := _day_at(said, start, today)) is not None:
            return found
    for start, word in enumerate(said.words):
        for index, weekday in enumerate(WEEKDAYS):
            if said.free(start) and sounds_like(word.removesuffix("s"), weekday):
                return Day((_coming(today, index),), start, start + 1, sure=False)
    return None


def _day_at(said: Utterance, start: int, today: date) -> Day | None:
    word = said.words[start]
    if word in _TODAY or (word == "this" and said.word(start + 1) in ("morning", "afternoon", "evening")):
        return Day((today,), start, start + 1)
    if said.words[start : start + 3] == ["day", "after", "tomorrow"]:
        return Day((_later(today, 2),), start, start + 3)
    if word in ("tomorrow", "tomorrow's"):
        return Day((_later(today, 1),), start, start + 1)
    if word in ("weekend", "weekends"):
        first = min(5 - today.weekday(), 0) if today.weekday() >= 5 else 5 - today.weekday()
        dates = [_later(today, first + days) for days in (0, 1)]
        return Day(tuple(day for day in dates if day >= today), start, start + 1)
    if (weekday := _weekday(word)) is not None:
        ahead = (weekday - today.weekday()) % 7
        before = said.words[start - 1] if start else ""
        text = " ".join(said.words)
        if "next week" in text or "in a week" in text:
            return Day((_later(today, weekday - today.weekday() + 7),), start, start + 1)
        if before == "next" and ahead + today.weekday() < 7:  # of this week's days, "next" means the week after
            return Day((_later(today, ahead + 7),), start - 1, start + 1, sure=ahead == 0)
        return Day((_later(today, ahead),), start, start + 1)
    if word == "now" and start:  # the "now" at the beginning is no time
        return Day((today,), start, start + 1)
    return _in_days(said, start, today) or _calendar_day(said, start, today)


def _weekday(word: str) -> int | None:
    singular = word.removesuffix("'s").removesuffix("s")
    if singular in WEEKDAYS:
        return WEEKDAYS.index(singular)
    return _SHORT.get(word)


def _in_days(said: Utterance, start: int, today: date) -> Day | None:
    """Read "in three days", "in a week"."""
    if said.words[start] != "in":
        return None
    number = number_at(said, start + 1)
    end = number.end if number else start + 2
    count = number.value if number else 1 if said.word(start + 1) in ("a", "one") else 0
    unit = {"day": 1, "days": 1, "week": 7, "weeks": 7}.get(said.word(end), 0)
    if not unit or not count:
        return None
    return Day((_later(today, int(count) * unit),), start, end + 1)


def _calendar_day(said: Utterance, start: int, today: date) -> Day | None:
    """Read "may third", "may 3", "the 3rd of may", "2027-05-03", "the fifth"."""
    word = said.words[start]
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", word):
        try:
            return Day((date.fromisoformat(word),), start, start + 1)
        except ValueError:
            return None
    if word in MONTHS and (number := number_at(said, start + 2 if said.word(start + 1) == "the" else start + 1)):
        day = _on(today, MONTHS.index(word) + 1, int(number.value))
        return Day((day,), start, number.end) if day else None
    number = number_at(said, start)
    if number is None:
        return None
    after = number.end + 1 if said.word(number.end) == "of" else number.end
    if said.word(after) in MONTHS:
        day = _on(today, MONTHS.index(said.words[after]) + 1, int(number.value))
        return Day((day,), start, after + 1) if day else None
    if number.ordinal and start and said.words[start - 1] == "the" and said.word(number.end) not in ("one", "time"):
        day = _next_of_month(today, int(number.value))
        return Day((day,), start, number.end) if day else None
    return None


def _on(today: date, month: int, day: int) -> date | None:
    for year in range(today.year, today.year + 9):  # a 29th of February is at most eight years away
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def _next_of_month(today: date, day: int) -> date | None:
    months = [(today.month + ahead - 1) % 12 + 1 for ahead in range(3)]
    found = [on for month in months if (on := _on(today, month, day)) is not None]
    return min(found, default=None)


def _coming(today: date, weekday: int) -> date:
    return _later(today, (weekday - today.weekday()) % 7)


def _later(today: date, days: int) -> date:
    try:
        return today + timedelta(days=days)
    except OverflowError:
        return date.max


# --- times ------------------------------------------------------------------------------------------------------------


def find_time(said: Utterance, *, asked: bool) -> Time | None:
    """Find a time of day. Words are not marked as used.

    "seven thirty", "half past seven", "quarter to eight", "at seven", "7 pm", "19:30", "noon". A bare number is a time
    only after "at" and its kin, or when a time was asked for.
    """
    for start in range(len(said.words)):
        if said.free(start) and (found := _time_at(said, start, asked=asked)) is not None:
            return found
    return None


def daypart(said: Utterance) -> str:
    """Return `am` or `pm` when a part of the day was said: "in the morning", "this evening", "tonight"."""
    return next((_DAYPARTS[word] for word in said.words if word in _DAYPARTS), "")


def dayparts(said: Utterance) -> set[int]:
    """Return where parts of the day were said."""
    return {index for index, word in enumerate(said.words) if word in _DAYPARTS}


def _time_at(said: Utterance, start: int, *, asked: bool) -> Time | None:
    word = said.words[start]
    if word in ("noon", "midday", "midnight"):
        return Time(0, 0, "am", start, start + 1) if word == "midnight" else Time(12, 0, "pm", start, start + 1)
    read = _relative_time(said, start) or _clock_time(said, start, asked=asked)
    if read is None:
        return None
    hour, minute, end = read
    meridiem, end = _meridiem(said, end)
    return Time(hour, minute, "" if hour > 12 or hour == 0 else meridiem, start, end)


def _relative_time(said: Utterance, start: int) -> tuple[int, int, int] | None:
    """Read "half past seven", "a quarter to eight", "ten past six", and the British "half seven"."""
    minutes: int | float | None
    if said.words[start] in ("half", "quarter"):
        minutes, end = {"half": 30, "quarter": 15}[said.words[start]], start + 1
    else:
        number = number_at(said, start)
        minutes, end = (number.value, number.end) if number else (None, start)
        if said.word(end) in ("minute", "minutes"):
            end += 1
    link = said.word(end)
    if minutes is None or not 1 <= minutes <= 59:
        return None
    if link not in ("past", "to", "after", "before"):
        hour = number_at(said, end) if said.words[start] == "half" else None
        return (int(hour.value), 30, hour.end) if hour and _is_hour(hour.value) else None
    hour = number_at(said, end + 1)
    if hour is None or not _is_hour(hour.value) or (link in ("after", "before") and minutes not in (15, 30)):
        return None
    if link in ("to", "before"):
        return (int(hour.value) - 2) % 12 + 1, 60 - int(minutes), hour.end
    return int(hour.value), int(minutes), hour.end


def _is_hour(value: int | float) -> bool:
    return isinstance(value, int) and 1 <= value <= 12


def _clock_time(said: Utterance, start: int, *, asked: bool) -> tuple[int, int, int] | None:
    if digits := re.fullmatch(r"([01]?[0-9]|2[0-3])[:.]([0-5][0-9])", said.words[start]):
        if ":" in digits.group() or asked or _follows_at(said, start) or said.word(start + 1) in ("am", "pm"):
            return int(digits.group(1)), int(digits.group(2)), start + 1
        return None
    hour = number_at(said, start)
    if hour is None or hour.ordinal or not isinstance(hour.value, int) or not 0 <= hour.value <= 23:
        return None
    if (minute := _minute(said, hour.end)) is not None and hour.end - 1 not in said.pauses:
        return hour.value, *minute
    end = hour.end
    told = said.word(end) in ("am", "pm", "o'clock", "oclock")
    part = said.words[end : end + 2] == ["in", "the"] and said.word(end + 2) in _DAYPARTS
    alone = asked or _follows_at(said, start)
    return (hour.value, 0, end) if told or part or alone else None


def _follows_at(said: Utterance, start: int) -> bool:
    return bool(start) and said.words[start - 1] in BEFORE_A_TIME


def _minute(said: Utterance, start: int) -> tuple[int, int] | None:
    if said.word(start) in ("oh", "o"):
        number = number_at(said, start + 1)
        return (int(number.value), number.end) if number and 1 <= number.value <= 9 else None
    number = number_at(said, start)
    if number is None or not isinstance(number.value, int) or number.ordinal:
        return None
    return (number.value, number.end) if 10 <= number.value <= 59 else None


def _meridiem(said: Utterance, end: int) -> tuple[str, int]:
    if said.word(end) in ("o'clock", "oclock"):
        end += 1
    if said.word(end) in ("am", "pm"):
        return said.word(end), end + 1
    return daypart(said), end


def spoken_date(text: str) -> str | None:
    """Return an ISO date as people say it, e.g. "Friday, November 27"; None for any other text."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return f"{WEEKDAYS[day.weekday()].title()}, {MONTHS[day.month - 1].title()} {day.day}"


def spoken_time(text: str, *, exact: bool) -> str:
    """Return a time of day as people say it: `19:30` is "7:30 pm".

    Args:
        exact: an hour before noon is said to be one; else `7:30` may as well be in the evening.
    """
    clock = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?", text)
    if clock is None:
        return text
    hour, minutes = int(clock[1]), "" if clock[2] == "00" else f":{clock[2]}"
    if hour < 12 and not exact:
        return f"{hour}{minutes or ' o’clock'}"
    return f"{hour % 12 or 12}{minutes} {'am' if hour < 12 else 'pm'}"
