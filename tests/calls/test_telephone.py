"""A client of another protocol: a telephone carrier, whose calls open with a message and carry audio in JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

from fastapi import WebSocket
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect

from tests.calls.studio import studio
from tests.clients.telephone import TelephoneProtocol
from voice_host import VoiceSessionHandler
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host_sdk import Caller, LifecycleCallbacks, Session, UserTurn


class TelephoneHandler(VoiceSessionHandler):
    async def handle(self, ws: WebSocket, *, caller: Caller | None = None, metadata: Any = None) -> None:
        client = ClientConnection(AsgiWebSocket(ws), TelephoneProtocol(), send_timeout_s=5)
        await self.take(client, caller=caller, metadata=metadata)


class Callbacks(LifecycleCallbacks):
    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.turns: list[UserTurn] = []

    async def on_session_created(self, session: Session) -> None:
        self.metadata = dict(session.metadata)

    async def on_user_turn(self, session: Session, turn: UserTurn) -> None:
        self.turns.append(turn)


async def send(socket: Socket, **frame: Any) -> None:
    await socket.send(json.dumps({"stream": "S1", **frame}))


async def frame_of(socket: Socket, event: str) -> dict[str, Any]:
    """Wait for the next frame of a kind."""
    async for raw in socket:
        frame: dict[str, Any] = json.loads(raw)
        if frame["event"] == event:
            return frame
    raise AssertionError(f"the call ended without {event}")


async def test_a_carrier_opens_a_call_with_a_message_and_barges_in() -> None:
    callbacks = Callbacks()
    async with studio(callbacks=callbacks, handler_class=TelephoneHandler, ms_per_word=300) as s:
        s.llm.reply("One two three four five six seven eight nine ten.")
        s.llm.reply("Fine.")
        async with connect(s.url) as socket:
            await send(socket, event="start", parameters={"from": "+15550100"})
            ears = await s.stt.connected()
            await send(socket, event="media", payload=base64.b64encode(b"\xff" * 160).decode())
            await send(socket, event="dtmf", digit="5")
            await ears.final("Count to ten")
            media = await frame_of(socket, "media")
            assert base64.b64decode(media["payload"])
            await send(socket, event="mark", name=(await frame_of(socket, "mark"))["name"])
            await ears.final("Wait a moment please")
            await frame_of(socket, "clear")
            await frame_of(socket, "media")
            await send(socket, event="stop")
            await socket.wait_closed()
            assert socket.close_code == 1000
    assert callbacks.metadata == {"from": "+15550100"}
    assert [turn.text for turn in callbacks.turns] == ["Count to ten", "Wait a moment please"]
    history = str(s.llm.requests[-1].messages)
    assert "[interrupted by the caller]" in history
    assert "eight" not in history


async def test_a_carrier_that_opens_with_anything_else_is_refused() -> None:
    async with studio(handler_class=TelephoneHandler) as s, connect(s.url) as socket:
        await send(socket, event="media", payload="AAAA")
        await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (4500, "this stream was not started")
        assert await s.manager.active_sessions() == 0
