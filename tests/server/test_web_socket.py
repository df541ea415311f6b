"""The host's own WebSocket: audio goes straight to whoever takes it, text to the application."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect

from tests.calls.studio import serving
from tests.fuzz.frames import CONTINUATION
from tests.fuzz.raw import BINARY, CLOSE, PING, PONG, TEXT, RawClient, frame, upgrade
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


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(TEXT, b"\xff")], 1007),
        ([frame(TEXT, b"\xed\xa0", fin=False), frame(CONTINUATION, b"\x80")], 1007),
        ([frame(BINARY, b"", fin=False), *[frame(CONTINUATION, b"", fin=False)] * 5000], 1009),
        ([frame(TEXT, b"x", masked=False)], 1002),
        ([*[frame(TEXT, b"x")] * 3, frame(TEXT, b"\xff")], 1007),
    ],
    ids=["no UTF-8", "no UTF-8 in pieces", "too many pieces", "not masked", "behind messages"],
)
async def test_what_is_no_message_closes_quietly(
    frames: list[bytes], code: int, caplog: pytest.LogCaptureFixture
) -> None:
    audio: list[bytes] = []
    async with serving(listening(audio, []), ws=CallProtocol) as address:
        client = await RawClient.connect(address)
        await client.write(upgrade("/"))
        assert (await client.answer()).status == 101
        await client.write(b"".join(frames))
        came = []
        while (next_one := await client.frame()) is not None:
            came.append(next_one)
        opcode, payload = came[-1]
        assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, code)
        await client.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "early",
    [
        frame(TEXT, b"x", masked=False),
        frame(TEXT, b"x", reserved=7),
        frame(TEXT, b"\xff"),
        frame(PING, b"x"),
        frame(CLOSE, b"\x03\xe8"),
        frame(CLOSE, b"\x00"),
        frame(CONTINUATION, b""),
        b"GET / HTTP/1.1\r\n\r\n",
        frame(BINARY, bytes(1 << 20)),
        frame(BINARY, bytes((1 << 20) + 1)),
    ],
)
async def test_frames_that_come_before_the_answer(early: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Authentication takes its time, and a client need not wait for it to send something."""
    asked, answered = asyncio.Event(), asyncio.Event()
    app = FastAPI()

    @app.websocket("/")
    async def session(ws: WebSocket) -> None:
        asked.set()
        await answered.wait()
        await ws.accept()
        await ws.close(4401)

    trouble: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    async with serving(app, ws=CallProtocol) as address:
        client = await RawClient.connect(address)
        await client.write(upgrade("/"))
        await asked.wait()
        await client.write(early)
        await asyncio.sleep(0)  # the loop looks at its sockets: on loopback they have it by now
        await asyncio.sleep(0)
        answered.set()
        answer = await client.answer()
        if answer.status is not None:
            assert answer.status == 101
            assert await client.frame() in (None, (CLOSE, (4401).to_bytes(2)), (PONG, b"x"))
        await client.close()
    assert not trouble
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
