"""The sentences of the demo model: short, speakable, with at most one question."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from voice_host.models.demo.days import spoken_date, spoken_time
from voice_host.models.demo.entities import Several
from voice_host.models.demo.intents import Intent
from voice_host.models.demo.parameters import Parameter
from voice_host.models.demo.words import COMMANDS, listed, split_name, stem

MAX_SPOKEN = 400
"""Characters of a tool's result that are spoken: about half a minute."""

SORRY = "Sorry, I didn't get that."
GOODBYE = "Goodbye."
WHAT_ELSE = "What else can I do for you?"
_MANY = 5
_LONGEST_PHRASE = 70
_ASKED_BY_WHICH = frozenset(map(stem, listed("street road address room")))
"""Free text of which one is chosen among many: "What is the street?" would ask what kind of street it is."""

_PLURALS = ("s", "people", "children")
_TELEPHONES = frozenset(map(stem, listed("phone telephone mobile cell")))
_AGENTS_DO = frozenset(
    map(stem, listed("answer help handle control manage offer provide plan schedule track sell renew"))
)
_THIRD_PERSON = frozenset(listed("the a an your you our what when where which who how whether all any"))


# --- questions --------------------------------------------------------------------------------------------------------


def question(parameter: Parameter) -> str:
    """Ask for one parameter."""
    spoken = parameter.spoken
    match parameter.kind:
        case "choice":
            options = [plain(choice) for choice in parameter.choices[:_MANY]]
            all_of_them = len(parameter.choices) <= _MANY
            return f"Which {spoken}: {listing(options, 'or')}?" if all_of_them else f"Which {spoken}?"
        case "day":
            return "For which day?"
        case "time":
            return "At what time?"
        case "number":
            return f"How many {spoken}?" if spoken.endswith(_PLURALS) else f"What is the {spoken}?"
        case "name" if "name" not in spoken:
            return f"What is the {spoken}'s name, please?"
        case "digits" if stem(spoken) in _TELEPHONES:
            return f"What is the {spoken} number, please?"
        case "name" | "digits" | "code":
            return f"What is the {spoken}, please?"
        case "yes_no":
            return f"{_capital(spoken)}, yes or no?"
        case "place" | "url":
            return f"Which {spoken}?"
        case _:
            if stem(spoken.rpartition(" ")[2]) in _ASKED_BY_WHICH:
                return f"Which {spoken}?"
            about = first_sentence(parameter.description, 80).rstrip(".!?")
            return f"Please tell me: {about}." if about and len(spoken) < 3 else f"What is the {spoken}?"


