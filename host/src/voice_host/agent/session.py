"""The host's side of `voice_host_sdk.Session`."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from voice_host.logs import get_logger
from voice_host_sdk import Caller, Session

if TYPE_CHECKING:
    from voice_host.agent.turn import AgentTurn

log = get_logger(__name__)

active_turn: ContextVar[AgentTurn | None] = ContextVar("active_turn", default=None)
"""The turn on whose behalf the current task runs; a tool inherits it."""


class Line(Protocol):
    """The connection of a session, as far as tools and callbacks may use it."""

    async def say(self, text: str) -> None: ...

    async def hang_up(self, reason: str) -> None: ...


class LiveSession(Session):
    """A session that can speak through whatever connection it has at the moment."""

    def __init__(
        self, session_id: str, agent_id: str, *, caller: Caller | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(session_id, agent_id, caller=caller, metadata=metadata)
        self._line: Line | None = None

    def attach(self, line: Line | None) -> None:
        """Connect the session to a line, or with None take it off."""
        self._line = line

    async def say(self, text: str) -> None:
        if self._may_act("say") and self._line is not None and text.strip():
            await self._line.say(text)

    async def end(self, reason: str = "") -> None:
        if self._may_act("end") and self._line is not None:
            await self._line.hang_up(reason)

    def _may_act(self, action: str) -> bool:
        # A tool that outlived its reply must not hang up on, or talk into, a conversation that has moved on.
        turn = active_turn.get()
        if turn is None or turn.alive:
            return True
        log.info("stale_session_action_ignored", action=action, session_id=self.id, agent_id=self.agent_id)
        return False
