"""`VoiceAgentManager`: creates, resumes and ends the sessions of an agent, each exactly once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from voice_host.clock import now_s
from voice_host.conversation.agent_arguments import given_config, given_key
from voice_host.conversation.runtime import AgentRuntime, default_runtime
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.sessions.callbacks import EventSink, run_callback
from voice_host.sessions.factory import SessionFactory
from voice_host.sessions.id_locks import IdLocks
from voice_host.sessions.live_session import LiveSession
from voice_host.sessions.observers import Observers
from voice_host.sessions.parking import Parking
from voice_host.sessions.refusals import SessionHere, ShuttingDown
from voice_host.sessions.resumability import ResumeListener
from voice_host.sessions.resume_state import ResumeState
from voice_host.sessions.session import Connection, ManagedSession
from voice_host.sessions.sweeper import Sweeper
from voice_host.settings import AgentsSettings, ServerSettings
from voice_host.tasks import in_background
from voice_host_sdk import AgentConfig, Caller, Channel, LifecycleCallbacks, STTConfig, TTSConfig
from voice_host_sdk.session import EndReason

log = get_logger(__name__)

OnCreated = Callable[[str, VoiceAgent], Awaitable[None]]
OnDestroyed = Callable[[str], Awaitable[None]]

DEFAULT_TTL_S = 3600.0
DEFAULT_RESUME_GRACE_S = 30.0
DEFAULT_MAX_PARKED = 1000
DEFAULT_CALLBACK_TIMEOUT_S = AgentsSettings().callback_timeout_s
DEFAULT_CLOSE_TIMEOUT_S = ServerSettings().stop_timeout_s


class VoiceAgentManager:
    """The sessions of one agent.

    The agent is described by single fields or by `config`. Omitted fields have the defaults of `AgentConfig`.

    Args:
        assemblyai_api_key: for speech-to-text and the gateway's default model; default: the environment's, or none.
        ttl_seconds: idle seconds after which a session ends, unless a call is connected to it. 0: no expiry.
        model: pydantic-ai's name of a model, or the gateway's.
        tools: functions the model may use; added to those of `config`.
        instructions: what the model is told.
        max_steps: requests to the model within one reply.
        model_settings: sent to the model with each request: temperature, max_tokens, ...
        stt_config: how the agent listens.
        tts_config: the voice; replaces that of `config`.
        greeting: spoken when a call begins; empty: the caller speaks first.
        voice_rules: appended to the instructions: how to word things that are spoken.
        on_session_created: `async (session_id, agent)`, when `get_or_create` creates.
        on_session_destroyed: `async (session_id)`, when a session ends.
        config: the whole agent, in place of single fields.
        callbacks: an installed agent's callbacks.
        runtime: an installed agent's shared runtime; default: one of its own.
        observers: the platform's, notified of every session.
        listener: is told what is needed to restore sessions elsewhere.
        resume_grace_s: seconds for which a caller whose connection was lost may come back; 0: not at all.
        max_parked: sessions that may wait for their callers; beyond that, one of the caller with most of them ends.
        callback_timeout_s: seconds that each callback may take.
        close_timeout_s: seconds for which `aclose_all` waits for connected calls to end.
        clock: seconds, monotonic; where calls run, that of the event loop.

    Raises:
        TypeError: single fields other than `tools` and `tts_config` are combined with `config`.
        ValueError: `ttl_seconds` is negative, or a field of the agent is invalid.
        ModelConfigError, SettingsError: the model, a model setting or the host's settings are invalid.
    """

    def __init__(
        self,
        assemblyai_api_key: str | None = None,
        *,
        ttl_seconds: float = DEFAULT_TTL_S,
        model: str | None = None,
        tools: Sequence[Any] = (),
        instructions: str | None = None,
        max_steps: int | None = None,
        model_settings: Mapping[str, Any] | None = None,
        stt_config: STTConfig | None = None,
        tts_config: TTSConfig | None = None,
        greeting: str | None = None,
        voice_rules: str | None = None,
        on_session_created: OnCreated | None = None,
        on_session_destroyed: OnDestroyed | None = None,
        config: AgentConfig | None = None,
        callbacks: LifecycleCallbacks | None = None,
        runtime: AgentRuntime | None = None,
        observers: EventSink | None = None,
        listener: ResumeListener | None = None,
        resume_grace_s: float = DEFAULT_RESUME_GRACE_S,
        max_parked: int = DEFAULT_MAX_PARKED,
        callback_timeout_s: float = DEFAULT_CALLBACK_TIMEOUT_S,
        close_timeout_s: float = DEFAULT_CLOSE_TIMEOUT_S,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self.assemblyai_api_key = given_key(assemblyai_api_key)
        """The key that was given, for choosing speech services; None: the environment's is used."""
        self.config = given_config(
            config,
            runtime.config if runtime is not None else AgentConfig(),
            tools=tools,
            tts_config=tts_config,
            model=model,
            instructions=instructions,
            max_steps=max_steps,
            model_settings=model_settings,
            stt_config=stt_config,
            greeting=greeting,
            voice_rules=voice_rules,
        )
        if not ttl_seconds >= 0:
            raise ValueError("ttl_seconds must be 0 (no expiry) or more")
        self._owns_runtime = runtime is None
        self._runtime = (
            runtime.variant(self.config) if runtime else default_runtime(self.config, self.assemblyai_api_key)
        )
        self._listener = listener
        self._on_created = on_session_created
        self._on_destroyed = on_session_destroyed
        self._factory = SessionFactory(
            self._runtime,
            self.config,
            callbacks or LifecycleCallbacks(),
            observers or Observers(),
            callback_timeout_s=callback_timeout_s,
            clock=clock,
        )
        self._ttl_s = ttl_seconds or math.inf
        self._callback_timeout_s = callback_timeout_s
        self._close_timeout_s = close_timeout_s
        self._clock = clock
        self._sessions: dict[str, ManagedSession] = {}
        self._parking = Parking(
            self.agent_id,
            self._sessions,
            grace_s=resume_grace_s,
            max_parked=max_parked,
            end=self._begin_end,
            clock=clock,
        )
        self._locks = IdLocks()
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._hurried = False
        self._emptied = asyncio.Event()
        interval_s = max(0.05, min(self._ttl_s / 4, (resume_grace_s or 120) / 4, 30))
        self._sweeper = Sweeper(self.agent_id, interval_s, self.expire_idle)

    @property
    def agent_id(self) -> str:
        """The id of the agent."""
        return self._runtime.agent_id

    @property
    def tts_config(self) -> TTSConfig:
        """The voice of new sessions."""
        return self.config.tts_config

    @property
    def model_name(self) -> str:
        """The name of the model, for display."""
        return self._runtime.model.name

    async def active_sessions(self) -> int:
        """Return how many sessions have begun and not ended, connected or not."""
        return len(self._sessions)

    @property
    def connected_calls(self) -> int:
        """How many sessions have a call connected now."""
        return sum(session.connection is not None for session in self._sessions.values())

    @property
    def parked_sessions(self) -> int:
        """How many sessions wait for their callers to come back."""
        return self._parking.count

    def session(self, session_id: str) -> ManagedSession | None:
        """Return the session of that id, if it has begun and not ended."""
        return self._sessions.get(session_id)

    def sessions(self) -> tuple[ManagedSession, ...]:
        """Return all sessions that have begun and not ended."""
        return tuple(self._sessions.values())

    # --- sessions begin -------------------------------------------------------------------------------------------

    async def get_or_create(
        self,
        session_id: str,
        *,
        caller: Caller | None = None,
        metadata: Mapping[str, Any] | None = None,
        channel: Channel | None = None,
    ) -> VoiceAgent:
        """Return the conversation of that id; create it if there is none.

        Raises:
            SessionRefused: `on_session_starting` failed, or the manager is closed.
        """
        async with self._locks.holding(session_id):
            if session := self._sessions.get(session_id):
                session.touch(self._clock())
                return session.agent
            await self._until_ended(session_id)
            live = LiveSession(session_id, self.agent_id, caller=caller, metadata=metadata, channel=channel)
            session = await self._factory.make(live)
            self._keep(session)
            session.begin()
            if (on_created := self._on_created) is not None:
                try:
                    await self._run("on_session_created", lambda: on_created(session_id, session.agent))
                except asyncio.CancelledError:
                    await self.remove(session_id, "failed")  # nobody will use it
                    raise
            return session.agent

    def _keep(self, session: ManagedSession) -> None:
        if self._parking.closed:
            raise ShuttingDown("the server is shutting down")
        self._sessions[session.id] = session
        if self._listener is not None:
            session.send_checkpoints(self._listener, self._clock)
        self._sweeper.start()

    # --- connections come and go ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def connected(self, session_id: str, connection: Connection) -> AsyncIterator[None]:
        """Connect a call to the session, which does not expire meanwhile. It is parked if the connection is lost."""
        session = self._sessions[session_id]
        self._parking.unpark(session)
        session.connect(connection)
        metrics.CALLS_ACTIVE.labels(self.agent_id).inc()
        try:
            yield
        finally:
            metrics.CALLS_ACTIVE.labels(self.agent_id).dec()
            session.disconnect(self._clock())
            if not (connection.lost and self._parking.keeps(session)):
                session.key.revoke()
            elif self._sessions.get(session_id) is session:
                self._parking.park(session)
                session.checkpoint_now()

    def resume_token(self, session_id: str) -> str | None:
        """Return a new resume token for the session's caller; None: sessions are not resumed."""
        session = self._sessions[session_id]
        token = self._parking.resume_token(session)
        session.announce_token()
        return token

    async def resume(self, token: str, *, caller: Caller | None = None) -> ManagedSession:
        """Return the session of a resume token, to which the new connection must be `connected` at once.

        A connection that is still there is ended first: the newest one wins.

        Raises:
            ResumeRefused: the token is invalid.
            SessionRefused: the last connection was not closed in time; the token is still valid.
        """
        return await self._parking.resume(token, caller)

    def check_resume(self, token: str, caller: Caller | None = None) -> None:
        """Raise what `resume` would raise, without resuming anything or using the token up."""
        self._parking.opened_by(token, caller)

    async def call_ended(self, session_id: str, reason: EndReason, detail: str = "") -> None:
        """End the session of a call that has ended, unless the session is parked or has a newer connection."""
        session = self._sessions.get(session_id)
        if session is None or (session.connection is None and session.parked_at is None):
            await self.remove(session_id, reason, detail)

    # --- sessions move --------------------------------------------------------------------------------------------

    def resume_state(self, session_id: str) -> ResumeState:
        """Return the state from which a session can be restored elsewhere, also while a call is connected to it.

        Raises:
            KeyError: there is no such session.
            ResumeStateTooLarge: `Session.state` exceeds its limit.
        """
        return self._sessions[session_id].resume_state(self._clock())

    def suspend(self, session_id: str) -> ResumeState:
        """Remove a session, for another manager to restore it from the returned state.

        `on_session_destroyed` does not run, since the session goes on elsewhere. Tools that still run are cancelled,
        and queued callbacks run, in the background.

        Raises:
            KeyError: there is no such session.
            ValueError: a call is connected to it.
            ResumeStateTooLarge: `Session.state` exceeds its limit. The session is kept.
        """
        session = self._sessions[session_id]
        if session.connection is not None:
            raise ValueError("a call is connected to the session: end the call before suspending the session")
        state = session.resume_state(self._clock())
        self._take_out(session_id)
        log.info("session_suspended", agent_id=self.agent_id, session_id=session_id)
        self._finish(session_id, session.let_go())
        return state

    async def restore(self, state: ResumeState, *, elapsed_s: float = 0.0) -> None:
        """Continue a session that another manager suspended. Its resume token remains valid.

        `on_session_starting` runs again, since the configuration is not part of the state; `on_session_created` does
        not. The grace period begins anew.

        Args:
            elapsed_s: seconds since the state was made, which count towards the time limits of the call.

        Raises:
            ResumeStateError: the state belongs to another agent, or its history cannot be read.
            SessionRefused: `on_session_starting` failed, or the manager is closed.
            SessionHere: there is a session of that id.
        """
        async with self._locks.holding(state.session_id):
            if state.session_id in self._sessions:
                raise SessionHere(f"the session {state.session_id!r} is here already")
            await self._until_ended(state.session_id)
            session = await self._factory.restore(state, elapsed_s)
            self._keep(session)
            session.go_on()
            if state.token_digest is not None and self._parking.allowed:
                self._parking.park(session, state.pending)

    # --- ends -----------------------------------------------------------------------------------------------------

    async def remove(self, session_id: str, reason: EndReason = "removed", detail: str = "") -> bool:
        """End a session: cancel its work, run its last callbacks. Returns False if there is no session of that id."""
        found = self._begin_end(session_id, reason, detail)
        await self._until_ended(session_id)
        return found

    async def _until_ended(self, session_id: str) -> None:
        """Wait for the last callback of a session that is ending."""
        if ending := self._ending.get(session_id):
            await asyncio.wait([ending])

    def _begin_end(self, session_id: str, reason: EndReason, detail: str) -> bool:
        if (session := self._take_out(session_id)) is None:
            return False
        session.announce_end()
        if session.connection is not None:
            session.connection.drop(reason)
        self._finish(session_id, self._end(session, reason, detail))
        return True

    def _take_out(self, session_id: str) -> ManagedSession | None:
        """Remove the session from those that can be found."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._parking.unpark(session)
            session.stop_checkpoints()
            session.key.revoke()
        if not self._sessions:
            self._emptied.set()
        return session

    def _finish(self, session_id: str, work: Coroutine[Any, Any, None]) -> None:
        # In a task, so that the session gets its last callback even if the caller of `remove` is cancelled.
        ending = in_background(work, "end", of=session_id)
        self._ending[session_id] = ending
        ending.add_done_callback(lambda _: self._ending.pop(session_id, None))

    async def _end(self, session: ManagedSession, reason: EndReason, detail: str) -> None:
        metrics.CALLS_ENDED.labels(self.agent_id, reason).inc()
        try:
            await session.agent.aclose()
        finally:
            await session.end(reason, detail, self._clock())
        if (on_destroyed := self._on_destroyed) is not None:
            await self._run("on_session_destroyed", lambda: on_destroyed(session.id))

    async def expire_idle(self) -> None:
        """End the sessions whose callers did not come back in time, and those that were idle for too long."""
        for session_id in [id_ for id_, session in self._sessions.items() if self._expiry(session)]:
            session = self._sessions.get(session_id)  # it may be in use again by now
            if session is not None and (reason := self._expiry(session)) is not None:
                await self.remove(session_id, reason)

    def _expiry(self, session: ManagedSession) -> EndReason | None:
        if session.connection is not None or session.agent.busy:
            return None
        if self._parking.expired(session):
            return "lost"
        return "expired" if session.last_used <= self._clock() - self._ttl_s else None

    async def drain(self, timeout_s: float) -> None:
        """Begin no more sessions, end those without a call, and wait for calls to end, `timeout_s` at most."""
        self._parking.close()
        await self._end_unconnected()
        if not self._sessions or timeout_s <= 0 or self._hurried:
            return
        self._emptied.clear()
        for session in self._sessions.values():
            if session.connection is not None:
                session.connection.warn("draining", f"The server shuts down within {timeout_s:.0f} seconds.")
        await self._emptied_within(timeout_s)

    def hurry(self) -> None:
        """Make `drain` return at once."""
        self._hurried = True
        self._emptied.set()

    async def aclose_all(self) -> None:
        """End all sessions, after telling connected callers, and stop. Idempotent."""
        self._parking.close()
        await self._sweeper.stop()
        connected = [session.connection for session in self._sessions.values() if session.connection is not None]
        if connected:
            self._emptied.clear()
        for connection in connected:
            connection.drop("shutdown")
        await self._end_unconnected()
        if connected and self._sessions and not await self._emptied_within(self._close_timeout_s):
            log.warning("calls_did_not_end", agent_id=self.agent_id, calls=len(self._sessions))
        for session_id in list(self._sessions):
            await self.remove(session_id, "shutdown")
        if self._ending:
            await asyncio.wait(self._ending.values())
        if self._owns_runtime:
            await self._runtime.aclose()

    async def _end_unconnected(self) -> None:
        for session_id in [id_ for id_, session in self._sessions.items() if session.connection is None]:
            await self.remove(session_id, "shutdown")

    async def _emptied_within(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._emptied.wait()
        except TimeoutError:
            return False

    async def _run(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        await run_callback(self.agent_id, name, call, self._callback_timeout_s)
