"""All agents of a host and their deployed releases, by their metadata alone: none of their code runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from voice_host.fleet.installed import installed_release
from voice_host.plugins import BrokenAgent, DiscoveredAgent, installed_agents
from voice_host.plugins.environment import agent_in
from voice_host.releases.agent_releases import releases_at_start
from voice_host.releases.environments import ENVIRONMENT, RELEASES
from voice_host.releases.release import PRODUCTION
from voice_host.releases.store import ReleaseStore, StoredAgent
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


def targets_at_start(settings: Settings, listed: Collection[ListedAgent]) -> dict[str, set[str] | None]:
    """Return what may follow the `@` in the address of each agent, once the host has started and if nothing is broken.

    None: it is unknown, since the data directory is not there or cannot be read, or what it says of the agent is
    damaged. Blocks.

    Args:
        settings: of the host.
        listed: of `list_agents`.
    """
    ids = {each.agent.id for each in listed}
    here = (each.agent for each in listed if each.release is None)
    installed = {agent.id: agent for agent in here if isinstance(agent, DiscoveredAgent)}
    if settings.agents.isolation == "none":
        return {agent_id: {installed[agent_id].version} if agent_id in installed else set() for agent_id in ids}
    if not settings.data_dir.is_dir():  # as where an image is built, which gets its data when it runs
        return dict.fromkeys(ids)
    try:
        stored = ReleaseStore(settings.data_dir).read()
    except OSError:
        return dict.fromkeys(ids)
    return {agent_id: _targets(agent_id, stored.get(agent_id), installed.get(agent_id)) for agent_id in ids}


def _targets(agent_id: str, stored: StoredAgent | None, installed: DiscoveredAgent | None) -> set[str] | None:
    beside = None if installed is None else installed_release(installed)
    agent = releases_at_start(agent_id, stored or StoredAgent(), beside)
    if agent.damaged is not None:
        return None
    return {name for group in agent.routing.groups for name in group} - {PRODUCTION}


def _deployed(data_dir: Path) -> Iterator[ListedAgent]:
    for release in sorted((data_dir / RELEASES).glob("*/*/")):
        if not release.parent.name.startswith("."):  # one is being built, or removed
            yield ListedAgent(agent_in(release / ENVIRONMENT, release.parent.name), release.name)
