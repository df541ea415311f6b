"""A tool's signature: the parameters that the model sees, and how its arguments reach the function."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Optional, Union, get_args, get_origin, get_type_hints

from pydantic import WrapValidator
from pydantic_ai import RunContext

import voice_host_sdk
from voice_host_sdk import Session

_EMPTY = inspect.Parameter.empty
_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
_VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD


@dataclass(frozen=True, slots=True)
class ToolSignature:
    """The signature of a function as a tool.

    Attributes:
        shown: takes the run's context first, then the model's arguments by keyword.
    """

    shown: inspect.Signature
    _parameters: Mapping[str, inspect.Parameter]
    _sessions: frozenset[str]

    def bind(self, session: Session, given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the function's arguments for those of the model, which are given by name."""
        given = {**given, **dict.fromkeys(self._sessions, session)}
        positional: list[Any] = []
        for name, parameter in self._parameters.items():
            if parameter.kind is _POSITIONAL_ONLY:
                if name not in given and parameter.default is _EMPTY:
                    break
                positional.append(given.pop(name, parameter.default))
            elif parameter.kind is _VAR_POSITIONAL and (extra := given.pop(name, ())):
                # Everything before `*args` must then be positional.
                before = list(self._parameters.values())
                by_name = [p for p in before[: before.index(parameter)] if p.kind is not _POSITIONAL_ONLY]
                positional += [given.pop(earlier.name, earlier.default) for earlier in by_name]
                positional += extra
        return positional, given


def tool_signature(function: Callable[..., Any]) -> ToolSignature:
    """Return the signature of a function as a tool.

    Parameters for the `Session`, and those bound by a `functools.partial`, are hidden. Annotations are types, or
    strings that are evaluated with the names of the function's module and of `voice_host_sdk`.

    Raises:
        NameError, TypeError, ValueError: there is no signature, or an annotation cannot be evaluated.
    """
    bound = frozenset(function.keywords) if isinstance(function, partial) else frozenset()
    parameters = {
        name: parameter for name, parameter in inspect.signature(function).parameters.items() if name not in bound
    }
    hints = _hints(function, parameters)
    sessions = frozenset(name for name in parameters if _is_session(hints[name]))
    name = "ctx" + "_" * max(map(len, parameters), default=0)  # longer than that of any parameter
    context = inspect.Parameter(name, _POSITIONAL_ONLY, annotation=RunContext[Session])
    shown = [_shown(p, hints[name]) for name, p in parameters.items() if name not in sessions]
    shown.sort(key=lambda parameter: parameter.kind)  # only `**kwargs` must be the last
    return ToolSignature(inspect.Signature([context, *shown], return_annotation=Any), parameters, sessions)


def _shown(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter:
    """Return a parameter as the model gives it: by keyword."""
    if parameter.kind is _VAR_KEYWORD:
        return parameter.replace(annotation=hint)
    if parameter.kind is _VAR_POSITIONAL:
        return parameter.replace(kind=_KEYWORD_ONLY, annotation=list[hint], default=())
    if parameter.default is None:
        hint = hint if _takes_none(hint) else Optional[hint]  # noqa: UP045 - the hint may be anything
    elif parameter.default is not _EMPTY and not _takes_none(hint):
        hint = Annotated[hint, WrapValidator(_null_is_left_out(parameter.default))]
    return parameter.replace(kind=_KEYWORD_ONLY, annotation=hint)


def _null_is_left_out(default: Any) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Models send null for arguments that they leave out."""

    def validate(value: Any, handler: Callable[[Any], Any]) -> Any:
        return default if value is None else handler(value)

    return validate


def _hints(function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the type of each parameter. The return annotation is ignored."""
    written = {name: p.annotation for name, p in parameters.items() if p.annotation is not _EMPTY}
    names = _Names(_plain_function(function))
    holder = types.SimpleNamespace(__annotations__=written)
    hints = get_type_hints(holder, globalns=names.known, localns=names, include_extras=True)
    return {name: hints.get(name, Any) for name in parameters}


class _Names(dict[str, Any]):
    """The names for annotations given as strings: the module's, the enclosing functions', and the SDK's.

    The SDK's, since `Session` is often imported under `TYPE_CHECKING`.
    """

    def __init__(self, function: Any) -> None:
        module = sys.modules.get(getattr(function, "__module__", None) or "")
        self.known: dict[str, Any] = getattr(function, "__globals__", None) or vars(module or types)
        enclosing = inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
        super().__init__(enclosing)

    def __missing__(self, name: str) -> Any:
        if name not in self.known and name in voice_host_sdk.__all__:
            return getattr(voice_host_sdk, name)
        raise KeyError(name)


def _plain_function(function: Any) -> Any:
    """Return the plain function behind a decorator, partial, method or callable object."""
    while True:
        if isinstance(function, partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.ismethod(function):
            function = function.__func__
        elif not inspect.isroutine(function) and not isinstance(function, type):
            function = type(function).__call__
        else:
            return function


def documentation(function: Callable[..., Any]) -> str | None:
    """Return the docstring of a function or callable object."""
    if isinstance(function, partial):
        return documentation(function.func)
    if not inspect.isroutine(function) and not isinstance(function, type):
        return inspect.getdoc(type(function).__call__) or inspect.getdoc(type(function))
    return inspect.getdoc(function)


def _is_session(hint: Any) -> bool:
    """Whether a parameter takes the session: `Session` or `Session | None`, possibly `Annotated`."""
    if get_origin(hint) is Annotated:
        return _is_session(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        others = [inner for inner in get_args(hint) if inner is not type(None)]
        return len(others) == 1 and _is_session(others[0])
    return isinstance(hint, type) and issubclass(hint, Session)


def _takes_none(hint: Any) -> bool:
    if hint in (Any, None, object, type(None)):
        return True
    if get_origin(hint) in (Annotated, Union, types.UnionType):
        inner = get_args(hint)[:1] if get_origin(hint) is Annotated else get_args(hint)
        return any(_takes_none(each) for each in inner)
    return get_origin(hint) is not None and str(get_origin(hint)) == "typing.Literal" and None in get_args(hint)
