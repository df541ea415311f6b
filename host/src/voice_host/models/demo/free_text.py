"""Extracts values that only the context shows: names, places, and free text."""

from __future__ import annotations

from collections.abc import Collection

from voice_host.models.demo.days import MONTHS, WEEKDAYS
from voice_host.models.demo.entities import NO_ANSWERS, Reading
from voice_host.models.demo.numbers import number_at
from voice_host.models.demo.parameters import Parameter
from voice_host.models.demo.utterance import Utterance
from voice_host.models.demo.words import COMMANDS, STOP_WORDS, content_of, is_content, likeness, listed, stem

_FILLERS = STOP_WORDS | set(listed("by under called named name hear order"))
_DAYS_AND_MONTHS = frozenset([*WEEKDAYS, *MONTHS])
_NO_NAMES = frozenset(_FILLERS | _DAYS_AND_MONTHS).union(
    listed("""
    morning afternoon evening weekend noon o'clock new around before after until till between during since under
    maybe perhaps well then how which""")
)
_NO_NAME_WORDS = STOP_WORDS.union(listed("cancel stop change")) - {"will", "so"}
"""Words that a name does not hold: "cancel my"."""
_TITLES = frozenset(listed("doctor dr mr mrs ms miss sir madam"))
_OPENINGS = frozenset(listed("well so okay ok yes yeah sure please thanks just that it's oh by"))
_LIGHT_FILLERS = frozenset(listed("by some with for up about the a an on of please me to that"))
_NAME_LEADS = (
    ("name", "is"), ("name's",), ("name", "of"), ("the", "name"), ("under",), ("called",), ("named",),
)  # fmt: skip
_WEAK_NAME_LEADS = (("i", "am"), ("i'm",), ("this", "is"), ("it's",), ("it", "is"), ("for",), ("of",), ("to",))
_NAME_STOPS = frozenset(listed("and on at for please to with from in by is are was the a an my i of or"))
_PLACE_LEADS = frozenset(listed("in at for to near from around of"))
_TEXT_LEADS = (("saying",), ("because",), ("that", "says"), ("about",))
LONGEST_NAME, LONGEST_PLACE, LONGEST_TEXT = 4, 6, 30


# --- names ------------------------------------------------------------------------------------------------------------


def read_name(said: Utterance, *, asked: bool, about: Collection[str]) -> Reading | None:
    """Find a person's name: after "my name is" and the like, or in all that was said when it was asked for.

    Args:
        about: words of the tool, which are no names.
    """
    for leads, strong in ((_NAME_LEADS, True), (_WEAK_NAME_LEADS, False)):
        for start in range(len(said.words)):
            for lead in leads:
                end = start + len(lead)
                if tuple(said.words[start:end]) == lead and (name := _name_at(said, end, about, strong=strong)):
                    return Reading(name, sure=strong or asked or said.cased)
    for start in range(len(said.words) - 2):
        if said.words[start : start + 3] == ["is", "my", "name"]:  # "Peters is my name"
            first = max((pause + 1 for pause in said.pauses if pause < start - 1), default=max(0, start - 2))
            if name := _name_at(said.part(0, start), first, about, strong=True):
                said.used.update(range(first, start + 3))
                return Reading(name)
    if not asked or said.is_request or said.negated or _begins_with_number(said, about):
        return None
    return _name_alone(said, about)


def _name_alone(said: Utterance, about: Collection[str]) -> Reading | None:
    """Read an answer that is a name and hardly anything else: "Anna Weber, please"."""
    start = next((i for i, word in enumerate(said.words) if said.free(i) and word not in _NO_NAMES), len(said.words))
    if said.cased and (name := _capitalised(said, start, LONGEST_NAME)):
        # The first word of a sentence has a capital in any case: "Cancel my booking".
        more = any(said.free(index) and is_content(said.words[index]) for index in range(start, len(said.words)))
        begins = start == 0 or start - 1 in said.pauses
        if begins and " " not in name:
            return None if more else Reading(name, sure=_ends(said, start))
        return Reading(name)
    name = _rest(said, about, fillers=_NO_NAMES, longest=LONGEST_NAME)
    words = name.lower().split() if name else []
    if name is None or any(word in _NO_NAME_WORDS or word.endswith("'s") for word in words):
        return None
    return Reading(_title(name), sure=not said.cased and len(name.split()) < 3)


