"""A handler with simulated services around it, served on loopback: what the end-to-end tests call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket

from tests.ports import listener
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.gateway import GatewaySimulator
from tests.simulators.orpheus import OrpheusSimulator
from tests.simulators.waiting import Observable
from voice_host import VoiceAgentManager, VoiceSessionHandler
from voice_host.conversation.runtime import AgentRuntime
from voice_host.models import ModelRegistry
from voice_host.settings import LimitsSettings, ModelKeys, ResilienceSettings, Settings
from voice_host.speech.assemblyai.stt import AssemblyAISpeechToText
from voice_host.speech.orpheus.adapter import OrpheusTextToSpeech
from voice_host.speech.select import SpeechProviders
from voice_host_sdk import AgentConfig, LifecycleCallbacks, SpeechToText, TextToSpeech


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:  # signals belong to pytest
        from contextlib import nullcontext

        return nullcontext()


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an application on a free loopback port. Yields `127.0.0.1:port`."""
    config = uvicorn.Config(app, log_config=None, access_log=False, **{"ws_per_message_deflate": False, **options})
    server = _Server(config)
    listening = listener()
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await task
        listening.close()


@dataclass(eq=False)
class Studio(Observable):
    """Everything of one test. `leaks` holds, for each call that ended, the tasks of the host that were left then."""

    stt: AssemblyAISimulator
    tts: OrpheusSimulator
    llm: GatewaySimulator
    manager: VoiceAgentManager
    handler: VoiceSessionHandler
    url: str = ""
    leaks: list[list[asyncio.Task[Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def handle(self, ws: WebSocket) -> None:
        before = asyncio.all_tasks()
        try:
            await self.handler.handle(ws)
        finally:
            left = asyncio.all_tasks() - before
            self.leaks.append([task for task in left if _is_ours(task)])
            self.changed()


async def no_session(s: Studio, timeout_s: float = 10.0) -> None:
    """Wait until every session of the agent has ended."""
    async with asyncio.timeout(timeout_s):
        while await s.manager.active_sessions():  # noqa: ASYNC110 (the sweeper tells nobody)
            await asyncio.sleep(0.005)


def _is_ours(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "voice_host" in code.co_filename and not task.get_name().startswith("sweeper")


@asynccontextmanager
async def studio(
    config: AgentConfig | None = None,
    *,
    callbacks: LifecycleCallbacks | None = None,
    stt_key: str = "stt-key",
    tts_key: str = "tts-key",
    llm_key: str = "gateway-key",
    ms_per_word: int = 40,
    resilience: ResilienceSettings | None = None,
    stt_options: Mapping[str, Any] = MappingProxyType({}),
    prepare: Callable[[Studio], None] | None = None,
    limits: LimitsSettings | None = None,
    handler_class: type[VoiceSessionHandler] = VoiceSessionHandler,
    ears: SpeechToText | None = None,
    voice: TextToSpeech | None = None,
    fallback_voice: TextToSpeech | None = None,
    ws: Any = "auto",
    **manager_options: Any,
) -> AsyncIterator[Studio]:
    """Serve one agent with simulated services. Words are short, so that a reply takes a fraction of a second.

    `ears` and `voice` take the place of the simulated speech services, and are closed with the rest. `ws`: uvicorn's
    option, for the host's own protocol.
    """
    async with (
        AssemblyAISimulator(api_key="stt-key") as stt,
        OrpheusSimulator(api_key="tts-key", ms_per_word=ms_per_word) as tts,
        GatewaySimulator(api_key="gateway-key") as llm,
    ):
        registry = ModelRegistry(
            Settings(
                keys=ModelKeys(VOICE_HOST_LLM_BASE_URL=llm.base_url, VOICE_HOST_LLM_API_KEY=llm_key),
                resilience=resilience or ResilienceSettings(),
            )
        )
        config = config or AgentConfig()
        models = (None, config.model or "test-model", config.fallback_models)
        await registry.prepare(*models)
        runtime = AgentRuntime("desk", config, registry.resolve(*models), registry=registry)
        manager = VoiceAgentManager(config=config, runtime=runtime, callbacks=callbacks, **manager_options)
        speech = SpeechProviders(
            ears or AssemblyAISpeechToText(stt_key, **{"url": stt.url, "resilience": resilience, **stt_options}),
            voice or OrpheusTextToSpeech(tts_key, url=tts.url, resilience=resilience),
            fallback_voice,
        )
        handler = handler_class(agent_manager=manager, speech=speech, limits=limits, resilience=resilience)
        made = Studio(stt, tts, llm, manager, handler)
        app = FastAPI()
        app.add_api_websocket_route("/session", made.handle)
        if prepare:
            prepare(made)
        try:
            async with serving(app, ws=ws) as address:
                made.url = f"ws://{address}/session"
                yield made
        finally:
            await manager.aclose_all()
            await runtime.aclose()
            await speech.aclose()
