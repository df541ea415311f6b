"""The running host: which agents take calls, over which services, and when it starts and stops."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from voice_host.admission import Admission, call_limits
from voice_host.call.handler import VoiceSessionHandler
from voice_host.conversation.runtime import AgentRuntime
from voice_host.fleet.agent_setup import prepare
from voice_host.models import ModelRegistry
from voice_host.observability.logs import get_logger
from voice_host.plugins import (
    BrokenAgent,
    BrokenExtension,
    DisabledAgent,
    Extensions,
    LoadedAgent,
    LoadedExtension,
    nothing_to_run,
    start_agent,
    start_extension,
    stop_agent,
    stop_extension,
    unread_settings,
)
from voice_host.sessions.manager import VoiceAgentManager
from voice_host.sessions.observers import Observers
from voice_host.settings import Settings, service_limitations
from voice_host.speech.select import SpeechServices
from voice_host.tasks import in_background
from voice_host_sdk import AgentConfig

log = get_logger(__name__)

State = Literal["starting", "ready", "draining", "stopped"]


class RequiredAgentBroken(Exception):
    """The host must not run without an agent that is broken."""

    def __init__(self, agent: BrokenAgent) -> None:
        super().__init__(str(agent))
        self.agent_id = agent.id


@dataclass(frozen=True, slots=True)
class ReadyAgent:
    """An agent that takes calls."""

    loaded: LoadedAgent
    manager: VoiceAgentManager
    handler: VoiceSessionHandler

    @property
    def config(self) -> AgentConfig:
        """As the plugin returned it."""
        return self.loaded.config


class Host:
    """All agents of one process. The web framework knows nothing of it; `server.app` shows it to the network.

    Args:
        settings: what the platform said.
        speech: the speech services; closed with the host.
        extensions: the platform's; default: none. Their speech services are in `speech` already.
        strict: every broken agent is fatal, not only the required ones.
        installed: how many agents are installed, allowed or not; for `why_empty`.
    """

    def __init__(
        self,
        settings: Settings,
        speech: SpeechServices,
        *,
        extensions: Extensions | None = None,
        strict: bool = False,
        installed: int = 0,
    ) -> None:
        self.settings = settings
        self.extensions = extensions or Extensions([])
        self._observers = Observers(self.extensions.observers, timeout_s=settings.agents.callback_timeout_s)
        self._started_extensions: list[LoadedExtension] = []
        self._speech = speech
        self._strict = strict
        self._installed = installed
        self._models = ModelRegistry(settings)
        self._runtimes: list[AgentRuntime] = []
        self.admission = Admission(settings.limits, lambda agent_id: settings.for_agent(agent_id).max_calls)
        self.agents: dict[str, ReadyAgent | BrokenAgent] = {}
        self.state: State = "starting"
        self._preparing: asyncio.Task[None] | None = None

    async def start(self, outcomes: list[LoadedAgent | BrokenAgent]) -> None:
        """Take every loaded agent to its first call.

        Raises:
            RequiredAgentBroken: an agent that the host must have is broken.
            ExtensionsBroken: an extension did not start.
        """
        await self._start_extensions()
        for outcome in outcomes:
            if isinstance(outcome, LoadedAgent):
                for warning in outcome.warnings:
                    log.warning("agent_warning", agent_id=outcome.id, warning=warning)
            self.agents[outcome.id] = await self._ready(outcome) if isinstance(outcome, LoadedAgent) else outcome
        for agent in self.agents.values():
            if isinstance(agent, DisabledAgent) and agent.id not in self.settings.agents.required:
                log.info("agent_disabled", agent_id=agent.id)
            elif isinstance(agent, BrokenAgent):
                told = {"phase": str(agent.phase), "error": agent.error, "where": agent.where, "hint": agent.hint}
                log.error("agent_broken", agent_id=agent.id, **{key: value for key, value in told.items() if value})
                if self._strict or agent.id in self.settings.agents.required:
                    raise RequiredAgentBroken(agent)
            elif agent.handler.speech_problem is not None:
                log.warning("speech_unavailable", agent_id=agent.loaded.id, problem=agent.handler.speech_problem)
        self._preparing = in_background(self._speech.prepare(), "prepare-speech")
        self.state = "ready"

    async def _start_extensions(self) -> None:
        for extension in self.extensions.loaded:
            for warning in extension.warnings:
                log.warning("extension_warning", extension=extension.id, warning=warning)
        outcomes = [
            await start_extension(extension, self.settings.server.start_timeout_s)
            for extension in self.extensions.loaded
        ]
        self._started_extensions = [each for each in outcomes if isinstance(each, LoadedExtension)]
        Extensions(outcomes)
        self._observers.start()

    async def _stop_extensions(self) -> None:
        await self._observers.aclose()
        for extension in self._started_extensions:
            stopped = await stop_extension(extension, self.settings.server.stop_timeout_s)
            if isinstance(stopped, BrokenExtension):
                log.warning("extension_not_stopped", extension=extension.id, error=stopped.error)

    async def _ready(self, loaded: LoadedAgent) -> ReadyAgent | BrokenAgent:
        prepared = prepare(loaded, self.settings, self._models, self._speech)
        if isinstance(prepared, BrokenAgent):
            return prepared
        self._runtimes.append(prepared.runtime)
        started = await start_agent(loaded, self.settings.server.start_timeout_s)
        if isinstance(started, BrokenAgent):
            return started
        for warning in (*prepared.warnings, *unread_settings(loaded, self.settings)):
            log.warning("agent_warning", agent_id=loaded.id, warning=warning)
        manager = VoiceAgentManager(
            config=loaded.config,
            runtime=prepared.runtime,
            callbacks=loaded.callbacks,
            observers=self._observers,
            resume_grace_s=self.settings.sessions.resume_grace_s,
            max_parked=self.settings.sessions.max_parked,
            callback_timeout_s=self.settings.agents.callback_timeout_s,
            close_timeout_s=self.settings.server.stop_timeout_s,
        )
        limits = call_limits(self.settings, loaded.id)
        handler = VoiceSessionHandler(
            agent_manager=manager, speech=prepared.speech, limits=limits, resilience=self.settings.resilience
        )
        return ReadyAgent(loaded, manager, handler)

    async def drain(self, timeout_s: float = 0) -> None:
        """Take no more calls, tell those that are connected, and end them.

        Args:
            timeout_s: how long they may go on by themselves. `hurry()` cuts it short.
        """
        if self.state in ("draining", "stopped"):
            return
        self.state = "draining"
        async with asyncio.TaskGroup() as tasks:
            for agent in self._ready_agents():
                tasks.create_task(self._drain(agent.manager, timeout_s))

    async def _drain(self, manager: VoiceAgentManager, timeout_s: float) -> None:
        await manager.drain(timeout_s)
        await manager.aclose_all()

    def managers(self) -> list[VoiceAgentManager]:
        """Return the managers of all agents that take calls."""
        return [agent.manager for agent in self._ready_agents()]

    def hurry(self) -> None:
        """Let no call go on any longer: those that are connected are told and ended."""
        for agent in self._ready_agents():
            agent.manager.hurry()

    async def stop(self) -> None:
        """End what still runs and give everything back. Idempotent."""
        if self.state == "stopped":
            return
        await self.drain()
        self.state = "stopped"
        for agent in self._ready_agents():
            stopped = await stop_agent(agent.loaded, self.settings.server.stop_timeout_s)
            if isinstance(stopped, BrokenAgent):
                log.warning("agent_not_stopped", agent_id=stopped.id, error=stopped.error)
        await self._stop_extensions()
        for runtime in self._runtimes:
            await runtime.aclose()
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait((self._preparing,))
        await self._speech.aclose()
        await self._models.aclose()

    # --- what it tells about itself -------------------------------------------------------------------------------

    @property
    def active_calls(self) -> int:
        """Calls that are connected now."""
        return sum(agent.manager.connected_calls for agent in self._ready_agents())

    @property
    def why_empty(self) -> str | None:
        """Why it has no agents at all, broken ones included, and what to do about it; None when it has some."""
        return None if self.agents else nothing_to_run(self.settings, self._installed)

    def describe(self, *, tracebacks: bool = False) -> list[dict[str, Any]]:
        """The agents as `GET /agents` lists them; `tracebacks` adds what broken ones raised, for their developers."""
        return [self._describe(agent, tracebacks=tracebacks) for agent in self.agents.values()]

    def _describe(self, agent: ReadyAgent | BrokenAgent, *, tracebacks: bool) -> dict[str, Any]:
        found = agent.discovered if isinstance(agent, BrokenAgent) else agent.loaded.discovered
        listed: dict[str, Any] = {"id": found.id, "distribution": found.distribution, "version": found.version}
        if isinstance(agent, DisabledAgent):
            return listed | {"title": found.id, "description": "", "status": "disabled"}
        if isinstance(agent, BrokenAgent):
            optional = ("where", "hint", "traceback") if tracebacks else ("where", "hint")
            return (
                listed
                | {name: text for name in optional if (text := getattr(agent, name))}
                | {
                    "title": found.id,
                    "description": "",
                    "status": "broken",
                    "phase": str(agent.phase),
                    "error": agent.error,
                }
            )
        ready = {
            "title": agent.config.title,
            "description": agent.config.description,
            "examples": list(agent.config.examples),
            "status": "ready",
            "providers": {**agent.handler.speech_names, "model": agent.manager.model_name},
        }
        if problem := agent.handler.speech_problem:
            ready["speech_problem"] = problem
        if notices := service_limitations(agent.handler.speech_names.values()):
            ready["speech_notices"] = notices
        return listed | ready

    def _ready_agents(self) -> list[ReadyAgent]:
        return [agent for agent in self.agents.values() if isinstance(agent, ReadyAgent)]
