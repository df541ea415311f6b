"""The host's side of `voice_host_sdk.Session`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from voice_host.conversation.turn import active_turn
from voice_host.observability.logs import get_logger
from voice_host.valid_unicode import valid_unicode
from voice_host_sdk import Caller, Session

log = get_logger(__name__)

MAX_EARLY = 8
"""Requests kept for a call that is being connected (`on_session_created` may speak), or whose caller may come back;
further ones are dropped."""


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
        self._early: list[Callable[[Line], Awaitable[None]]] | None = []  # while a line is to come
        self._hang_up: Callable[[str], object] | None = None  # while the caller may come back

    async def attach(self, line: Line) -> None:
        """Connect the session to a line. What was asked for while there was none is done now."""
        self._line = line
        self._hang_up = None
        early, self._early = self._early or [], None
        for request in early:
            await request(line)

    def detach(self) -> None:
        """Take the session off its line."""
        self._line = None

    def park(self, hang_up: Callable[[str], object]) -> None:
        """The caller may come back: what is to be said waits for that, and `end` ends the session by `hang_up`."""
        self._line = None
        self._early = []
        self._hang_up = hang_up

    async def say(self, text: str) -> None:
        text = valid_unicode(text)
        if self._may_act("say") and text.strip():
            await self._ask(lambda line: line.say(text))

    async def end(self, reason: str = "") -> None:
        if not self._may_act("end"):
            return
        if self._hang_up is not None:
            self._hang_up(reason)
        else:
            await self._ask(lambda line: line.hang_up(reason))

    async def _ask(self, request: Callable[[Line], Awaitable[None]]) -> None:
        if self._line is not None:
            await request(self._line)
        elif self._early is not None and len(self._early) < MAX_EARLY:
            self._early.append(request)

    def _may_act(self, action: str) -> bool:
        # A tool that outlived its reply must not hang up on, or talk into, a conversation that has moved on.
        turn = active_turn.get()
        if turn is None or turn.alive:
            return True
        log.info("stale_session_action_ignored", action=action, session_id=self.id, agent_id=self.agent_id)
        return False
