"""Registering a plugin's hooks with pluggy and calling them. Each plugin has a plugin manager of its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

import pluggy
from pydantic import ValidationError

from voice_host.plugins.guard import PhaseFailed, describe, function_place, guarded, place
from voice_host.plugins.kinds import PluginKind
from voice_host.plugins.phases import Phase
from voice_host.plugins.validate import InvalidReturn, explained
from voice_host.settings import MissingSetting, did_you_mean, suggestion

_Valid = TypeVar("_Valid")
_Kind = PluginKind[Any, Any]


def register(plugin: object, kind: _Kind) -> pluggy.PluginManager:
    """Return a plugin manager that knows this plugin alone: no hook call ever reaches two plugins.

    Args:
        plugin: the module or object that the entry point names.

    Raises:
        PhaseFailed: a hook is misspelt, asynchronous, unmarked or missing, or takes unknown arguments.
    """
    if not isinstance(plugin, ModuleType) and inspect.isclass(plugin):
        error = f"the entry point names the class {plugin.__name__}"
        raise PhaseFailed(Phase.REGISTERED, error, "name the module, or an instance of the class")
    manager = pluggy.PluginManager(kind.project)
    manager.add_hookspecs(kind.hookspecs)
    with guarded(Phase.REGISTERED, "looking for hooks failed"):
        for name, function, optional in _marked(manager, plugin):
            _check_hook(name, function, kind, optional=optional)
    _register(manager, plugin, kind)
    _check_complete(manager, plugin, kind)
    return manager


def has_hook(manager: pluggy.PluginManager, hook: str) -> bool:
    """Return whether the plugin implements a hook."""
    return bool(_caller(manager, hook).get_hookimpls())


def call_hook(manager: pluggy.PluginManager, hook: str, **arguments: Any) -> object:
    """Call a hook of the plugin and return its result; None if the plugin does not implement it."""
    caller = _caller(manager, hook)
    returned = caller(**arguments)
    return returned if caller.spec and caller.spec.opts["firstresult"] else next(iter(returned), None)


def ask(
    manager: pluggy.PluginManager, hook: str, settings: Mapping[str, Any], validate: Callable[[object], _Valid]
) -> _Valid:
    """Call a hook and return its validated result.

    Args:
        settings: the plugin's own settings, read-only.
        validate: gets what the hook returned and raises `InvalidReturn` if it is not what the hook promises.

    Raises:
        PhaseFailed: the hook raised, or returned something else.
    """
    with guarded(Phase.CONFIGURED, f"{hook} failed"):
        try:
            returned = call_hook(manager, hook, settings=settings)
        except ValidationError as error:
            message = f"{hook} failed: {error.title} is invalid: {explained(error)}"
            raise PhaseFailed(Phase.CONFIGURED, message, where=place(error)) from error
        except MissingSetting as error:
            message = f"{hook} failed: {error.message}"
            raise PhaseFailed(Phase.CONFIGURED, message, error.hint, place(error)) from error
        except AttributeError as error:
            if not isinstance(error.obj, MappingProxyType):
                raise
            hint = f'settings are mappings: write settings["{error.name}"], or settings.get("{error.name}")'
            raise PhaseFailed(Phase.CONFIGURED, f"{hook} failed: {describe(error)}", hint, place(error)) from error
    try:
        return validate(returned)
    except InvalidReturn as error:
        where = error.where or function_place(_caller(manager, hook).get_hookimpls()[-1].function)
        raise PhaseFailed(Phase.CONFIGURED, str(error), error.hint, where) from error


def _caller(manager: pluggy.PluginManager, hook: str) -> pluggy.HookCaller:
    caller: pluggy.HookCaller = getattr(manager.hook, hook)
    return caller


def _marked(manager: pluggy.PluginManager, plugin: object) -> Iterator[tuple[str, Callable[..., Any], bool]]:
    """Yield each marked function: the hook it implements, the function, and whether the hook need not exist."""
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is not None:
            name = options.get("specname") or attribute
            yield name, getattr(plugin, attribute), bool(options.get("optionalhook"))


def _check_hook(name: str, function: Callable[..., Any], kind: _Kind, *, optional: bool) -> None:
    where = function_place(function)
    if name not in kind.hooks and not optional:
        raise PhaseFailed(Phase.REGISTERED, f"there is no hook {name!r}", did_you_mean(name, kind.hooks), where)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PhaseFailed(
            Phase.REGISTERED,
            f"the hook {name!r} is an `async def`",
            f"make it a plain `def`; what has to be awaited belongs into {kind.async_place}",
            where,
        )


def _register(manager: pluggy.PluginManager, plugin: object, kind: _Kind) -> None:
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        for name, function, _ in _marked(manager, plugin):
            parameters = inspect.signature(function).parameters
            if unknown := [repr(argument) for argument in parameters if argument not in kind.arguments]:
                message = f"the hook {name!r} takes the argument{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}"
                hint = f"hooks take {' and '.join(f'`{argument}`' for argument in kind.arguments)}, or nothing"
                raise PhaseFailed(Phase.REGISTERED, message, hint, function_place(function)) from error
        message = f"its hooks cannot be registered: {describe(error)}"
        raise PhaseFailed(Phase.REGISTERED, message, where=place(error)) from error


def _check_complete(manager: pluggy.PluginManager, plugin: object, kind: _Kind) -> None:
    """Refuse a plugin that lacks hooks, or has one without its marker: pluggy would never call it.

    For an authenticator that would mean that nobody checks who calls.
    """
    if kind.required is not None:
        if not has_hook(manager, kind.required):
            raise _missing(plugin, kind.required, kind.marker)
        return
    for name in kind.hooks:
        function = getattr(plugin, name, None)
        if inspect.isroutine(function) and manager.parse_hookimpl_opts(plugin, name) is None:
            raise _unmarked(name, function, kind.marker)
    if not manager.get_hookcallers(plugin):
        hint = f"mark a function with {kind.marker} from voice_host_sdk; known are {', '.join(kind.hooks)}"
        raise PhaseFailed(Phase.REGISTERED, "it has no hook", hint, _file(plugin))


def _missing(plugin: object, hook: str, marker: str) -> PhaseFailed:
    if callable(function := getattr(plugin, hook, None)):
        return _unmarked(hook, function, marker)
    functions = [name for name in vars(plugin) if inspect.isroutine(getattr(plugin, name, None))]
    if near := suggestion(hook, functions):
        return PhaseFailed(
            Phase.REGISTERED,
            f"the hook {hook!r} is missing",
            f"is `def {near}` meant? Call it {hook}, and put {marker} above it",
            function_place(getattr(plugin, near)),
        )
    return PhaseFailed(
        Phase.REGISTERED,
        f"the hook {hook!r} is missing",
        f"add `{marker}` and `def {hook}(settings): return AgentConfig(...)`",
        _file(plugin),
    )


def _unmarked(name: str, function: object, marker: str) -> PhaseFailed:
    hint = f"put {marker} from voice_host_sdk above `def {name}`"
    return PhaseFailed(Phase.REGISTERED, f"{name} is not marked as a hook", hint, function_place(function))


def _file(plugin: object) -> str | None:
    """Return the file of a plugin, with its folder."""
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    return f"{Path(file).parent.name}/{Path(file).name}" if file else None
