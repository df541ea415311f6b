"""A client of another protocol: a telephone carrier, whose calls open with a message and carry audio in JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from fastapi import WebSocket
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect

from tests.calls.studio import serving, studio
from tests.clients.carrier import telephone
from tests.clients.telephone import TelephoneProtocol
from tests.speech.added.chirp.adapter import ChirpSpeechToText, ChirpTextToSpeech
from voice_host import VoiceSessionHandler
from voice_host.admission import Admission, Lease
from voice_host.clients.protocol import Admit, ClientEvent, Frame, Malformed, Opening, unlimited
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.fleet.local import LocalAgents, build
from voice_host.models import ResolvedModel
from voice_host.plugins import DiscoveredAgent, LoadedAgent
from voice_host.sessions.resume_token import new_session_id
from voice_host.settings import LimitsSettings, Settings
from voice_host.speech.select import SpeechProviders
from voice_host.testing import ScriptedModel
from voice_host_sdk import AgentConfig, AgentReply, Caller, Channel, LifecycleCallbacks, Session, UserTurn

CHANNEL = Channel("acme", "phone", "outbound", "+15550199", "+15550100", "C1")


class TelephoneHandler(VoiceSessionHandler):
    async def handle(self, ws: WebSocket, *, caller: Caller | None = None, metadata: Any = None) -> None:
        client = ClientConnection(AsgiWebSocket(ws), TelephoneProtocol(), send_timeout_s=5)
        await self.take(client, caller=caller, metadata=metadata)


class Callbacks(LifecycleCallbacks):
    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.channel: Channel | None = None
        self.turns: list[UserTurn] = []
        self.replies: list[AgentReply] = []

    async def on_session_created(self, session: Session) -> None:
        self.metadata = dict(session.metadata)
        self.channel = session.channel

    async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
        self.turns.append(turn)

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        self.replies.append(reply)


async def test_a_whole_conversation_by_telephone_with_an_interruption() -> None:
    callbacks = Callbacks()
    async with studio(callbacks=callbacks, handler_class=TelephoneHandler, ms_per_word=300) as s:
        s.llm.reply("One two three four five six seven eight nine ten.")
        s.llm.reply("Fine, I stop here.")
        s.llm.reply("Goodbye.")
        async with telephone(s.url, **{"from": "+15550100"}) as carrier:
            ears = await s.stt.connected()
            await carrier.say(b"\xff" * 160)
            await carrier.send("dtmf", digit="5")
            await ears.final("Count to ten")
            await carrier.hear_for(1.05)  # three words and a half
            await ears.final("Wait a moment please")
            await carrier.until(lambda _: len(carrier.clears) == 1, 10)
            await carrier.hear_for(1.15)
            await asyncio.sleep(0.2)  # the four words of the next reply are over
            await ears.final("Thank you, bye")
            await carrier.hear_for(0.25)  # of one word of 0.3 s
            await carrier.send("stop")
            await carrier.until(lambda _: carrier.closed is not None, 10)
            assert carrier.closed == (1000, "")
    assert callbacks.metadata == {"from": "+15550100"}
    assert callbacks.channel == Channel("carrier", "phone", from_number="+15550100")
    assert [turn.text for turn in callbacks.turns] == ["Count to ten", "Wait a moment please", "Thank you, bye"]
    assert [(reply.heard, reply.interrupted) for reply in callbacks.replies[:2]] == [
        ("One two three", True),
        ("Fine, I stop here.", False),
    ]
    # What came back because of `clear` was not taken for played.
    assert carrier.clears[0] == pytest.approx(1.05, abs=0.1)
    [cut] = [message for message in s.llm.requests[1].messages if message["role"] == "assistant"]
    assert cut["content"] == "One two three [interrupted by the caller]"


class Silent(TelephoneProtocol):
    """Takes note of the frames that it has parsed, and has an event for none."""

    parsed: ClassVar[list[Frame]] = []

    def receive(self, frame: Frame, admit: Admit = unlimited) -> Sequence[ClientEvent]:
        self.parsed.append(frame)
        return [event for event in super().receive(frame, admit) if not isinstance(event, Malformed)]


class SilentHandler(VoiceSessionHandler):
    async def handle(self, ws: WebSocket, *, caller: Caller | None = None, metadata: Any = None) -> None:
        await self.take(ClientConnection(AsgiWebSocket(ws), Silent(), send_timeout_s=5))


async def test_a_frame_without_an_event_is_parsed_once() -> None:
    """A protocol may keep what it was told, such as a packet that came too early."""
    async with studio(handler_class=SilentHandler) as s, telephone(s.url) as carrier:
        await carrier.send("ring")
        await carrier.send("stop")
        await carrier.until(lambda _: carrier.closed is not None, 10)
    assert [json.loads(frame)["event"] for frame in Silent.parsed] == ["start", "ring", "stop"]


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks()


@pytest.fixture
def agents(callbacks: Callbacks) -> LocalAgents:
    """An agent that greets its callers."""
    desk = LoadedAgent(DiscoveredAgent("desk", "", "", "", None), AgentConfig(greeting="Hello there."), callbacks)
    key = SecretStr("secret")
    speech = SpeechProviders(ChirpSpeechToText(key), ChirpTextToSpeech(key))
    model = ResolvedModel("scripted", ScriptedModel().as_model())
    return build(Settings(), agents=[desk], speech=speech, model=model)


async def test_a_route_of_the_front_takes_calls_of_another_protocol(agents: LocalAgents, callbacks: Callbacks) -> None:
    admission = Admission(LimitsSettings())

    async def answer(ws: WebSocket) -> None:
        lease = admission.lease(new_session_id(), "desk")
        assert isinstance(lease, Lease)
        try:
            client = ClientConnection(AsgiWebSocket(ws), TelephoneProtocol(), send_timeout_s=5)
            await agents.take(client, lease, Opening({"account": "A1"}, channel=CHANNEL))
        finally:
            admission.give_back(lease)

    await agents.start()
    async with serving(Starlette(routes=[WebSocketRoute("/telephone", answer)])) as address:
        async with telephone(f"ws://{address}/telephone", **{"from": "+15550100"}) as carrier:
            await carrier.hear_for(0.15)  # of two words of 0.1 s
            assert admission.calls == 1
            await carrier.send("stop")
            await carrier.until(lambda _: carrier.closed is not None, 10)
        await agents.stop()
    assert callbacks.metadata == {"from": "+15550100", "account": "A1"}
    assert callbacks.channel == CHANNEL
    assert [reply.text for reply in callbacks.replies] == ["Hello there."]
    assert admission.calls == 0


async def test_a_carrier_that_opens_with_anything_else_is_refused() -> None:
    async with studio(handler_class=TelephoneHandler) as s, connect(s.url) as socket:
        await socket.send(json.dumps({"event": "media", "stream": "S1", "payload": "AAAA"}))
        await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (4500, "this stream was not started")
        assert await s.manager.active_sessions() == 0
