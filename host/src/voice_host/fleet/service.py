"""`AgentService`: all that the front asks of agents, whether they run in its own process or in others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from voice_host.admission import Lease
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.connection import ClientConnection
from voice_host.fleet.report import AgentReport
from voice_host.observability.logs import get_logger
from voice_host_sdk import Caller

log = get_logger(__name__)

State = Literal["starting", "ready", "draining", "stopped"]


class CannotServe(Exception):
    """The host cannot start. The message says why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class RequiredAgentBroken(Exception):
    """The host must not run without an agent that is broken."""

    def __init__(self, agent: AgentReport) -> None:
        super().__init__(str(agent))
        self.agent_id = agent.id


@dataclass(frozen=True, slots=True)
class FleetReport:
    """All agents as they are now. Plain data.

    Attributes:
        state: whether calls are taken.
        agents: by id; broken and disabled ones too.
        why_empty: why there are no agents at all, and what to do about it; None: there are some.
    """

    state: State = "starting"
    agents: Mapping[str, AgentReport] = field(default_factory=dict)
    why_empty: str | None = None

    @property
    def ready(self) -> int:
        """How many agents take calls."""
        return sum(agent.status == "ready" for agent in self.agents.values())

    @property
    def broken(self) -> int:
        """How many agents are broken."""
        return sum(agent.status == "broken" for agent in self.agents.values())


class AgentService(Protocol):
    """The agents of a host. Belongs to one event loop."""

    @property
    def report(self) -> FleetReport:
        """What is known of the agents now. Cheap: it is looked at for each call."""

    @property
    def connected(self) -> int:
        """Calls that are connected now."""

    async def start(self) -> None:
        """Get every agent ready for its first call.

        Raises:
            RequiredAgentBroken: an agent that the host must have is broken.
        """

    async def check_resume(self, agent_id: str, token: str, caller: Caller | None) -> None:
        """Make sure that a resume token opens a session of an agent to a caller. It is not used up.

        Raises:
            SessionRefused: it does not.
        """

    async def take(self, connection: ClientConnection, lease: Lease, opening: Opening) -> None:
        """Run a call, from accepting its connection to closing it. Returns when nothing is left of it.

        Args:
            connection: the client's transport and protocol; not accepted yet.
            lease: which agent is called by whom, and the id of the session.
            opening: what the front knows about the call. Metadata that a call token carries wins over what the
                client itself sends; a resume token was checked.
        """

    def revoke(self, key_ids: Collection[str]) -> None:
        """End the sessions that were begun with API keys, or with call tokens made with them.

        Sessions that wait for their callers end, too. Those that are about to be connected do not: ask again.
        """

    async def drain(self, timeout_s: float = 0) -> None:
        """Take no more calls, tell those that are connected, and end them.

        Args:
            timeout_s: how long they may go on by themselves. `hurry()` cuts it short.
        """

    def hurry(self) -> None:
        """Let no call go on any longer: those that are connected are told and ended."""

    async def stop(self) -> None:
        """End what still runs and give everything back. Idempotent."""


def log_report(report: FleetReport) -> None:
    """Log what an operator should know of each agent: warnings, and why it is broken."""
    for agent in report.agents.values():
        for warning in agent.warnings:
            log.warning("agent_warning", agent_id=agent.id, warning=warning)
        if agent.status == "disabled" and not agent.required:
            log.info("agent_disabled", agent_id=agent.id)
        elif agent.status in ("broken", "disabled"):
            told = {"phase": str(agent.phase), "error": agent.error, "where": agent.where, "hint": agent.hint}
            log.error("agent_broken", agent_id=agent.id, **{key: value for key, value in told.items() if value})
        elif agent.speech_problem is not None:
            log.warning("speech_unavailable", agent_id=agent.id, problem=agent.speech_problem)
