"""Converts pydantic's errors to messages for people who edit settings: which field, what is wrong, what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import ErrorDetails

from voice_host.settings.errors import did_you_mean
from voice_host.settings.secrets import REDACTED, SecretText, looks_secret

LONGEST_NUMBER_BITS = 1024
"""Longer numbers are not shown. Python refuses to format more than 4300 digits."""

_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """An invalid field. `path` contains numbers for positions in lists."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        field = ".".join(str(part) for part in self.path)
        return f"{field}: {self.message}" if field else self.message


def explain(error: ValidationError, model: type[BaseModel] | None) -> list[FieldProblem]:
    """Return the problems, one for each field. The values of secrets are left out.

    Args:
        error: what pydantic raised.
        model: the model that it was raised for; None if unknown, so that the messages lack what is allowed.
    """
    schema = _schema(model) if model else {}
    problems = []
    for details in error.errors(include_url=False):
        path = details["loc"]
        if path[-1:] == ("[key]",) and len(path) > 1 and details["type"] != "extra_forbidden":
            path = path[:-1]  # pydantic's marker for the key itself; a real key of this name is kept
        problems.append(FieldProblem(path, _message(details, path, schema)))
    return problems


def _message(details: ErrorDetails, path: tuple[str | int, ...], schema: dict[str, Any]) -> str:
    kind, value = details["type"], details.get("input")
    if kind == "extra_forbidden":
        known = _properties(_at(schema, path[:-1], schema), schema)
        return f"there is no such key; {did_you_mean(str(path[-1]), known)}" if known else "there is no such key"
    if kind in ("frozen_instance", "frozen_field"):
        return "cannot be changed; pass it when creating the object, or copy it with model_copy(update=...)"
    if kind == "missing":
        return "is missing"
    if kind in ("value_error", "assertion_error"):
        words = str(details["ctx"]["error"])
        hidden = isinstance(value, SecretText) and value.lower() in words.lower()
        return "is invalid; its value is not shown, since it may be a secret" if hidden else words
    allowed = "; ".join(_words(node, schema) for node in _branches(_at(schema, path, schema), schema))
    if kind == "finite_number" and allowed.startswith("a number"):
        allowed = allowed.replace("a number", "a finite number", 1)  # a range alone would not exclude `inf`
    why = f"must be {allowed}" if allowed else details["msg"].replace("Input should", "must").replace("  ", " ")
    shown = REDACTED if path and looks_secret(str(path[-1])) else _shown(value)
    return f"{why}, not {shown}"


def _shown(value: object) -> str:
    if isinstance(value, (SecretText, SecretStr)):
        return REDACTED
    if value is not None and not isinstance(value, (str, int, float)):
        return f"a {type(value).__name__}"  # its repr may be long, or raise
    if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER_BITS:
        return "a number of that length"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    try:
        return model.model_json_schema()
    except PydanticInvalidForJsonSchema:  # of a plugin's subclass with such a field; the message then lacks the range
        return {}


def _resolved(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    if isinstance(reference, str):
        found = root.get("$defs", {}).get(reference.rpartition("/")[2], {})
        return found if isinstance(found, dict) else {}
    return node


def _branches(node: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the alternatives of a node, without None, which cannot be written in a settings file."""
    node = _resolved(node, root)
    for branch in node.get("anyOf", [node]):
        if branch and branch.get("type") != "null":
            yield _resolved(branch, root)


def _properties(node: dict[str, Any], root: dict[str, Any]) -> set[str]:
    return {name for branch in _branches(node, root) for name in branch.get("properties", {})}


def _at(node: dict[str, Any], path: tuple[str | int, ...], root: dict[str, Any]) -> dict[str, Any]:
    for part in path:
        for branch in _branches(node, root):
            inner = branch.get("items") if isinstance(part, int) else branch.get("properties", {}).get(part)
            inner = inner if inner is not None else branch.get("additionalProperties")
            if isinstance(inner, dict):
                node = inner
                break
        else:
            return {}
    return node


def _words(node: dict[str, Any], root: dict[str, Any]) -> str:
    node = _resolved(node, root)
    if "enum" in node:
        return "one of " + ", ".join(str(value) for value in node["enum"])
    if "const" in node:
        return repr(node["const"])
    if "pattern" in node:
        return f"text that matches {node['pattern']}"
    kind = _KINDS.get(str(node.get("type")), str(node.get("type", "valid")))
    return " ".join([kind, *_range(node)])


def _range(node: dict[str, Any]) -> Iterator[str]:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        yield f"from {low} to {high}"
        return
    bounds = [
        f"{words} {bound}"
        for words, bound in (("at least", low), ("greater than", above), ("at most", high), ("less than", below))
        if bound is not None
    ]
    lengths = node.get("minLength"), node.get("maxLength")
    if lengths != (None, None):
        shortest, longest = lengths
        bounds.append(
            f"of at least {shortest} character{'s' if shortest != 1 else ''}"
            if longest is None
            else f"of {shortest or 0} to {longest} characters"
        )
    if bounds:
        yield " and ".join(bounds)
