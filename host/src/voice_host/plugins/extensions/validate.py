"""Checking what an extension's hooks returned."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from voice_host.plugins.validate import InvalidReturn, async_callbacks
from voice_host_sdk import EXTENSION_NAME_PATTERN, Authenticator, SessionObserver

_RESERVED = "auto"


def valid_authenticator(value: object) -> Authenticator:
    """Return `value` as an authenticator.

    Raises:
        InvalidReturn: it has no asynchronous method `authenticate`.
    """
    wanted = "an object with `async def authenticate(self, connection)`"
    _not_a_class(value, "authenticator", wanted)
    if not isinstance(value, Authenticator):
        raise InvalidReturn(f"authenticator returned a {type(value).__name__}, it must return {wanted}")
    method = value.authenticate
    if inspect.isroutine(method) and not (inspect.iscoroutinefunction(method) or hasattr(method, "__wrapped__")):
        name = f"{type(value).__name__}.authenticate"
        raise InvalidReturn(f"{name} is a plain `def`", "write `async def authenticate`")
    return value


def valid_observer(value: object) -> SessionObserver:
    """Return `value` as an observer whose methods are all asynchronous.

    Raises:
        InvalidReturn: it is something else, or a method is a plain function.
    """
    return async_callbacks(value, SessionObserver, "session_observer")


def valid_services(value: object, hook: str) -> Mapping[str, Callable[[], Any]]:
    """Return `value` as functions that make a speech service, by name.

    Raises:
        InvalidReturn: it is no mapping, a name is invalid, or what stands under it cannot be called.
    """
    wanted = "a mapping of names to functions that make a service"
    _not_a_class(value, hook, wanted)
    if not isinstance(value, Mapping):
        name = getattr(value, "name", "its-name")
        returned = f"{hook} returned a {type(value).__name__}, it must return {wanted}"
        raise InvalidReturn(returned, f"return {{{name!r}: lambda: the_service}}")
    for name, factory in value.items():
        if not isinstance(name, str) or re.fullmatch(EXTENSION_NAME_PATTERN, name) is None or name == _RESERVED:
            raise InvalidReturn(
                f"{hook}: {name!r} is not a name for a service",
                f"use lower-case letters, digits and hyphens, at most 63, and not {_RESERVED!r}",
            )
        if not callable(factory):
            raise InvalidReturn(
                f"{hook}: {name!r} leads to a {type(factory).__name__}, not to a function that makes a service",
                f"return {{{name!r}: lambda: the_service}}",
            )
    return MappingProxyType(dict(value))


def _not_a_class(value: object, hook: str, wanted: str) -> None:
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidReturn(f"{hook} returned a coroutine", "hooks are synchronous: return the object itself")
    if isinstance(value, type):
        error = f"{hook} returned the class {value.__name__}, it must return {wanted}"
        raise InvalidReturn(error, f"return an instance: `{value.__name__}()`")
