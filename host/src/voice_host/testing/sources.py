"""Loads the agent under test: an installed one, a module, or a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from voice_host.plugins import BrokenAgent, DiscoveredAgent, LoadedAgent, discover_agents, load_agent
from voice_host.plugins.installing import installer
from voice_host_sdk import AgentConfig, LifecycleCallbacks

AgentSource = str | ModuleType | AgentConfig
"""The id of an installed agent, a module with hooks, or a configuration."""


class AgentBroken(Exception):
    """The agent cannot take calls. The message says which phase failed, why, and what to do."""


def load(
    agent: AgentSource, settings: Mapping[str, Any] | None = None, callbacks: LifecycleCallbacks | None = None
) -> LoadedAgent:
    """Take an agent through the phases of a plugin, up to its configuration.

    Args:
        agent: an id also tests the entry point; a module tests the hooks.
        settings: the agent's own settings, as in `[agent.<id>.settings]`.
        callbacks: for a configuration; an agent with hooks has its own.

    Raises:
        AgentBroken: the agent failed a phase.
        LookupError: no agent of that id is installed.
        TypeError: `settings` were given for a configuration, or `callbacks` for an agent with hooks.
    """
    if isinstance(agent, AgentConfig):
        if settings is not None:
            raise TypeError("a configuration takes no settings, which are for an agent's hooks")
        made_here = DiscoveredAgent("agent", "test", "0", "test", None)
        return LoadedAgent(made_here, agent, callbacks or LifecycleCallbacks())
    if callbacks is not None:
        raise TypeError("an agent with hooks has its own callbacks, from `lifecycle_callbacks`")
    found = _installed(agent) if isinstance(agent, str) else _of_module(agent)
    outcome = load_agent(found, settings or {}) if isinstance(found, DiscoveredAgent) else found
    if isinstance(outcome, BrokenAgent):
        raise AgentBroken(str(outcome))
    return outcome


def installed_ids() -> list[str]:
    """Return the ids of all agents in this environment."""
    return [agent.id for agent in discover_agents()]


def _of_module(module: ModuleType) -> DiscoveredAgent:
    agent_id = module.__name__.rpartition(".")[2].lower().replace("_", "-")
    return DiscoveredAgent(agent_id, module.__name__, "0", module.__name__, ">=1,<2")


def _installed(agent_id: str) -> DiscoveredAgent | BrokenAgent:
    for found in discover_agents():
        if found.id == agent_id:
            return found
    installed = ", ".join(installed_ids()) or "none"
    raise LookupError(
        f"no agent {agent_id!r} is installed here; installed are: {installed}. An agent is installed with "
        f"`{installer()} -e .` in the folder of its pyproject.toml, and again when its entry point changes"
    )
