"""Callbacks, the records they get, and a configuration of the caller's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from voice_host_sdk import (
    AgentConfig,
    AgentReply,
    Caller,
    LifecycleCallbacks,
    Session,
    SessionEnd,
    SessionError,
    ToolCall,
    UserTurn,
)
from voice_host_sdk.session import EndReason


class Callbacks(LifecycleCallbacks):
    async def on_startup(self) -> None: ...

    async def on_shutdown(self) -> None: ...

    async def on_session_starting(self, session: Session, config: AgentConfig) -> AgentConfig:
        name = session.caller.claims.get("name") if session.caller else session.metadata.get("name")
        return config.model_copy(update={"greeting": f"Hello {name}."})

    async def on_session_created(self, session: Session) -> None:
        session.state["turns"] = 0

    async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
        assert_type(turn.typed, bool)
        turn.text = ""  # type: ignore[misc]

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        assert_type((reply.reply, reply.heard, reply.interrupted), tuple[int, str, bool])

    async def on_tool_call(self, session: Session, call: ToolCall) -> None:
        assert_type(call.arguments, Mapping[str, Any])
        assert_type(call.duration_ms, float)

    async def on_error(self, session: Session, error: SessionError) -> None:
        assert_type(error.code, str)

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        assert_type(end.reason, EndReason)
        if end.reason == "gone":  # type: ignore[comparison-overlap]
            assert_type(end.turns, int)


class Wrong(LifecycleCallbacks):
    def on_startup(self) -> None: ...  # type: ignore[override]

    async def on_session_starting(self, session: Session, config: AgentConfig) -> None:  # type: ignore[override]
        """It forgets to return the configuration."""

    async def on_user_turn(self, session: Session, text: str) -> None:  # type: ignore[override]
        """It expects text, and gets a record."""

    async def on_session_destroyed(self, session: Session) -> None:  # type: ignore[override]
        """It does not take why."""


callbacks: LifecycleCallbacks = Callbacks()
Caller("kim", {"plan": "gold"})
Caller(identity=7)  # type: ignore[arg-type]
SessionEnd("gone")  # type: ignore[arg-type]
