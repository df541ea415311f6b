"""Creates the sessions of one agent, each with the configuration that `on_session_starting` returns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from voice_host.conversation.history import from_plain
from voice_host.conversation.runtime import AgentRuntime
from voice_host.conversation.voice_agent import VoiceAgent
from voice_host.observability import metrics
from voice_host.observability.logs import get_logger
from voice_host.plugins import valid_config
from voice_host.sessions.callbacks import CallbackRunner, EventSink
from voice_host.sessions.live_session import LiveSession
from voice_host.sessions.refusals import SessionRefused
from voice_host.sessions.resume_state import ResumeState, ResumeStateError
from voice_host.sessions.resume_token import ResumeKey
from voice_host.sessions.session import ManagedSession
from voice_host.tenancy import attributed_to, isolated
from voice_host_sdk import AgentConfig, LifecycleCallbacks

log = get_logger(__name__)


class SessionFactory:
    """Creates sessions, new ones and those that were suspended elsewhere.

    Args:
        runtime: shared by the sessions.
        config: the agent's configuration, passed to `on_session_starting`.
        callbacks: the agent's.
        observers: the platform's.
        callback_timeout_s: seconds that each callback may take.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        runtime: AgentRuntime,
        config: AgentConfig,
        callbacks: LifecycleCallbacks,
        observers: EventSink,
        *,
        callback_timeout_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._runtime = runtime
        self._config = config
        self._callbacks = callbacks
        self._observers = observers
        self._callback_timeout_s = callback_timeout_s
        self._clock = clock

    async def make(self, live: LiveSession) -> ManagedSession:
        """Return a new session, with the configuration for its caller.

        Raises:
            SessionRefused: `on_session_starting` failed or returned an invalid configuration.
        """
        agent_id = self._runtime.agent_id
        try:
            configured = partial(self._configured, live)
            agent = await isolated(configured, name=f"begin-{live.id}", timeout_s=self._callback_timeout_s)
        except Exception as error:
            metrics.CALLBACK_ERRORS.labels(agent_id, "on_session_starting").inc()
            log.warning("session_refused", agent_id=agent_id, session_id=live.id, exc_info=error)
            raise SessionRefused("this agent cannot take the call just now") from error
        callbacks = CallbackRunner(self._callbacks, live, observers=self._observers, timeout_s=self._callback_timeout_s)
        now = self._clock()
        session = ManagedSession(live, agent, callbacks, created_at=now, last_used=now)
        agent.on_used = lambda: session.touch(self._clock())
        return session

    async def restore(self, state: ResumeState, elapsed_s: float) -> ManagedSession:
        """Return a session that was suspended elsewhere, `elapsed_s` seconds after its state was made.

        Raises:
            ResumeStateError: the state is of another agent, or its history cannot be read.
            SessionRefused: as `make`.
        """
        agent_id = self._runtime.agent_id
        if state.agent_id != agent_id:
            raise ResumeStateError(f"the session belongs to the agent {state.agent_id!r}, not to {agent_id!r}")
        try:
            history = from_plain(state.history)
        except ValueError as error:
            raise ResumeStateError(f"the history of the resume state cannot be read: {error}") from None
        live = LiveSession(
            state.session_id, agent_id, caller=state.caller, metadata=state.metadata, channel=state.channel
        )
        live.state.update(state.state)
        session = await self.make(live)
        session.agent.memory[:] = history
        session.created_at -= state.age_s + elapsed_s
        session.turns = state.turns
        session.worst_first_audio_ms = state.worst_first_audio_ms
        session.suspended = state.call
        session.key = ResumeKey(state.token_digest)
        return session

    async def _configured(self, live: LiveSession) -> VoiceAgent:
        starting = partial(self._callbacks.on_session_starting, live, self._config)
        config = await attributed_to(self._runtime.agent_id, starting)
        # This callback is usually written with model_copy(update=...), which does not validate.
        config = config if config is self._config else valid_config(config, "on_session_starting")
        await self._runtime.prepare(config)
        return VoiceAgent(config=config, runtime=self._runtime, session=live)
