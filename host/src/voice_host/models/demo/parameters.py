"""A tool's parameters as the demo model understands them, read from the tool's JSON schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo.days import WEEKDAYS
from voice_host.models.demo.words import content_of, listed, split_name, stem

Kind = Literal[
    "choice", "day", "time", "number", "digits", "code", "yes_no", "name", "url", "place", "text", "unsupported"
]

CLEAR_KINDS: tuple[Kind, ...] = ("choice", "day", "time", "number", "digits", "code", "url")
"""Kinds whose values can be told from other words, wherever in a sentence they stand."""

_MEANINGS: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("url", frozenset(map(stem, listed("url uri link website webpage domain")))),
    ("digits", frozenset(map(stem, listed("phone telephone mobile cell zip zipcode postcode pin passcode")))),
    ("code", frozenset(map(stem, listed("number reference code id identifier")))),
    ("day", frozenset(map(stem, listed("day date weekday when")))),
    ("time", frozenset(map(stem, listed("time clock")))),
    ("place", frozenset(map(stem, listed("city town place location country where region area destination")))),
    ("place", frozenset(map(stem, listed("address street")))),
    ("name", frozenset(map(stem, listed("name person who customer caller surname patient client recipient")))),
)
"""What the words of a parameter's name say about its values; the first that fits counts."""

_OTHERS = frozenset(map(stem, listed("recipient person who")))

PART = "\0"
"""Parts a parameter's name from the half of it that is asked for: a date and time is asked for in two questions."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a tool, or one half of a date and time.

    Attributes:
        name: as the schema has it; a half has `PART` and `day` or `time` behind it.
        spoken: its name in words.
        choices: the values of an enumeration, as the schema has them.
        required: it has to be asked for. Others are filled only when said.
        many: the tool wants a list.
        format: JSON schema's `format`, e.g. `date`.
        least: the smallest number that is accepted, as `most` is the largest.
    """

    name: str
    kind: Kind
    spoken: str
    description: str = ""
    choices: tuple[Any, ...] = ()
    required: bool = True
    many: bool = False
    whole: bool = True
    format: str = ""
    least: float = float("-inf")
    most: float = float("inf")

    @property
    def nouns(self) -> frozenset[str]:
        """The words of its name, and for a number what it counts."""
        words = split_name(self.name.partition(PART)[0])
        return frozenset(words + (content_of(self.description) if self.kind == "number" else []))

    @property
    def is_of_caller(self) -> bool:
        """Whether it is likely to be the caller's own name, which stays the same throughout a call."""
        return self.kind == "name" and not _OTHERS.intersection(map(stem, split_name(self.name)))

    @property
    def as_date(self) -> bool:
        """Whether a day goes to the tool as `2026-11-27` rather than as the name of a weekday."""
        return self.format == "date" or any(
            sign in text for text in (self.name.lower(), self.description.lower()) for sign in ("date", "yyyy", "iso")
        )

    @property
    def as_clock(self) -> bool:
        """Whether the tool wants a time that leaves no doubt about morning and evening."""
        return self.format == "time" or "hh:mm" in self.description.lower()


def parameters_of(tool: ToolDefinition) -> tuple[Parameter, ...]:
    """Read the parameters of a tool; required ones first, each group in the schema's order. Never raises."""
    schema = tool.parameters_json_schema
    properties, required = _mapping(schema.get("properties")), schema.get("required")
    names = set(map(str, required)) if isinstance(required, list) else set()
    read = [
        half
        for name, spec in properties.items()
        for half in _halves(_parameter(str(name), spec, schema, str(name) in names))
    ]
    return tuple(sorted(read, key=lambda parameter: not parameter.required))


