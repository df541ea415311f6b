"""A call whose socket another process accepted: the client can't tell the difference, frames never pass it by."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.loops import Run, run
from voice_host.call.events import ReplyText
from voice_host.clients.close_codes import CloseCode
from voice_host.clients.protocol import Audio, Opening, Typed
from voice_host.clients.transport import Disconnected, HandedOver
from voice_host.clients.transport.adopted import SocketAdopter
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.voice_host_v1 import VoiceHostV1

__all__ = ["run"]

END_OF_HEAD = b"\r\n\r\n"

HEAD = (
    b"GET /agents/a/session?name=Ada HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

HandOver = Callable[[socket.socket, bytes], Awaitable[None]]
"""Gets an accepted socket, and the request that was read from it."""


class Worker:
    """Serves adopted sockets: says how a client opened, repeats what it typed, and counts its audio."""

    def __init__(self) -> None:
        self.audio: list[bytes] = []
        self.ends: list[Disconnected] = []
        self.adopter = SocketAdopter(ws_ping_interval=None)

    async def adopt(self, accepted: socket.socket, request: bytes) -> None:
        assert await self.adopter.adopt(HandedOver(accepted, request, None, "ws"), self._serve)

    async def _serve(self, transport: AsgiWebSocket) -> None:
        connection = ClientConnection(transport, VoiceHostV1(), send_timeout_s=5)
        await connection.accept()
        connection.divert(lambda audio, _: self.audio.append(audio))
        opening = await connection.opening(8192)
        assert isinstance(opening, Opening)
        await connection.tell(ReplyText(0, json.dumps(opening.metadata)))
        while not isinstance(frame := await connection.receive(), Disconnected):
            for event in connection.read(frame):
                assert not isinstance(event, Audio)  # it took the short cut
                if event == Typed("end"):
                    await connection.close(CloseCode.ENDED, "as you wish")
                elif isinstance(event, Typed):
                    await connection.tell(ReplyText(1, event.text))
        self.ends.append(frame)


@asynccontextmanager
async def front(hand_over: HandOver) -> AsyncIterator[str]:
    """A listener that reads the head of each request and hands a copy of the socket on, closing its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    loop = asyncio.get_running_loop()

    async def accept() -> None:
        while True:
            accepted, _ = await loop.sock_accept(listener)
            request = b""
            while END_OF_HEAD not in request:
                request += await loop.sock_recv(accepted, 65536)
            handed_over = accepted.dup()
            accepted.close()
            await hand_over(handed_over, request)

    accepting = asyncio.create_task(accept())
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/agents/a/session"
    finally:
        accepting.cancel()
        await asyncio.wait([accepting])
        listener.close()


async def test_a_whole_conversation_over_an_adopted_socket() -> None:
    worker = Worker()
    async with asyncio.timeout(20), front(worker.adopt) as address:
        async with connect(f"{address}?name=Ada&token=secret", subprotocols=["voice-host.v1"]) as client:  # type: ignore[list-item]
            assert client.subprotocol == "voice-host.v1"
            assert json.loads(json.loads(await client.recv())["text"]) == {"name": "Ada"}
            await client.send(b"\1\2" * 320)
            await client.send('{"type": "text", "text": "Hello"}')
            assert json.loads(await client.recv()) == {"type": "reply_delta", "reply": 1, "text": "Hello"}
            await client.send('{"type": "text", "text": "end"}')
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert (client.close_code, client.close_reason) == (1000, "as you wish")
        async with connect(address) as client:
            await client.recv()
    async with asyncio.timeout(20):
        await worker.adopter.aclose()
    assert worker.audio == [b"\1\2" * 320]
    assert worker.ends[1] == Disconnected(on_purpose=True)


async def test_what_came_behind_the_request_is_not_lost() -> None:
    """A client may send at once what an impatient front then reads along with the head of the request."""
    worker = Worker()
    async with asyncio.timeout(20):
        ours, theirs = socket.socketpair()
        typed = b'{"type": "text", "text": "early"}'
        await worker.adopt(theirs, HEAD + bytes([0x81, 0x80 | len(typed), 0, 0, 0, 0]) + typed)
        ours.setblocking(False)
        loop, got = asyncio.get_running_loop(), b""
        while b'"text": "early"' not in got:
            got += await loop.sock_recv(ours, 65536)
        assert got.startswith(b"HTTP/1.1 101 ")
        ours.close()
        await worker.adopter.aclose()
    assert worker.ends == [Disconnected(on_purpose=False)]


@pytest.mark.skipif(sys.platform == "win32", reason="sockets are duplicated on Unix alone")
def test_the_connection_ends_although_another_process_has_its_socket(run: Run) -> None:
    """The front keeps a duplicate until the call is over, and a call may be over later than its connection."""

    async def check() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        async def serve(transport: AsgiWebSocket) -> None:
            await transport.accept(None)
            while not isinstance(await transport.receive(), Disconnected):
                pass
            await over.wait()

        listener = socket.create_server(("127.0.0.1", 0))
        with listener, socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            client.setblocking(False)
            adopter = SocketAdopter(ws_ping_interval=None)
            with accepted.dup():
                assert await adopter.adopt(HandedOver(accepted, HEAD, None, "ws"), serve)
                async with asyncio.timeout(20):
                    assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 101 ")
                    await loop.sock_sendall(client, bytes([0x88, 0x82, 0, 0, 0, 0]) + (1000).to_bytes(2))
                    assert await loop.sock_recv(client, 4096) == bytes([0x88, 2]) + (1000).to_bytes(2)
                    assert await loop.sock_recv(client, 4096) == b""
            over.set()
            await adopter.aclose()

    run(check())


@pytest.mark.real_time
@pytest.mark.skipif(sys.platform != "linux", reason="sockets are sent to other processes on Linux alone")
async def test_a_call_is_served_by_another_process() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = (sys.executable, "-m", "tests.clients.adopting_process", str(theirs.fileno()))
    process = await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()])
    theirs.close()

    async def hand_over(accepted: socket.socket, head: bytes) -> None:
        with accepted:
            socket.send_fds(ours, [head], [accepted.fileno()])

    try:
        async with asyncio.timeout(30), front(hand_over) as address, connect(address) as client:
            await client.send('{"type": "text", "text": "Hello"}')
            assert json.loads(await client.recv()) == {"type": "reply_delta", "reply": 1, "text": "Hello"}
            await client.send('{"type": "text", "text": "end"}')
            await client.wait_closed()
            assert (client.close_code, client.close_reason) == (1000, "as you wish")
    finally:
        ours.close()  # which ends the process
        async with asyncio.timeout(30):
            assert await process.wait() == 0
