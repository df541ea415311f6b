"""`LifecycleCallbacks`: methods of an agent that the host calls on startup, shutdown, and events of a session."""

from __future__ import annotations

import difflib
from typing import Any

from voice_host_sdk.agent_config import AgentConfig
from voice_host_sdk.channel import CallAnswer
from voice_host_sdk.session import AgentReply, Session, SessionEnd, SessionError, ToolCall, UserTurn


def refuse_unknown_callbacks(cls: type, base: type) -> None:
    """Raise `TypeError` if `cls` defines an `on_...` method that `base` lacks, since it would never be called."""
    known = [name for name in vars(base) if name.startswith("on_")]
    for name in vars(cls):
        if name.startswith("on_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            raise TypeError(f"{cls.__module__}.{cls.__qualname__}: there is no callback {name!r}; {hint}")


class LifecycleCallbacks:
    """Base class of no-op callbacks: override what you need.

    The callbacks of one session run in order, in the background; they never delay the call. Each has a time limit, and
    exceptions are logged under the agent's id and counted. Only `on_session_starting` is awaited by the call: if it
    raises, that call is refused.

    Raises:
        TypeError: a subclass defines an `on_...` method that does not exist here.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_unknown_callbacks(cls, LifecycleCallbacks)

    async def on_startup(self) -> None:
        """Called once when the host starts this agent. If it raises, the agent is marked broken."""

    async def on_shutdown(self) -> None:
        """Called once when the host stops, after the last session has ended."""

    async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
        """Return the configuration for this caller. If it raises, the call is refused."""
        return config

    async def on_session_created(self, session: Session) -> None:
        """A session has begun."""

    async def on_session_restored(self, session: Session) -> None:
        """The session continues in another process, because its own was lost or replaced. New in 1.1.

        `session` is a new object with the same id, caller and metadata, and with the entries of `Session.state` that
        are JSON: recreate the others here. Tools that were running are lost. `on_session_starting` ran again before
        this; `on_session_created` does not.
        """

    async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
        """The caller finished a turn."""

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        """A reply was spoken to its end or interrupted."""

    async def on_tool_call(self, session: Session, call: ToolCall) -> None:
        """A tool ran."""

    async def on_dtmf(self, session: Session, digit: str) -> None:
        """The caller pressed a telephone key: 0 to 9, `*` or `#`. New in 1.1.

        Also called for digits that `Session.collect_digits` takes.
        """

    async def on_answered(self, session: Session, answer: CallAnswer) -> None:
        """The carrier found out who answered an outbound call: a person or a machine. New in 1.1.

        Only if the call was made with answering-machine detection. It takes some seconds, during which the agent and
        whoever answered may speak already.
        """

    async def on_error(self, session: Session, error: SessionError) -> None:
        """Something went wrong; the call may go on."""

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        """The session has ended, for any reason. Called exactly once after `on_session_created`."""
