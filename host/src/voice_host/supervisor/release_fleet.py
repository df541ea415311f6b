"""`ReleaseFleet`: what deployments need of the running workers."""

from __future__ import annotations

from typing import Protocol

from voice_host.fleet.installed import agent_of
from voice_host.fleet.report import AgentReport, report_of
from voice_host.plugins import BrokenAgent, NoEnvironment, Phase
from voice_host.plugins.environment import site_packages
from voice_host.releases.release import PRODUCTION, Release, Routing
from voice_host.settings import Settings


class ReleaseFailed(Exception):
    """A release could not be started. `report` says in which phase, why, and what to do, as `check` would."""

    def __init__(self, report: AgentReport) -> None:
        super().__init__(str(report))
        self.report = report


def not_spawned(release: Release, error: Exception, settings: Settings) -> ReleaseFailed:
    """Return the failure of a release for which no process can be started."""
    return ReleaseFailed(report_of(BrokenAgent(agent_of(release), Phase.ALLOWED, str(error)), settings))


def require_environment(release: Release, settings: Settings) -> None:
    """Make sure that a release's own environment can be run. Blocks.

    Raises:
        ReleaseFailed: it is gone, or its interpreter is.
    """
    if release.environment is None:
        return
    try:
        site_packages(release.environment)
    except NoEnvironment as error:
        hint = error.hint if release.created is None else "deploy the agent again: the host builds another environment"
        broken = BrokenAgent(agent_of(release), Phase.DISCOVERED, str(error), hint)
        raise ReleaseFailed(report_of(broken, settings)) from error


class ReleaseFleet(Protocol):
    """Runs releases, each in a group of worker processes. Belongs to the front's event loop.

    A group runs a release with the settings of one alias: production's are `[agent.<id>.settings]`, another's are
    `[agent.<id>.alias.<name>.settings]` alone. So a release that is both in production and staging has two groups.
    """

    async def launch(self, release: Release, alias: str = PRODUCTION) -> AgentReport:
        """Start the workers of a release. It gets no calls until `route` names it.

        Raises:
            ReleaseFailed: it is broken. Its workers have left.
        """

    def report_broken(self, report: AgentReport) -> None:
        """List an agent as broken, none of whose releases could be started with the host."""

    def route(self, agent_id: str, routing: Routing) -> None:
        """Send new calls of an agent by a new routing. All releases that it names run. Calls go on where they are."""

    async def retire(self, agent_id: str, name: str, alias: str = PRODUCTION) -> None:
        """Let a group finish its calls and parked sessions, and stop it. Callers are told nothing.

        Returns when its last worker has left, which may take as long as a call. The routing must not name it.
        """

    async def restart(self, agent_id: str) -> None:
        """Replace all workers of an agent by new ones, without dropping a call. A broken agent is tried again.

        Returns when the new workers take calls; the old ones finish theirs.

        Raises:
            KeyError: there is no such agent.
            ReleaseFailed: the new workers do not start; the old ones continue.
        """

    async def reload(self, settings: Settings) -> None:
        """Use new settings. Agents whose settings changed get new workers, as in `restart`.

        Raises:
            ReleaseFailed: an agent does not start with its new settings, and continues with the old ones. The other
                agents use theirs.
        """
