"""A session as the manager keeps it, across its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic_ai.messages import ModelMessage

from voice_host.conversation.history import to_plain
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.plain_data import json_part, plain_caller
from voice_host.sessions.callbacks import CallbackRunner
from voice_host.sessions.checkpointing import Checkpoints
from voice_host.sessions.live_session import LiveSession
from voice_host.sessions.resumability import ResumeListener
from voice_host.sessions.resume_state import (
    MAX_HISTORY_BYTES,
    ResumeState,
    SuspendedCall,
    state_to_keep,
)
from voice_host.sessions.resume_token import ResumeKey, is_caller
from voice_host_sdk import Caller, SessionEnd
from voice_host_sdk.session import EndReason

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallSnapshot:
    """A call as it would be suspended if its connection were lost now.

    Attributes:
        suspended: its state.
        unsettled: the messages of replies that the history does not have yet, up to what was heard.
    """

    suspended: SuspendedCall
    unsettled: Sequence[ModelMessage] = ()


class Connection(Protocol):
    """A call connected to a session, as the manager sees it."""

    @property
    def origin(self) -> str | None:
        """Where it comes from: sessions of one origin are counted together when too many wait. None: not known."""

    @property
    def lost(self) -> bool:
        """Whether it ended without either side ending the conversation."""

    @property
    def closing(self) -> bool:
        """Whether its tasks are being stopped. After that, its state is in `ManagedSession.suspended`."""

    def snapshot(self) -> CallSnapshot:
        """Return the state of the call while it goes on. Returns at once."""

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
    checkpoints: Checkpoints | None = None
    """None: nobody wants them."""

    @property
    def id(self) -> str:
        """The session's id."""
        return self.live.id

    def belongs_to(self, caller: Caller | None) -> bool:
        """Whether this caller began the session. Without authentication, every caller counts as the same."""
        return is_caller(self.live.caller, caller)

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

    def go_on(self) -> None:
        """Report to log and callbacks that the session was restored."""
        metrics.SESSIONS_RESTORED.labels(self.live.agent_id).inc()
        log.info("session_restored", agent_id=self.live.agent_id, session_id=self.id)
        self.callbacks.restored()

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
        state, history = self.snapshot(now)
        return state.model_copy(update={"history": to_plain(history, MAX_HISTORY_BYTES)})

    def send_checkpoints(self, listener: ResumeListener, clock: Callable[[], float]) -> None:
        """Send checkpoints from now on, whenever something has changed that should survive the loss of this process."""

        def current() -> tuple[ResumeState, Sequence[ModelMessage]] | None:
            closing = self.connection is not None and self.connection.closing
            return None if closing or self.key.digest is None else self.snapshot(clock())

        self.checkpoints = Checkpoints(self.id, current, listener)
        self.agent.on_tools = self.checkpoints.now
        self.callbacks.on_idle = self.live.on_pending = self.checkpoints.soon

    def checkpoint_soon(self) -> None:
        """Note that something has changed which should survive the loss of this process."""
        if self.checkpoints is not None:
            self.checkpoints.soon()

    def checkpoint_now(self) -> None:
        """As `checkpoint_soon`, for changes that must be known elsewhere before anything else happens."""
        if self.checkpoints is not None:
            self.checkpoints.now()

    def announce_token(self) -> None:
        """Report that the session has a new resume token, or none."""
        if self.checkpoints is not None:
            self.checkpoints.token_issued(self.key.digest)

    def announce_end(self) -> None:
        """Report that the session must not be restored."""
        if self.checkpoints is not None:
            self.checkpoints.end()

    def stop_checkpoints(self) -> None:
        """Send no more checkpoints: the session ends, or goes on elsewhere."""
        if self.checkpoints is not None:
            self.checkpoints.stop()

    def snapshot(self, now: float) -> tuple[ResumeState, Sequence[ModelMessage]]:
        """Return the state without its history, and the history, also of replies under way.

        Raises:
            ResumeStateTooLarge: `Session.state` exceeds its limit.
        """
        call, history = self.suspended, self.agent.memory
        if call is None and self.connection is not None:
            taken = self.connection.snapshot()
            call, history = taken.suspended, [*history, *taken.unsettled]
        state = ResumeState(
            session_id=self.id,
            agent_id=self.live.agent_id,
            caller=plain_caller(self.live.caller),
            metadata=json_part(self.live.metadata),
            channel=self.live.channel,
            state=state_to_keep(self.live.state),
            call=call,
            pending=self.live.pending,
            age_s=max(0.0, now - self.created_at),
            turns=self.turns,
            worst_first_audio_ms=self.worst_first_audio_ms,
            token_digest=self.key.digest,
        )
        return state, history
