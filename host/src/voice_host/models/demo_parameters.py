"""A tool's parameters as the demo model understands them, read from the tool's JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_ai.tools import ToolDefinition

from voice_host.models.demo_words import listed, split_name, stem, words_of

Kind = Literal["choice", "day", "time", "number", "yes_no", "name", "url", "place", "text", "unsupported"]

_MEANINGS: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("url", frozenset(map(stem, listed("url uri link website webpage page domain")))),
    ("day", frozenset(map(stem, listed("day date weekday when")))),
    ("time", frozenset(map(stem, listed("time hour clock")))),
    ("place", frozenset(map(stem, listed("city town place location country where region area destination")))),
    ("name", frozenset(map(stem, listed("name person who customer caller surname")))),
)
"""What the words of a parameter's name say about its values; the first that fits counts."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a tool.

    Attributes:
        spoken: its name in words.
        choices: the values of an enumeration, as the schema has them.
        required: it has to be asked for. Others are filled only when said.
        many: the tool wants a list; one value becomes a list of one.
        format: JSON schema's `format`, e.g. `date`.
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

    @property
    def nouns(self) -> frozenset[str]:
        """What it counts, for numbers: the words of its name."""
        return frozenset(split_name(self.name))


def parameters_of(tool: ToolDefinition) -> tuple[Parameter, ...]:
    """Read the parameters of a tool; required ones first, each group in the schema's order. Never raises."""
    schema = tool.parameters_json_schema
    properties, required = _mapping(schema.get("properties")), schema.get("required")
    names = set(map(str, required)) if isinstance(required, list) else set()
    read = [_parameter(str(name), spec, schema, str(name) in names) for name, spec in properties.items()]
    return tuple(sorted(read, key=lambda parameter: not parameter.required))


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
    return Parameter(
        name=name,
        kind="choice" if choices else _kind(name, description, inner),
        spoken=" ".join(split_name(name)) or name,
        description=description,
        choices=choices,
        required=required,
        many=many,
        whole=inner.get("type") != "number",
        format=form if isinstance(form, str) else "",
    )


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
    return (_meaning(words_of(description)) if len(name) < 3 else None) or "text"


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
