"""The installed agents that the settings allow, and errors about those that are missing."""

from __future__ import annotations

from collections.abc import Collection

from voice_host.fleet.service import CannotServe
from voice_host.observability.logs import get_logger
from voice_host.plugins import BrokenAgent, DiscoveredAgent, absent_agents, installed_agents, nothing_to_run
from voice_host.releases.release import Release
from voice_host.settings import Settings

log = get_logger(__name__)


def allowed_agents(
    settings: Settings, deployed: Collection[str] = ()
) -> tuple[list[DiscoveredAgent | BrokenAgent], str | None]:
    """Return the installed agents that the settings allow, and why there are none, if so. Runs none of their code.

    An agent that the settings name and that is neither installed nor deployed is logged.

    Args:
        settings: the platform's settings.
        deployed: the agents of which releases are deployed.

    Raises:
        CannotServe: an agent that is required or selected is not installed or not allowed.
    """
    installed = installed_agents(settings)
    for absent in absent_agents(settings, {*deployed, *(agent.id for agent in installed)}):
        if absent.required:
            raise CannotServe(str(absent), "install it, or take it out of agents.required")
        if settings.came_from("agents", "allow").kind == "option":
            raise CannotServe(str(absent), "`voice-host agents` lists what is installed")
        meant = {"did_you_mean": absent.suggestion} if absent.suggestion else {}
        log.warning("agent_not_installed", agent_id=absent.id, where=absent.where, **meant)
    for agent_id in settings.agents.required:
        if not settings.agents.allows(agent_id):
            raise CannotServe(f"agent {agent_id!r} is required but not allowed", "add it to agents.allow or --agents")
    allowed = [agent for agent in installed if settings.agents.allows(agent.id)]
    return allowed, None if allowed or deployed else nothing_to_run(settings, len(installed))


def installed_release(agent: DiscoveredAgent) -> Release:
    """Return the release of an agent that is installed beside the host, or in the environment of its settings."""
    return Release(
        agent_id=agent.id,
        name=agent.version if agent.version[:1].isdigit() else f"0-{agent.version}",
        distribution=agent.distribution,
        version=agent.version,
        entry_point=agent.entry_point,
        sdk_requirement=agent.sdk_requirement,
        environment=agent.environment,
    )


def agent_of(release: Release) -> DiscoveredAgent:
    """Return the agent of a release, as it was discovered."""
    return DiscoveredAgent(
        release.agent_id, release.distribution, release.version, release.entry_point, release.sdk_requirement
    )
