"""Parses tool calls that a model wrote into its text instead of making them, as small models and some servers do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_NAME = ("name", "tool_name", "tool", "function")
_ARGUMENTS = ("arguments", "parameters", "args", "input")

_FUNCTION = re.compile(
    r"""<(?:function=|(?:function|invoke)\s+name=["']?)([^<>\s"']+)["']?\s*>(.*?)(?:</(?:function|invoke)>|\Z)""",
    re.DOTALL,
)
_PARAMETER = re.compile(r"""<parameter(?:=|\s+name=["']?)([^<>\s"']+)["']?\s*>(.*?)</parameter>""", re.DOTALL)
_NAMED_LIST = re.compile(r"\s*([\w-]+)\s*(?:\[CALL_ID\]\w+)?\s*(?:\[ARGS\])?\s*(\{.*\})\s*\Z", re.DOTALL)
_FIRST_LINE = re.compile(r"\A\s*[\w+-]*[ \t]*\n")

_DECODER = json.JSONDecoder()

_KEYS = "|".join((*_NAME, *_ARGUMENTS, "type", "id"))
_MAY_BE_CALL = re.compile(rf"""\s*(\[\s*)?(\Z|\{{\s*(\Z|"([a-z_]*\Z|({_KEYS})")))""")
"""Matches the beginning of JSON that may become a tool call."""


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call of a tool: its name, and its arguments as a JSON object."""

    name: str
    arguments: str


def calls_in_json(text: str) -> list[WrittenCall]:
    """Return the calls of a text that is nothing but JSON of tool calls; none for any other text."""
    calls, rest = leading_calls(text)
    return calls if not rest.strip() else []


def leading_calls(text: str) -> tuple[list[WrittenCall], str]:
    """Return the calls in the JSON at the beginning of a text, and the text after it.

    Without complete JSON of tool calls there, returns no calls and the whole text.
    """
    start = len(text) - len(text.lstrip())
    try:
        found, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return [], text
    calls = [_call(item) for item in (found if isinstance(found, list) else [found])]
    made = [call for call in calls if call is not None]
    return (made, text[end:]) if made and len(made) == len(calls) else ([], text)


def calls_in_block(text: str) -> list[WrittenCall]:
    """Return the calls between two tags for calls; none if the content cannot be parsed."""
    if calls := calls_in_json(text):
        return calls
    if functions := list(_in_functions(text)):
        return functions
    if (named := _NAMED_LIST.match(text)) is not None and _is_object(named[2]):
        return [WrittenCall(named[1], named[2])]
    return [call for line in text.splitlines() for call in calls_in_json(line)]


def calls_in_fence(body: str) -> list[WrittenCall]:
    """Return the calls in a fenced code block, whose first line may name a language."""
    return calls_in_json(_FIRST_LINE.sub("", body, count=1))


def may_be_call(beginning: str) -> bool:
    """Whether the beginning of a JSON text may become a call."""
    return _MAY_BE_CALL.match(beginning) is not None


def _call(item: Any) -> WrittenCall | None:
    if not isinstance(item, dict):
        return None
    if isinstance(item.get("function"), dict):
        item = item["function"]
    name = next((item[key] for key in _NAME if isinstance(item.get(key), str)), None)
    given = [item[key] for key in _ARGUMENTS if key in item]
    if not name or len(given) != 1 or len(item) > 4:
        return None
    [arguments] = given
    if isinstance(arguments, str):
        return WrittenCall(name, arguments) if _is_object(arguments) else None
    return WrittenCall(name, json.dumps(arguments or {})) if isinstance(arguments, (dict, type(None))) else None


def _in_functions(text: str) -> Iterator[WrittenCall]:
    for name, body in _FUNCTION.findall(text):
        if parameters := dict(_PARAMETER.findall(body)):
            values = {key: _value(value.strip()) for key, value in parameters.items()}
            yield WrittenCall(name, json.dumps(values))
        elif not body.strip() or _is_object(body):
            yield WrittenCall(name, body.strip() or "{}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
