"""Serves an agent for a test, with the real handler, turn engine, playout, tools and callbacks, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, TypedDict, Unpack

from pydantic_ai.models import Model
from starlette.websockets import WebSocket

from voice_host.admission import Lease
from voice_host.clients.protocol import Opening
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.voice_host_v1 import VoiceHostV1
from voice_host.models import ModelRegistry, ResolvedModel
from voice_host.sessions.resume_token import new_session_id
from voice_host.settings import LimitsSettings, Settings, load_settings
from voice_host.speech.select import SpeechProviders
from voice_host.testing.call import TestCall, dialled
from voice_host.testing.ears import ScriptedEars
from voice_host.testing.model import ScriptedModel
from voice_host.testing.phone import KeyedProtocol, TestCarrier
from voice_host.testing.sources import AgentSource, load
from voice_host.testing.virtual_time import VirtualLoop
from voice_host.testing.voice import MS_PER_WORD, ScriptedVoice
from voice_host.testing.worker import SavedSessions, TestWorker
from voice_host_sdk import (
    AgentConfig,
    Caller,
    Channel,
    LifecycleCallbacks,
    SpeechToTextStream,
    STTConfig,
    TextToSpeechStream,
    TTSConfig,
)

StartWorker = Callable[[SavedSessions], Awaitable[TestWorker]]
"""Loads and starts the agent once more."""

ModelSource = ScriptedModel | Model | str
"""A script, a model of pydantic-ai, or a name: `demo`, or what `AgentConfig.model` takes."""

DEMO = "demo"


class CallOptions(TypedDict, total=False):
    """Options of a call.

    Attributes:
        metadata: sent by the client, as in `Session.metadata`.
        caller: the caller as authenticated by the platform.
        hear_greeting: whether to wait for the end of the greeting. Default: True.
        ms_per_word: how fast the agent speaks. Default: 300.
        channel: how the caller is connected, e.g. `Channel("test", "phone", to_number="+15550100")` for a telephone,
            whose keys the caller can press. Default: a page or program.
    """

    metadata: Mapping[str, str] | None
    caller: Caller | None
    hear_greeting: bool
    ms_per_word: int
    channel: Channel


class TestAgent:
    """An agent that takes calls. Created by `serve_agent`.

    Attributes:
        id: the agent's id.
        config: what `agent_config` returned.
        callbacks: the agent's own.
        calls: all calls so far, including ended ones.
    """

    __test__ = False

    def __init__(self, worker: TestWorker, start: StartWorker, model: ModelSource) -> None:
        self.id = worker.loaded.id
        self.calls: list[TestCall] = []
        self._worker = worker
        self._start = start
        self._trouble = model.trouble if isinstance(model, ScriptedModel) else []

    @property
    def config(self) -> AgentConfig:
        """What `agent_config` returned."""
        return self._worker.loaded.config

    @property
    def callbacks(self) -> LifecycleCallbacks:
        """The agent's own callbacks."""
        return self._worker.loaded.callbacks

    async def lose_worker(self) -> None:
        """Lose the agent's process, with all connections, and start the agent in another one.

        It is loaded and started again. Tools that run are cancelled, and no callback of the lost process runs any more;
        its `on_shutdown` runs at the end of the test. Module globals and running threads of sync tools, which a process
        would take with it, remain.

        Raises:
            AgentBroken: the agent failed a phase.
        """
        lost = self._worker
        lost.lose()
        for call in self.calls:
            await call.lose_line()
        await lost.cancel_tools()
        for call in self.calls:
            await call.leave()
        self._worker = await self._start(SavedSessions(lost.saved))

    @asynccontextmanager
    async def call(
        self,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[TestCall]:
        """Call the agent, and hang up on exit.

        Raises:
            AssertionError: on exit, if the model's script ran out, or a callback failed that the test did not check.
        """
        ears, voice = ScriptedEars(), ScriptedVoice(options.get("ms_per_word", MS_PER_WORD))
        channel = options.get("channel") or Channel()
        carrier = TestCarrier() if channel.kind == "phone" else None
        call = TestCall(ears, voice, self._trouble, self.lose_worker, carrier)
        self.calls.append(call)
        if carrier is not None:
            carrier.connect(lambda answer: self._worker.agents.call_answered(call.session.id, answer))
        call.dial(partial(self._take, channel, carrier), options.get("metadata") or {}, options.get("caller"))
        try:
            try:
                await call.pick_up(hear_greeting=options.get("hear_greeting", True))
                yield call
            finally:
                await call.leave()
            call.check()
        except Exception as error:
            error.add_note(f"The call to {self.id}:\n{call.transcript}")
            raise

    async def _take(self, channel: Channel, carrier: TestCarrier | None, ws: WebSocket, caller: Caller | None) -> None:
        lease = Lease(new_session_id(), self.id, caller, len(self.calls))
        timeout_s = LimitsSettings().send_timeout_s
        protocol = VoiceHostV1() if carrier is None else KeyedProtocol()
        client = ClientConnection(AsgiWebSocket(ws), protocol, send_timeout_s=timeout_s)
        saved = self._worker.saved.of_token(ws.query_params.get("resume"))
        await self._worker.agents.take(client, lease, Opening(channel=channel), carrier, saved)


class _EarsOfCall:
    """A `SpeechToText` that gives each call its own `ScriptedEars`."""

    name = "scripted"

    @property
    def reports_speech_end(self) -> bool:
        return ScriptedEars.reports_speech_end

    async def open(self, config: STTConfig) -> SpeechToTextStream:
        return await dialled.get().ears.open(config)

    async def aclose(self) -> None:
        """Nothing is held."""


class _VoiceOfCall:
    """A `TextToSpeech` that gives each call its own `ScriptedVoice`."""

    name = "scripted"

    async def open(self, config: TTSConfig) -> TextToSpeechStream:
        return await dialled.get().voice.open(config)

    async def aclose(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def serve_agent(
    agent: AgentSource,
    model: ModelSource = DEMO,
    *,
    settings: Mapping[str, Any] | None = None,
    callbacks: LifecycleCallbacks | None = None,
) -> AsyncIterator[TestAgent]:
    """Start an agent as the host does, and stop it on exit. It may take several calls at once.

    Args:
        agent: the id of an installed agent, a module with hooks, or a configuration.
        model: answers the turns. A name other than `demo` is a real model, which needs its key.
        settings: the agent's own settings.
        callbacks: for an agent given as a configuration.

    Raises:
        AgentBroken: the agent failed a phase.
        LookupError: no agent of that id is installed.
        RuntimeError: the event loop is not in virtual time.
    """
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise RuntimeError(
            "calls are tested in virtual time: let the test take the fixture `call_agent`, with "
            'pytest_plugins = ["voice_host.testing.fixtures"] in conftest.py, or put @in_virtual_time above it'
        )
    registry = ModelRegistry(Settings() if model == DEMO else load_settings())
    speech = SpeechProviders(_EarsOfCall(), _VoiceOfCall())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(registry.aclose)
        resolved = _resolved(model, registry)

        async def start(saved: SavedSessions) -> TestWorker:
            worker = TestWorker(load(agent, settings, callbacks), saved, speech, resolved)
            stack.push_async_callback(worker.stop)
            await worker.start()
            return worker

        yield TestAgent(await start(SavedSessions()), start, model)


def _resolved(model: ModelSource, registry: ModelRegistry) -> ResolvedModel:
    if isinstance(model, ScriptedModel):
        return ResolvedModel("scripted", model.as_model())
    if isinstance(model, Model):
        return ResolvedModel(model.model_name, model)
    return registry.resolve(model, None)


@asynccontextmanager
async def call_agent(
    agent: AgentSource,
    model: ModelSource = DEMO,
    *,
    settings: Mapping[str, Any] | None = None,
    callbacks: LifecycleCallbacks | None = None,
    **options: Unpack[CallOptions],
) -> AsyncIterator[TestCall]:
    """Start an agent for one call: `serve_agent` and `TestAgent.call` in one."""
    async with (
        serve_agent(agent, model, settings=settings, callbacks=callbacks) as served,
        served.call(**options) as call,
    ):
        yield call
