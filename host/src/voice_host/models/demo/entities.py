"""Extracts values that are recognised anywhere in a turn: choices, days, times, numbers, codes, web addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from voice_host.models.demo.days import MONTHS, WEEKDAYS, daypart, dayparts, find_day, find_time
from voice_host.models.demo.numbers import DIGITS, Number, number_at
from voice_host.models.demo.parameters import Parameter, weekday_choices
from voice_host.models.demo.utterance import Utterance
from voice_host.models.demo.words import SAME, is_content, likeness, listed, sounds_like, split_name

_YES = frozenset(listed("yes yeah yep yup sure correct right true absolutely definitely okay ok exactly perfect"))
_YES_PHRASES = (
    "please do",
    "of course",
    "go ahead",
    "that's right",
    "that is right",
    "sounds good",
    "do it",
    "do that",
)
_NO = frozenset(listed("no nope nah not don't false never without wrong"))
NO_ANSWERS = (
    "don't know", "do not know", "not sure", "no idea", "don't remember", "can't remember", "don't have", "haven't got",
    "i forgot", "no clue", "doesn't matter", "what do you mean",
)  # fmt: skip
"""What people say who have no answer."""

_NEITHER = ("right now", "why not", "no problem", "no worries")
_RESERVATIONS = frozenset(
    listed("but wait hold moment what when where who why how which if unless not don't no never isn't wrong except")
)
_HOMOPHONES = {"for": 4, "fore": 4, "to": 2, "too": 2, "won": 1, "ate": 8, "tree": 3}
"""What a recogniser makes of numbers. Only where a number is expected."""

_SWITCHES = ("turn", "switch", "put", "flip")
_SELF = ("just me", "only me", "just myself", "by myself")


@dataclass(frozen=True)
class Reading:
    """A value that was said. One that is not `sure` is confirmed before a tool gets it."""

    value: Any
    sure: bool = True


@dataclass(frozen=True)
class Several:
    """More than one value where a tool takes one: "on the weekend"."""

    values: tuple[Any, ...]


def read_choice(said: Utterance, choices: Sequence[Any]) -> Reading | None:
    """Find a choice, or all that were said. What was said wins over what sounds alike, and more words over fewer."""
    found: list[tuple[Any, list[int]]] = []
    for choice, places in sorted(_spoken_choices(said, choices, exact=True), key=lambda match: -len(match[1])):
        if all(said.free(place) for place in places):
            said.used.update(places)
            found.append((choice, places))
    if found:
        values = [choice for choice, _ in sorted(found, key=lambda match: match[1])]
        return Reading(values[0] if len(values) == 1 else Several(tuple(values)))
    alike = list(_spoken_choices(said, choices, exact=False))
    if len(alike) != 1:
        return None
    said.used.update(alike[0][1])
    return Reading(alike[0][0], sure=False)


def _spoken_choices(said: Utterance, choices: Sequence[Any], *, exact: bool) -> Iterable[tuple[Any, list[int]]]:
    for choice in choices:
        words = split_name(str(choice))
        places = [_place_of(said, word, exact=exact) for word in words]
        if words and -1 not in places:
            yield choice, places
        elif not exact and len(words) > 1:  # a part of it that says something: "deluxe" of "pepperoni deluxe"
            part = [place for place, word in zip(places, words, strict=True) if place >= 0 and is_content(word)]
            if part:
                yield choice, part
        elif exact and len(words) > 1 and (place := _place_of(said, "".join(words), exact=True)) >= 0:
            yield choice, [place]  # "livingroom"


def _place_of(said: Utterance, word: str, *, exact: bool) -> int:
    for index, other in enumerate(said.words):
        if not said.free(index):
            continue
        if word in ("on", "off", "up", "down"):
            if other == word and _is_switch(said, index):
                return index
            continue
        if other == word or (likeness(other, word) == SAME and (is_content(other) or not is_content(word))):
            return index
        if not exact and sounds_like(other, word):
            return index
    return -1


def _is_switch(said: Utterance, index: int) -> bool:
    """Tell "turn it on" and "lights on in the hall" from "on Friday"."""
    switched = any(word in _SWITCHES for word in said.words[:index])
    at_end = index + 1 == len(said.words) or index in said.pauses or said.words[index + 1] in ("in", "please", "at")
    return switched or (at_end and index < 4) or len(said.words) <= 2


def read_day(said: Utterance, parameter: Parameter, today: date) -> Reading | None:
    """Find a day, in the form the parameter wants: one of its choices, an ISO date, or its name."""
    named = weekday_choices(parameter.choices)
    others = [choice for choice in parameter.choices if choice not in named.values()]
    if others and (exact := read_choice(said, others)) is not None and exact.sure:
        return exact
    day = find_day(said, today)
    if day is None:
        return None
    if named:
        values = [named[on.weekday()] for on in day.dates if on.weekday() in named]
    else:
        values = [_worded(on, parameter, today) for on in day.dates]
    if not values:
        return None
    # "this evening" tells the time of day, too.
    said.used.update(range(day.start, day.end))
    return Reading(values[0] if len(values) == 1 else Several(tuple(values)), day.sure)


def _worded(on: date, parameter: Parameter, today: date) -> str:
    if parameter.as_date:
        return on.isoformat()
    return WEEKDAYS[on.weekday()].title() if (on - today).days < 7 else f"{MONTHS[on.month - 1].title()} {on.day}"


def read_time(said: Utterance, parameter: Parameter, *, known: object = None, asked: bool) -> Reading | None:
    """Find a time of day. Where a tool must know morning from evening and nobody said it, the reading is not sure.

    Args:
        known: the time so far, which "in the evening" alone moves.
    """
    found = find_time(said, asked=asked)
    if found is None:
        moved = _moved(str(known), daypart(said)) if known is not None and daypart(said) else None
        said.used.update(dayparts(said) if moved else ())
        return moved
    said.used.update(dayparts(said), range(found.start, found.end))
    hour, sure = found.hour_of_24, True
    if parameter.as_clock:
        vague = not (found.meridiem or daypart(said)) and 1 <= found.hour <= 11
        sure = not vague
        hour += 12 if vague and hour < 7 else 0
        return Reading(f"{hour:02}:{found.minute:02}{':00' if parameter.format == 'time' else ''}", sure)
    return Reading(f"{hour}:{found.minute:02}")


def _moved(clock: str, meridiem: str) -> Reading | None:
    """Return a time with its hour in the morning or in the afternoon, as is wanted; None if it is there already."""
    hour, colon, rest = clock.partition(":")
    if not hour.isdecimal() or (int(hour) >= 12) == (meridiem == "pm"):
        return None
    other = (int(hour) + 12) % 24
    return Reading(f"{other:0{len(hour)}}{colon}{rest}")


def read_number(
    said: Utterance, parameter: Parameter, today: date, *, asked: bool, counted: bool = False, lone: bool = False
) -> Reading | None:
    """Find a number, preferably one beside a word of the parameter's name: "four people", "brightness fifty".

    Args:
        counted: only such a one will do.
        lone: nothing but a number was said.
    """
    found: list[tuple[int, int, Number]] = []
    index = 0
    while index < len(said.words):
        number = number_at(said, index)
        if number is None:
            index += 1
            continue
        if _fits(number.value, parameter) and (asked or not number.ordinal):
            near = _is_near(said, index, number.end, parameter)
            lone_one = said.words[index] == "one" and not near and not asked and not _counts(said, index)
            if near or not (lone_one or counted or (not (asked and lone) and index in _days_and_times(said, today))):
                found.append((not near, index, number))
        index = number.end
    if found:
        far, start, number = min(found, key=lambda match: match[:2])
        joined = _digits_from(said, start, number)
        said.take(start, joined.end)
        if not far:
            said.used.update(at for at in _around(said, start, joined.end) if _is_noun(said.words[at], parameter))
        value = int(joined.value) if parameter.whole else joined.value
        return Reading(value, sure=joined is number) if _fits(value, parameter) else None
    if counted:
        return None
    if asked and said.has(*_SELF):
        said.used.update(range(len(said.words)))
        return Reading(1)
    return _misheard_number(said, parameter, asked=asked)


def _digits_from(said: Utterance, start: int, number: Number) -> Number:
    """Read numbers that follow each other as the digits of one, as of a room: "two fourteen" is 214."""
    digits = ""
    end = start
    while (
        (end == start or end - 1 not in said.pauses)
        and (part := number_at(said, end)) is not None
        and isinstance(part.value, int)
    ):
        digits, end = digits + str(part.value), part.end
    return Number(int(digits), end) if end > number.end and len(digits) < 7 else number


def _days_and_times(said: Utterance, today: date) -> set[int]:
    """Return the words of a day or a time, which are no quantity whether or not the tool has use for them."""
    found = (find_day(said, today), find_time(said, asked=False))
    return {at for one in found if one is not None for at in range(one.start, one.end)}


def _fits(value: float, parameter: Parameter) -> bool:
    return parameter.least <= value <= parameter.most and (not parameter.whole or float(value).is_integer())


def _is_near(said: Utterance, start: int, end: int, parameter: Parameter) -> bool:
    return any(_is_noun(said.words[at], parameter) for at in _around(said, start, end))


def _around(said: Utterance, start: int, end: int) -> list[int]:
    linked = start > 1 and not is_content(said.words[start - 1])  # "volume at ten"
    places = (end, end + 1, start - 1, *((start - 2,) if linked else ()))
    return [at for at in places if 0 <= at < len(said.words)]


def _is_noun(word: str, parameter: Parameter) -> bool:
    return is_content(word) and any(likeness(word, noun) >= SAME for noun in parameter.nouns)


def _counts(said: Utterance, index: int) -> bool:
    """Tell the "one" of "for one" from the one of "a large one"."""
    return index > 0 and said.words[index - 1] in ("for", "just", "only", "of", "it", "to")


def _misheard_number(said: Utterance, parameter: Parameter, *, asked: bool) -> Reading | None:
    for index in range(len(said.words)):
        value = _HOMOPHONES.get(said.word(index))
        alone = asked and len(said.words) - len(said.used) == 1
        if value is None or not (alone or _is_near(said, index, index + 1, parameter)):
            continue
        after = said.words[index + 1 : index + 2]
        if after and (after[0] in _HOMOPHONES or after[0] in DIGITS or after[0].isdecimal()):  # "for for people"
            continue
        said.used.add(index)
        return Reading(value, sure=False)
    return None


def read_digits(said: Utterance, *, least: int = 3) -> Reading | None:
    """Find a number that is no quantity, digit by digit: "five five five oh one", "555 01 32".

    Args:
        least: the number of digits that will do.
    """
    best = ""
    places: list[int] = []
    for start in range(len(said.words)):
        digits, index, times = "", start, 1
        while said.free(index):
            word = said.words[index]
            if word in ("double", "triple"):
                times, index = {"double": 2, "triple": 3}[word], index + 1
                continue
            number = number_at(said, index)
            plain = word.replace("-", "").replace(".", "")
            piece = DIGITS.get(word) or (plain if plain.isdecimal() else str(number.value) if number else "")
            if not piece:
                break
            digits, times = digits + piece * times, 1
            index = number.end if number and not DIGITS.get(word) and not plain.isdecimal() else index + 1
        if len(digits) > len(best):
            best, places = digits, list(range(start, index))
    if len(best) < least:
        return None
    said.used.update(places)
    misheard = places[0] > 0 and _HOMOPHONES.get(said.words[places[0] - 1]) is not None  # "for seven one one"
    return Reading(best, sure=not misheard)


def read_code(said: Utterance, *, asked: bool) -> Reading | None:
    """Find a reference: the digits with the letters before or among them, "B 7", "AB12", "four one seven"."""
    for index, word in enumerate(said.words):
        if said.free(index) and any(letter.isdecimal() for letter in word) and any(letter.isalpha() for letter in word):
            return Reading(said.take(index, index + 1).upper())
    for index in range(len(said.words)):
        number = number_at(said, index)
        lettered = bool(index) and said.free(index - 1) and len(said.words[index - 1]) == 1
        lettered = lettered and said.words[index - 1].isalpha() and said.words[index - 1] not in ("a", "i")
        if number is None or not (lettered or asked):
            continue
        letter = said.take(index - 1, index).upper() + " " if lettered else ""
        digits = read_digits(said, least=1)
        return Reading(f"{letter}{digits.value}", digits.sure) if digits is not None else None
    words = said.meaningful()
    if asked and len(words) == 1 and not said.is_request and not said.negated and not said.has(*NO_ANSWERS):
        return Reading(said.take(words[0], words[0] + 1), sure=False)
    return read_digits(said)


def read_url(said: Utterance) -> Reading | None:
    """Find the address of a page, written or spoken: "example dot com"."""
    for index, word in enumerate(said.words):
        if not said.free(index):
            continue
        host = word.split("/")[2] if word.startswith(("http://", "https://")) and word.count("/") > 2 else word
        if "." in host.strip(".") and any(letter.isalpha() for letter in host.rpartition(".")[2]):
            address = said.take(index, index + 1)
            return Reading(address if "://" in address else f"https://{address}")
        if word == "dot" and said.free(index - 1) and said.free(index + 1):
            said.used.update((index - 1, index, index + 1))
            return Reading(f"https://{said.words[index - 1]}.{said.words[index + 1]}")
    return None


def read_yes_no(said: Utterance, parameter: Parameter, *, asked: bool) -> Reading | None:
    """Read a boolean: by yes or no when it was asked for, else by the parameter's name."""
    if asked and (answer := yes_or_no(said)) is not None:
        return Reading(answer)
    for index, word in enumerate(said.words):
        if said.free(index) and is_content(word) and any(likeness(word, noun) >= 0.8 for noun in parameter.nouns):
            said.used.add(index)
            return Reading(not any(before in _NO for before in said.words[max(0, index - 3) : index]))
    return None


def yes_or_no(said: Utterance) -> bool | None:
    """Return what a turn that begins with, or is, a yes or a no says; None for any other.

    A "yes" with a reservation is none: "okay, but how much is it?", "right, wait".
    """
    first = said.words[:2]
    if said.has(*NO_ANSWERS, *_NEITHER):
        return None
    if any(word in _NO for word in first):
        return False
    if said.ends_asking or not _RESERVATIONS.isdisjoint(said.words):
        return None
    return True if said.affirms(*_YES_PHRASES) or any(word in _YES for word in first) else None
