"""Checking what a plugin's hooks returned."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from voice_host.plugins.guard import function_place
from voice_host.settings import explain
from voice_host_sdk import AgentConfig, LifecycleCallbacks

_Returned = TypeVar("_Returned")


class InvalidReturn(Exception):
    """A hook or callback returned something else than it promised.

    Attributes:
        hint: what to do about it.
        where: file and line, where it is not the hook itself that is wrong.
    """

    def __init__(self, message: str, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.where = where


def valid_config(value: object, source: str = "agent_config") -> AgentConfig:
    """Return `value` as a valid `AgentConfig`.

    It is validated again: `model_copy(update=...)` and `model_construct()` check nothing.

    Args:
        value: what the hook or callback `source` returned.
        source: its name, for the message.

    Raises:
        InvalidReturn: it is something else, or one of its fields is wrong.
    """
    config = _instance(value, AgentConfig, source)
    try:
        return type(config).model_validate(_fields(config))
    except ValidationError as error:
        raise InvalidReturn(f"{source} returned an invalid AgentConfig: {explained(error, type(config))}") from error


def valid_callbacks(value: object, source: str = "lifecycle_callbacks") -> LifecycleCallbacks:
    """Return `value` as `LifecycleCallbacks` whose methods are all asynchronous.

    Raises:
        InvalidReturn: it is something else, or a callback is a plain function.
    """
    return async_callbacks(value, LifecycleCallbacks, source)


def async_callbacks(value: object, base: type[_Returned], source: str) -> _Returned:
    """Return `value` as an instance of `base` whose `on_...` methods are all asynchronous.

    Raises:
        InvalidReturn: it is something else, a callback is a plain function, or takes other arguments.
    """
    callbacks = _instance(value, base, source)
    for name in (name for name in vars(base) if name.startswith("on_")):
        method = getattr(callbacks, name)
        # A decorator may wrap an async method into a plain function that returns what is to be awaited.
        if inspect.isroutine(method) and not (inspect.iscoroutinefunction(method) or hasattr(method, "__wrapped__")):
            message = f"the callback {type(callbacks).__name__}.{name} is a plain `def`"
            raise InvalidReturn(message, f"write `async def {name}`", function_place(method))
        _takes_its_arguments(method, getattr(base, name))
    return callbacks


def _takes_its_arguments(method: Callable[..., Any], original: Callable[..., Any]) -> None:
    """Make sure that a callback can be called as the host calls it: with the arguments of the base class's, in order.

    Raises:
        InvalidReturn: it cannot.
    """
    expected = list(inspect.signature(original).parameters)
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # something callable that does not say what it takes
        return
    try:
        signature.bind(*expected[1:])
    except TypeError:
        qualified = getattr(method, "__qualname__", repr(method)).replace("<locals>.", "")
        message = f"the callback {qualified}{signature} cannot be called with ({', '.join(expected[1:])})"
        hint = f"write `async def {original.__name__}({', '.join(expected)})`"
        raise InvalidReturn(message, hint, function_place(method)) from None


def explained(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Return a validation error as one line: field, why, what is allowed."""
    known = {cls.__name__: cls for cls in _models(AgentConfig)}
    return "; ".join(str(problem) for problem in explain(error, model or known.get(error.title)))


def _instance(value: object, kind: type[_Returned], source: str) -> _Returned:
    name = kind.__name__
    wanted = f"{_article(name)} {name}"
    if isinstance(value, kind):
        return value
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidReturn(f"{source} returned a coroutine", "hooks are synchronous: return the object itself")
    if value is None:
        raise InvalidReturn(f"{source} returned None, it must return {wanted}", "is there a `return` missing?")
    if isinstance(value, type):
        hint = f"return an instance: `{value.__name__}()`" if issubclass(value, kind) else None
        raise InvalidReturn(f"{source} returned the class {value.__name__}, it must return {wanted}", hint)
    hint = None
    if kind is AgentConfig and isinstance(value, dict):
        hint = "return AgentConfig(**the_dict)"
    elif kind is not AgentConfig:
        hint = f"derive {type(value).__name__} from {name}"
    returned = type(value).__name__
    raise InvalidReturn(f"{source} returned {_article(returned)} {returned}, it must return {wanted}", hint)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiouAEIOU" else "a"


def _fields(model: BaseModel) -> dict[str, Any]:
    """Return the fields with inner models unfolded too. Not `model_dump()`: it would turn tools into dictionaries."""
    return {name: _fields(value) if isinstance(value, BaseModel) else value for name, value in model}


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [field.annotation for field in model.model_fields.values()]
    return [model, *(cls for cls in inner if isinstance(cls, type) and issubclass(cls, BaseModel))]
