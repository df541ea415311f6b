"""What the platform is told about the calls of all agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voice_host_sdk.callbacks import refuse_unknown_callbacks
from voice_host_sdk.session import AgentReply, Caller, SessionEnd, SessionError, ToolCall, UserTurn


@dataclass(frozen=True, slots=True)
class ObservedSession:
    """Which session an event belongs to. Plain data: whoever watches cannot speak, hang up, or see the agent's state.

    Attributes:
        agent_id: the agent.
        session_id: unique for the life of the process.
        caller: the authenticated caller, or None.
    """

    agent_id: str
    session_id: str
    caller: Caller | None = None


class SessionObserver:
    """Base class of no-op methods for the platform's own extensions: override what you need.

    They are told of the sessions of all agents, which no agent ever is. The events of one session come in order, beside
    the call and never in its way; each method has a time limit, and what one raises is logged and counted. When too
    many events wait, further ones are dropped and counted.

    Raises:
        TypeError: when a subclass defines an `on_...` method that does not exist here.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_unknown_callbacks(cls, SessionObserver)

    async def on_startup(self) -> None:
        """Run once, before the host takes calls. Raising keeps the host from starting."""

    async def on_shutdown(self) -> None:
        """Run once when the host stops, after the last event."""

    async def on_session_created(self, session: ObservedSession) -> None:
        """A session has begun."""

    async def on_user_turn(self, session: ObservedSession, turn: UserTurn) -> None:
        """The caller finished a turn."""

    async def on_agent_reply(self, session: ObservedSession, reply: AgentReply) -> None:
        """A reply was spoken to its end, or interrupted."""

    async def on_tool_call(self, session: ObservedSession, call: ToolCall) -> None:
        """A tool ran."""

    async def on_error(self, session: ObservedSession, error: SessionError) -> None:
        """Something went wrong; the call may go on."""

    async def on_session_destroyed(self, session: ObservedSession, end: SessionEnd) -> None:
        """The session is over, for whatever reason."""
