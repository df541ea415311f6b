"""Registering a plugin's hooks, each agent's with a plugin manager of its own."""

from __future__ import annotations

import inspect
from types import ModuleType

import pluggy

from voice_host.discovery.guard import PhaseFailed, describe, guarded, place
from voice_host.discovery.phases import Phase
from voice_host.settings import did_you_mean
from voice_host_sdk import PROJECT_NAME, hooks

KNOWN_HOOKS = ("agent_config", "lifecycle_callbacks")
REQUIRED_HOOK = "agent_config"


def register(plugin: object) -> pluggy.PluginManager:
    """Return a plugin manager that knows this plugin and nothing else: no hook ever reaches two agents.

    Raises:
        PhaseFailed: a hook is misspelt, asynchronous, missing, or takes arguments that do not exist.
    """
    if not isinstance(plugin, ModuleType) and inspect.isclass(plugin):
        error = f"the entry point names the class {plugin.__name__}"
        raise PhaseFailed(Phase.REGISTERED, error, "name the module, or an instance of the class")
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hooks)
    with guarded(Phase.REGISTERED, "looking for hooks failed"):
        for name in dir(plugin):
            _check_hook(manager, plugin, name)
    _register(manager, plugin)
    if not manager.hook.agent_config.get_hookimpls():
        raise _missing(plugin)
    return manager


def _check_hook(manager: pluggy.PluginManager, plugin: object, attribute: str) -> None:
    options = manager.parse_hookimpl_opts(plugin, attribute)
    if options is None:
        return
    name = options.get("specname") or attribute
    if name not in KNOWN_HOOKS and not options.get("optionalhook"):
        raise PhaseFailed(Phase.REGISTERED, f"there is no hook {name!r}", did_you_mean(name, KNOWN_HOOKS))
    function = getattr(plugin, attribute)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise PhaseFailed(
            Phase.REGISTERED,
            f"the hook {name!r} is an `async def`",
            "make it a plain `def`; what has to be awaited belongs into on_startup of the lifecycle callbacks",
        )


def _register(manager: pluggy.PluginManager, plugin: object) -> None:
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = sorted(_unknown_arguments(manager, plugin))
        if unknown:
            message = f"a hook takes the argument{'s' if len(unknown) > 1 else ''} {', '.join(map(repr, unknown))}"
            raise PhaseFailed(Phase.REGISTERED, message, "hooks take `settings`, or nothing") from error
        message = f"its hooks cannot be registered: {describe(error)}"
        raise PhaseFailed(Phase.REGISTERED, message, where=place(error)) from error


def _unknown_arguments(manager: pluggy.PluginManager, plugin: object) -> set[str]:
    return {
        argument
        for name in dir(plugin)
        if manager.parse_hookimpl_opts(plugin, name) is not None
        for argument in inspect.signature(getattr(plugin, name)).parameters
        if argument != "settings"
    }


def _missing(plugin: object) -> PhaseFailed:
    if callable(getattr(plugin, REQUIRED_HOOK, None)):
        return PhaseFailed(
            Phase.REGISTERED,
            f"{REQUIRED_HOOK} is not marked as a hook",
            f"put @hookimpl from voice_host_sdk above `def {REQUIRED_HOOK}`",
        )
    return PhaseFailed(
        Phase.REGISTERED,
        f"the hook {REQUIRED_HOOK!r} is missing",
        f"add `@hookimpl` and `def {REQUIRED_HOOK}(settings): return AgentConfig(...)`",
    )
