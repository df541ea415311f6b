"""Registering a plugin's hooks, each agent's with a plugin manager of its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pluggy

from voice_host.plugins.guard import PhaseFailed, describe, function_place, guarded, place
from voice_host.plugins.phases import Phase
from voice_host.settings import did_you_mean, suggestion
from voice_host_sdk import PROJECT_NAME, hooks

KNOWN_HOOKS = ("agent_config", "lifecycle_callbacks")
REQUIRED_HOOK = "agent_config"


def register(plugin: object) -> pluggy.PluginManager:
    """Return a plugin manager that knows this plugin and nothing else: no hook ever reaches two agents.

    Raises:
        PhaseFailed: a hook is misspelt, asynchronous, missing, or takes arguments that do not exist.
    """
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hooks)
    add_plugin(manager, plugin, KNOWN_HOOKS)
    if not manager.hook.agent_config.get_hookimpls():
        raise _missing(plugin)
    return manager


def add_plugin(
    manager: pluggy.PluginManager,
    plugin: object,
    known: Sequence[str],
    *,
    arguments: Sequence[str] = ("settings",),
    name: str | None = None,
    later: str = "on_startup of the lifecycle callbacks",
) -> None:
    """Register what an entry point names, with all its hooks checked.

    Args:
        known: the hooks there are.
        arguments: what hooks may take.
        name: under which the manager knows the plugin.
        later: where things that have to be awaited belong, for the message.

    Raises:
        PhaseFailed: a hook is misspelt, asynchronous, or takes arguments that do not exist.
    """
    if not isinstance(plugin, ModuleType) and inspect.isclass(plugin):
        error = f"the entry point names the class {plugin.__name__}"
        raise PhaseFailed(Phase.REGISTERED, error, "name the module, or an instance of the class")
    with guarded(Phase.REGISTERED, "looking for hooks failed"):
        for attribute in dir(plugin):
            _check_hook(manager, plugin, attribute, known, later)
    _register(manager, plugin, name, arguments)


def _check_hook(
    manager: pluggy.PluginManager, plugin: object, attribute: str, known: Sequence[str], later: str
) -> None:
    options = manager.parse_hookimpl_opts(plugin, attribute)
    if options is None:
        return
    name = options.get("specname") or attribute
    function = getattr(plugin, attribute)
    where = function_place(function)
    if name not in known and not options.get("optionalhook"):
        raise PhaseFailed(Phase.REGISTERED, f"there is no hook {name!r}", did_you_mean(name, known), where)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PhaseFailed(
            Phase.REGISTERED,
            f"the hook {name!r} is an `async def`",
            f"make it a plain `def`; what has to be awaited belongs into {later}",
            where,
        )


def _register(manager: pluggy.PluginManager, plugin: object, name: str | None, arguments: Sequence[str]) -> None:
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        for hook, where, unknown in _unknown_arguments(manager, plugin, arguments):
            message = f"the hook {hook!r} takes the argument{'s' if len(unknown) > 1 else ''} "
            message += ", ".join(map(repr, unknown))
            known = " and ".join(f"`{argument}`" for argument in arguments)
            raise PhaseFailed(Phase.REGISTERED, message, f"hooks take {known}, or nothing", where) from error
        message = f"its hooks cannot be registered: {describe(error)}"
        raise PhaseFailed(Phase.REGISTERED, message, where=place(error)) from error


def _unknown_arguments(
    manager: pluggy.PluginManager, plugin: object, known: Sequence[str]
) -> Iterator[tuple[str, str | None, list[str]]]:
    """Yield each hook that takes what there is not: its name, where it is, and the arguments."""
    for name in dir(plugin):
        if manager.parse_hookimpl_opts(plugin, name) is not None:
            function = getattr(plugin, name)
            if unknown := [argument for argument in inspect.signature(function).parameters if argument not in known]:
                yield name, function_place(function), unknown


def _missing(plugin: object) -> PhaseFailed:
    where = _file(plugin)
    if callable(function := getattr(plugin, REQUIRED_HOOK, None)):
        return PhaseFailed(
            Phase.REGISTERED,
            f"{REQUIRED_HOOK} is not marked as a hook",
            f"put @hookimpl from voice_host_sdk above `def {REQUIRED_HOOK}`",
            function_place(function),
        )
    functions = [name for name in vars(plugin) if inspect.isroutine(getattr(plugin, name, None))]
    if near := suggestion(REQUIRED_HOOK, functions):
        return PhaseFailed(
            Phase.REGISTERED,
            f"the hook {REQUIRED_HOOK!r} is missing",
            f"is `def {near}` meant? Call it {REQUIRED_HOOK}, and put @hookimpl above it",
            function_place(getattr(plugin, near)),
        )
    return PhaseFailed(
        Phase.REGISTERED,
        f"the hook {REQUIRED_HOOK!r} is missing",
        f"add `@hookimpl` and `def {REQUIRED_HOOK}(settings): return AgentConfig(...)`",
        where,
    )


def _file(plugin: object) -> str | None:
    """Return the file that a plugin is written in, beginning at its folder."""
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    return f"{Path(file).parent.name}/{Path(file).name}" if file else None
