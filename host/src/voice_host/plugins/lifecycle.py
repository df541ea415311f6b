"""What agents and extensions go through alike: loading, `on_startup` and `on_shutdown`. Failures become outcomes."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import pluggy

from voice_host.plugins.guard import PhaseFailed, describe, failure, guarded, place
from voice_host.plugins.hooks import register
from voice_host.plugins.kinds import PluginKind
from voice_host.plugins.phases import BrokenPlugin, DiscoveredPlugin, LoadedPlugin, Phase
from voice_host.plugins.requirements import SDK_DISTRIBUTION, missing_module_hint, sdk_mismatch
from voice_host.settings import secret_texts
from voice_host.tenancy import PluginError, PluginTimeout, isolated

log = logging.getLogger(__name__)

_Loaded = TypeVar("_Loaded", bound=LoadedPlugin)
_Broken = TypeVar("_Broken", bound=BrokenPlugin)

SLOW_IMPORT_MS = 1000.0
"""Imports that take longer cause a warning: they delay the start of the host, and so all other agents."""


def load_plugin(
    kind: PluginKind[Any, _Broken],
    found: DiscoveredPlugin,
    settings: Mapping[str, Any],
    configure: Callable[[pluggy.PluginManager, float], _Loaded],
) -> _Loaded | _Broken:
    """Take a plugin through all phases up to `CONFIGURED`. Never raises for what the plugin does.

    Args:
        settings: the plugin's own settings. Its secrets are redacted from the outcome.
        configure: calls the hooks; gets the plugin manager and the duration of the import in ms.
    """
    log.info("loading %s %s from %s", kind.noun, found.id, found.entry_point)  # names a plugin that hangs
    import_ms: float | None = None
    try:
        with guarded(Phase.CONFIGURED, "loading it failed"):
            if mismatch := sdk_mismatch(found):
                raise PhaseFailed(Phase.COMPATIBLE, mismatch.error, mismatch.hint)
            start_s = time.perf_counter()
            try:
                plugin = _import(found)
            finally:
                import_ms = (time.perf_counter() - start_s) * 1000
            return configure(register(plugin, kind), import_ms)
    except PhaseFailed as failed:
        return failed.outcome(kind.broken, found, secret_texts(settings), import_ms)


def load_warnings(found: DiscoveredPlugin, import_ms: float) -> list[str]:
    """Return what should be improved about a plugin that was loaded."""
    warnings = []
    if import_ms > SLOW_IMPORT_MS:
        warnings.append(f"importing it took {import_ms / 1000:.1f} s: import what is heavy where it is used")
    if found.sdk_requirement is None:
        warnings.append(f"it declares no range of {SDK_DISTRIBUTION}: add `{SDK_DISTRIBUTION}>=1,<2`")
    return warnings


async def run_callback(
    kind: PluginKind[Any, _Broken],
    loaded: _Loaded,
    phase: Phase,
    callback: Callable[[], Awaitable[None]],
    timeout_s: float,
) -> _Loaded | _Broken:
    """Run `on_startup` (phase `STARTED`) or `on_shutdown` (`STOPPED`). Never raises for what the plugin does."""
    name = "on_startup" if phase is Phase.STARTED else "on_shutdown"
    try:
        await _run_isolated(phase, name, callback, timeout_s, task_name=f"{name} of {kind.noun} {loaded.id}")
    except PhaseFailed as failed:
        return failed.outcome(kind.broken, loaded.discovered, loaded.secrets, loaded.import_ms)
    return loaded


async def _run_isolated(
    phase: Phase, name: str, callback: Callable[[], Awaitable[None]], timeout_s: float, *, task_name: str
) -> None:
    try:
        await isolated(callback, name=task_name, timeout_s=timeout_s)
    except PluginTimeout as slow:
        hint = "give what it waits for a time limit of its own"
        raise PhaseFailed(phase, f"{name} took longer than {timeout_s:g} s", hint) from slow
    except PluginError as error:
        if isinstance(error.raised, asyncio.CancelledError):
            raise PhaseFailed(phase, f"{name} was cancelled from within") from error
        raise failure(phase, f"{name} failed", error.raised) from error
    except PhaseFailed:
        raise
    except Exception as error:
        raise failure(phase, f"{name} failed", error) from error


def _import(found: DiscoveredPlugin) -> object:
    """Return the module or object that an entry point names.

    Raises:
        PhaseFailed: it cannot be imported, for whatever reason.
    """
    module, _, attributes = found.entry_point.partition(":")
    module = module.strip()
    with guarded(Phase.IMPORTED, f"importing {module} failed"):
        try:
            plugin: object = importlib.import_module(module)
        except ModuleNotFoundError as error:
            hint = missing_module_hint(error.name, module, found.distribution)
            message = f"importing {module} failed: {describe(error)}"
            raise PhaseFailed(Phase.IMPORTED, message, hint, place(error)) from error
    for attribute in attributes.split(".") if attributes else ():
        hint = "check the entry point of the distribution"
        with guarded(Phase.IMPORTED, f"{found.entry_point!r} cannot be found", hint):
            plugin = getattr(plugin, attribute.strip())
    return plugin
