"""Taking an agent from its metadata to a valid configuration."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pluggy
from pydantic import ValidationError

from voice_host.plugins.compatibility import sdk_mismatch
from voice_host.plugins.guard import PhaseFailed, describe, function_place, guarded, place
from voice_host.plugins.hooks import register
from voice_host.plugins.metadata import SDK_DISTRIBUTION, discover_agents
from voice_host.plugins.missing import missing_module_hint
from voice_host.plugins.phases import SLOW_IMPORT_MS, BrokenAgent, DisabledAgent, DiscoveredAgent, LoadedAgent, Phase
from voice_host.plugins.tool_hints import tool_warnings
from voice_host.plugins.validate import InvalidReturn, explained, valid_callbacks, valid_config
from voice_host.settings import AskedKeys, MissingSetting, Settings, plugin_table, secret_texts
from voice_host_sdk import AgentConfig, LifecycleCallbacks

log = logging.getLogger(__name__)

_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def load_agent(discovered: DiscoveredAgent, settings: Mapping[str, Any] = _NO_SETTINGS) -> LoadedAgent | BrokenAgent:
    """Import an agent and ask its hooks for the configuration. Never raises for what the agent does.

    It runs the customer's code in the calling thread, without a time limit: what a plugin makes on import (a database
    connection, say) may belong to the thread that will use it. Call it before the host serves.

    Args:
        discovered: an agent that the allow-list lets run.
        settings: the agent's own settings, secrets resolved. The hooks see them read-only.
    """
    log.info("loading agent %s from %s", discovered.id, discovered.entry_point)  # so that one that hangs can be named
    stopwatch = Stopwatch()
    try:
        with guarded(Phase.CONFIGURED, "loading it failed"):
            return _load(discovered, settings, stopwatch)
    except PhaseFailed as failed:
        return failed.outcome(discovered, secret_texts(settings), stopwatch.elapsed_ms)


def load_agents(settings: Settings) -> list[LoadedAgent | BrokenAgent]:
    """Discover and load every installed agent that the allow-list lets run, one after the other.

    It runs customers' code and may take seconds, like `load_agent`.
    """
    return [
        _loaded(agent, settings) if isinstance(agent, DiscoveredAgent) else agent
        for agent in discover_agents()
        if settings.agents.allows(agent.id)
    ]


def _loaded(agent: DiscoveredAgent, settings: Settings) -> LoadedAgent | BrokenAgent:
    own = settings.for_agent(agent.id)
    if not own.enabled:
        where = settings.came_from("agent", agent.id, "enabled").where(("agent", agent.id, "enabled"))
        return DisabledAgent(agent, Phase.ALLOWED, f"it is switched off by {where}")
    return load_agent(agent, own.settings)


@dataclass(slots=True)
class Stopwatch:
    """How long importing took, in ms; None as long as nothing was imported."""

    elapsed_ms: float | None = None
    _start_s: float = field(default=0.0)

    def __enter__(self) -> None:
        self._start_s = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.elapsed_ms = (time.perf_counter() - self._start_s) * 1000


def _load(discovered: DiscoveredAgent, settings: Mapping[str, Any], stopwatch: Stopwatch) -> LoadedAgent:
    mismatch = sdk_mismatch(discovered)
    if mismatch:
        raise PhaseFailed(Phase.COMPATIBLE, mismatch.error, mismatch.hint)
    with stopwatch:
        plugin = import_object(discovered.entry_point, discovered.distribution)
    manager = register(plugin)
    asked = AskedKeys()
    own = plugin_table(("agent", discovered.id, "settings"), settings, asked)
    config = _agent_config(manager, own)
    callbacks = _callbacks(manager, own)
    import_ms = stopwatch.elapsed_ms or 0.0
    return LoadedAgent(
        discovered,
        config,
        callbacks,
        import_ms,
        warnings=tuple(_warnings(discovered, config, import_ms)),
        secrets=tuple(secret_texts(settings)),
        asked=asked,
    )


def import_object(entry_point: str, distribution: str | None = None) -> object:
    """Return what an entry point of a distribution names.

    Raises:
        PhaseFailed: it cannot be imported, whatever the reason.
    """
    module, _, attributes = entry_point.partition(":")
    with guarded(Phase.IMPORTED, f"importing {module.strip()} failed"):
        try:
            plugin: object = importlib.import_module(module.strip())
        except ModuleNotFoundError as error:
            hint = missing_module_hint(error.name, module.strip(), distribution)
            message = f"importing {module.strip()} failed: {describe(error)}"
            raise PhaseFailed(Phase.IMPORTED, message, hint, place(error)) from error
    for attribute in attributes.split(".") if attributes else ():
        name = attribute.strip()
        with guarded(Phase.IMPORTED, f"{entry_point!r} cannot be found", "check the entry point of the distribution"):
            plugin = getattr(plugin, name)
    return plugin


def _agent_config(manager: pluggy.PluginManager, settings: Mapping[str, Any]) -> AgentConfig:
    returned = _call(manager, "agent_config", settings)
    try:
        return valid_config(returned)
    except InvalidReturn as error:
        raise _invalid(manager.hook.agent_config, error) from error


def _callbacks(manager: pluggy.PluginManager, settings: Mapping[str, Any]) -> LifecycleCallbacks:
    if not manager.hook.lifecycle_callbacks.get_hookimpls():
        return LifecycleCallbacks()
    returned = _call(manager, "lifecycle_callbacks", settings)
    try:
        return valid_callbacks(returned)
    except InvalidReturn as error:
        raise _invalid(manager.hook.lifecycle_callbacks, error) from error


def _invalid(hook: pluggy.HookCaller, error: InvalidReturn) -> PhaseFailed:
    where = error.where or function_place(hook.get_hookimpls()[-1].function)
    return PhaseFailed(Phase.CONFIGURED, str(error), error.hint, where)


def _call(manager: pluggy.PluginManager, hook: str, settings: Mapping[str, Any]) -> object:
    with guarded(Phase.CONFIGURED, f"{hook} failed"):
        try:
            returned: object = getattr(manager.hook, hook)(settings=settings)
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
    return returned


def _warnings(discovered: DiscoveredAgent, config: AgentConfig, import_ms: float) -> list[str]:
    warnings = []
    if import_ms > SLOW_IMPORT_MS:
        warnings.append(f"importing it took {import_ms / 1000:.1f} s: import what is heavy where it is used")
    if discovered.sdk_requirement is None:
        warnings.append(f"it declares no range of {SDK_DISTRIBUTION}: add `{SDK_DISTRIBUTION}>=1,<2`")
    return [*warnings, *tool_warnings(config.tools)]
