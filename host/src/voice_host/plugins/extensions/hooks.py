"""Registering the hooks of extensions, all with one plugin manager, and asking those of one of them."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from voice_host.plugins import Phase
from voice_host.plugins.guard import PhaseFailed, guarded
from voice_host.plugins.hooks import add_plugin
from voice_host_sdk import EXTENSIONS_PROJECT_NAME, extensions

EXTENSION_HOOKS = (
    "authenticator",
    "register_routes",
    "speech_to_text_providers",
    "text_to_speech_providers",
    "session_observer",
)


def new_manager() -> pluggy.PluginManager:
    """Return a manager that knows the hooks and no extension."""
    manager = pluggy.PluginManager(EXTENSIONS_PROJECT_NAME)
    manager.add_hookspecs(extensions)
    return manager


def register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    """Register an extension.

    Raises:
        PhaseFailed: a hook is misspelt, asynchronous, not marked, or takes arguments that do not exist; or there is
            none.
    """
    try:
        with guarded(Phase.REGISTERED, "registering it failed"):
            add_plugin(
                manager,
                plugin,
                EXTENSION_HOOKS,
                arguments=("settings", "app"),
                name=name,
                later="a method of the object that the hook returns",
            )
            _expect_marks(manager, plugin)
    except PhaseFailed:
        if manager.has_plugin(name):
            manager.unregister(name=name)  # or its mistakes would be found again with each extension after it
        raise


def has_hook(manager: pluggy.PluginManager, name: str, hook: str) -> bool:
    """Tell whether an extension has that hook."""
    return bool(_of_one(manager, name, hook).get_hookimpls())


def ask(manager: pluggy.PluginManager, name: str, hook: str, **arguments: Any) -> object:
    """Call a hook of one extension alone, so that it sees its own settings; None when it does not have it."""
    answers = _of_one(manager, name, hook)(**arguments)
    return answers[0] if answers else None


def _of_one(manager: pluggy.PluginManager, name: str, hook: str) -> pluggy.HookCaller:
    others = [plugin for other, plugin in manager.list_name_plugin() if other != name]
    return manager.subset_hook_caller(hook, remove_plugins=others)


def _expect_marks(manager: pluggy.PluginManager, plugin: object) -> None:
    """A hook without its mark would never be called: an authenticator that is not there lets nobody notice."""
    for name in EXTENSION_HOOKS:
        function = getattr(plugin, name, None)
        if inspect.isroutine(function) and manager.parse_hookimpl_opts(plugin, name) is None:
            hint = f"put @extensionimpl from voice_host_sdk above `def {name}`"
            raise PhaseFailed(Phase.REGISTERED, f"{name} is not marked as a hook of an extension", hint)
    if not manager.get_hookcallers(plugin):
        hint = f"mark a function with @extensionimpl from voice_host_sdk; known are {', '.join(EXTENSION_HOOKS)}"
        raise PhaseFailed(Phase.REGISTERED, "it has no hook", hint)
