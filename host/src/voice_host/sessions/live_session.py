"""The host's implementation of `voice_host_sdk.Session`: what callbacks and tools are given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from voice_host.conversation.turn import AgentTurn, active_turn
from voice_host.observability.logs import get_logger
from voice_host.plain_data import valid_unicode
from voice_host.sessions.phone_requests import DigitsWanted, checked_digits, checked_number
from voice_host.sessions.resume_state import PendingRequest
from voice_host.tenancy import not_counted
from voice_host_sdk import Caller, Channel, ChannelError, Session

log = get_logger(__name__)

MAX_PENDING = 8
"""Requests that may wait while nobody is connected: the call is being set up (`on_session_created` may speak), or the
session is parked. Further ones are dropped."""


CONNECT_TIMEOUT_S = 10.0
"""How long a callback that runs before the call has begun waits for it. It takes some milliseconds."""

STALE = "the reply that this was asked for was interrupted, so nothing was done"


class Phone(Protocol):
    """A telephone call, beside speech. All but `spoken` raise `ChannelError`."""

    async def spoken(self) -> None:
        """Wait until the agent has finished speaking."""

    async def collect_digits(self, wanted: DigitsWanted, is_wanted: Callable[[], bool]) -> str:
        """Wait for digits, while `is_wanted`."""

    @property
    def plays_tones(self) -> bool:
        """Whether digits are sent as tones in the agent's audio, so that they have to wait for its speech."""

    async def transfer(self, to: str) -> None:
        """Transfer the call, which ends."""

    async def send_digits(self, digits: str) -> None:
        """Send digits into the call."""


class Line(Protocol):
    """The connection of a session, as far as tools and callbacks may use it."""

    @property
    def phone(self) -> Phone: ...

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
        self._attached = asyncio.Event()  # it is, or was, connected
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
        self._attached.set()
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
        self._attached.set()
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

    # --- telephone calls --------------------------------------------------------------------------------------------

    async def collect_digits(
        self, count: int | None = None, *, finish: str = "#", timeout_s: float = 10.0, between_s: float = 4.0
    ) -> str:
        if self.channel.kind != "phone":
            return await super().collect_digits(count)
        wanted = DigitsWanted(count, finish, timeout_s, between_s)
        with not_counted():  # else a tool would need a time limit for the slowest of callers
            phone = await self._phone("collect_digits")
            return await phone.collect_digits(wanted, _still_alive(active_turn.get()))

    async def transfer(self, to: str) -> None:
        if self.channel.kind != "phone":
            await super().transfer(to)
        checked_number(to)
        with not_counted():
            phone = await self._phone("transfer")
            await phone.spoken()
        await (await self._phone("transfer")).transfer(to)

    async def send_digits(self, digits: str) -> None:
        if self.channel.kind != "phone":
            await super().send_digits(digits)
        checked_digits(digits)
        with not_counted():
            phone = await self._phone("send_digits")
            if phone.plays_tones:
                await phone.spoken()
            await (await self._phone("send_digits")).send_digits(digits)

    async def _phone(self, action: str) -> Phone:
        """Return the telephone that is connected. Raises `ChannelError` if there is none, or the tool is stale."""
        if not self._may_act(action):
            raise ChannelError(STALE)
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._attached.wait()
        if self._line is None:
            raise ChannelError("the caller is not connected")
        return self._line.phone

    # ----------------------------------------------------------------------------------------------------------------

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


def _still_alive(turn: AgentTurn | None) -> Callable[[], bool]:
    return lambda: turn is None or turn.alive


def _ignored() -> None:
    """The default of `LiveSession.on_pending`."""


async def _perform(request: PendingRequest, line: Line) -> None:
    if request.action == "say":
        await line.say(request.text)
    else:
        await line.hang_up(request.text)
