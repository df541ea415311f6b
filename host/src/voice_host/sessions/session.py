"""A session as the manager holds it: what lives on while its connection comes and goes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from voice_host.admission import Ticket
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability.logs import get_logger
from voice_host.sessions.callbacks import CallbackRunner
from voice_host.sessions.resume_token import ResumeKey
from voice_host_sdk import Caller, SessionEnd
from voice_host_sdk.session import EndReason

log = get_logger(__name__)


class Connection(Protocol):
    """A call that is connected to a session, as far as the manager may use it."""

    @property
    def place(self) -> Ticket | None:
        """Its place among the calls at once, which a connection that replaces it takes over; None: it has none."""

    @property
    def client_host(self) -> str | None:
        """The client's address; None: it has none."""

    @property
    def lost(self) -> bool:
        """Whether it ended without anybody wanting the conversation to end."""

    def drop(self, reason: EndReason) -> None:
        """Tell the caller why, and end the call. Returns at once."""

    def replace(self) -> None:
        """End the call because a newer connection takes its session over. Returns at once."""

    def revoke(self) -> None:
        """End the call because whoever began it may call no more. Returns at once."""

    def warn(self, code: str, message: str) -> None:
        """Tell the caller something that does not end the call. Returns at once."""


@dataclass(slots=True, eq=False)
class HeldSession:
    """One session. Times are those of the manager's clock, in s."""

    id: str
    agent: VoiceAgent
    callbacks: CallbackRunner
    created_at: float
    last_used: float
    turns: int = 0
    worst_first_audio_ms: float | None = None
    """The longest time that a turn waited for the first audio of its reply; None: none was answered aloud."""
    connection: Connection | None = None
    parked_at: float | None = None
    """Since when nobody is connected, while the caller may come back; None: connected, or never to be resumed."""
    client_host: str | None = None
    """The address of the last client that was connected."""
    left_off: Any = None
    """Where the last connection left the conversation; belongs to whoever runs calls."""
    key: ResumeKey = field(default_factory=ResumeKey)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nothing of a connection is left."""

    def belongs_to(self, caller: Caller | None) -> bool:
        """Tell whether this is who began the session. Where nobody is authenticated, everybody is."""
        owner = self.agent.session.caller
        if owner is None or caller is None:
            return owner is caller
        return (owner.issuer, owner.identity) == (caller.issuer, caller.identity)

    def use(self, now: float) -> None:
        """Note that the session is used."""
        self.last_used = now

    def note_first_audio(self, after_ms: float) -> None:
        """The first audio of a reply to a turn goes out, so long after the turn."""
        self.worst_first_audio_ms = max(after_ms, self.worst_first_audio_ms or 0.0)

    def begin(self) -> None:
        """Tell the log and the callbacks that the session begins."""
        log.info("call_started", agent_id=self.agent.session.agent_id, session_id=self.id)
        self.callbacks.created()

    async def end(self, reason: EndReason, detail: str, now: float) -> None:
        """Tell the log and the callbacks that the session has ended."""
        end = SessionEnd(reason, detail, duration_s=now - self.created_at, turns=self.turns)
        worst_ms = self.worst_first_audio_ms
        log.info(
            "call_ended",
            agent_id=self.agent.session.agent_id,
            session_id=self.id,
            reason=end.reason,
            duration_s=round(end.duration_s, 1),
            turns=end.turns,
            worst_first_audio_ms=None if worst_ms is None else round(worst_ms),
        )
        await self.callbacks.destroyed(end)

    def connect(self, connection: Connection) -> None:
        """A call begins to use the session."""
        self.connection = connection
        self.client_host = connection.client_host
        self.parked_at = None
        self.free.clear()

    def disconnect(self, now: float) -> None:
        """The call has left nothing behind."""
        self.connection = None
        self.use(now)
        self.free.set()
