"""`VoiceAgentManager`: creates conversations, keeps them while they are wanted, and ends each exactly once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from voice_host.clock import now_s
from voice_host.conversation.agent_arguments import given_config, given_key
from voice_host.conversation.defaults import default_runtime
from voice_host.conversation.runtime import AgentRuntime
from voice_host.conversation.session import LiveSession
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.plugins import valid_config
from voice_host.sessions.callbacks import CallbackRunner, run_callback
from voice_host.sessions.observers import Observers
from voice_host.sessions.parking import greediest
from voice_host.sessions.refusals import ResumeRefused, SessionRefused, ShuttingDown
from voice_host.sessions.resume_token import session_of
from voice_host.sessions.session import Connection, HeldSession
from voice_host.sessions.sweeper import Sweeper
from voice_host.settings import AgentsSettings, ServerSettings
from voice_host.tasks import in_background
from voice_host.tenancy import acting_for, isolated
from voice_host_sdk import AgentConfig, Caller, LifecycleCallbacks, STTConfig, TTSConfig
from voice_host_sdk.session import EndReason

log = get_logger(__name__)

OnCreated = Callable[[str, VoiceAgent], Awaitable[None]]
OnDestroyed = Callable[[str], Awaitable[None]]

DEFAULT_TTL_S = 3600.0
DEFAULT_RESUME_GRACE_S = 30.0
DEFAULT_MAX_PARKED = 1000
DEFAULT_CALLBACK_TIMEOUT_S = AgentsSettings().callback_timeout_s
DEFAULT_CLOSE_TIMEOUT_S = ServerSettings().stop_timeout_s

TAKE_OVER_TIMEOUT_S = 10.0
"""How long a caller who comes back waits for the connection before to leave: its tools may be finishing."""


@dataclass(slots=True)
class _Start:
    """A session that is being begun: one caller does it, others of the same id wait."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class VoiceAgentManager:
    """All conversations of one agent.

    The agent is described by single fields or by `config`. What is not given has the default of `AgentConfig`.

    Args:
        assemblyai_api_key: for speech-to-text and the gateway's default model; default: the environment's, or none.
        ttl_seconds: idle seconds after which a session ends. One that a call is connected to never does. 0: no expiry.
        model: pydantic-ai's name of a model, or the gateway's.
        tools: functions the model may use; added to those of `config`.
        instructions: what the model is told.
        max_steps: requests to the model within one reply.
        model_settings: sent to the model with each request: temperature, max_tokens, ...
        stt_config: how the agent listens.
        tts_config: the voice; takes the place of the one in `config`.
        greeting: spoken when a call begins; empty: the caller speaks first.
        voice_rules: appended to the instructions: how to word things that are spoken.
        on_session_created: `async (session_id, agent)`, when `get_or_create` creates.
        on_session_destroyed: `async (session_id)`, when a session ends for whatever reason.
        config: the whole agent, in place of single fields.
        callbacks: an installed agent's callbacks.
        runtime: an installed agent's shared runtime; without one the manager builds its own.
        observers: the platform's, told of every session.
        resume_grace_s: seconds for which a caller whose connection was lost may come back; 0: not at all.
        max_parked: sessions that wait for their callers. Beyond it, one of whoever has most of them ends.
        callback_timeout_s: seconds that each callback may take.
        close_timeout_s: seconds for which `aclose_all` waits for connected calls to say goodbye.
        clock: seconds, monotonic.

    Raises:
        TypeError: single fields other than `tools` and `tts_config` are given beside `config`.
        ValueError: `ttl_seconds` is negative, or a field of the agent is wrong.
        ModelConfigError, SettingsError: the model, a model setting or the host's settings cannot be used.
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
        observers: Observers | None = None,
        resume_grace_s: float = DEFAULT_RESUME_GRACE_S,
        max_parked: int = DEFAULT_MAX_PARKED,
        callback_timeout_s: float = DEFAULT_CALLBACK_TIMEOUT_S,
        close_timeout_s: float = DEFAULT_CLOSE_TIMEOUT_S,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self.assemblyai_api_key = given_key(assemblyai_api_key)
        """The key that the manager was given, for whoever chooses its speech services; None: the environment's."""
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
        self._on_created = on_session_created
        self._on_destroyed = on_session_destroyed
        self._callbacks = callbacks or LifecycleCallbacks()
        self._observers = observers or Observers()
        self._ttl_s = ttl_seconds or math.inf
        self._grace_s = resume_grace_s
        self._max_parked = max_parked
        self._callback_timeout_s = callback_timeout_s
        self._close_timeout_s = close_timeout_s
        self._clock = clock
        self._sessions: dict[str, HeldSession] = {}
        self._starting: dict[str, _Start] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self._hurried = False
        self._emptied = asyncio.Event()
        interval_s = max(0.05, min(self._ttl_s / 4, (resume_grace_s or 120) / 4, 30))
        self._sweeper = Sweeper(self.agent_id, interval_s, self.expire_idle)

    @property
    def agent_id(self) -> str:
        """The id of the agent whose conversations these are."""
        return self._runtime.agent_id

    @property
    def tts_config(self) -> TTSConfig:
        """The voice a new session gets."""
        return self.config.tts_config

    @property
    def model_name(self) -> str:
        """The model that answers, as shown to people."""
        return self._runtime.model.name

    async def active_sessions(self) -> int:
        """Return how many sessions have begun and not ended, connected or not."""
        return len(self._sessions)

    @property
    def connected_calls(self) -> int:
        """Sessions a caller is connected to now."""
        return sum(held.connection is not None for held in self._sessions.values())

    @property
    def parked_sessions(self) -> int:
        """Sessions that wait for their callers to come back."""
        return sum(held.parked_at is not None for held in self._sessions.values())

    async def get_or_create(
        self, session_id: str, *, caller: Caller | None = None, metadata: Mapping[str, Any] | None = None
    ) -> VoiceAgent:
        """Return the conversation of that id, beginning it when there is none.

        Raises:
            SessionRefused: the agent does not take this call.
        """
        start = self._starting.setdefault(session_id, _Start())
        start.waiting += 1
        try:
            async with start.lock:
                if held := self._sessions.get(session_id):
                    held.use(self._clock())
                    return held.agent
                if ending := self._ending.get(session_id):
                    await asyncio.wait([ending])  # the old one is told its end before the new one its beginning
                return await self._create(session_id, caller, metadata)
        finally:
            start.waiting -= 1
            if not start.waiting:
                del self._starting[session_id]

    async def _create(self, session_id: str, caller: Caller | None, metadata: Mapping[str, Any] | None) -> VoiceAgent:
        session = LiveSession(session_id, self.agent_id, caller=caller, metadata=metadata)
        agent = await self._begin(session)
        if self._closed:
            raise ShuttingDown("the server is shutting down")
        callbacks = CallbackRunner(
            self._callbacks, session, observers=self._observers, timeout_s=self._callback_timeout_s
        )
        now = self._clock()
        held = HeldSession(session_id, agent, callbacks, created_at=now, last_used=now)
        agent.on_used = lambda: held.use(self._clock())
        self._sessions[session_id] = held
        self._sweeper.start()
        held.begin()
        if (on_created := self._on_created) is not None:
            try:
                await self._run("on_session_created", lambda: on_created(session_id, agent))
            except asyncio.CancelledError:
                await self.remove(session_id, "failed")  # whoever asked for it will never have it
                raise
        return agent

    async def _begin(self, session: LiveSession) -> VoiceAgent:
        """The agent as it is configured for this caller."""
        try:
            begin = partial(self._configured, session)
            return await isolated(begin, name=f"begin-{session.id}", timeout_s=self._callback_timeout_s)
        except Exception as error:
            metrics.CALLBACK_ERRORS.labels(self.agent_id, "on_session_starting").inc()
            log.warning("session_refused", agent_id=self.agent_id, session_id=session.id, exc_info=error)
            raise SessionRefused("this agent cannot take the call just now") from error

    async def _configured(self, session: LiveSession) -> VoiceAgent:
        starting = partial(self._callbacks.on_session_starting, session, self.config)
        config = await acting_for(self.agent_id, starting)
        # model_copy(update=...) does not validate, and it is the natural way to write this callback.
        config = config if config is self.config else valid_config(config, "on_session_starting")
        await self._runtime.prepare(config)
        return VoiceAgent(config=config, runtime=self._runtime, session=session)

    def held(self, session_id: str) -> HeldSession | None:
        """Return a session that has begun and not ended."""
        return self._sessions.get(session_id)

    def held_sessions(self) -> tuple[HeldSession, ...]:
        """Return all sessions that have begun and not ended."""
        return tuple(self._sessions.values())

    def count_turn(self, session_id: str) -> None:
        """Note that the caller finished a turn."""
        if held := self._sessions.get(session_id):
            held.turns += 1
            held.use(self._clock())

    # --- connections come and go --------------------------------------------------------------------------------

    @asynccontextmanager
    async def connected(self, session_id: str, connection: Connection) -> AsyncIterator[None]:
        """While inside, the session counts as connected: it does not expire. Afterwards it may be parked."""
        held = self._sessions[session_id]
        self._unpark(held)
        held.connect(connection)
        metrics.CALLS_ACTIVE.labels(self.agent_id).inc()
        try:
            yield
        finally:
            metrics.CALLS_ACTIVE.labels(self.agent_id).dec()
            held.disconnect(self._clock())
            if connection.lost:
                self._park(held)
            else:
                held.key.revoke()

    def resume_token(self, session_id: str) -> str | None:
        """Return a new token for the session's caller to come back with; None: sessions are not resumed here."""
        return self._sessions[session_id].key.rotate(session_id) if self._grace_s > 0 else None

    async def resume(self, token: str, *, caller: Caller | None = None) -> HeldSession:
        """Give the session that `token` opens to a new connection, which must be `connected` at once.

        The newest connection wins: one that is still there, having lost its caller or not, is ended first.

        Raises:
            ResumeRefused: the token opens nothing.
            SessionRefused: the connection before does not leave; the token may be tried again.
        """
        held = self._opened_by(token, caller)
        if held.connection is not None:
            held.connection.replace()
            try:
                async with asyncio.timeout(TAKE_OVER_TIMEOUT_S):
                    await held.free.wait()
            except TimeoutError:
                raise SessionRefused("the connection before is still being closed: try again") from None
            held = self._opened_by(token, caller)  # another connection may have been quicker
        held.key.revoke()
        return held

    def connection_of(self, token: str, caller: Caller | None = None) -> Connection | None:
        """Return the connection that `resume` would end; None: nobody is connected. Raises what `resume` raises."""
        return self._opened_by(token, caller).connection

    def _opened_by(self, token: str, caller: Caller | None) -> HeldSession:
        if self._closed:
            raise ShuttingDown("the server is shutting down")
        held = self._sessions.get(session_of(token))
        if held is None or not held.key.fits(token) or not held.belongs_to(caller) or self._is_past(held):
            raise ResumeRefused("there is no call to go on with: call again without the resume token")
        return held

    def _is_past(self, held: HeldSession) -> bool:
        return held.parked_at is not None and self._clock() >= held.parked_at + self._grace_s

    def _park(self, held: HeldSession) -> None:
        if self._closed or self._grace_s <= 0 or self._sessions.get(held.id) is not held:
            return
        held.parked_at = self._clock()
        metrics.SESSIONS_PARKED.labels(self.agent_id).inc()
        held.agent.session.park(lambda detail: self._begin_end(held.id, "ended", detail))
        waiting = [held for held in self._sessions.values() if held.parked_at is not None]
        if len(waiting) > self._max_parked:
            dropped = greediest(waiting)
            log.warning("parked_session_dropped", agent_id=self.agent_id, session_id=dropped.id, limit=self._max_parked)
            self._begin_end(dropped.id, "lost", "")

    def _unpark(self, held: HeldSession) -> None:
        if held.parked_at is not None:
            held.parked_at = None
            metrics.SESSIONS_PARKED.labels(self.agent_id).dec()

    async def leave(self, session_id: str, reason: EndReason, detail: str = "") -> None:
        """A call is over: end its session, unless it waits for its caller or has a newer connection."""
        held = self._sessions.get(session_id)
        if held is None or (held.connection is None and held.parked_at is None):
            await self.remove(session_id, reason, detail)

    # --- ends -----------------------------------------------------------------------------------------------------

    async def remove(self, session_id: str, reason: EndReason = "removed", detail: str = "") -> bool:
        """End a session: stop its agent, run its last callbacks. False when there is none of that id (any more)."""
        ended = self._begin_end(session_id, reason, detail)
        if ending := self._ending.get(session_id):
            await asyncio.wait([ending])
        return ended

    def _begin_end(self, session_id: str, reason: EndReason, detail: str) -> bool:
        held = self._sessions.pop(session_id, None)
        if held is None:
            return False
        self._unpark(held)
        held.key.revoke()
        if not self._sessions:
            self._emptied.set()
        if held.connection is not None:
            held.connection.drop(reason)
        # In a task of its own: whoever removes may be cancelled, the session must get its last callback all the same.
        ending = in_background(self._end(session_id, held, reason, detail), "end", of=session_id)
        self._ending[session_id] = ending
        ending.add_done_callback(lambda _: self._ending.pop(session_id, None))
        return True

    async def _end(self, session_id: str, held: HeldSession, reason: EndReason, detail: str) -> None:
        metrics.CALLS_ENDED.labels(self.agent_id, reason).inc()
        try:
            await held.agent.aclose()
        finally:
            await held.end(reason, detail, self._clock())
        if (on_destroyed := self._on_destroyed) is not None:
            await self._run("on_session_destroyed", lambda: on_destroyed(session_id))

    async def expire_idle(self) -> None:
        """End the sessions whose callers did not come back, and those that were idle for longer than the TTL."""
        for session_id in [id_ for id_, held in self._sessions.items() if self._over(held)]:
            held = self._sessions.get(session_id)  # ending the one before took time: it may be in use again
            if held is not None and (reason := self._over(held)) is not None:
                await self.remove(session_id, reason)

    def _over(self, held: HeldSession) -> EndReason | None:
        if held.connection is not None or held.agent.busy:
            return None
        if self._is_past(held):
            return "lost"
        return "expired" if held.last_used <= self._clock() - self._ttl_s else None

    async def drain(self, timeout_s: float) -> None:
        """Begin no session any more, end those that nobody is connected to, and let calls come to their end.

        Args:
            timeout_s: how long; the callers are told. Returns sooner when the last call is over.
        """
        self._closed = True
        await self._end_unconnected()
        if not self._sessions or timeout_s <= 0 or self._hurried:
            return
        self._emptied.clear()
        for held in self._sessions.values():
            if held.connection is not None:
                held.connection.warn("draining", f"The server shuts down within {timeout_s:.0f} seconds.")
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._emptied.wait()

    def hurry(self) -> None:
        """Let `drain` return now."""
        self._hurried = True
        self._emptied.set()

    async def aclose_all(self) -> None:
        """End every session, connected ones after telling their callers, and stop the sweeper. Idempotent."""
        self._closed = True
        await self._sweeper.stop()
        connected = [held.connection for held in self._sessions.values() if held.connection is not None]
        if connected:
            self._emptied.clear()
        for connection in connected:
            connection.drop("shutdown")
        await self._end_unconnected()
        if connected and self._sessions:
            await self._wait_until_empty()
        for session_id in list(self._sessions):
            await self.remove(session_id, "shutdown")
        if self._ending:
            await asyncio.wait(self._ending.values())
        if self._owns_runtime:
            await self._runtime.aclose()

    async def _end_unconnected(self) -> None:
        for session_id in [id_ for id_, held in self._sessions.items() if held.connection is None]:
            await self.remove(session_id, "shutdown")

    async def _wait_until_empty(self) -> None:
        try:
            async with asyncio.timeout(self._close_timeout_s):
                await self._emptied.wait()
        except TimeoutError:
            log.warning("calls_did_not_end", agent_id=self.agent_id, calls=len(self._sessions))

    async def _run(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        await run_callback(self.agent_id, name, call, self._callback_timeout_s)
