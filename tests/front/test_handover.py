"""What the front hands over instead of answering: the socket, what was read from it, and no credentials."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, cast

import pytest

from tests.calls.studio import serving
from tests.loops import Run, run
from voice_host.admission import Admission, Lease
from voice_host.clients.protocol import Opening
from voice_host.clients.transport import CannotHandOver, ConnectionLost, HandedOver
from voice_host.clients.transport.asgi import AsgiWebSocket
from voice_host.clients.transport.connection import ClientConnection
from voice_host.clients.transport.upgrade_request import upgrade_request
from voice_host.fleet.report import AgentReport
from voice_host.fleet.service import AgentService, FleetReport
from voice_host.front.app import create_host_app
from voice_host.front.connections import connection_options
from voice_host.settings import Settings

__all__ = ["run"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sockets cannot be handed over there")

HEAD = (
    b"GET /agents/a/session?name=Ada&%74oken=secret&resume=x.y HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Authorization: Bearer secret\r\nCookie: a=secret\r\nX-Api-Key: secret\r\nX-Forwarded-For: 192.0.2.7\r\n"
    b"X-Forwarded-Proto: https\r\nSec-WebSocket-Protocol: voice-host.v1, voice-host.token.secret\r\n\r\n"
)
PLAIN = HEAD.replace(b"&%74oken=secret&resume=x.y", b"")
EARLY = bytes([0x82, 0x80 | 4, 0, 0, 0, 0]) + b"abcd"
"""A frame that a client sends without waiting for the answer."""


class Taking:
    """An `AgentService` whose calls are handed over to the test."""

    report = FleetReport("ready", {"a": AgentReport(id="a", status="ready")})
    connected = 0

    def __init__(self) -> None:
        self.taken: asyncio.Queue[HandedOver] = asyncio.Queue()
        self.over = asyncio.Event()
        self.failures: list[Exception] = []

    async def check_resume(self, *_: object) -> None:
        pass

    async def take(self, connection: ClientConnection, lease: Lease, opening: Opening) -> None:
        self.taken.put_nowait(connection.hand_over())
        try:
            connection.hand_over()
        except (CannotHandOver, ConnectionLost) as error:
            self.failures.append(error)
        await self.over.wait()


class Front:
    def __init__(self, agents: Taking, admission: Admission, table: Any, address: str) -> None:
        self.agents = agents
        self.admission = admission
        self.table = table
        host, _, port = address.partition(":")
        self.address = (host, int(port))

    async def client(self) -> socket.socket:
        client = socket.socket()
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, self.address)
        return client


@asynccontextmanager
async def front() -> AsyncIterator[Front]:
    settings = Settings()
    agents, admission = Taking(), Admission(settings.limits)
    app = create_host_app(cast(AgentService, agents), settings, admission=admission)
    options = connection_options(settings)
    table = next(
        cell.cell_contents
        for cell in options["ws"].connection_lost.__closure__
        if type(cell.cell_contents).__name__ == "ConnectionTable"
    )
    async with asyncio.timeout(30), serving(app, **options) as address:
        try:
            yield Front(agents, admission, table, address)
        finally:
            agents.over.set()


async def received(client: socket.socket, size: int = 65536) -> bytes:
    return await asyncio.get_running_loop().sock_recv(client, size)


def test_the_request_has_no_credentials_and_the_proxy_s_address(run: Run) -> None:
    async def check() -> None:
        async with front() as host, _client(host) as client:
            await _send(client, HEAD)
            taken = await host.agents.taken.get()
            with taken.socket:
                assert b"secret" not in taken.request
                lines = taken.request.split(b"\r\n")
                assert lines[0] == b"GET /agents/a/session?name=Ada&resume=x.y HTTP/1.1"
                assert b"sec-websocket-protocol: voice-host.v1" in [line.lower() for line in lines]
                assert taken.request.endswith(b"\r\n\r\n")
                assert (taken.client, taken.scheme) == (("192.0.2.7", 0), "wss")
                assert [type(failure) for failure in host.agents.failures] == [ConnectionLost]

    run(check())


def test_nothing_is_answered_and_the_connection_stays_open(run: Run) -> None:
    async def check() -> None:
        async with front() as host, _client(host) as client:
            await _send(client, PLAIN)
            taken = await host.agents.taken.get()
            with taken.socket:
                taken.socket.setblocking(False)
                await _send(client, b"from the client")
                assert await received(taken.socket) == b"from the client"
                await asyncio.get_running_loop().sock_sendall(taken.socket, b"from the worker")
                assert await received(client) == b"from the worker"
            assert await received(client) == b"", "closed with the last descriptor"

    run(check())


@pytest.mark.parametrize("split", [len(PLAIN), len(PLAIN) - 2, len(PLAIN) + 3, None], ids=str)
@pytest.mark.parametrize("early", [EARLY, EARLY * 200], ids=["one frame", "more than one slice"])
def test_what_the_client_sent_before_the_answer_goes_along(run: Run, split: int | None, early: bytes) -> None:
    async def check() -> None:
        async with front() as host, _client(host) as client:
            sent = PLAIN + early
            await _send(client, sent[:split])
            if split is not None:
                await asyncio.sleep(0)
                await _send(client, sent[split:])
            taken = await host.agents.taken.get()
            with taken.socket:
                taken.socket.setblocking(False)
                got = taken.request.partition(b"\r\n\r\n")[2]
                while len(got) < len(early):
                    got += await received(taken.socket)
                assert got == early

    run(check())


def test_a_request_on_the_same_connection_may_come_before(run: Run) -> None:
    async def check() -> None:
        async with front() as host, _client(host) as client:
            await _send(client, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await received(client)).startswith(b"HTTP/1.1 200 ")
            await _send(client, PLAIN)
            (await host.agents.taken.get()).socket.close()
            assert await received(client) == b""

    run(check())


def test_the_connection_and_the_call_count_until_the_call_is_over(run: Run) -> None:
    async def check() -> None:
        async with front() as host, _client(host) as client:
            await _send(client, PLAIN)
            (await host.agents.taken.get()).socket.close()
            await received(client)
            assert (len(host.table), host.admission.calls) == (1, 1)
        assert (len(host.table), host.admission.calls) == (0, 0)

    run(check())


def test_other_servers_hand_nothing_over() -> None:
    class Socket:
        scope: ClassVar[dict[str, Any]] = {"extensions": {}}

    with pytest.raises(CannotHandOver, match="this server"):
        AsgiWebSocket(cast(Any, Socket())).hand_over()


def test_a_request_without_subprotocols_gets_no_empty_header() -> None:
    scope = {
        "query_string": b"token=a",
        "raw_path": b"/x",
        "headers": [(b"host", b"h"), (b"sec-websocket-protocol", b"voice-host.token.a")],
    }
    assert upgrade_request(scope) == b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n"


def test_the_key_of_an_openai_client_is_not_handed_over() -> None:
    offered = b"realtime, openai-insecure-api-key.vh_secret, openai-agents-sdk.0.20.0"
    headers = [(b"authorization", b"Bearer vh_secret"), (b"sec-websocket-protocol", offered)]
    scope = {"query_string": b"model=desk", "raw_path": b"/v1/realtime", "headers": headers}
    assert upgrade_request(scope) == b"GET /v1/realtime?model=desk HTTP/1.1\r\nsec-websocket-protocol: realtime\r\n\r\n"


@asynccontextmanager
async def _client(host: Front) -> AsyncIterator[socket.socket]:
    client = await host.client()
    with client:
        yield client


async def _send(client: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)
