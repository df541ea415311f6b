"""Slot filling: reads a turn for the parameters of a tool, corrections included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from voice_host.models.demo import entities
from voice_host.models.demo.days import BEFORE_A_TIME
from voice_host.models.demo.entities import Reading
from voice_host.models.demo.free_text import read_name, read_place, read_text
from voice_host.models.demo.intents import Intent
from voice_host.models.demo.numbers import number_at
from voice_host.models.demo.parameters import CLEAR_KINDS, Kind, Parameter
from voice_host.models.demo.utterance import Utterance

_ORDER: tuple[Kind | Literal["alone", "counted"], ...] = (
    "url", "choice", "digits", "code", "alone", "day", "time", "counted", "yes_no", "name", "place", "number", "text",
)  # fmt: skip
"""Values that cannot be mistaken come first: what they take is not there for the others. A `counted` number has a word
of its parameter beside it: "two people"; one `alone` answers the question for it, and is no time: "two fourteen"."""
_EVEN_DENIED = ("yes_no", "text")
"""Kinds for which words that the caller denies count as well: "no sugar", "tell them that I can't come"."""

_CORRECTING = (
    ("actually",), ("i", "mean"), ("i", "meant"), ("make", "that"), ("make", "it"), ("rather",), ("sorry",),
    ("wait",), ("instead",), ("change", "that"), ("change", "it"),
)  # fmt: skip


LONGEST_REPLACEMENT = 6
"""Words of a correction that may be a value alone, with those that open it: "no, actually, oat milk"."""


@dataclass
class Filled:
    """What a turn said of a tool's parameters.

    Attributes:
        values: what is known now: what was known before, with what was said in its place.
        changed: the parameters that the turn filled or changed, in order.
        unsure: those of them whose values are guesses.
    """

    values: dict[str, Any]
    changed: list[str] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)


def fill(
    said: Utterance,
    intent: Intent,
    known: Mapping[str, Any],
    today: date,
    *,
    asked: str | None = None,
    latest: Sequence[str] = (),
) -> Filled:
    """Read a turn for the parameters of a tool. A correction within it wins over what it corrects.

    Args:
        said: the turn; what becomes a value is marked as used.
        known: values that are already there.
        asked: the parameter that was asked for: its answer may stand alone ("anna", "four").
        latest: the parameters that were filled last; a correction that names none is about these.
    """
    filled = Filled(dict(known))
    parts = corrections(said)
    for start, end, opening in parts:
        part, correcting = said.part(start, end), opening > 0
        part.used.update(range(opening))
        before = len(filled.changed)
        open_question = None if correcting and asked in filled.values else asked
        _fill(part, intent, filled, today, asked=open_question, correcting=correcting)
        if correcting and len(filled.changed) == before and latest:
            _replace(part, intent, filled, today, latest)
        said.used.update(index + start for index in part.used)
    return filled


def corrections(said: Utterance) -> list[tuple[int, int, int]]:
    """Cut a turn where the caller takes something back.

    Returns:
        For each part where it starts and ends, and how many words at its start say that it is a correction: none if it
        is not.
    """
    parts = [(0, 0)]
    index = 0
    while index < len(said.words):
        opening = _opening(said, index)
        start, length = parts[-1]
        if opening and start + length == index:  # "no, wait, I meant"
            parts[-1] = (start, length + opening)
        elif opening:
            parts.append((index, opening))
        index += opening or 1
    ends = [*(start for start, _ in parts[1:]), len(said.words)]
    return [(start, end, length) for (start, length), end in zip(parts, ends, strict=True)]


def takes_back(said: Utterance) -> bool:
    """Whether a turn ends by taking back what it said: "lock the door, no, wait"."""
    start, end, opening = corrections(said)[-1]
    return start > 0 and start + opening == end


def _opening(said: Utterance, index: int) -> int:
    """Return how many words from `index` on open a correction."""
    if said.words[index] in ("no", "nope") and (index in said.pauses or (index == 0 and len(said.words) > 1)):
        return 1
    if said.words[index] == "oh":
        return 1 if index + 1 < len(said.words) and _opening(said, index + 1) else 0
    return next((len(lead) for lead in _CORRECTING if tuple(said.words[index : index + len(lead)]) == lead), 0)


def _fill(said: Utterance, intent: Intent, filled: Filled, today: date, *, asked: str | None, correcting: bool) -> None:
    counted: list[str] = []
    # A number alone, while something else is asked for, need not be a correction.
    lone = asked is not None and _is_lone_number(said, intent.parameter(asked))
    for step in _ORDER:
        kind: Kind = "number" if step in ("alone", "counted") else step  # type: ignore[assignment]
        group = [known for known in intent.parameters if known.kind == kind and known.name not in counted]
        if step == "alone":
            group = [known for known in group if lone and known.name == asked]
        hidden = set() if step in _EVEN_DENIED else said.negated - said.used
        said.used |= hidden
        again = step in (*CLEAR_KINDS, "counted") and not (step == "number" and lone)
        again = again or (step == "name" and said.cased)
        for parameter in _candidates(group, filled, asked=asked, correcting=correcting, again=again):
            if kind in ("place", "text") and asked not in (None, parameter.name) and asked not in filled.values:
                continue  # an answer that does not fit the question is not the answer to another one
            is_asked = parameter.name == asked
            if kind == "number":
                beside = step == "counted"
                reading = entities.read_number(said, parameter, today, asked=is_asked, counted=beside, lone=lone)
            else:
                reading = _read(said, parameter, intent, filled, today, asked=is_asked)
            if reading is not None:
                _store(filled, parameter, reading)
                counted += [parameter.name] if step in ("alone", "counted") else []
        said.used -= hidden


def _is_lone_number(said: Utterance, asked: Parameter | None) -> bool:
    nouns = asked.nouns if asked is not None else ()
    words = [at for at in said.meaningful() if said.words[at] not in nouns]
    at_a_time = any(word in BEFORE_A_TIME or word in ("am", "pm", "o'clock") for word in said.words)
    return not at_a_time and all(number_at(said, at) is not None for at in words)


def _candidates(
    group: Sequence[Parameter], filled: Filled, *, asked: str | None, correcting: bool, again: bool
) -> list[Parameter]:
    """Return the parameters of one kind in the order in which they get the values that were said.

    Args:
        again: where none is open, what was said may replace what was said before.
    """
    free = [parameter for parameter in group if parameter.name not in filled.values]
    taken = [parameter for parameter in group if parameter.name in filled.values]
    free.sort(key=lambda parameter: (parameter.name != asked, not parameter.required))
    if correcting:
        return taken + free
    if group and group[0].kind == "choice":  # each has words of its own
        return free + taken
    return free or [known for known in taken if again or known.name == asked]


def _replace(said: Utterance, intent: Intent, filled: Filled, today: date, latest: Sequence[str]) -> None:
    """Take a correction that says only the new value, "no, Miller", for the value that was given last."""
    for name in reversed(latest):
        parameter = intent.parameter(name)
        if (
            parameter is None
            or parameter.kind not in ("name", "place", "text")
            or len(said.words) > LONGEST_REPLACEMENT
        ):
            continue
        reading = _read(said, parameter, intent, filled, today, asked=True)
        if reading is not None:
            _store(filled, parameter, Reading(reading.value, sure=False))
            return


def _store(filled: Filled, parameter: Parameter, reading: Reading) -> None:
    value = reading.value
    if parameter.many:
        value = list(value.values) if isinstance(value, entities.Several) else [value]
    filled.values[parameter.name] = value
    filled.changed.append(parameter.name)
    filled.unsure.discard(parameter.name)
    if not reading.sure:
        filled.unsure.add(parameter.name)


def _read(
    said: Utterance, parameter: Parameter, intent: Intent, filled: Filled, today: date, *, asked: bool
) -> Reading | None:
    match parameter.kind:
        case "choice":
            return _read_choices(said, parameter) if parameter.many else entities.read_choice(said, parameter.choices)
        case "day":
            return entities.read_day(said, parameter, today)
        case "time":
            return entities.read_time(said, parameter, known=filled.values.get(parameter.name), asked=asked)
        case "digits":
            return entities.read_digits(said)
        case "code":
            return entities.read_code(said, asked=asked)
        case "yes_no":
            return entities.read_yes_no(said, parameter, asked=asked)
        case "url":
            return entities.read_url(said)
        case "name":
            counted = [noun for other in intent.parameters if other.kind == "number" for noun in other.nouns]
            return read_name(said, asked=asked, about={*intent.trigger, *counted})
        case "place":
            return read_place(said, parameter, asked=asked, about=intent.trigger)
        case _:
            others = [other for other in intent.required if other.kind in ("name", "place", "text")]
            sole = all(other is parameter or other.name in filled.values for other in others)
            return read_text(said, parameter, asked=asked, trigger=intent.trigger, topic=intent.topic, sole=sole)


def _read_choices(said: Utterance, parameter: Parameter) -> Reading | None:
    """Find all choices that were said, for a tool that takes a list of them."""
    reading = entities.read_choice(said, parameter.choices)
    if reading is None or isinstance(reading.value, entities.Several):
        return reading
    return Reading(entities.Several((reading.value,)), reading.sure)
