"""Comparing the settings with what is installed: agents that are missing, and settings that no agent reads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from voice_host.plugins.installing import installer
from voice_host.plugins.phases import LoadedAgent
from voice_host.settings import Settings, did_you_mean, meant_instead, suggestion


@dataclass(frozen=True, slots=True)
class AbsentAgent:
    """An agent id in the settings that no installed agent has.

    Attributes:
        id: as written there.
        required: whether the host must not start without the agent.
        where: the file and key, or the variable.
        suggestion: an installed agent with a similar id.
    """

    id: str
    required: bool
    where: str
    suggestion: str | None

    def __str__(self) -> str:
        meant = meant_instead(self.id, [self.suggestion] if self.suggestion else [])
        return f"{self.where}: no agent {self.id!r} is installed{meant}"


def absent_agents(settings: Settings, installed: Collection[str]) -> list[AbsentAgent]:
    """Return the agents that the settings name and nobody installed: fatal if required, otherwise worth a warning."""
    named: dict[str, tuple[str, ...]] = dict.fromkeys(settings.agents.allow or (), ("agents", "allow"))
    named |= {path[1]: path for path in settings.provenance if path[0] == "agent" and len(path) > 1}
    named |= dict.fromkeys(settings.agents.required, ("agents", "required"))
    return [
        AbsentAgent(
            agent_id,
            agent_id in settings.agents.required,
            settings.came_from(*path).where(path),
            suggestion(agent_id, installed),
        )
        for agent_id, path in sorted(named.items())
        if agent_id not in installed
    ]


def unread_settings(agent: LoadedAgent, settings: Settings) -> list[str]:
    """Return a warning for each of an agent's own settings that it has not read: it may be misspelt."""
    path = settings.table_of(agent.id)
    return [
        f"{settings.came_from(*key).where(key)}: the agent has not read it so far; {meant}"
        for key, meant in agent.asked.unread(path, settings.for_agent(agent.id).settings)
    ]


def not_installed(agent_id: str, installed: Collection[str]) -> str:
    """Return the message for an agent id that no installed agent has, with the nearest id or a list of all."""
    return f"no agent {agent_id!r} is installed; {did_you_mean(agent_id, installed)}"


def nothing_to_run(settings: Settings, installed: int) -> str:
    """Return why no agent runs: none is installed, or the allow-list contains none of the `installed` ones."""
    if not installed:
        return f"No agents are installed. Install one with `{installer()} NAME`, or begin with the tutorial in docs/."
    path = ("agents", "allow")
    found = "1 agent is installed, but not" if installed == 1 else f"{installed} agents are installed, but none is"
    return f"{found} allowed by {settings.came_from(*path).where(path)}. `voice-host agents` lists what is installed."
