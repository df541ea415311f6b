"""Validating what a plugin's hooks return."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from voice_host.plugins.guard import function_place
from voice_host.settings import explain
from voice_host_sdk import (
    EXTENSION_NAME_PATTERN,
    AgentConfig,
    Authenticator,
    LifecycleCallbacks,
    SessionObserver,
    tool_name,
)

_Returned = TypeVar("_Returned")

_AUTO = "auto"
"""The setting that leaves the choice of a speech service to the host, so no service may have this name."""


class InvalidReturn(Exception):
    """A hook or callback returned something other than what it promises.

    Attributes:
        hint: what to do about it.
        where: file and line, if it is not the hook itself that is wrong.
    """

    def __init__(self, message: str, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.where = where


# --- agents -------------------------------------------------------------------------------------------------------


def valid_config(value: object, source: str = "agent_config") -> AgentConfig:
    """Return `value` as a valid `AgentConfig`.

    It is validated again, because `model_copy(update=...)` and `model_construct()` validate nothing.

    Args:
        value: what the hook or callback `source` returned.
        source: the name of the hook or callback, for messages.

    Raises:
        InvalidReturn: it is something else, or a field is invalid.
    """
    config = _instance(value, AgentConfig, source)
    try:
        return type(config).model_validate(_fields(config))
    except ValidationError as error:
        raise InvalidReturn(f"{source} returned an invalid AgentConfig: {explained(error, type(config))}") from error


def valid_callbacks(value: object) -> LifecycleCallbacks:
    """Return `value` as `LifecycleCallbacks` whose methods are all asynchronous.

    Raises:
        InvalidReturn: it is something else, or a callback cannot be called as the host calls it.
    """
    return _async_callbacks(value, LifecycleCallbacks, "lifecycle_callbacks")


def explained(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Return a validation error as one line: each field, what is wrong with it, and what is allowed."""
    known = {cls.__name__: cls for cls in _models(AgentConfig)}
    return "; ".join(str(problem) for problem in explain(error, model or known.get(error.title)))


def tool_warnings(tools: Iterable[Any]) -> Iterator[str]:
    """Yield a warning for each type and docstring that a tool lacks: nothing fails, but the model has to guess.

    Objects of `pydantic_ai.Tool` are skipped, since they may bring a description and a schema of their own.
    """
    for tool in tools:
        if callable(tool):
            yield from _undocumented(tool)


