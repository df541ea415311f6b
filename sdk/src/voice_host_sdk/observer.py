"""`SessionObserver`: methods of a platform extension that the host calls for the sessions of all agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from voice_host_sdk.callbacks import refuse_unknown_callbacks
from voice_host_sdk.channel import Channel
from voice_host_sdk.session import AgentReply, Caller, SessionEnd, SessionError, ToolCall, UserTurn


@dataclass(frozen=True, slots=True)
class ObservedSession:
    """The session of an event, as plain data: an observer cannot speak, hang up, or see the agent's state.

    Attributes:
        agent_id: the agent.
        session_id: unique for the life of the process.
        caller: the authenticated caller, or None.
        channel: how the caller is connected. New in 1.1.
    """

    agent_id: str
    session_id: str
    caller: Caller | None = None
    channel: Channel = field(default_factory=Channel)


class SessionObserver:
    """Base class of no-op methods for the platform's own extensions: override what you need.

    They are called for the sessions of all agents. The events of one session come in order, in the background; they
    never delay the call. Each method has a time limit, and exceptions are logged and counted. When too many events are
    queued, further ones are dropped and counted.

    Raises:
        TypeError: a subclass defines an `on_...` method that does not exist here.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_unknown_callbacks(cls, SessionObserver)

    async def on_startup(self) -> None:
        """Called once, before the host takes calls. If it raises, the host does not start."""

    async def on_shutdown(self) -> None:
        """Called once when the host stops, after the last event."""

    async def on_session_created(self, session: ObservedSession) -> None:
        """A session has begun."""

    async def on_user_turn(self, session: ObservedSession, turn: UserTurn) -> None:
        """The caller finished a turn."""

    async def on_agent_reply(self, session: ObservedSession, reply: AgentReply) -> None:
        """A reply was spoken to its end or interrupted."""

    async def on_tool_call(self, session: ObservedSession, call: ToolCall) -> None:
        """A tool ran."""

    async def on_error(self, session: ObservedSession, error: SessionError) -> None:
        """Something went wrong; the call may go on."""

    async def on_session_destroyed(self, session: ObservedSession, end: SessionEnd) -> None:
        """The session has ended, for any reason."""
