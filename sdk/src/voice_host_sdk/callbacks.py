"""What the host tells an agent while it runs."""

from __future__ import annotations

import difflib
from typing import Any

from voice_host_sdk.agent_config import AgentConfig
from voice_host_sdk.session import AgentReply, Session, SessionEnd, SessionError, ToolCall, UserTurn


def refuse_unknown_callbacks(cls: type, base: type) -> None:
    """Raise `TypeError` where `cls` defines an `on_...` method that `base` does not know: it would never be called."""
    known = [name for name in vars(base) if name.startswith("on_")]
    for name in vars(cls):
        if name.startswith("on_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            raise TypeError(f"{cls.__module__}.{cls.__qualname__}: there is no callback {name!r}; {hint}")


class LifecycleCallbacks:
    """Base class of no-op callbacks: override what you need.

    The callbacks of one session run in order, beside the call and never in its way; each has a time limit, and what one
    raises is logged under the agent's id and counted. Only `on_session_starting` is waited for: failing there refuses
    that one call.

    Raises:
        TypeError: when a subclass defines an `on_...` method that does not exist here.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_unknown_callbacks(cls, LifecycleCallbacks)

    async def on_startup(self) -> None:
        """Run once when the host starts this agent. Raising marks the agent broken."""

    async def on_shutdown(self) -> None:
        """Run once when the host stops, after the last session ended."""

    async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
        """Return the configuration for this caller. Raising refuses the call."""
        return config

    async def on_session_created(self, session: Session) -> None:
        """A session has begun."""

    async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
        """The caller finished a turn."""

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        """A reply was spoken to its end, or interrupted."""

    async def on_tool_call(self, session: Session, call: ToolCall) -> None:
        """A tool ran."""

    async def on_error(self, session: Session, error: SessionError) -> None:
        """Something went wrong; the call may go on."""

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        """The session is over, for whatever reason. Exactly once after `on_session_created`."""
