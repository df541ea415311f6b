"""All agents of a host and their deployed releases, by their metadata alone: none of their code runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voice_host.plugins import BrokenAgent, DiscoveredAgent, installed_agents
from voice_host.plugins.environment import agent_in
from voice_host.releases.environments import ENVIRONMENT, RELEASES
from voice_host.settings import Settings


@dataclass(frozen=True, slots=True)
class ListedAgent:
    """An agent, as it is installed beside the host or in an environment of its own, or a release of it.

    Attributes:
        agent: what its metadata says.
        release: the name of the deployed release; None: it is installed.
    """

    agent: DiscoveredAgent | BrokenAgent
    release: str | None = None

    @property
    def environment(self) -> Path | None:
        """The virtual environment that it is in; None: the host's own."""
        return (self.agent.discovered if isinstance(self.agent, BrokenAgent) else self.agent).environment

    @property
    def name(self) -> str:
        """Its id, with the release if there is one, as in the address of a call: `front-desk@1.4`."""
        return self.agent.id if self.release is None else f"{self.agent.id}@{self.release}"


def list_agents(settings: Settings) -> list[ListedAgent]:
    """Return all agents that are installed or deployed, sorted by id. Blocks, about 5 ms for each release."""
    listed = [*map(ListedAgent, installed_agents(settings)), *_deployed(settings.data_dir.absolute())]
    return sorted(listed, key=lambda each: (each.agent.id, each.release is not None))


def _deployed(data_dir: Path) -> Iterator[ListedAgent]:
    for release in sorted((data_dir / RELEASES).glob("*/*/")):
        if not release.parent.name.startswith("."):  # one is being built, or removed
            yield ListedAgent(agent_in(release / ENVIRONMENT, release.parent.name), release.name)
