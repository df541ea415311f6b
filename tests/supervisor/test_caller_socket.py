"""What the front does with the connection of a caller whose worker has died, with real sockets and clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from voice_host.clients.close_codes import CloseCode
from voice_host.clients.transport.stream_position import CountedTransport, StreamPosition
from voice_host.clients.voice_host_v1 import SUBPROTOCOL
from voice_host.supervisor.caller_socket import Answered, CallerSocket, close_frame, handshake

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker processes need Linux")


def speech(size: int) -> bytes:
    """A server's frame with `size` bytes of speech."""
    return WebSocketFrame(Opcode.BINARY, bytes(size)).serialize(mask=False)


@dataclass
class Worker:
    """What a worker has: the socket, and the position that it shares with the front."""

    sock: socket.socket
    position: StreamPosition
    request: bytes
    written: int = field(default=0)

    def writes(self, data: bytes, *, but_dies_after: int | None = None) -> None:
        self.written += len(data)
        self.position.value = self.written
        self.sock.sendall(data[:but_dies_after])

    def dies(self) -> None:
        self.sock.close()


@asynccontextmanager
async def handed_over() -> AsyncIterator[tuple[CallerSocket, Worker, asyncio.Task[ClientConnection]]]:
    """A client that connects; its request was read, and the socket was given to a worker."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        calling = asyncio.ensure_future(
            connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, close_timeout=1).__aenter__()
        )
        accepted, _ = await loop.sock_accept(listener)
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += await loop.sock_recv(accepted, 4096)
        caller = CallerSocket(accepted.dup(), request, SUBPROTOCOL)
        shared = StreamPosition(caller.hand_over())
        accepted.setblocking(True)
        worker = Worker(accepted, shared, request)
        try:
            yield caller, worker, calling
        finally:
            worker.dies()
            shared.close()
            caller.close()
            with contextlib.suppress(OSError, ConnectionClosed, Exception):
                await (await calling).close()


async def closed(client: ClientConnection) -> tuple[int | None, str | None]:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await client.recv()
    return client.close_code, client.close_reason


async def test_between_two_frames_the_caller_gets_code_and_words() -> None:
    async with handed_over() as (caller, worker, calling):
        worker.writes(handshake(worker.request))
        worker.writes(speech(5000))
        client = await calling
        worker.dies()
        assert caller.answered is Answered.WHOLE_FRAMES
        await asyncio.gather(caller.refuse(CloseCode.COME_BACK, "come back"), closed(client))
        assert (client.close_code, client.close_reason) == (1012, "come back")


async def test_a_caller_who_goes_on_talking_is_not_cut_off() -> None:
    """A socket that is closed with unread data resets the connection, and the close frame may be lost with it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        accepted, _ = listener.accept()
    caller = CallerSocket(accepted.dup(), b"")
    position = StreamPosition(caller.hand_over())
    worker = Worker(accepted, position, b"")
    worker.writes(speech(10))
    writer.write(bytes(5000))
    await writer.drain()
    worker.dies()
    refusing = asyncio.create_task(caller.refuse(CloseCode.INTERNAL_ERROR, "the call is lost"))
    async with asyncio.timeout(10):
        heard = await reader.read()  # to the end, which is none if the connection is reset
        assert heard == speech(10) + close_frame(CloseCode.INTERNAL_ERROR, "the call is lost")
        writer.write(bytes(5000))  # it has not looked yet
        writer.close()
        await writer.wait_closed()
        await refusing
    position.close()


@pytest.mark.fault("worker: ends within a frame")
@pytest.mark.parametrize("sent", [1, 3, 4999, 5003])
async def test_within_a_frame_the_connection_is_lost(sent: int) -> None:
    """A close frame would be taken for the rest of the frame, and what follows for the next one."""
    async with handed_over() as (caller, worker, calling):
        worker.writes(handshake(worker.request))
        client = await calling
        worker.writes(speech(5000), but_dies_after=sent)
        worker.dies()
        assert caller.answered is Answered.PART_OF_A_FRAME
        await caller.refuse(CloseCode.COME_BACK, "come back")
        assert (await closed(client))[0] == 1006


async def test_frames_that_died_with_the_worker_count_as_missing() -> None:
    async with handed_over() as (caller, worker, calling):
        worker.writes(handshake(worker.request))
        await calling
        worker.writes(speech(100), but_dies_after=0)
        assert caller.answered is Answered.PART_OF_A_FRAME


async def test_a_caller_without_an_answer_gets_the_upgrade_first() -> None:
    async with handed_over() as (caller, worker, calling):
        worker.dies()
        assert caller.answered is Answered.NOTHING
        refusing = asyncio.create_task(caller.refuse(CloseCode.COME_BACK, "come back"))
        client = await calling
        assert client.subprotocol == SUBPROTOCOL
        assert await closed(client) == (1012, "come back")
        await refusing


async def test_a_caller_without_an_answer_can_be_given_to_another_worker() -> None:
    async with handed_over() as (caller, worker, calling):
        second = Worker(worker.sock.dup(), StreamPosition(caller.hand_over()), worker.request)
        worker.dies()
        assert caller.answered is Answered.NOTHING
        second.writes(handshake(worker.request) + speech(10))
        client = await calling
        assert await client.recv() == bytes(10)
        assert caller.answered is Answered.WHOLE_FRAMES
        second.dies()


async def test_a_client_that_has_left_gets_nothing() -> None:
    async with handed_over() as (caller, worker, calling):
        worker.writes(handshake(worker.request))
        client = await calling
        client.transport.abort()
        worker.dies()
        async with asyncio.timeout(10):
            await caller.refuse(CloseCode.COME_BACK, "come back")


async def test_a_connection_is_closed_although_a_process_that_was_left_behind_has_it() -> None:
    async with handed_over() as (caller, worker, calling):
        worker.writes(handshake(worker.request))
        client = await calling
        left_behind = worker.sock.dup()
        worker.dies()
        await asyncio.gather(caller.refuse(CloseCode.INTERNAL_ERROR, "lost"), closed(client))
        assert client.close_code == 1011
        left_behind.close()


async def test_a_client_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_host.supervisor.caller_socket.CLOSE_TIMEOUT_S", 0.2)
    async with handed_over() as (caller, worker, calling):
        worker.writes(handshake(worker.request))
        client = await calling
        client.transport.pause_reading()
        worker.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                worker.sock.send(speech(60_000)[:60_000])
        worker.position.value = 0  # whatever it was
        worker.dies()
        async with asyncio.timeout(10):
            await caller.refuse(CloseCode.INTERNAL_ERROR, "lost")


async def test_what_a_transport_writes_is_counted_before_it_is_written() -> None:
    position = StreamPosition(StreamPosition.create())
    seen: list[tuple[bytes, int]] = []

    class Below(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview[int]) -> None:
            seen.append((bytes(data), position.value))

        def is_closing(self) -> bool:
            return False

        def get_write_buffer_size(self) -> int:
            return 7

    counted = CountedTransport(Below(), position)
    counted.write(b"abc")
    counted.writelines([b"d", b"ef"])
    assert seen == [(b"abc", 3), (b"def", 6)]
    assert not counted.is_closing()
    assert counted.get_write_buffer_size() == 7
    position.close()
