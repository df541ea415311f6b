"""The agents of other environments, by their metadata alone: nothing is imported, so none of their code runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import importlib_metadata

from voice_host.plugins.discovery import discover_agents
from voice_host.plugins.phases import BrokenAgent, DiscoveredAgent, Phase
from voice_host.plugins.requirements import HOST_DISTRIBUTION, SDK_DISTRIBUTION, sdk_mismatch
from voice_host.settings import Settings, colliding_ids, did_you_mean


class NoEnvironment(Exception):
    """There is no virtual environment in a folder. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class EnvironmentMetadata:
    """What is installed in an environment, as far as it matters here.

    Attributes:
        agents: its agents. Those with an invalid or ambiguous id are broken.
        host_version, sdk_version: of `voice-host` and `voice-host-sdk` in it; None: not installed.
    """

    agents: tuple[DiscoveredAgent | BrokenAgent, ...]
    host_version: str | None
    sdk_version: str | None


def read_environment(folder: Path) -> EnvironmentMetadata:
    """Return the metadata of a virtual environment. Blocks, about 5 ms.

    Raises:
        NoEnvironment: there is none, or it has no interpreter any more.
    """
    place = site_packages(folder)
    return EnvironmentMetadata(
        tuple(_in(folder, agent) for agent in discover_agents(place)),
        _version(place, HOST_DISTRIBUTION),
        _version(place, SDK_DISTRIBUTION),
    )


def site_packages(folder: Path) -> Path:
    """Return where a virtual environment has its packages. Raises as `read_environment`."""
    if not (folder / "pyvenv.cfg").is_file():
        why = "is not a virtual environment" if folder.is_dir() else "does not exist"
        raise NoEnvironment(f"{folder} {why}", "make one, for example with `uv venv`, and install the agent in it")
    if not (folder / "bin" / "python").exists():
        raise NoEnvironment(f"{folder} has no interpreter: it was removed since", "make the environment again")
    found = sorted(folder.glob("lib/python*/site-packages"))
    if not found:
        raise NoEnvironment(f"{folder} has no site-packages", "make the environment again")
    return found[-1]


def _version(place: Path, distribution: str) -> str | None:
    found = importlib_metadata.distributions(path=[str(place)], name=distribution)
    return next((each.version for each in found), None)


def _in(folder: Path, agent: DiscoveredAgent | BrokenAgent) -> DiscoveredAgent | BrokenAgent:
    if isinstance(agent, BrokenAgent):
        return replace(agent, discovered=replace(agent.discovered, environment=folder))
    return replace(agent, environment=folder)


# --- agents of the settings -----------------------------------------------------------------------------------------


def installed_agents(settings: Settings) -> list[DiscoveredAgent | BrokenAgent]:
    """Return all agents that are installed beside the host or in an `[agent.<id>] environment`, sorted by id.

    An agent of such an environment takes precedence over one with the same id beside the host. Those of environments
    that cannot be used are broken, and so are those with an invalid or ambiguous id. Blocks.
    """
    placed = {agent_id: folder for agent_id in settings.agent if (folder := settings.environment_of(agent_id))}
    agents = {agent.id: agent for agent in map(agent_in, placed.values(), placed)}
    beside = [agent for agent in discover_agents() if agent.id not in agents]
    ids = {agent.id for agent in beside} | agents.keys()
    for first, second in colliding_ids(ids):
        for agent_id in {first, second} & agents.keys():
            error = f"variables cannot tell the ids {first!r} and {second!r} apart"
            agents[agent_id] = _broken(
                agents[agent_id], error, "rename one entry point, without '--' and without a '-' at the end"
            )
    return sorted([*beside, *agents.values()], key=lambda agent: agent.id)


def agent_in(folder: Path, agent_id: str) -> DiscoveredAgent | BrokenAgent:
    """Return an agent of another environment. It is broken if it cannot be found there, or not run. Blocks."""
    nobody = DiscoveredAgent(agent_id, "", "", "", None, folder)
    try:
        metadata = read_environment(folder)
    except NoEnvironment as error:
        return _broken(nobody, str(error), error.hint)
    agent = next((agent for agent in metadata.agents if agent.id == agent_id), None)
    if agent is None:
        ids = {agent.id for agent in metadata.agents}
        return _broken(nobody, f"it is not installed in {folder}", f"install it there; {did_you_mean(agent_id, ids)}")
    if metadata.host_version is None or metadata.sdk_version is None:
        missing = HOST_DISTRIBUTION if metadata.host_version is None else SDK_DISTRIBUTION
        return _broken(agent, f"{missing} is not installed in {folder}", f"install there the {missing} of this host")
    if isinstance(agent, DiscoveredAgent) and (mismatch := sdk_mismatch(agent, metadata.sdk_version)):
        return BrokenAgent(agent, Phase.COMPATIBLE, mismatch.error, mismatch.hint)
    return agent


def _broken(agent: DiscoveredAgent | BrokenAgent, error: str, hint: str) -> BrokenAgent:
    return agent if isinstance(agent, BrokenAgent) else BrokenAgent(agent, Phase.DISCOVERED, error, hint)
