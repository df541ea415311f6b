"""`VoiceAgentManager`: creates conversations, keeps them while they are wanted, and ends each exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from voice_host import metrics
from voice_host.agent.callback_runner import CALLBACK_TIMEOUT_S, CallbackRunner, run_callback
from voice_host.agent.defaults import default_runtime
from voice_host.agent.runtime import AgentRuntime
from voice_host.agent.session import LiveSession
from voice_host.agent.voice_agent import VoiceAgent
from voice_host.clock import now_s
from voice_host.discovery import valid_config
from voice_host.logs import get_logger
from voice_host.tenancy import acting_for
from voice_host_sdk import AgentConfig, Caller, LifecycleCallbacks, SessionEnd, TTSConfig
from voice_host_sdk.session import EndReason

log = get_logger(__name__)

OnCreated = Callable[[str, VoiceAgent], Awaitable[None]]
OnDestroyed = Callable[[str], Awaitable[None]]

DEFAULT_TTL_S = 1800.0
CLOSE_TIMEOUT_S = 10.0
"""How long `aclose_all` waits for connected calls to say goodbye before it ends their sessions itself."""


class SessionRefused(Exception):
    """The agent's `on_session_starting` failed: this one call cannot begin."""


class ShuttingDown(SessionRefused):
    """The manager is closed, or closes: no session begins any more."""


class Connection(Protocol):
    """A call that is connected to a session, as far as the manager may use it."""

    def drop(self, reason: EndReason) -> None:
        """Tell the caller why, and end the call. Returns at once."""


@dataclass(slots=True)
class _Entry:
    agent: VoiceAgent
    callbacks: CallbackRunner
    created_at: float
    last_used: float
    turns: int = 0
    connection: Connection | None = None


