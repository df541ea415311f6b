"""Fills the parameters of a tool from what was said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from voice_host.models.demo_numbers import WEEKDAYS, find_day, find_number, find_time, number_at
from voice_host.models.demo_parameters import Kind, Parameter
from voice_host.models.demo_words import STOP_WORDS, Said, is_content, likeness, listed, sounds_like, split_name

_ORDER: tuple[Kind, ...] = ("url", "choice", "day", "time", "name", "number", "yes_no", "place", "text")
"""Values that cannot be mistaken come first: what they take is not there for the others."""

_FILLERS = STOP_WORDS | set(listed("by under called named name"))
_NO_PROPER_NAMES = _FILLERS | set(WEEKDAYS) | set(listed("today tonight tomorrow morning afternoon evening weekend"))
_LIGHT_FILLERS = frozenset(listed("for up about the a an on of please me to that"))
_NAME_LEADS = (("name", "is"), ("name's",), ("called",), ("under",), ("named",), ("i", "am"), ("i'm",), ("this", "is"))
_NAME_STOPS = frozenset(listed("and on at for please to with from in by is are was the a an my i of or"))
_PLACE_LEADS = frozenset(listed("in at for to near from around of"))
_YES = ("yes", "yeah", "yep", "sure", "correct", "right", "true", "please do", "of course", "okay")
_NO = ("no", "nope", "not", "don't", "false", "never")


def fill(
    said: Said,
    parameters: Sequence[Parameter],
    known: Mapping[str, Any],
    *,
    asked: str | None = None,
    trigger: Collection[str] = (),
    topic: Collection[str] = (),
    today: date,
) -> dict[str, Any]:
    """Return `known` and the values that were said.

    Args:
        said: the turn; what becomes a value is marked as used.
        known: values that are already there; they are kept.
        asked: the parameter that was asked for: its answer may stand alone ("anna", "four").
        trigger: words of the tool, which are not values ("weather" in "the weather in paris").
        topic: further words that the tool may be called for by. Free text that nobody asked for says more than those.
    """
    values = dict(known)
    # What cannot be said in words (an object) is left to its default.
    open_ones = [parameter for parameter in parameters if parameter.name not in values and parameter.kind in _ORDER]
    # What was asked for is looked for first among values of its kind.
    open_ones.sort(
        key=lambda parameter: (_ORDER.index(parameter.kind), parameter.name != asked, not parameter.required)
    )
    for parameter in open_ones:
        if parameter.name != asked and parameter.kind in ("place", "text"):
            # An answer that does not fit the question is not the answer to another one.
            fits = asked is None or asked in values
            value = _volunteered(said, parameter, trigger, topic) if fits else None
        else:
            value = _find(said, parameter, asked=parameter.name == asked, trigger=trigger, today=today)
        if value is not None:
            values[parameter.name] = [value] if parameter.many else value
    return values


def _find(said: Said, parameter: Parameter, *, asked: bool, trigger: Collection[str], today: date) -> Any:
    match parameter.kind:
        case "choice":
            return _choice(said, parameter.choices)
        case "day":
            return find_day(said, today, as_date=parameter.format == "date") or (
                _rest(said, trigger) if asked else None
            )
        case "time":
            return _time(said, parameter, asked=asked)
        case "number":
            number = find_number(said, parameter.nouns, asked=asked)
            if number is None or (number == 1 and not asked and not parameter.required):
                return None  # "a large one" counts nothing
            return int(number) if parameter.whole else number
        case "yes_no":
            return _yes_no(said) if asked else None
        case "name":
            return _name(said, asked=asked, trigger=trigger)
        case "url":
            return _url(said)
        case "place":
            return _place(said, trigger=trigger, alone=True)
        case _:
            return _rest(said, trigger)


def _volunteered(said: Said, parameter: Parameter, trigger: Collection[str], topic: Collection[str]) -> str | None:
    """Find free text that was not asked for. Words that only call for the tool are not taken for it.

    "send a cab", "leave a note": where what the tool does comes last, nothing was said beyond it.
    """
    content = [index for index, token in enumerate(said.tokens) if said.free(index) and is_content(token)]
    beyond = [index for index in content if not _is_trigger(said, index, {*trigger, *topic, *parameter.nouns})]
    # "to main street" ends with what the parameter is called, and says which.
    ends = bool(content) and _is_trigger(said, content[-1], {*trigger, *(set(topic) - parameter.nouns)})
    told = bool(beyond) and not ends
    named = any(_is_trigger(said, index, trigger) for index in range(len(said.tokens)))
    # Where the tool's name was said, a word of its description may well belong to the value ("search for web pages").
    words = trigger if named else {*trigger, *topic}
    if parameter.kind == "place":
        return _place(said, trigger=words, alone=parameter.required and told)
    return _rest(said, words) if parameter.required and told else None


def _choice(said: Said, choices: Sequence[Any]) -> Any:
    """Find the choice whose words were all said; among several the one with most words."""
    best: tuple[int, Any, list[int]] | None = None
    for choice in choices:
        words = split_name(str(choice))
        places = [
            next((i for i, token in enumerate(said.tokens) if said.free(i) and _same(token, w)), -1) for w in words
        ]
        if words and -1 not in places and (best is None or len(words) > best[0]):
            best = len(words), choice, places
    if best is None:
        return None
    said.used.update(best[2])
    return best[1]


def _same(token: str, word: str) -> bool:
    return likeness(token, word) == 1.0 or sounds_like(token, word)


def _time(said: Said, parameter: Parameter, *, asked: bool) -> str | None:
    found = find_time(said, asked=asked)
    if found is None:
        return None
    hour, minute, meridiem = found
    if meridiem == "pm" and hour < 12:
        hour += 12
    elif meridiem == "am" and hour == 12:
        hour = 0
    padded = parameter.format == "time" or "HH:MM" in parameter.description
    return f"{hour:02}:{minute:02}" if padded else f"{hour}:{minute:02}"


def _yes_no(said: Said) -> bool | None:
    if said.has(*_NO):
        return False
    return True if said.has(*_YES) else None


def _name(said: Said, *, asked: bool, trigger: Collection[str]) -> str | None:
    for lead in _NAME_LEADS:
        for start in range(len(said.tokens) - len(lead)):
            end = start + len(lead)
            if tuple(said.tokens[start:end]) == lead:
                while said.free(end) and said.tokens[end] in ("the", "name", "of", "is"):
                    end += 1
                if number_at(said, end) is None and (name := _capitalised(said, end, _NAME_STOPS, trigger)):
                    return name
    for start in range(len(said.tokens) - 1):
        follows_for = said.tokens[start] == "for" and number_at(said, start + 1) is None
        if follows_for and (name := _capitalised(said, start + 1, _NO_PROPER_NAMES, trigger)):
            return name
    if not asked or _begins_with_number(said, trigger):
        return None
    return _title(_rest(said, trigger, fillers=_NO_PROPER_NAMES, longest=4))


def _begins_with_number(said: Said, trigger: Collection[str]) -> bool:
    """Tell whether an answer is a number, or counts something: "four", "four people"."""
    tokens = range(len(said.tokens))
    first = next((index for index in tokens if not _is_noise(said, index, trigger, _NO_PROPER_NAMES)), len(tokens))
    # Its first word may be a filler: the "one" of "one hundred".
    numbers = (number_at(said, start) for start in range(first + 1))
    return any(number is not None and number[1] > first for number in numbers)


def _place(said: Said, *, trigger: Collection[str], alone: bool) -> str | None:
    """Find a place: after a word like "in", or else, where it may stand `alone`, in all that was said."""
    for start in range(len(said.tokens) - 1):
        if said.tokens[start] in _PLACE_LEADS and number_at(said, start + 1) is None:
            place = _capitalised(said, start + 1, _NO_PROPER_NAMES, trigger)
            if place:
                return place
    return _title(_rest(said, trigger, fillers=_NO_PROPER_NAMES, longest=4)) if alone else None


def _capitalised(said: Said, start: int, stops: Collection[str], trigger: Collection[str]) -> str | None:
    """Take up to three words from `start` on, as a proper name."""
    end = start
    while end < start + 3 and said.free(end) and said.tokens[end] not in stops and not _is_trigger(said, end, trigger):
        end += 1
    if end == start or (end == start + 1 and not is_content(said.tokens[start])):
        return None
    return _title(said.take(start, end))


def _url(said: Said) -> str | None:
    for index, token in enumerate(said.tokens):
        if not said.free(index):
            continue
        host = token.split("/")[2] if token.startswith(("http://", "https://")) and token.count("/") > 2 else token
        if "." in host.strip(".") and any(letter.isalpha() for letter in host.rpartition(".")[2]):
            address = said.take(index, index + 1)
            return address if "://" in address else f"https://{address}"
        if token == "dot" and said.free(index - 1) and said.free(index + 1):
            said.used.update((index - 1, index, index + 1))
            return f"https://{said.tokens[index - 1]}.{said.tokens[index + 1]}"
    return None


def _rest(
    said: Said, trigger: Collection[str], *, fillers: Collection[str] = _FILLERS, longest: int = 30
) -> str | None:
    """Take what is left once fillers and the tool's own words are gone from both ends.

    After the tool's own words fewer fillers go: "look up who won" asks "who won".
    """
    start, end = 0, len(said.tokens)
    called = False
    while start < end and _is_noise(said, start, trigger, fillers):
        called = called or _is_trigger(said, start, trigger)
        start += 1
    while called and start and said.free(start - 1) and not _is_trigger(said, start - 1, trigger):
        start -= 1
    while called and start < end and said.tokens[start] in _LIGHT_FILLERS:
        start += 1
    while start < end and (not said.free(end - 1) or said.tokens[end - 1] in fillers):
        end -= 1
    end = min(end, start + longest)
    free = [index for index in range(start, end) if index not in said.used]
    if not any(said.tokens[index] not in fillers for index in free):
        return None
    said.used.update(free)
    return " ".join(said.raw[index] for index in free)


def _is_noise(said: Said, index: int, trigger: Collection[str], fillers: Collection[str]) -> bool:
    return not said.free(index) or said.tokens[index] in fillers or _is_trigger(said, index, trigger)


def _is_trigger(said: Said, index: int, trigger: Collection[str]) -> bool:
    return any(likeness(said.tokens[index], word) > 0 for word in trigger)


def _title(text: str | None) -> str | None:
    """Give a proper name its capitals unless it came with some: recognised speech has none."""
    return text.title() if text and text.islower() else text
