"""The host's implementation of `voice_host_sdk.Session`: what callbacks and tools are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from voice_host.conversation.turn import active_turn
from voice_host.observability.logs import get_logger
from voice_host.plain_data import valid_unicode
from voice_host.sessions.resume_state import PendingRequest
from voice_host_sdk import Caller, Channel, Session

log = get_logger(__name__)

MAX_PENDING = 8
"""Requests that may wait while nobody is connected: the call is being set up (`on_session_created` may speak), or the
session is parked. Further ones are dropped."""


class Line(Protocol):
    """The connection of a session, as far as tools and callbacks may use it."""

    async def say(self, text: str) -> None: ...

    async def hang_up(self, reason: str) -> None: ...


class LiveSession(Session):
    """A session that speaks through its current connection."""

    def __init__(
        self,
        session_id: str,
        agent_id: str,
        *,
        caller: Caller | None = None,
        metadata: Mapping[str, Any] | None = None,
        channel: Channel | None = None,
    ) -> None:
        super().__init__(session_id, agent_id, caller=caller, metadata=metadata, channel=channel)
        self._line: Line | None = None
        self._pending: list[PendingRequest] = []
        self._end_parked: Callable[[str], object] | None = None
        self.on_pending: Callable[[], None] = _ignored
        """Called when a request has to wait for a connection."""

    @property
    def pending(self) -> tuple[PendingRequest, ...]:
        """The requests that wait for a connection."""
        return tuple(self._pending)

    async def attach(self, line: Line) -> None:
        """Connect the session to a line, and perform the pending requests."""
        self._line = line
        self._end_parked = None
        pending, self._pending = self._pending, []
        for request in pending:
            await _perform(request, line)

    def detach(self) -> None:
        """Disconnect the session."""
        self._line = None

    def park(self, end: Callable[[str], object], pending: Iterable[PendingRequest] = ()) -> None:
        """Keep what `say` is given until the caller comes back, and let `Session.end` call `end` at once."""
        self._line = None
        self._pending += pending
        self._end_parked = end
        for request in self._pending:
            if request.action == "end":  # requested while the connection was being closed
                end(request.text)
                return

    async def say(self, text: str) -> None:
        text = valid_unicode(text)
        if self._may_act("say") and text.strip():
            await self._request(PendingRequest("say", text))

    async def end(self, reason: str = "") -> None:
        if not self._may_act("end"):
            return
        reason = valid_unicode(reason)
        if self._end_parked is not None:
            self._end_parked(reason)
        else:
            await self._request(PendingRequest("end", reason))

    async def _request(self, request: PendingRequest) -> None:
        if self._line is not None:
            await _perform(request, self._line)
        elif len(self._pending) < MAX_PENDING:
            self._pending.append(request)
            self.on_pending()

    def _may_act(self, action: str) -> bool:
        # A tool that outlived its reply must not speak or hang up in a conversation that has moved on.
        turn = active_turn.get()
        if turn is None or turn.alive:
            return True
        log.info("stale_session_action_ignored", action=action, session_id=self.id, agent_id=self.agent_id)
        return False


def _ignored() -> None:
    """The default of `LiveSession.on_pending`."""


async def _perform(request: PendingRequest, line: Line) -> None:
    if request.action == "say":
        await line.say(request.text)
    else:
        await line.hang_up(request.text)
