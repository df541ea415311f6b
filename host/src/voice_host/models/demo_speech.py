"""The demo model's sentences: questions, results, small talk and what it says about itself. All fit to be spoken."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_jsonable_python

from voice_host.models.demo_parameters import Parameter
from voice_host.models.demo_words import Said, listed, split_name, stem

MAX_SPOKEN = 400
"""Characters of a tool's result that are spoken: about half a minute."""

NOT_CONFIGURED = (
    "I am a demonstration without a language model. Set VOICE_HOST_MODEL, and the key of that model, to talk freely."
)
NOT_UNDERSTOOD = "Sorry, I did not understand that."
GOODBYE = "Goodbye."
_LISTED_TOOLS = 4
_ASKED_BY_WHICH = frozenset(map(stem, listed("street road address room")))
"""Free text of which one is chosen among many: "What is the street?" would ask what kind of street it is."""

_SMALL_TALK: tuple[tuple[tuple[str, ...], str], ...] = (
    (("goodbye", "good bye", "bye", "bye bye", "see you", "good night"), GOODBYE),
    (("thank you", "thanks", "cheers"), "You are welcome."),
    (("how are you", "how do you do"), "I am fine, thank you. What can I do for you?"),
    (
        ("hello", "hi", "hey", "good morning", "good afternoon", "good evening", "greetings"),
        "Hello. What can I do for you?",
    ),
)
_FAREWELLS = _SMALL_TALK[0][0]
_HELP = ("help", "what can you do", "what do you do", "who are you", "how can you help")


def small_talk(said: Said) -> str | None:
    """Answer a greeting, thanks or a farewell."""
    return next((answer for phrases, answer in _SMALL_TALK if said.has(*phrases)), None)


def is_farewell(said: Said) -> bool:
    return said.has(*_FAREWELLS)


def is_call_for_help(said: Said) -> bool:
    return said.has(*_HELP)


def abilities(tools: Sequence[ToolDefinition]) -> str:
    """Say what the tools do, a short sentence each."""
    if not tools:
        return "I have no tools to offer."
    listed = [_summary(tool) for tool in tools[:_LISTED_TOOLS]]
    more = " And more." if len(tools) > _LISTED_TOOLS else ""
    return f"Here is what I can do. {' '.join(listed)}{more}"


def _summary(tool: ToolDefinition) -> str:
    described = _first_sentence(tool.description or "", 100)
    return described or _sentence(" ".join(split_name(tool.name)) or tool.name)


def question(parameter: Parameter) -> str:
    """Ask for one parameter."""
    spoken = parameter.spoken
    match parameter.kind:
        case "choice":
            options = [_plain(choice) for choice in parameter.choices[:5]]
            return f"Which {spoken}: {_joined(options, 'or')}?" if len(parameter.choices) <= 5 else f"Which {spoken}?"
        case "day":
            return f"For which {spoken}?"
        case "time":
            return f"At what {spoken}?"
        case "number":
            return f"How many {spoken}?" if spoken.endswith("s") else f"Which {spoken}? Please say a number."
        case "name":
            return f"What is the {spoken}, please?"
        case "yes_no":
            about = _first_sentence(parameter.description, 80).rstrip(".!") or spoken
            return f"{about}: yes or no?"
        case "place" | "url":
            return f"Which {spoken}?"
        case _:
            if stem(spoken.rpartition(" ")[2]) in _ASKED_BY_WHICH:
                return f"Which {spoken}?"
            about = _first_sentence(parameter.description, 80).rstrip(".!?")
            return f"Please tell me: {about}." if about and len(spoken) < 3 else f"What is the {spoken}?"


def result(content: object) -> str:
    """Say what a tool returned: a sentence as it is, anything else in words."""
    value = to_jsonable_python(content, fallback=str)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = _parsed(value)
    if isinstance(value, str) and value.rstrip()[-1:] in (".", "!", "?"):
        return _shortened(value.strip())
    return _shortened(_sentence(_value(value))) or "Done."


def failure(content: object) -> str:
    """Say that a tool failed, in its own words when it has a short sentence for it."""
    reason = _first_sentence(content, 120) if isinstance(content, str) else ""
    return f"Sorry, that did not work. {reason}".rstrip()


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _value(value: object, depth: int = 0) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, (int, float)) and depth == 0:
        return f"The answer is {_plain(value)}"
    if isinstance(value, Mapping):
        if depth > 2:
            return f"{len(value)} entries"
        said = [f"{' '.join(split_name(str(key))) or key}: {_value(part, depth + 1)}" for key, part in value.items()]
        return ", ".join(said) if depth else ". ".join(_sentence(part).rstrip(".") for part in said)
    if isinstance(value, list):
        if not value and depth == 0:
            return "There is nothing"
        return _joined([_value(part, depth + 1) for part in value[:5]], "and")
    return "" if value is None else _plain(value)


def _plain(value: object) -> str:
    return " ".join(str(value).split())


def _joined(parts: Sequence[str], word: str) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _sentence(text: str) -> str:
    """Give a text a capital and an end."""
    text = text.strip()
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else f"{text}."


def _first_sentence(text: str, longest: int) -> str:
    """The first sentence or line of a text, cut at a word when it is too long."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    first = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0]
    if len(first) > longest:
        first = first[:longest].rpartition(" ")[0]
    return _sentence(first)


def _shortened(text: str) -> str:
    if len(text) <= MAX_SPOKEN:
        return text
    head = text[:MAX_SPOKEN]
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)", head)]
    return head[: ends[-1]] if ends and ends[-1] > MAX_SPOKEN // 3 else _sentence(head.rpartition(" ")[0] or head)


def arguments_json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values))
