"""A session as the manager keeps it: what lives on while its connection comes and goes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Protocol

from voice_host.admission import Ticket
from voice_host.conversation.history import to_plain
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability.logs import get_logger
from voice_host.sessions.callbacks import CallbackRunner
from voice_host.sessions.live_session import LiveSession
from voice_host.sessions.resume_state import (
    MAX_HISTORY_BYTES,
    ResumeState,
    SuspendedCall,
    json_part,
    state_to_keep,
)
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
class ManagedSession:
    """One session. Times are those of the manager's clock, in s."""

    live: LiveSession
    """What callbacks and tools are given."""
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
    suspended: SuspendedCall | None = None
    """Where the last call stood when its connection ended; taken by the call that goes on with it."""
    key: ResumeKey = field(default_factory=ResumeKey)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while nothing of a connection is left."""

    @property
    def id(self) -> str:
        """The session's id."""
        return self.live.id

    def belongs_to(self, caller: Caller | None) -> bool:
        """Tell whether this is who began the session. Where nobody is authenticated, everybody is."""
        owner = self.live.caller
        if owner is None or caller is None:
            return owner is caller
        return (owner.issuer, owner.identity) == (caller.issuer, caller.identity)

    def use(self, now: float) -> None:
        """Note that the session is used."""
        self.last_used = now

    def count_turn(self) -> None:
        """The caller finished a turn."""
        self.turns += 1
        self.agent.on_used()

    def note_first_audio(self, after_ms: float) -> None:
        """The first audio of a reply to a turn goes out, so long after the turn."""
        self.worst_first_audio_ms = max(after_ms, self.worst_first_audio_ms or 0.0)

    def begin(self) -> None:
        """Tell the log and the callbacks that the session begins."""
        log.info("call_started", agent_id=self.live.agent_id, session_id=self.id)
        self.callbacks.created()

    async def end(self, reason: EndReason, detail: str, now: float) -> None:
        """Tell the log and the callbacks that the session has ended."""
        end = SessionEnd(reason, detail, duration_s=now - self.created_at, turns=self.turns)
        worst_ms = self.worst_first_audio_ms
        log.info(
            "call_ended",
            agent_id=self.live.agent_id,
            session_id=self.id,
            reason=end.reason,
            duration_s=round(end.duration_s, 1),
            turns=end.turns,
            worst_first_audio_ms=None if worst_ms is None else round(worst_ms),
        )
        await self.callbacks.destroyed(end)

    async def let_go(self) -> None:
        """Stop the agent, and let the callbacks that are queued run, without an end: the session goes on elsewhere."""
        try:
            await self.agent.aclose()
        finally:
            await self.callbacks.close()

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

    def resume_state(self, now: float) -> ResumeState:
        """Return all that the conversation needs to go on elsewhere.

        Raises:
            ResumeStateTooLarge: `Session.state` is larger than is kept.
        """
        caller = self.live.caller
        return ResumeState(
            session_id=self.id,
            agent_id=self.live.agent_id,
            caller=caller and replace(caller, claims=json_part(caller.claims)),
            metadata=json_part(self.live.metadata),
            state=state_to_keep(self.live.state),
            history=to_plain(self.agent.memory, MAX_HISTORY_BYTES),
            call=self.suspended,
            pending=self.live.pending,
            age_s=max(0.0, now - self.created_at),
            turns=self.turns,
            worst_first_audio_ms=self.worst_first_audio_ms,
            token_digest=self.key.digest,
        )
