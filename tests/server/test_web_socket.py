"""The host's own WebSocket: audio goes straight to whoever takes it, text to the application."""

import asyncio
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect

from tests.calls.studio import serving
from voice_host.server.web_socket import CallProtocol
from voice_host.session.client_link import AUDIO_EXTENSION


def listening(audio: list[bytes], texts: list[str], *, divert: bool = True) -> FastAPI:
    """An application that keeps what it gets, and says `ready` first."""
    app = FastAPI()

    @app.websocket("/")
    async def session(ws: WebSocket) -> None:
        await ws.accept()
        if divert:
            ws.scope["extensions"][AUDIO_EXTENSION]["divert"](audio.append)
        await ws.send_text("ready")
        try:
            while True:
                message: dict[str, Any] = await ws.receive()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect
                texts.append(message["text"] if message.get("text") is not None else repr(message["bytes"]))
                await ws.send_text("heard")
        except WebSocketDisconnect:
            return

    return app


async def test_audio_takes_the_short_cut_and_text_does_not() -> None:
    audio: list[bytes] = []
    texts: list[str] = []
    async with (
        asyncio.timeout(10),
        serving(listening(audio, texts), ws=CallProtocol) as address,
        connect(f"ws://{address}/", compression=None) as ws,
    ):
        assert await ws.recv() == "ready"
        await ws.send(b"whole")
        await ws.send([b"in ", b"three ", b"pieces"])
        await ws.send("text")
        await ws.send(["text in ", "two"])
        await ws.send(b"last")
        await ws.send("end")
        assert [await ws.recv() for _ in range(3)] == ["heard"] * 3
    assert audio == [b"whole", b"in three pieces", b"last"]
    assert texts == ["text", "text in two", "end"]


async def test_audio_that_nobody_takes_goes_the_usual_way() -> None:
    audio: list[bytes] = []
    texts: list[str] = []
    async with (
        asyncio.timeout(10),
        serving(listening(audio, texts, divert=False), ws=CallProtocol) as address,
        connect(f"ws://{address}/", compression=None) as ws,
    ):
        assert await ws.recv() == "ready"
        await ws.send(b"frame")
        assert await ws.recv() == "heard"
    assert (audio, texts) == ([], ["b'frame'"])
