"""Agents in this process: `build` connects them to their services, and `LocalAgents` runs them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from voice_host.admission import Lease, call_limits
from voice_host.auth.principal import key_of
from voice_host.call.handler import VoiceSessionHandler
from voice_host.clients.call_control import CallAnswers, CallControl
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.connection import ClientConnection
from voice_host.conversation.history import build_schema
from voice_host.conversation.runtime import AgentRuntime
from voice_host.fleet.agent_setup import prepare
from voice_host.fleet.installed import allowed_agents
from voice_host.fleet.report import AgentReport, Providers, report_of
from voice_host.fleet.service import FleetReport, RequiredAgentBroken, State
from voice_host.models import ModelRegistry, ResolvedModel
from voice_host.observability.figures import Figures
from voice_host.observability.logs import get_logger
from voice_host.plugins import (
    BrokenAgent,
    DiscoveredAgent,
    Extensions,
    LoadedAgent,
    Phase,
    load_if_enabled,
    start_agent,
    stop_agent,
    unread_settings,
)
from voice_host.sessions.callbacks import EventSink
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.resumability import ResumeListener
from voice_host.sessions.saved_session import SavedSession
from voice_host.settings import Settings, service_limitations
from voice_host.speech.select import SpeechProviders, SpeechServices, speech_services_from_environment, voice_warnings
from voice_host.tasks import in_background
from voice_host_sdk import CallAnswer, Caller

log = get_logger(__name__)


def build(
    settings: Settings,
    extensions: Extensions | None = None,
    *,
    agents: Sequence[LoadedAgent | BrokenAgent] | None = None,
    observers: EventSink | None = None,
    listener: ResumeListener | None = None,
    speech: SpeechProviders | None = None,
    model: ResolvedModel | None = None,
    strict: bool = False,
) -> LocalAgents:
    """Return the agents of this process, not started yet. Unless `agents` are given, loads them, which runs their code.

    Args:
        settings: the platform's settings.
        extensions: offer additional speech services; default: none.
        agents: the agents; default: all that are installed and allowed.
        observers: notified of every session; default: none.
        listener: is told what is needed to restore sessions elsewhere; default: nobody.
        speech: the speech services of all agents, closed by the caller; default: those of the settings.
        model: the model of all agents, closed by the caller; default: those of the settings.
        strict: whether every broken agent prevents the start, not only a required one.

    Raises:
        CannotServe: an agent that is required or selected is not installed or not allowed.
        ProviderConfigError: a speech service that the settings name is not available.
    """
    services = SpeechServices(settings, extensions)
    why_empty = None
    if agents is None:
        services.require_named()
        found, why_empty = allowed_agents(settings)
        agents = [load_if_enabled(agent, settings) if isinstance(agent, DiscoveredAgent) else agent for agent in found]
    local = LocalAgents(
        settings, services, observers=observers, listener=listener, speech=speech, model=model, strict=strict
    )
    local.add(agents, why_empty)
    return local


def build_for(manager: VoiceAgentManager) -> LocalAgents:
    """Return the single agent of an embedding application, ready to take calls.

    It uses the services of the configuration file and the environment variables.

    Raises:
        ExtensionsBroken: an installed extension cannot be used.
        ProviderConfigError: a speech service that the settings name is not available.
        SettingsError: the settings are invalid.
    """
    services = speech_services_from_environment(assemblyai_api_key=manager.assemblyai_api_key)
    local = LocalAgents(services.settings, services)
    local.serve(manager)
    return local


@dataclass(frozen=True, slots=True)
class _Serving:
    """An agent that takes calls."""

    manager: VoiceAgentManager
    handler: VoiceSessionHandler
    loaded: LoadedAgent | None = None
    """None: an embedding application created the agent, and starts and stops it."""
    runtime: AgentRuntime | None = None
    """Closed when the agent stops."""


class LocalAgents:
    """An `AgentService` for agents in this process. Created by `build`, which documents the arguments."""

    def __init__(
        self,
        settings: Settings,
        services: SpeechServices,
        *,
        observers: EventSink | None = None,
        listener: ResumeListener | None = None,
        speech: SpeechProviders | None = None,
        model: ResolvedModel | None = None,
        strict: bool = False,
    ) -> None:
        self.figures = Figures()
        self._settings = settings
        self._services = services
        self._observers = observers
        self._listener = listener
        self._speech = speech
        self._model = model
        self._strict = strict
        self._models = ModelRegistry(settings)
        self._outcomes: list[LoadedAgent | BrokenAgent] = []
        self._serving: dict[str, _Serving] = {}
        self._reports: dict[str, AgentReport] = {}
        self._why_empty: str | None = None
        self._report = FleetReport()
        self._preparing: asyncio.Task[None] | None = None
        self._ending: set[str] = set()
        self._answers: dict[str, CallAnswers] = {}

    def add(self, outcomes: Sequence[LoadedAgent | BrokenAgent], why_empty: str | None = None) -> None:
        """Add agents for `start` to start. `why_empty`: the message to the operator if there are none."""
        self._outcomes += outcomes
        self._why_empty = why_empty

    # --- start ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        if self._listener is not None:
            build_schema()
        for outcome in self._outcomes:
            self._reports[outcome.id] = report_of(outcome, self._settings)
        for outcome in self._outcomes:
            if isinstance(outcome, LoadedAgent):
                self._reports[outcome.id] = await self._start(outcome)
        self._set_state("starting")
        for report in self._reports.values():
            if (report.required and report.status != "ready") or (report.status == "broken" and self._strict):
                raise RequiredAgentBroken(report)
        self._preparing = in_background(self._services.prepare(), "prepare-speech")
        self._set_state("ready")

    async def _start(self, loaded: LoadedAgent) -> AgentReport:
        settings = self._settings
        prepared = prepare(loaded, settings, self._models, self._services, model=self._model, speech=self._speech)
        if isinstance(prepared, BrokenAgent):
            return report_of(prepared, settings)
        started = await start_agent(loaded, settings.server.start_timeout_s)
        if isinstance(started, BrokenAgent):
            await prepared.runtime.aclose()
            return report_of(started, settings)
        manager = VoiceAgentManager(
            config=loaded.config,
            runtime=prepared.runtime,
            callbacks=loaded.callbacks,
            observers=self._observers,
            listener=self._listener,
            resume_grace_s=settings.sessions.resume_grace_s,
            max_parked=settings.sessions.max_parked,
            callback_timeout_s=settings.agents.callback_timeout_s,
            close_timeout_s=settings.server.stop_timeout_s,
        )
        serving = _Serving(manager, self._handler(manager, prepared.speech, loaded), loaded, prepared.runtime)
        self._serving[loaded.id] = serving
        warnings = (*loaded.warnings, *prepared.warnings, *unread_settings(loaded, settings))
        return report_of(loaded, settings, **_ready(serving), warnings=warnings)

    def serve(self, manager: VoiceAgentManager) -> None:
        """Take calls for an agent that an application created. Its sessions end with `stop`."""
        speech = self._services.for_agent(manager.config)
        serving = _Serving(manager, self._handler(manager, speech))
        self._serving[manager.agent_id] = serving
        self._reports[manager.agent_id] = AgentReport(
            id=manager.agent_id,
            title=manager.config.title,
            description=manager.config.description,
            examples=manager.config.examples,
            warnings=tuple(voice_warnings(manager.config, speech)),
            **_ready(serving),
        )
        self._set_state("starting")

    def _handler(
        self, manager: VoiceAgentManager, speech: SpeechProviders, loaded: LoadedAgent | None = None
    ) -> VoiceSessionHandler:
        return VoiceSessionHandler(
            agent_manager=manager,
            speech=speech,
            limits=call_limits(self._settings, manager.agent_id),
            resilience=self._settings.resilience,
            agent_version=(loaded.discovered.version or None) if loaded is not None else None,
        )

    # --- calls ------------------------------------------------------------------------------------------------------

    async def check_resume(self, agent_id: str, token: str, caller: Caller | None) -> None:
        self._serving[agent_id].manager.check_resume(token, caller)

    async def take(
        self,
        connection: ClientConnection,
        lease: Lease,
        opening: Opening,
        control: CallControl | None = None,
        saved: SavedSession | None = None,
    ) -> None:
        """As in `AgentService`. `saved`: the session to resume, if the process that had it was lost."""
        answers = self._answers[lease.session_id] = CallAnswers()
        try:
            await self._serving[lease.agent_id].handler.take(
                connection,
                session_id=lease.session_id,
                caller=lease.caller,
                metadata=opening.metadata,
                channel=opening.channel,
                control=control,
                answers=answers,
                saved=saved,
            )
        finally:
            if self._answers.get(lease.session_id) is answers:  # else a newer connection has taken the session over
                del self._answers[lease.session_id]

    def call_answered(self, session_id: str, answer: CallAnswer) -> None:
        if (answers := self._answers.get(session_id)) is not None:
            answers.put(answer)

    def revoke(self, key_ids: Collection[str]) -> None:
        ending: set[str] = set()
        ended: Counter[str] = Counter()
        for manager in self._managers():
            for session in manager.sessions():
                key_id = key_of(session.live.caller)
                if key_id is None or key_id not in key_ids:
                    continue
                if session.connection is not None:
                    session.connection.revoke()
                elif session.parked_at is not None:
                    in_background(
                        manager.remove(session.id), "end-revoked-call", of=session.id
                    )  # its callbacks take time
                else:
                    continue  # about to be connected
                ending.add(session.id)
                if session.id not in self._ending:
                    ended[key_id] += 1
        self._ending = ending
        for key_id, calls in ended.items():
            log.info("calls_of_revoked_key_ended", key_id=key_id, calls=calls)

    # --- stop -------------------------------------------------------------------------------------------------------

    async def drain(self, timeout_s: float = 0) -> None:
        if self._report.state in ("draining", "stopped"):
            return
        self._set_state("draining")
        async with asyncio.TaskGroup() as tasks:
            for manager in self._managers():
                tasks.create_task(self._drain(manager, timeout_s))

    async def _drain(self, manager: VoiceAgentManager, timeout_s: float) -> None:
        await manager.drain(timeout_s)
        await manager.aclose_all()

    def hurry(self) -> None:
        for manager in self._managers():
            manager.hurry()

    async def stop(self) -> None:
        if self._report.state == "stopped":
            return
        await self.drain()
        for agent_id, serving in self._serving.items():
            if serving.loaded is not None:
                await self._stop(agent_id, serving.loaded)
        self._set_state("stopped")
        for serving in self._serving.values():
            if serving.runtime is not None:
                await serving.runtime.aclose()
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait((self._preparing,))
        await self._services.aclose()
        await self._models.aclose()

    async def _stop(self, agent_id: str, loaded: LoadedAgent) -> None:
        stopped = await stop_agent(loaded, self._settings.server.stop_timeout_s)
        if isinstance(stopped, BrokenAgent):
            log.warning("agent_not_stopped", agent_id=agent_id, error=stopped.error)
            self._reports[agent_id] = report_of(stopped, self._settings)

    # --- status -----------------------------------------------------------------------------------------------------

    @property
    def report(self) -> FleetReport:
        changed = {
            agent_id: self._reports[agent_id].model_copy(update=_ready(serving))
            for agent_id, serving in self._serving.items()
            if serving.handler.speech_problem != self._reports[agent_id].speech_problem  # may only show in use
            and self._reports[agent_id].status == "ready"
        }
        if changed:
            self._reports |= changed
            self._set_state(self._report.state)
        return self._report

    async def measure(self) -> None:
        """There are no worker processes."""

    @property
    def connected(self) -> int:
        return sum(manager.connected_calls for manager in self._managers())

    def manager(self, agent_id: str) -> VoiceAgentManager:
        """Return the session manager of an agent. Raises `KeyError` if the agent takes no calls."""
        return self._serving[agent_id].manager

    def handler(self, agent_id: str) -> VoiceSessionHandler:
        """Return the call handler of an agent. Raises `KeyError` if the agent takes no calls."""
        return self._serving[agent_id].handler

    def runtime(self, agent_id: str) -> AgentRuntime:
        """Return the runtime of an agent: its model and tools. Raises `KeyError` if the agent takes no calls."""
        runtime = self._serving[agent_id].runtime
        if runtime is None:
            raise KeyError(agent_id)
        return runtime

    async def prepare_speech(self) -> None:
        """Load what the speech services need, so that the first call does not have to wait."""
        await self._services.prepare()

    def _managers(self) -> list[VoiceAgentManager]:
        return [serving.manager for serving in self._serving.values()]

    def _set_state(self, state: State) -> None:
        self._report = FleetReport(state, dict(self._reports), self._why_empty)


def _ready(serving: _Serving) -> dict[str, Any]:
    """Return the fields of the report of an agent that takes calls."""
    handler = serving.handler
    return {
        "status": "ready",
        "phase": Phase.STARTED,
        "providers": Providers(**handler.speech_names, model=serving.manager.model_name),
        "speech_problem": handler.speech_problem,
        "speech_notices": tuple(service_limitations(handler.speech_names.values())) or None,
    }