def confirmation(intent: Intent, values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Ask whether values are right: the one that is a guess alone, several with the whole of what will be done."""
    parameters = [parameter for parameter in intent.parameters if parameter.name in values]
    if len(names) == 1:
        only = next(parameter for parameter in parameters if parameter.name == names[0])
        value = _spoken_value(only, values[only.name])
        if only.kind == "name":
            return f"The {only.spoken} is {value}, is that right?"
        counts = only.kind in ("number", "yes_no")
        return f"{_capital(_named_value(only, values[only.name]) if counts else value)}, is that right?"
    told = ", ".join(_named_value(parameter, values[parameter.name]) for parameter in parameters)
    what = re.sub(r" (to|for) (somebody|someone)$", "", task(intent))
    return f"{_capital(what)}: {told}. Is that right?"


def echo(intent: Intent, values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Say what was understood when it was no answer to the question: "Friday, 2 guests."."""
    parameters = [parameter for parameter in intent.parameters if parameter.name in names and parameter.name in values]
    told = ", ".join(_named_value(parameter, values[parameter.name]) for parameter in parameters)
    return f"{_capital(told)}." if told else ""


def _named_value(parameter: Parameter, value: Any) -> str:
    spoken = _spoken_value(parameter, value)
    if parameter.kind in ("day", "time", "choice", "yes_no", "url"):
        return f"{parameter.spoken}: {spoken}" if parameter.kind == "yes_no" else spoken
    if parameter.kind == "number" and parameter.spoken.endswith("s"):
        return f"{spoken} {parameter.spoken}"
    return f"{parameter.spoken} {spoken}"


def _spoken_value(parameter: Parameter, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return listing([_spoken_value(parameter, part) for part in value], "and")
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = plain(value)
    if parameter.kind == "day":
        return spoken_date(text) or text.capitalize()
    if parameter.kind == "time":
        return spoken_time(text, exact=parameter.as_clock)
    return text


def either(parameter: Parameter, several: Several) -> str:
    """Ask which of several values is meant."""
    return f"{_capital(listing([_spoken_value(parameter, value) for value in several.values], 'or'))}?"


# --- what the agent is and can do -------------------------------------------------------------------------------------


def task(intent: Intent) -> str:
    """Return what a tool does, as what somebody may want done: "renew a prescription"."""
    described = first_sentence(intent.tool.description or "", 300).rstrip(".!?")
    phrase = re.split(r"[:;,(]| - |—|, as | such as | e\.g\. ", described, maxsplit=1)[0].strip()
    if not phrase or len(phrase) > _LONGEST_PHRASE or len(phrase.split()) < 2:
        phrase = " ".join(split_name(intent.tool.name)) or intent.tool.name
    first, _, rest = phrase.partition(" ")
    first = first.lower() if first[1:].islower() or len(first) == 1 else first
    verb = _bare_verb(first, rest)
    return f"{verb} you {rest}" if verb == "tell" else f"{verb} {rest}".strip()


def introduction(title: str, description: str, intents: Sequence[Intent]) -> str:
    """Say who the agent is, by its title and description, or else by what it can do."""
    name = f"This is {title}." if title else ""
    about = _sentence(_in_first_person(description.strip())) if description.strip() else abilities(intents)
    return f"{name} {about} What can I do for you?".strip()


def abilities(intents: Sequence[Intent]) -> str:
    """Say what the tools do."""
    offered = [task(intent) for intent in intents if not intent.ends_calls]
    if not offered:
        return "I have no tools to offer."
    more = ["more"] if len(offered) > _MANY else []
    return f"I can {listing(offered[:_MANY] + more, 'and')}."


def not_understood(intents: Sequence[Intent], before: int, verb: str = "") -> str:
    """Say that a turn was not understood, with two examples of what can be done; others than the time before.

    Args:
        before: how many turns were not understood before this one.
        verb: what the caller wants done that no tool does: "cancel".
    """
    offered = [task(intent) for intent in intents if not intent.ends_calls]
    if not offered:
        return "Sorry, I didn't get that, and I have no tools to offer."
    first = 2 * before % len(offered)
    examples = list(dict.fromkeys([offered[first], offered[(first + 1) % len(offered)]]))
    problem = f"Sorry, I can't {verb} that" if verb else SORRY.rstrip(".")
    return f"{problem}, but I can {listing(examples, 'or')}."


def offer(intents: Sequence[Intent]) -> str:
    """Ask whether a tool was meant, or which of two."""
    return f"Do you want me to {listing([task(intent) for intent in intents], 'or')}?"


def _in_first_person(description: str) -> str:
    """Turn "Answers the phone and takes messages." into "I answer the phone and take messages."."""
    first, _, rest = description.partition(" ")
    verb = _bare_verb(first.lower(), rest, strict=not _is_verb(first.lower()))
    if verb == first.lower():
        return description
    others = re.sub(r"(\band )([a-z]+s)( )(?=\w)", lambda m: m[1] + _bare_verb(m[2], "the", strict=False) + m[3], rest)
    return f"I {verb} " + re.sub(
        r"(, )([a-z]+s)( )(?=\w)",
        lambda m: m[1] + _bare_verb(m[2], "", strict=not _is_verb(m[2])) + m[3],
        others,
    )


def _is_verb(word: str) -> bool:
    return word.endswith("s") and stem(word) in COMMANDS | _AGENTS_DO


def _bare_verb(word: str, rest: str, *, strict: bool = True) -> str:
    """Return "answer" for "answers" where what follows shows that it is a verb."""
    following = rest.split(" ")[0].lower()
    if not word.endswith("s") or word.endswith("ss") or (strict and following not in _THIRD_PERSON | {"and", "prices"}):
        return word
    for ending, bare in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(ending):
            return word.removesuffix(ending) + bare
    return word.removesuffix("s")


# --- results ----------------------------------------------------------------------------------------------------------


def result(content: object, *, asks: bool = False) -> str:
    """Say what a tool returned: a sentence as it is, anything else in words.

    Args:
        asks: the tool answers a question, so that `True` means yes rather than that it is done.
    """
    value = to_jsonable_python(content, fallback=str)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = _parsed(value)
    if isinstance(value, bool):
        return ("Yes." if value else "No.") if asks else ("Done." if value else "That did not work.")
    if isinstance(value, str) and value.rstrip()[-1:] in (".", "!", "?"):
        return _shortened(value.strip())
    return _shortened(_sentence(_told(value))) or "Done."


def failure(content: object, tool_name: str = "") -> str:
    """Say that a tool failed, in its own words when it has a short sentence for it.

    Args:
        tool_name: a sentence that begins with it is the host's, for models: "book_table failed (KeyError).". It is left
            out.
    """
    told = content if isinstance(content, str) else ""
    if tool_name and told.startswith(f"{tool_name} "):
        told = told.partition(". ")[2]
    reason = first_sentence(told, 120)
    return f"Sorry, that did not work. {reason}".rstrip()


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _told(value: object) -> str:
    """Word a result: "the city is Paris and the temperature is 21", "there are 3: a, b and c"."""
    if isinstance(value, Mapping):
        shown = [(str(key), part) for key, part in value.items() if part not in (None, "", [], {})][:6]
        return listing([_field(key, part) for key, part in shown], "and")
    if isinstance(value, list):
        if not value:
            return "There is nothing"
        told = [_short(part) for part in value[:_MANY]]
        more = [f"{len(value) - _MANY} more"] if len(value) > _MANY else []
        return listing(told + more, "and")
    if isinstance(value, (int, float)):
        return f"It is {plain(value)}"
    return "" if value is None else _short(value)


def _field(key: str, value: object) -> str:
    name = " ".join(split_name(key)) or key
    if isinstance(value, bool):
        return f"{name}: {'yes' if value else 'no'}"
    plural = name.endswith("s") and not name.endswith("ss")
    return f"the {name} {'are' if plural and isinstance(value, list) else 'is'} {_short(value)}"


def _short(value: object, depth: int = 0) -> str:
    """Word a value inside of another one."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (Mapping, list)) and depth > 1:
        return f"{len(value)} entries"
    if isinstance(value, Mapping):
        parts = list(value.items())[:4]
        return ", ".join(f"{' '.join(split_name(str(key))) or key} {_short(part, depth + 1)}" for key, part in parts)
    if isinstance(value, list):
        return listing([_short(part, depth + 1) for part in value[:_MANY]], "and") or "nothing"
    return "" if value is None else plain(value)


# --- words and sentences ----------------------------------------------------------------------------------------------


def plain(value: object) -> str:
    """Return a value in words: `living_room` is "living room"."""
    text = " ".join(str(value).split())
    return text.replace("_", " ") if re.fullmatch(r"[A-Za-z]+(_[A-Za-z]+)+", text) else text


def listing(parts: Sequence[str], word: str) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def first_sentence(text: str, longest: int) -> str:
    """Return the first sentence of a text, cut at a word when it is too long."""
    line = " ".join(text.strip().partition("\n\n")[0].split())
    first = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]
    if len(first) > longest:
        first = first[:longest].rpartition(" ")[0]
    return _sentence(first)


def _sentence(text: str) -> str:
    """Give a text a capital and an end."""
    text = _capital(text.strip())
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shortened(text: str) -> str:
    if len(text) <= MAX_SPOKEN:
        return text
    head = text[:MAX_SPOKEN]
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", head)]
    return head[: ends[-1]] if ends and ends[-1] > MAX_SPOKEN // 3 else _sentence(head.rpartition(" ")[0] or head)
