"""Sockets to speech services: through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection as ThreadedConnection
from websockets.sync.server import serve as threaded_serve

from voice_host.settings import ResilienceSettings
from voice_host.speech.service_socket import (
    MESSAGES_BURST,
    MESSAGES_PER_TURN,
    SLICE_BYTES,
    ConnectFailed,
    ServiceConnection,
    ServiceSockets,
)


async def test_a_socket_is_opened_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("ws_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        sockets = ServiceSockets("key", ResilienceSettings())
        for _ in range(2):
            with pytest.raises(ConnectFailed):
                await sockets.open("ws://speech.test/v3")
        with pytest.raises(ConnectFailed):
            await sockets.open("ws://127.0.0.1:1/v3")
    assert asked == [b"CONNECT speech.test:80 HTTP/1.1\r\n"] * 2


async def test_an_address_that_is_none_is_not_tried_again() -> None:
    with pytest.raises(ConnectFailed) as refused:
        await ServiceSockets("key", ResilienceSettings()).open("https://speech.test")
    assert not refused.value.retryable


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://proxy.test", "http://"])
async def test_a_proxy_that_cannot_be_used_is_a_failure_like_others_and_named(
    proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    monkeypatch.setitem(sys.modules, "python_socks.async_.asyncio", None)
    for name in ("socks_proxy", "ws_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConnectFailed) as failed:
        await ServiceSockets("key", ResilienceSettings()).open("ws://speech.test/v3")
    assert not failed.value.retryable
    assert "name speech.test in NO_PROXY" in caplog.text


@contextmanager
def flooding() -> Iterator[int]:
    """A service in a thread of its own that sends as fast as it can. Yields its port."""

    def flood(ws: ThreadedConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                ws.send("{}")

    with threaded_serve(flood, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


async def read_to_the_end(socket: ClientConnection) -> int:
    count = 0
    while True:
        await socket.recv()
        count += 1
        if count % MESSAGES_BURST == 0:
            assert count <= 10 * MESSAGES_BURST, "it was never cut"


@pytest.mark.fault("stt: floods")
async def test_a_service_that_floods_is_cut_and_leaves_turns_of_the_loop_to_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    parse = ServiceConnection.data_received

    def watched(self: ServiceConnection, data: bytes) -> None:
        nonlocal most
        before = len(self.recv_messages.frames)
        parse(self, data)
        most = max(most, len(self.recv_messages.frames) - before)

    monkeypatch.setattr(ServiceConnection, "data_received", watched)
    with flooding() as port:
        socket = await ServiceSockets("key", ResilienceSettings()).open(f"ws://127.0.0.1:{port}/")
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(60):
                await read_to_the_end(socket)
    assert 0 < most <= MESSAGES_PER_TURN + SLICE_BYTES // 4  # a message of "{}" has four bytes
    assert "was cut off" in caplog.text


async def test_messages_are_sent_together_and_arrive_one_by_one() -> None:
    received: list[str | bytes] = []

    async def listen(ws: ServerConnection) -> None:
        received.extend([message async for message in ws])

    async with serve(listen, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        socket = await ServiceSockets("key", ResilienceSettings()).open(f"ws://127.0.0.1:{port}/")
        await socket.send_all("one", b"\x02", "three", "Größe")
        await socket.send_all()
        await socket.close()
        with pytest.raises(ConnectionClosed):
            await socket.send_all("too late", "as well")
        await server_is_done(server)
    assert received == ["one", b"\x02", "three", "Größe"]


async def test_a_service_that_does_not_read_makes_whoever_sends_wait() -> None:
    read = asyncio.Event()

    async def listen(ws: ServerConnection) -> None:
        await read.wait()
        async for _ in ws:
            pass

    async with serve(listen, "127.0.0.1", 0, compression=None, max_queue=1) as server:
        port = server.sockets[0].getsockname()[1]
        socket = await ServiceSockets("key", ResilienceSettings()).open(f"ws://127.0.0.1:{port}/")

        async def send() -> None:
            for _ in range(64):
                await socket.send_all(bytes(2**20))

        sending = asyncio.create_task(send())
        done, _ = await asyncio.wait([sending], timeout=0.2)
        assert not done  # no kernel holds 64 MiB for it
        read.set()
        await sending
        await socket.close()


async def server_is_done(server: Server) -> None:
    server.close()
    await server.wait_closed()


async def test_messages_that_come_at_once_are_all_read(caplog: pytest.LogCaptureFixture) -> None:
    sent = [str(n) * (n % 50) for n in range(3000)]

    async def talk(ws: ServerConnection) -> None:
        for message in sent:
            await ws.send(message)

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(30):
            socket = await ServiceSockets("key", ResilienceSettings()).open(f"ws://127.0.0.1:{port}/")
            assert [message async for message in socket] == sent
    assert caplog.text == ""