def _ends(said: Utterance, index: int) -> bool:
    """Whether a pause follows a word."""
    return index in said.pauses or all(word in _NO_NAMES for word in said.words[index + 1 :])


def _name_at(said: Utterance, start: int, about: Collection[str], *, strong: bool) -> str | None:
    while strong and said.word(start) in ("the", "name", "of", "is", "for"):
        start += 1
    if said.word(start) in _TITLES:
        start += 1
    if not said.free(start) or number_at(said, start) is not None:
        return None
    if said.cased:
        if said.words[start] in ("my", "our") and start + 1 < len(said.raw):  # "to my brother Mark"
            start += 1 if said.raw[start + 1][:1].isupper() else 2
        return _capitalised(said, start, LONGEST_NAME)
    end = start
    while end < start + 3 and said.free(end) and said.words[end] not in _NAME_STOPS and not _is_of(said, end, about):
        end += 1
        if end - 1 in said.pauses:
            break
    words = said.words[start:end]
    if not words or not any(is_content(word) for word in words):
        return None
    if not strong and (words[0] in _NO_NAMES or words[0].endswith("ing")):
        return None
    return _title(said.take(start, end))


def _capitalised(said: Utterance, start: int, longest: int) -> str | None:
    """Take the words from `start` on that have capitals."""
    end = start
    while end < start + longest and said.free(end) and said.raw[end][:1].isupper():
        if said.words[end] in (_NO_NAMES if end == start else _DAYS_AND_MONTHS):
            break
        end += 1
        if end - 1 in said.pauses:
            break
    if said.words[end - 1].endswith("'s") and end < len(said.words) and end - 1 not in said.pauses:
        return None  # "Maria's birthday"
    return said.take(start, end) if end > start else None


def _begins_with_number(said: Utterance, about: Collection[str]) -> bool:
    """Whether an answer is a number, or counts something: "four", "four people"."""
    places = range(len(said.words))
    first = next((index for index in places if not _is_noise(said, index, about, _NO_NAMES)), len(places))
    # Its first word may be a filler: the "one" of "one hundred".
    numbers = (number_at(said, start) for start in range(first + 1))
    return any(number is not None and number.end > first for number in numbers)


# --- places and free text ---------------------------------------------------------------------------------------------


def read_place(said: Utterance, parameter: Parameter, *, asked: bool, about: Collection[str]) -> Reading | None:
    """Find a place: after a word like "in", or in all that was said when it was asked for."""
    for start in range(1, len(said.words)):
        lead = said.words[start - 1]
        told = lead == "is" and start > 1 and said.words[start - 2] in parameter.nouns  # "my address is"
        if not said.free(start) or not (told or lead in _PLACE_LEADS):
            continue
        number = number_at(said, start)
        if number is not None and not (said.free(number.end) and said.raw[number.end][:1].isupper()):
            continue
        if number is not None:  # "12 Oak Lane"
            before = said.take(start, number.end)
            return Reading(f"{before} {_capitalised(said, number.end, LONGEST_NAME) or ''}".strip())
        place = _capitalised(said, start, LONGEST_NAME) if said.cased else _plain_place(said, start, about)
        if place:
            return Reading(place)
        if said.cased and said.words[start] == "the" and (place := _plain_place(said, start + 1, about)):
            return Reading(f"the {place.lower()}", sure=asked)  # "to the airport"
    if not asked or said.asks_to_know or said.negated:
        return None
    if said.cased and _begins_with_number(said, about):  # "two people"; "12 Oak Lane" has been read
        street = next((at for at in range(len(said.words)) if number_at(said, at) is not None), 0)
        name = next((at for at in range(street, len(said.words)) if number_at(said, at) is None), len(said.words))
        if not said.raw[name : name + 1] or not said.raw[name][:1].isupper():
            return None
    place = _rest(said, about, fillers=_NO_NAMES - {"new"}, longest=LONGEST_PLACE)
    return Reading(_title(place), sure=not said.is_request) if place else None


