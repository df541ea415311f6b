"""A host that takes calls of OpenAI Realtime clients, and what their tests have in common."""

from __future__ import annotations

from typing import Any

from fastapi import WebSocket

from tests.calls.studio import Studio, studio
from tests.clients.realtime_client import RealtimeClient
from tests.simulators.assemblyai import SimulatedSession
from voice_host import VoiceSessionHandler
from voice_host.clients.openai_realtime import OpenAIRealtime
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host_sdk import AgentReply, Caller, LifecycleCallbacks, Session, SessionError, UserTurn


class RealtimeHandler(VoiceSessionHandler):
    async def handle(self, ws: WebSocket, *, caller: Caller | None = None, metadata: Any = None) -> None:
        protocol = OpenAIRealtime({"model": "desk", "expires_at": 1800000000})
        await self.take(ClientConnection(AsgiWebSocket(ws), protocol, send_timeout_s=5), caller=caller)


class Callbacks(LifecycleCallbacks):
    def __init__(self) -> None:
        self.channels: list[str] = []
        self.turns: list[UserTurn] = []
        self.replies: list[AgentReply] = []
        self.errors: list[SessionError] = []

    async def on_session_created(self, session: Session) -> None:
        self.channels.append(session.channel.name)

    async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
        self.turns.append(turn)

    async def on_agent_reply(self, session: Session, reply: AgentReply) -> None:
        self.replies.append(reply)

    async def on_error(self, session: Session, error: SessionError) -> None:
        self.errors.append(error)


def desk(**options: Any) -> Any:
    return studio(handler_class=RealtimeHandler, **{"ms_per_word": 300, **options})


TEN = "One two three four five six seven eight nine ten."


async def says(s: Studio, client: RealtimeClient, text: str) -> SimulatedSession:
    """Let the caller say a whole turn."""
    ears = await s.stt.connected()
    await client.say()
    await ears.final(text)
    return ears


def named(error: dict[str, Any]) -> tuple[str, str]:
    """Return the code of an error, and the id of the event that it is about."""
    return error["error"]["code"], error["error"]["event_id"]


def transcript(done: dict[str, Any]) -> str:
    """Return what a response said, or what was heard of it."""
    [item] = done["response"]["output"]
    [content] = item["content"]
    return str(content["transcript"])
