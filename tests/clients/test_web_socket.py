"""The host's own WebSocket: messages go straight to whoever takes them, others to the application."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from prometheus_client import REGISTRY
from websockets.asyncio.client import connect

from tests.calls.studio import serving
from tests.fuzz.frames import CONTINUATION
from tests.fuzz.raw import BINARY, CLOSE, PING, PONG, TEXT, RawClient, frame, upgrade
from voice_host.clients.transport import web_socket
from voice_host.clients.transport.asgi import FAST_PATH
from voice_host.clients.transport.web_socket import CONTROL_FRAMES_BURST, SMALL_READ_BYTES, CallProtocol


def _take_bytes(message: str | bytes, taken: list[bytes]) -> bool:
    if isinstance(message, bytes):
        taken.append(message)
    return isinstance(message, bytes)


def listening(audio: list[bytes], texts: list[str], *, divert: bool = True) -> FastAPI:
    """An application that keeps what it gets, and says `ready` first."""
    app = FastAPI()

    @app.websocket("/")
    async def session(ws: WebSocket) -> None:
        await ws.accept()
        if divert:
            ws.scope["extensions"][FAST_PATH].divert(lambda message: _take_bytes(message, audio))
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


def exceeded(limit: str) -> float:
    sample = REGISTRY.get_sample_value("voice_host_limits_exceeded_total", {"agent": "", "limit": limit})
    return sample or 0.0


class Turns:
    """Counts the turns of the event loop while it is entered."""

    def __init__(self) -> None:
        self.count = 0

    async def __aenter__(self) -> Turns:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


@pytest.mark.real_time
@pytest.mark.fault("caller: floods frames")
async def test_a_flood_of_frames_is_parsed_a_little_at_a_time_and_whole() -> None:
    sent = [bytes([n % 256]) for n in range(5000)]
    taken: list[tuple[int, bytes]] = []
    app = FastAPI()

    async with Turns() as turns:

        @app.websocket("/")
        async def session(ws: WebSocket) -> None:
            await ws.accept()
            ws.scope["extensions"][FAST_PATH].divert(lambda data: taken.append((turns.count, data)) is None)
            await ws.receive()

        async with serving(app, ws=CallProtocol) as address:
            client = await RawClient.connect(address)
            await client.write(upgrade("/"))
            assert (await client.answer()).status == 101
            await client.write(b"".join(frame(BINARY, data) for data in sent))
            async with asyncio.timeout(10):
                while len(taken) < len(sent):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await client.close()
    assert [data for _, data in taken] == sent
    most = max(Counter(turn for turn, _ in taken).values())
    assert most <= SMALL_READ_BYTES / 6  # the smallest frame of a client


async def test_messages_wait_in_the_socket_while_the_application_is_slow() -> None:
    go_on = asyncio.Event()
    waiting: list[int] = []
    texts: list[str] = []
    app = FastAPI()

    class Watched(CallProtocol):
        def send_receive_event_to_app(self) -> None:
            super().send_receive_event_to_app()
            waiting.append(self.queue.qsize())

    @app.websocket("/")
    async def session(ws: WebSocket) -> None:
        await ws.accept()
        await go_on.wait()
        try:
            while True:
                texts.append(await ws.receive_text())
        except WebSocketDisconnect:
            return

    async with asyncio.timeout(10), serving(app, ws=Watched) as address:
        client = await RawClient.connect(address)
        await client.write(upgrade("/"))
        assert (await client.answer()).status == 101
        sent = [str(n) for n in range(2000)]
        await client.write(b"".join(frame(TEXT, text.encode()) for text in sent) + frame(CLOSE, b"\x03\xe8"))
        while not waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        go_on.set()
        assert await client.frame() == (CLOSE, b"\x03\xe8")
        await client.close()
    assert texts == sent
    assert max(waiting) <= SMALL_READ_BYTES / 7


@pytest.mark.fault("caller: floods frames")
@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_a_client_that_only_pings_is_cut_and_counted(opcode: int) -> None:
    before = exceeded("control_frames_per_s")
    async with asyncio.timeout(10), serving(listening([], []), ws=CallProtocol) as address:
        client = await RawClient.connect(address)
        await client.write(upgrade("/"))
        assert (await client.answer()).status == 101
        await client.write(frame(opcode, b"") * (CONTROL_FRAMES_BURST + 100))
        came = []
        while (next_one := await client.frame()) is not None:
            came.append(next_one)
        await client.close()
        assert [came[-1][0], int.from_bytes(came[-1][1][:2])] == [CLOSE, 1008]
        async with connect(f"ws://{address}/", compression=None) as other:
            assert await other.recv() == "ready"
            await (await other.ping())
    assert exceeded("control_frames_per_s") == before + 1


@pytest.mark.fault("caller: refused and does not close")
async def test_a_refused_client_that_does_not_close_is_cut_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_socket, "REFUSED_CLOSE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(web_socket, "CLOSE_TIMEOUT_S", 1000.0)
    app = FastAPI()

    @app.websocket("/")
    async def session(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4401)

    async with asyncio.timeout(10), serving(app, ws=CallProtocol) as address:
        client = await RawClient.connect(address)
        await client.write(upgrade("/"))
        assert (await client.answer()).status == 101
        assert await client.frame() == (CLOSE, b"\x11\x31")
        assert await client.frame() is None, "the host cut the connection"
        await client.close()
