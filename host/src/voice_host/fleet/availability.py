"""Whether an agent takes calls now, and if not, what callers are told."""

from __future__ import annotations

from typing import NamedTuple

from voice_host.clients.close_codes import CloseCode
from voice_host.fleet.report import AgentReport
from voice_host.fleet.service import FleetReport


class Unavailable(NamedTuple):
    """Why an agent takes no calls. `reason` is safe to send to callers; `phase`: the one that a broken agent failed."""

    code: CloseCode
    reason: str
    phase: str | None = None


def targets_of(agent: AgentReport) -> set[str]:
    """Return what may follow the `@` in the address of an agent: its aliases, and its releases that take calls."""
    aliases = {alias for release in agent.releases for alias in release.aliases}
    names = {each.name for each in agent.releases if each.traffic or each.aliases or each.status != "retiring"}
    return aliases | (names if agent.releases else {agent.version or ""})


def why_unavailable(report: FleetReport, agent_id: str, target: str | None) -> Unavailable | None:
    """Return why an agent takes no calls; None: it takes them.

    Args:
        report: the agents of the host.
        agent_id: who is called.
        target: the alias or release that is called; None: production.
    """
    agent = report.agents.get(agent_id)
    if agent is None:
        return Unavailable(CloseCode.NO_SUCH_AGENT, f"there is no agent {agent_id!r}")
    if target is not None and target not in targets_of(agent):
        return Unavailable(CloseCode.NO_SUCH_AGENT, f"{agent_id} has no release or alias {target!r}")
    if agent.status == "disabled":
        return Unavailable(CloseCode.AGENT_BROKEN, "the agent is switched off")
    if agent.status == "broken":
        return Unavailable(CloseCode.AGENT_BROKEN, "the agent is broken", str(agent.phase))
    if report.state != "ready":
        return Unavailable(CloseCode.DRAINING, "the server is shutting down")
    return None