def joined(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the tool wants them: the halves of a date and time are put together."""
    arguments = {name: value for name, value in values.items() if PART not in name}
    for name in (name.partition(PART)[0] for name in values if name.endswith(f"{PART}day")):
        if (clock := values.get(f"{name}{PART}time")) is not None:
            arguments[name] = f"{values[f'{name}{PART}day']}T{clock}"
    return arguments


def weekday_choices(choices: tuple[Any, ...]) -> dict[int, Any]:
    """Return which choice stands for which weekday, Monday being 0; empty unless most of them are weekdays."""
    named = {
        index: choice
        for choice in choices
        for index, weekday in enumerate(WEEKDAYS)
        if isinstance(choice, str) and len(choice) >= 3 and weekday.startswith(choice.lower().rstrip("."))
    }
    return named if len(named) * 2 > len(choices) else {}


def _halves(parameter: Parameter) -> Iterator[Parameter]:
    if parameter.format != "date-time":
        yield parameter
        return
    for half in ("day", "time"):
        form: dict[str, Any] = {"kind": half, "spoken": half, "format": "date" if half == "day" else "time"}
        yield replace(parameter, name=f"{parameter.name}{PART}{half}", **form)


def _parameter(name: str, spec: object, root: Mapping[str, Any], required: bool) -> Parameter:
    outer = _mapping(spec)
    inner = _resolve(outer, root)
    many = inner.get("type") == "array"
    if many:
        inner = _resolve(_mapping(inner.get("items")), root)
    description = outer.get("description") or inner.get("description")
    description = description if isinstance(description, str) else ""
    choices = inner.get("enum")
    if choices is None and "const" in inner:
        choices = [inner["const"]]
    choices = tuple(choices) if isinstance(choices, list) else ()
    form = inner.get("format")
    whole = inner.get("type") != "number"
    step = 1 if whole else 1e-9
    return Parameter(
        name=name,
        kind=("day" if weekday_choices(choices) else "choice") if choices else _kind(name, description, inner),
        spoken=" ".join(split_name(name)) or name,
        description=description,
        choices=choices,
        required=required,
        many=many,
        whole=whole,
        format=form if isinstance(form, str) and not many else "",
        least=max(_number(inner, "minimum", "-inf"), _number(inner, "exclusiveMinimum", "-inf") + step),
        most=min(_number(inner, "maximum", "inf"), _number(inner, "exclusiveMaximum", "inf") - step),
    )


def _number(spec: Mapping[str, Any], key: str, default: str) -> float:
    value = spec.get(key)
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e300 else float(default)


def _kind(name: str, description: str, spec: Mapping[str, Any]) -> Kind:
    match spec.get("type"):
        case "integer" | "number":
            return "number"
        case "boolean":
            return "yes_no"
        case "object" | "array" | "null":
            return "unsupported"
    match spec.get("format"):
        case "date":
            return "day"
        case "time":
            return "time"
        case "uri" | "url":
            return "url"
    by_name = _meaning(split_name(name))
    if by_name is not None:
        return by_name
    # A description says a lot; only of a name that says nothing ("q", "arg") it tells the kind.
    return (_meaning(content_of(description)) if len(name) < 3 else None) or "text"


def _meaning(words: list[str]) -> Kind | None:
    stems = set(map(stem, words))
    return next((kind for kind, signs in _MEANINGS if stems & signs), None)


def _resolve(spec: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """Follow `$ref` and take the first alternative that is not null."""
    if depth > 8:  # a schema that refers to itself
        return {}
    reference = spec.get("$ref")
    if isinstance(reference, str):
        target: object = root
        for step in reference.removeprefix("#/").split("/"):
            target = _mapping(target).get(step)
        return _resolve(_mapping(target), root, depth + 1)
    for union in ("anyOf", "oneOf", "allOf"):
        alternatives = spec.get(union)
        if isinstance(alternatives, list):
            for alternative in map(_mapping, alternatives):
                if alternative.get("type") != "null":
                    return _resolve(alternative, root, depth + 1)
    types = spec.get("type")
    if isinstance(types, list):
        return {**spec, "type": next((kind for kind in types if kind != "null"), "null")}
    return spec


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