def _plain_place(said: Utterance, start: int, about: Collection[str]) -> str | None:
    end = start
    stops = _NO_NAMES - {"new"}
    while end < start + 3 and said.free(end) and said.words[end] not in stops and not _is_of(said, end, about):
        end += 1
    return _title(said.take(start, end)) if end > start else None


def read_text(
    said: Utterance, parameter: Parameter, *, asked: bool, trigger: Collection[str], topic: Collection[str], sole: bool
) -> Reading | None:
    """Find free text: in all that was said when it was asked for, else what was said beyond the tool's own words.

    Args:
        trigger: the words of the tool's name.
        topic: the words of its description.
        sole: nothing else that it requires could be meant by such words.
    """
    if asked:
        if said.has(*NO_ANSWERS):
            return None
        # "Can you call me back?" may be the message, or not.
        doubtful = said.is_request or bool(said.negated) or bool(COMMANDS.intersection(map(stem, said.words[:1])))
        text = _rest(said, (), fillers=_OPENINGS)
        return Reading(text, not doubtful) if text and any(is_content(word) for word in text.lower().split()) else None
    for lead in _TEXT_LEADS:
        for start in range(len(said.words)):
            end = start + len(lead)
            if tuple(said.words[start:end]) == lead and said.free(end):
                return Reading(said.take(end, len(said.words)))
    if not sole or not parameter.required:
        return None
    about = {*trigger, *topic, *parameter.nouns, *content_of(parameter.description)}
    end = _without_tail(said, about)
    beyond = [i for i in range(end) if said.free(i) and is_content(said.words[i])]
    own = [i for i in beyond if not _is_of(said, i, about)]
    # "send a cab", "leave a note": where what the tool does comes last, nothing was said beyond it.
    if not own or _is_of(said, beyond[-1], {*trigger, *(set(topic) - parameter.nouns)}):
        return None
    named = any(_is_of(said, index, trigger) for index in range(end))
    text = _rest(said, trigger if named else {*trigger, *topic}, end=end)
    return Reading(text) if text else None


def _without_tail(said: Utterance, about: Collection[str]) -> int:
    """Return where "on my shopping list" begins, for a tool that is about shopping lists; else the end."""
    end = len(said.words)
    while end and (not said.free(end - 1) or said.words[end - 1] in ("please", "thanks")):
        end -= 1
    start = end
    while start and _is_of(said, start - 1, about):
        start -= 1
    if start == end:
        return end
    while start and said.words[start - 1] in ("my", "the", "our", "a", "your", "this"):
        start -= 1
    return start - 1 if start and said.words[start - 1] in ("to", "on", "in", "onto", "from", "for", "with") else end


def _rest(
    said: Utterance,
    about: Collection[str],
    *,
    fillers: Collection[str] = _FILLERS,
    longest: int = LONGEST_TEXT,
    end: int | None = None,
) -> str | None:
    """Take what is left once fillers and the tool's own words are gone from both ends; None if that is too much.

    After the tool's own words fewer fillers go: "look up who won" asks "who won".
    """
    start, end = 0, len(said.words) if end is None else end
    called = False
    while start < end and _is_noise(said, start, about, fillers):
        called = called or _is_of(said, start, about)
        start += 1
    while called and start and said.free(start - 1) and not _is_of(said, start - 1, about):
        start -= 1
    while called and start < end and said.words[start] in _LIGHT_FILLERS:
        start += 1
    while start < end and (not said.free(end - 1) or said.words[end - 1] in fillers):
        end -= 1
    free = [index for index in range(start, end) if index not in said.used]
    if not any(said.words[index] not in fillers for index in free) or len(free) > longest:
        return None
    said.used.update(free)
    return " ".join(said.raw[index] for index in free)


def _is_noise(said: Utterance, index: int, about: Collection[str], fillers: Collection[str]) -> bool:
    return not said.free(index) or said.words[index] in fillers or _is_of(said, index, about)


def _is_of(said: Utterance, index: int, words: Collection[str]) -> bool:
    return is_content(said.words[index]) and any(likeness(said.words[index], word) > 0 for word in words)


def _title(text: str | None) -> str | None:
    """Give a proper name its capitals unless it came with some."""
    return text.title() if text and text.islower() else text
