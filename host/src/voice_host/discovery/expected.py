"""Agents that the settings name although they are not installed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from voice_host.installing import installer
from voice_host.settings import Settings, suggestion


@dataclass(frozen=True, slots=True)
class AbsentAgent:
    """An id in the settings that no installed agent has.

    Attributes:
        id: as it is written there.
        required: whether the host must not start without it.
        where: the file and key, or the variable.
        suggestion: an installed agent with a similar id.
    """

    id: str
    required: bool
    where: str
    suggestion: str | None

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{self.where}: no agent {self.id!r} is installed{hint}"


def absent_agents(settings: Settings, installed: Collection[str]) -> list[AbsentAgent]:
    """Return what the settings name and nobody installed: fatal when required, otherwise worth a warning."""
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


def nothing_to_run(settings: Settings, installed: int) -> str:
    """Say why no agent runs: none is installed, or the allow-list leaves out all `installed` ones."""
    if not installed:
        return f"No agents are installed. Install one with `{installer()} NAME`, or begin with the tutorial in docs/."
    path = ("agents", "allow")
    found = "1 agent is installed, but not" if installed == 1 else f"{installed} agents are installed, but none is"
    return f"{found} allowed by {settings.came_from(*path).where(path)}. `voice-host agents` lists what is installed."
