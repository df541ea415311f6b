"""A host with telephone numbers: one agent, `desk`, with simulated speech services. A carrier's simulator calls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.calls.studio import serving
from tests.simulators.assemblyai import AssemblyAISimulator
from tests.simulators.orpheus import OrpheusSimulator
from tests.simulators.waiting import Observable
from voice_host.admission import Admission
from voice_host.auth.authentication import build_authentication
from voice_host.fleet.local import LocalAgents, build
from voice_host.front.app import create_host_app
from voice_host.models import ResolvedModel
from voice_host.phone.calls import PhoneCalls
from voice_host.phone.service import PhoneService
from voice_host.plugins import DiscoveredAgent, LoadedAgent
from voice_host.settings import AuthSettings, LimitsSettings, PhoneSettings, Settings
from voice_host.speech.assemblyai.stt import AssemblyAISpeechToText
from voice_host.speech.orpheus.adapter import OrpheusTextToSpeech
from voice_host.speech.select import SpeechProviders
from voice_host.testing import ScriptedModel
from voice_host_sdk import AgentConfig, AgentReply, CallAnswer, LifecycleCallbacks, Session, SessionEnd, UserTurn

PUBLIC_URL = "https://voice.example.com"
NUMBER = "+15550100"


class Heard(Observable, LifecycleCallbacks):
    """What the agent was told. It ends no session before `free` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: list[Session] = []
        self.turns: list[UserTurn] = []
        self.replies: list[AgentReply] = []
        self.digits: list[str] = []
        self.answers: list[CallAnswer] = []
        self.ends: list[str] = []
        self.free = asyncio.Event()
        self.free.set()

    async def on_session_created(self, session: Session) -> None:
        self.sessions.append(session)
        self.changed()

    async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
        self.turns.append(turn)
        self.changed()

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        self.replies.append(reply)
        self.changed()

    async def on_dtmf(self, session: Session, digit: str) -> None:
        self.digits.append(digit)
        self.changed()

    async def on_answered(self, session: Session, answer: CallAnswer) -> None:
        self.answers.append(answer)
        self.changed()

    async def on_session_destroyed(self, session: Session, end: SessionEnd) -> None:
        await self.free.wait()
        self.ends.append(end.reason)
        self.changed()


@dataclass
class PhoneHost:
    """A host that serves at `address`, and is known by `PUBLIC_URL`."""

    address: str
    stt: AssemblyAISimulator
    agents: LocalAgents
    phone: PhoneService
    admission: Admission
    heard: Heard
    model: ScriptedModel = field(default_factory=ScriptedModel)


@asynccontextmanager
async def phone_host(
    carriers: Mapping[str, Any],
    *says: str,
    config: AgentConfig | None = None,
    limits: LimitsSettings | None = None,
    auth: AuthSettings | None = None,
    **phone: Any,
) -> AsyncIterator[PhoneHost]:
    """Serve the agent at `NUMBER`. Each of its replies is what `says` has next, at 300 ms a word.

    Args:
        carriers: tables of `[phone]`, such as `telnyx`.
        auth: API keys; default: none are needed.
        phone: other settings of `[phone]`.
    """
    heard, model = Heard(), ScriptedModel(*says)
    desk = LoadedAgent(DiscoveredAgent("desk", "", "", "", None), config or AgentConfig(), heard)
    async with (
        AssemblyAISimulator(api_key="stt-key") as stt,
        OrpheusSimulator(api_key="tts-key", ms_per_word=300) as tts,
    ):
        settings = Settings(
            phone=PhoneSettings.model_validate(
                {"public_url": PUBLIC_URL, "numbers": {NUMBER: "desk"}, **carriers, **phone}
            ),
            limits=limits or LimitsSettings(),
            auth=auth or AuthSettings(),
        )
        speech = SpeechProviders(
            AssemblyAISpeechToText("stt-key", url=stt.url), OrpheusTextToSpeech("tts-key", url=tts.url)
        )
        agents = build(settings, agents=[desk], speech=speech, model=ResolvedModel("scripted", model.as_model()))
        admission = Admission(settings.limits)
        service = PhoneService(settings.phone, PhoneCalls(agents, admission, lambda: settings.phone))
        await agents.start()
        try:
            authentication = build_authentication(settings)
            app = create_host_app(agents, settings, authentication=authentication, admission=admission, phone=service)
            async with serving(app, lifespan="off") as address:
                yield PhoneHost(address, stt, agents, service, admission, heard, model)
                await agents.drain(0)
        finally:
            await agents.stop()
            await service.aclose()
