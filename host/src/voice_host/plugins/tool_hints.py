"""What an agent's tools leave unsaid: nothing fails, but the model has to guess."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from voice_host.plugins.guard import function_place
from voice_host_sdk import tool_name


def tool_warnings(tools: Iterable[Any]) -> Iterator[str]:
    """Yield what is missing of each tool that is a plain function: types and docstring.

    A `pydantic_ai.Tool` is left alone: it may bring its own description and schema.
    """
    for tool in tools:
        if callable(tool):
            yield from _unsaid(tool)


def _unsaid(function: Callable[..., Any]) -> Iterator[str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin without a signature; building its schema says what is wrong
        return
    called = f"tool {tool_name(function)}({', '.join(parameters)})"
    where = _place(function)
    for name, parameter in parameters.items():
        if parameter.annotation is parameter.empty:
            yield f"{called}: parameter {name} has no type; the model is told nothing about it{where}"
    if not (inspect.getdoc(function) or "").strip():
        yield f"{called} has no docstring; the model is told only its name{where}"


def _place(function: Callable[..., Any]) -> str:
    found = function_place(function)
    return f" ({found})" if found else ""
