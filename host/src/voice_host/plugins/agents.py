"""Loads, starts and stops agents. A broken agent is a result, not an exception, so that the others still run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import pluggy

from voice_host.plugins.discovery import discover_agents
from voice_host.plugins.hooks import ask, has_hook
from voice_host.plugins.kinds import AGENT
from voice_host.plugins.lifecycle import load_plugin, load_warnings, run_callback
from voice_host.plugins.phases import BrokenAgent, DisabledAgent, DiscoveredAgent, LoadedAgent, Phase
from voice_host.plugins.validate import tool_warnings, valid_callbacks, valid_config
from voice_host.settings import AskedKeys, Settings, plugin_table, secret_texts
from voice_host.settings.provenance import KeyPath
from voice_host.tenancy import attributed_to
from voice_host_sdk import LifecycleCallbacks

_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def load_agent(
    discovered: DiscoveredAgent, settings: Mapping[str, Any] = _NO_SETTINGS, *, table: KeyPath | None = None
) -> LoadedAgent | BrokenAgent:
    """Import an agent and get its configuration from its hooks. Never raises for what the agent does.

    The agent's code runs in the calling thread without a time limit, because what it creates on import (a database
    connection, say) may be bound to that thread. Call it before the host serves.

    Args:
        discovered: an agent that the allow-list contains.
        settings: the agent's own settings, secrets resolved. The hooks see them read-only.
        table: the path of their table, for messages; default: `[agent.<id>.settings]`.
    """

    def configure(manager: pluggy.PluginManager, import_ms: float) -> LoadedAgent:
        asked = AskedKeys()
        own = plugin_table(table or ("agent", discovered.id, "settings"), settings, asked)
        config = ask(manager, "agent_config", own, valid_config)
        has_callbacks = has_hook(manager, "lifecycle_callbacks")
        return LoadedAgent(
            discovered,
            config,
            ask(manager, "lifecycle_callbacks", own, valid_callbacks) if has_callbacks else LifecycleCallbacks(),
            asked,
            import_ms=import_ms,
            warnings=(*load_warnings(discovered, import_ms), *tool_warnings(config.tools)),
            secrets=tuple(secret_texts(settings)),
        )

    return load_plugin(AGENT, discovered, settings, configure)


def load_agents(settings: Settings) -> list[LoadedAgent | BrokenAgent]:
    """Discover all installed agents and load those that are allowed, one after the other.

    It runs the agents' code and may take seconds: see `load_agent`.
    """
    return [
        load_if_enabled(agent, settings) if isinstance(agent, DiscoveredAgent) else agent
        for agent in discover_agents()
        if settings.agents.allows(agent.id)
    ]


def load_if_enabled(agent: DiscoveredAgent, settings: Settings) -> LoadedAgent | BrokenAgent:
    """Load an agent with its own settings, unless they disable it. See `load_agent`.

    It is broken if it is installed in another environment, from which this process cannot import it.
    """
    if (outcome := disabled(agent, settings)) is not None:
        return outcome
    if agent.environment is not None:
        hint = 'it needs a worker process: `voice-host serve` on Linux with [agents] isolation = "process"'
        return BrokenAgent(agent, Phase.COMPATIBLE, f"it is installed in {agent.environment}", hint)
    return load_agent(agent, settings.for_agent(agent.id).settings, table=settings.table_of(agent.id))


def disabled(agent: DiscoveredAgent, settings: Settings) -> DisabledAgent | None:
    """Return the outcome of an agent that the settings disable; None: they do not."""
    if settings.for_agent(agent.id).enabled:
        return None
    where = settings.came_from("agent", agent.id, "enabled").where(("agent", agent.id, "enabled"))
    return DisabledAgent(agent, Phase.ALLOWED, f"it is disabled by {where}")


async def start_agent(loaded: LoadedAgent, timeout_s: float) -> LoadedAgent | BrokenAgent:
    """Run the agent's `on_startup`. Never raises for what the agent does."""
    callback = partial(attributed_to, loaded.id, loaded.callbacks.on_startup)
    return await run_callback(AGENT, loaded, Phase.STARTED, callback, timeout_s)


async def stop_agent(loaded: LoadedAgent, timeout_s: float) -> LoadedAgent | BrokenAgent:
    """Run the agent's `on_shutdown`, after its last session ended. Never raises for what the agent does."""
    callback = partial(attributed_to, loaded.id, loaded.callbacks.on_shutdown)
    return await run_callback(AGENT, loaded, Phase.STOPPED, callback, timeout_s)
