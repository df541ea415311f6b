"""`AgentService`: the front's interface to the agents, whether they run in its own process or in others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from voice_host.admission import Lease
from voice_host.clients.call_control import CallControl
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.connection import ClientConnection
from voice_host.fleet.report import AgentReport
from voice_host.observability.figures import Figures
from voice_host.observability.logs import get_logger
from voice_host_sdk import CallAnswer, Caller

log = get_logger(__name__)

State = Literal["starting", "ready", "draining", "stopped"]


class CannotServe(Exception):
    """The host cannot start. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class RequiredAgentBroken(Exception):
    """A required agent is broken, so the host must not start."""

    def __init__(self, agent: AgentReport) -> None:
        super().__init__(str(agent))
        self.agent_id = agent.id


@dataclass(frozen=True, slots=True)
class FleetReport:
    """The current status of all agents. Plain data.

    Attributes:
        state: whether calls are taken.
        agents: by id, including broken and disabled ones.
        why_empty: if there are no agents, why, and what to do about it; otherwise None.
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
        """The current status of the agents. Must be cheap, since it is read for each call."""

    @property
    def figures(self) -> Figures:
        """What the processes of the agents count."""

    async def measure(self) -> None:
        """Bring the memory and the CPU time of worker processes in the report up to date."""

    @property
    def connected(self) -> int:
        """How many calls are connected now."""

    async def start(self) -> None:
        """Start all agents, so that they can take calls.

        Raises:
            RequiredAgentBroken: a required agent is broken.
        """

    async def check_resume(self, agent_id: str, token: str, caller: Caller | None) -> None:
        """Check that a resume token is valid for an agent and a caller, without using it up.

        Raises:
            SessionRefused: it is not.
        """

    async def take(
        self, connection: ClientConnection, lease: Lease, opening: Opening, control: CallControl | None = None
    ) -> None:
        """Run a call, from accepting its connection to closing it. Returns when all of its work has ended.

        Args:
            connection: the client's transport and protocol; not accepted yet.
            lease: the agent, the caller and the session id.
            opening: what the front knows about the call: metadata of the call token, which takes precedence over the
                client's; how the caller is connected; and a resume token that was checked.
            control: the carrier's side of a telephone call; None: it cannot be transferred, or sent digits.
        """

    def call_answered(self, session_id: str, answer: CallAnswer) -> None:
        """Tell the agent of a call that was given to `take` who has answered it. Returns at once.

        If its session has not begun yet, it is told when it has. Nothing happens if there is no such call.
        """

    def revoke(self, key_ids: Collection[str]) -> None:
        """End the sessions that were started with these API keys, or with call tokens made with them.

        Parked sessions end, too. A call that is just being connected is missed: call this again.
        """

    async def drain(self, timeout_s: float = 0) -> None:
        """Take no more calls, warn the connected callers, and end their calls.

        Args:
            timeout_s: how long calls may continue. `hurry()` ends the wait.
        """

    def hurry(self) -> None:
        """End the connected calls now instead of waiting for the drain timeout."""

    async def stop(self) -> None:
        """End all sessions and release all resources. Idempotent."""


def log_report(report: FleetReport) -> None:
    """Log each agent's warnings, and why it is broken."""
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