def _undocumented(function: Callable[..., Any]) -> Iterator[str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin without a signature: building its schema will fail with a reason
        return
    called = f"tool {tool_name(function)}({', '.join(parameters)})"
    found = function_place(function)
    where = f" ({found})" if found else ""
    for name, parameter in parameters.items():
        if parameter.annotation is parameter.empty:
            yield f"{called}: parameter {name} has no type; the model is told nothing about it{where}"
    if not (inspect.getdoc(function) or "").strip():
        yield f"{called} has no docstring; the model is told only its name{where}"


def _fields(model: BaseModel) -> dict[str, Any]:
    """Return the fields, those of inner models too. Unlike `model_dump()`, it keeps tools as they are."""
    return {name: _fields(value) if isinstance(value, BaseModel) else value for name, value in model}


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [field.annotation for field in model.model_fields.values()]
    return [model, *(cls for cls in inner if isinstance(cls, type) and issubclass(cls, BaseModel))]


# --- extensions ---------------------------------------------------------------------------------------------------


def valid_authenticator(value: object) -> Authenticator:
    """Return `value` as an authenticator.

    Raises:
        InvalidReturn: it has no asynchronous method `authenticate`.
    """
    wanted = "an object with `async def authenticate(self, connection)`"
    _refuse_class(value, "authenticator", wanted)
    if not isinstance(value, Authenticator):
        raise InvalidReturn(f"authenticator returned {_a(type(value).__name__)}, it must return {wanted}")
    if _is_sync(value.authenticate):
        message = f"{type(value).__name__}.authenticate is a plain `def`"
        raise InvalidReturn(message, "write `async def authenticate`", function_place(value.authenticate))
    return value


def valid_observer(value: object) -> SessionObserver:
    """Return `value` as an observer whose methods are all asynchronous.

    Raises:
        InvalidReturn: it is something else, or a method cannot be called as the host calls it.
    """
    return _async_callbacks(value, SessionObserver, "session_observer")


def valid_services(value: object, hook: str) -> Mapping[str, Callable[[], Any]]:
    """Return `value` as factories of speech services, by name.

    Raises:
        InvalidReturn: it is not a mapping, a name is invalid, or a factory cannot be called.
    """
    wanted = "a mapping of names to functions that make a service"
    _refuse_class(value, hook, wanted)
    if not isinstance(value, Mapping):
        name = getattr(value, "name", "its-name")
        returned = f"{hook} returned {_a(type(value).__name__)}, it must return {wanted}"
        raise InvalidReturn(returned, f"return {{{name!r}: lambda: the_service}}")
    for name, factory in value.items():
        if not isinstance(name, str) or re.fullmatch(EXTENSION_NAME_PATTERN, name) is None or name == _AUTO:
            raise InvalidReturn(
                f"{hook}: {name!r} is not a name for a service",
                f"use lower-case letters, digits and hyphens, at most 63, and not {_AUTO!r}",
            )
        if not callable(factory):
            raise InvalidReturn(
                f"{hook}: {name!r} leads to {_a(type(factory).__name__)}, not to a function that makes a service",
                f"return {{{name!r}: lambda: the_service}}",
            )
    return MappingProxyType(dict(value))


# --- both ---------------------------------------------------------------------------------------------------------


def _async_callbacks(value: object, base: type[_Returned], source: str) -> _Returned:
    """Return `value` as an instance of `base` whose `on_...` methods are asynchronous and take its arguments.

    Raises:
        InvalidReturn: it is something else, or a method is a plain function or takes other arguments.
    """
    callbacks = _instance(value, base, source)
    for name in (name for name in vars(base) if name.startswith("on_")):
        method = getattr(callbacks, name)
        if _is_sync(method):
            message = f"the callback {type(callbacks).__name__}.{name} is a plain `def`"
            raise InvalidReturn(message, f"write `async def {name}`", function_place(method))
        _check_arguments(method, getattr(base, name))
    return callbacks


def _check_arguments(method: Callable[..., Any], original: Callable[..., Any]) -> None:
    """Refuse a callback that cannot be called with the positional arguments of the base class's method.

    Raises:
        InvalidReturn: it cannot.
    """
    expected = list(inspect.signature(original).parameters)
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # a callable without a signature
        return
    try:
        signature.bind(*expected[1:])
    except TypeError:
        qualified = getattr(method, "__qualname__", repr(method)).replace("<locals>.", "")
        message = f"the callback {qualified}{signature} cannot be called with ({', '.join(expected[1:])})"
        hint = f"write `async def {original.__name__}({', '.join(expected)})`"
        raise InvalidReturn(message, hint, function_place(method)) from None


def _is_sync(method: object) -> bool:
    """Return whether a method is a plain function. A decorated one may still return an awaitable, so it is not."""
    return inspect.isroutine(method) and not (inspect.iscoroutinefunction(method) or hasattr(method, "__wrapped__"))


def _instance(value: object, kind: type[_Returned], source: str) -> _Returned:
    wanted = _a(kind.__name__)
    if isinstance(value, kind):
        return value
    if value is None:
        raise InvalidReturn(f"{source} returned None, it must return {wanted}", "is there a `return` missing?")
    _refuse_class(value, source, wanted, kind)
    hint = None
    if kind is AgentConfig and isinstance(value, dict):
        hint = "return AgentConfig(**the_dict)"
    elif kind is not AgentConfig:
        hint = f"derive {type(value).__name__} from {kind.__name__}"
    raise InvalidReturn(f"{source} returned {_a(type(value).__name__)}, it must return {wanted}", hint)


def _refuse_class(value: object, source: str, wanted: str, kind: type = object) -> None:
    """Refuse a coroutine, and a class where an instance is wanted. `kind`: the class it must be an instance of."""
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidReturn(f"{source} returned a coroutine", "hooks are synchronous: return the object itself")
    if isinstance(value, type):
        hint = f"return an instance: `{value.__name__}()`" if issubclass(value, kind) else None
        raise InvalidReturn(f"{source} returned the class {value.__name__}, it must return {wanted}", hint)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"
