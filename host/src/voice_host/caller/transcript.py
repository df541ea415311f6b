"""`Transcript`: what happens in a call of a host in this process, for callers whose client protocol does not say."""

from __future__ import annotations

from collections.abc import Callable

from voice_host.caller.line import Message
from voice_host_sdk import AgentReply, ObservedSession, SessionError, SessionObserver, ToolCall, UserTurn


class Transcript(SessionObserver):
    """Reports what the agent heard, said and did, as messages of the call protocol.

    Args:
        on_message: called with each.
        tools_only: leave out what the client protocol reports.
    """

    def __init__(self, on_message: Callable[[Message], None], *, tools_only: bool = False) -> None:
        self._on_message = on_message
        self._tools_only = tools_only

    async def on_session_created(self, session: ObservedSession) -> None:
        """Report the beginning."""
        if not self._tools_only:
            self._on_message({"type": "ready", "agent": session.agent_id, "session_id": session.session_id})

    async def on_user_turn(self, session: ObservedSession, turn: UserTurn) -> None:
        """Report what was heard."""
        if not self._tools_only:
            self._on_message({"type": "turn", "text": turn.text})

    async def on_tool_call(self, session: ObservedSession, call: ToolCall) -> None:
        """Report a tool."""
        self._on_message({"type": "tool_call", "name": call.name, "arguments": call.arguments})
        self._on_message({"type": "tool_result", "name": call.name, "ok": call.ok})

    async def on_agent_reply(self, session: ObservedSession, reply: AgentReply) -> None:
        """Report a reply, and how much of it was heard."""
        if self._tools_only:
            return
        self._on_message({"type": "chat", "text": reply.text})
        if reply.interrupted:
            self._on_message({"type": "cancelled", "heard": reply.heard})

    async def on_error(self, session: ObservedSession, error: SessionError) -> None:
        """Report an error."""
        if not self._tools_only:
            self._on_message({"type": "error", "message": error.message, "code": error.code})
