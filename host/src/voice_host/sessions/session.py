"""A session as the manager keeps it, across its connections."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from voice_host.conversation.history import to_plain
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability.logs import get_logger
from voice_host.plain_data import json_part, plain_caller
from voice_host.sessions.callbacks import CallbackRunner
from voice_host.sessions.live_session import LiveSession
from voice_host.sessions.resume_state import (
    MAX_HISTORY_BYTES,
    ResumeState,
    SuspendedCall,
    state_to_keep,
)
from voice_host.sessions.resume_token import ResumeKey
from voice_host_sdk import Caller, SessionEnd
from voice_host_sdk.session import EndReason

log = get_logger(__name__)


class Connection(Protocol):
    """A call connected to a session, as the manager sees it."""

    @property
    def origin(self) -> str | None:
        """Where it comes from: sessions of one origin are counted together when too many wait. None: not known."""

    @property
    def lost(self) -> bool:
        """Whether it ended without either side ending the conversation."""

    def snapshot(self) -> SuspendedCall:
        """Return the state of the call while it goes on. A turn that is being answered counts as unanswered, unless a
        tool has run for it. Returns at once."""

    def drop(self, reason: EndReason) -> None:
        """End the call, and tell the caller why. Returns at once."""

    def replace(self) -> None:
        """End the call, because a newer connection takes over its session. Returns at once."""

    def revoke(self) -> None:
        """End the call, because the caller's key was revoked. Returns at once."""

    def warn(self, code: str, message: str) -> None:
        """Send the caller a warning. Returns at once."""


@dataclass(slots=True, eq=False)
class ManagedSession:
    """One session. Times are in seconds, by the manager's clock."""

    live: LiveSession
    """The session as callbacks and tools see it."""
    agent: VoiceAgent
    callbacks: CallbackRunner
    created_at: float
    last_used: float
    turns: int = 0
    worst_first_audio_ms: float | None = None
    """The longest time from the end of a turn to the first audio of its reply; None: no reply was spoken."""
    connection: Connection | None = None
    parked_at: float | None = None
    """Since when the session waits for its caller to come back; None: it does not."""
    origin: str | None = None
    """That of the last connection."""
    suspended: SuspendedCall | None = None
    """The state of the last call, if its connection was lost; the next call takes it."""
    key: ResumeKey = field(default_factory=ResumeKey)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last connection is closed completely."""

    @property
    def id(self) -> str:
        """The session's id."""
        return self.live.id

    def belongs_to(self, caller: Caller | None) -> bool:
        """Whether this caller began the session. Without authentication, every caller counts as the same."""
        owner = self.live.caller
        if owner is None or caller is None:
            return owner is caller
        return (owner.issuer, owner.identity) == (caller.issuer, caller.identity)

    def touch(self, now: float) -> None:
        """Restart the idle timeout."""
        self.last_used = now

    def count_turn(self) -> None:
        """The caller finished a turn."""
        self.turns += 1
        self.agent.on_used()

    def note_first_audio(self, after_ms: float) -> None:
        """Note how long after a turn the first audio of its reply was sent."""
        self.worst_first_audio_ms = max(after_ms, self.worst_first_audio_ms or 0.0)

    def begin(self) -> None:
        """Report the beginning to log and callbacks."""
        log.info("call_started", agent_id=self.live.agent_id, session_id=self.id)
        self.callbacks.created()

    async def end(self, reason: EndReason, detail: str, now: float) -> None:
        """Report the end to log and callbacks."""
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
        """Cancel the agent's work and run queued callbacks, without reporting an end: the session goes on elsewhere."""
        try:
            await self.agent.aclose()
        finally:
            await self.callbacks.close()

    def connect(self, connection: Connection) -> None:
        """Note that a call uses the session."""
        self.connection = connection
        self.origin = connection.origin
        self.parked_at = None
        self.disconnected.clear()

    def disconnect(self, now: float) -> None:
        """Note that the connection is closed completely."""
        self.connection = None
        self.touch(now)
        self.disconnected.set()

    def resume_state(self, now: float) -> ResumeState:
        """Return the state from which the session can be restored elsewhere.

        Raises:
            ResumeStateTooLarge: `Session.state` exceeds its limit.
        """
        return ResumeState(
            session_id=self.id,
            agent_id=self.live.agent_id,
            caller=plain_caller(self.live.caller),
            metadata=json_part(self.live.metadata),
            state=state_to_keep(self.live.state),
            history=to_plain(self.agent.memory, MAX_HISTORY_BYTES),
            call=self.connection.snapshot() if self.connection is not None and not self.suspended else self.suspended,
            pending=self.live.pending,
            age_s=max(0.0, now - self.created_at),
            turns=self.turns,
            worst_first_audio_ms=self.worst_first_audio_ms,
            token_digest=self.key.digest,
        )