@dataclass(slots=True)
class _Start:
    """A session that is being begun: one caller does it, others of the same id wait."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class VoiceAgentManager:
    """All conversations of one agent.

    Args:
        config: the agent. Default: a plain assistant.
        tools: added to those of `config`.
        tts_config: wins over the one of `config`.
        on_session_created: `async (session_id, agent)`, when `get_or_create` creates.
        on_session_destroyed: `async (session_id)`, when a session ends for whatever reason.
        callbacks: an installed agent's callbacks.
        runtime: an installed agent's shared runtime; without one the manager builds its own.
        ttl_s: idle seconds after which a session that no call is connected to ends.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        config: AgentConfig | None = None,
        *,
        tools: Sequence[Any] = (),
        tts_config: TTSConfig | None = None,
        on_session_created: OnCreated | None = None,
        on_session_destroyed: OnDestroyed | None = None,
        callbacks: LifecycleCallbacks | None = None,
        runtime: AgentRuntime | None = None,
        ttl_s: float = DEFAULT_TTL_S,
        clock: Callable[[], float] = now_s,
    ) -> None:
        base = config or (runtime.config if runtime else AgentConfig())
        self.config = _revised(base, tools, tts_config)
        self._owns_runtime = runtime is None
        self._runtime = runtime.variant(self.config) if runtime else default_runtime(self.config)
        self._on_created = on_session_created
        self._on_destroyed = on_session_destroyed
        self._callbacks = callbacks or LifecycleCallbacks()
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._starting: dict[str, _Start] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self._emptied = asyncio.Event()
        self._stopping = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None

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

    @property
    def active_sessions(self) -> int:
        """Sessions that have begun and not ended, connected or not."""
        return len(self._entries)

    @property
    def connected_calls(self) -> int:
        """Sessions a caller is connected to now."""
        return sum(entry.connection is not None for entry in self._entries.values())

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
                if entry := self._entries.get(session_id):
                    entry.last_used = self._clock()
                    return entry.agent
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
        callbacks = CallbackRunner(self._callbacks, session, timeout_s=CALLBACK_TIMEOUT_S)
        now = self._clock()
        self._entries[session_id] = _Entry(agent, callbacks, created_at=now, last_used=now)
        self._start_sweeper()
        callbacks.created()
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
            async with asyncio.timeout(CALLBACK_TIMEOUT_S):
                config = await acting_for(
                    self.agent_id, lambda: self._callbacks.on_session_starting(session, self.config)
                )
            # model_copy(update=...) does not validate, and it is the natural way to write this callback.
            config = config if config is self.config else valid_config(config, "on_session_starting")
            return VoiceAgent(config, runtime=self._runtime, session=session)
        except (Exception, SystemExit) as error:
            metrics.CALLBACK_ERRORS.labels(self.agent_id, "on_session_starting").inc()
            log.warning("session_refused", agent_id=self.agent_id, session_id=session.id, exc_info=error)
            raise SessionRefused("this agent cannot take the call just now") from error

    def callbacks_of(self, session_id: str) -> CallbackRunner | None:
        """Return what reports a session's events to the agent's callbacks."""
        entry = self._entries.get(session_id)
        return entry.callbacks if entry else None

    @asynccontextmanager
    async def connected(self, session_id: str, connection: Connection) -> AsyncIterator[None]:
        """While inside, the session counts as connected: it does not expire."""
        entry = self._entries[session_id]
        entry.connection = connection
        metrics.CALLS_ACTIVE.labels(self.agent_id).inc()
        try:
            yield
        finally:
            metrics.CALLS_ACTIVE.labels(self.agent_id).dec()
            entry.connection = None
            entry.last_used = self._clock()

    def count_turn(self, session_id: str) -> None:
        """Note that the caller finished a turn."""
        if entry := self._entries.get(session_id):
            entry.turns += 1
            entry.last_used = self._clock()

    async def remove(self, session_id: str, reason: EndReason = "removed", detail: str = "") -> bool:
        """End a session: stop its agent, run its last callbacks. False when there is none of that id (any more)."""
        entry = self._entries.pop(session_id, None)
        if entry is None:
            if ending := self._ending.get(session_id):
                await asyncio.wait([ending])
            return False
        if not self._entries:
            self._emptied.set()
        if entry.connection is not None:
            entry.connection.drop(reason)
        # In a task of its own: whoever removes may be cancelled, the session must get its last callback all the same.
        ending = asyncio.create_task(self._end(session_id, entry, reason, detail), name=f"end-{session_id}")
        self._ending[session_id] = ending
        ending.add_done_callback(lambda _: self._ending.pop(session_id, None))
        await asyncio.shield(ending)
        return True

    async def _end(self, session_id: str, entry: _Entry, reason: EndReason, detail: str) -> None:
        metrics.CALLS_ENDED.labels(self.agent_id, reason).inc()
        await entry.agent.aclose()
        end = SessionEnd(reason, detail, duration_s=self._clock() - entry.created_at, turns=entry.turns)
        await entry.callbacks.destroyed(end)
        if (on_destroyed := self._on_destroyed) is not None:
            await self._run("on_session_destroyed", lambda: on_destroyed(session_id))

    async def expire_idle(self) -> None:
        """End the sessions that nobody is connected to and that have been idle for longer than the TTL."""
        oldest = self._clock() - self._ttl_s
        idle = [id_ for id_, e in self._entries.items() if e.connection is None and e.last_used <= oldest]
        for session_id in idle:
            entry = self._entries.get(session_id)  # ending the one before took time: it may be in use again
            if entry is not None and entry.connection is None and entry.last_used <= oldest:
                await self.remove(session_id, "expired")

    async def aclose_all(self) -> None:
        """End every session, connected ones after telling their callers, and stop the sweeper. Idempotent."""
        self._closed = True
        if self._sweeper is not None:
            # Asked to stop rather than cancelled: a session it is just ending must get its last callback.
            self._stopping.set()
            await self._sweeper
            self._sweeper = None
        connected = [entry.connection for entry in self._entries.values() if entry.connection is not None]
        if connected:
            self._emptied.clear()
        for connection in connected:
            connection.drop("shutdown")
        for session_id in [id_ for id_, entry in self._entries.items() if entry.connection is None]:
            await self.remove(session_id, "shutdown")
        if connected and self._entries:
            await self._wait_until_empty()
        for session_id in list(self._entries):
            await self.remove(session_id, "shutdown")
        if self._ending:
            await asyncio.wait(self._ending.values())
        if self._owns_runtime:
            await self._runtime.aclose()

    async def _wait_until_empty(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._emptied.wait()
        except TimeoutError:
            log.warning("calls_did_not_end", agent_id=self.agent_id, calls=len(self._entries))

    def _start_sweeper(self) -> None:
        if self._sweeper is None:
            self._stopping.clear()
            self._sweeper = asyncio.create_task(self._sweep(), name=f"sweeper-{self.agent_id}")

    async def _sweep(self) -> None:
        interval_s = max(0.05, min(self._ttl_s / 4, 30))
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(interval_s):
                    await self._stopping.wait()
            except TimeoutError:
                await self.expire_idle()

    async def _run(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        await run_callback(self.agent_id, name, call, CALLBACK_TIMEOUT_S)


def _revised(config: AgentConfig, tools: Sequence[Any], tts_config: TTSConfig | None) -> AgentConfig:
    if not tools and tts_config is None:
        return config
    changes = {"tools": (*config.tools, *tools), "tts_config": tts_config or config.tts_config}
    return AgentConfig.model_validate({**dict(config), **changes})
