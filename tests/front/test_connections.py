"""How many connections there may be, which ones give way, and those on which nothing is read."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.calls.client import calling
from tests.calls.studio import serving
from tests.front.hosting import running
from tests.front.test_limits import metric, two_agents
from tests.fuzz.raw import RawClient, request
from voice_host.front.connections import (
    ConnectionTable,
    connection_options,
    most_connections,
    raise_descriptor_limit,
    share_of_address,
)
from voice_host.front.http_protocol import SLICE_BYTES
from voice_host.settings import LimitsSettings, Settings


class FakeTransport:
    """A transport with a peer, which notes that it was cut."""

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.cut = False

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return self.peer, 1

    def abort(self) -> None:
        self.cut = True


def opened(table: ConnectionTable, *peers: str) -> list[FakeTransport]:
    """Open connections. Those refused count as cut."""
    transports = [FakeTransport(peer) for peer in peers]
    for transport in transports:
        transport.cut = not table.open(cast(Any, transport))
    return transports


def test_the_connection_that_was_idle_longest_gives_way() -> None:
    table = ConnectionTable(3, 100)
    first, second, third = opened(table, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    table.busy(cast(Any, first))
    table.busy(cast(Any, second))
    table.idle(cast(Any, second))
    opened(table, "192.0.2.4")
    assert [t.cut for t in (first, second, third)] == [False, False, True]
    opened(table, "192.0.2.5")
    assert [t.cut for t in (first, second)] == [False, True]


def test_where_none_is_idle_the_new_one_is_refused() -> None:
    table = ConnectionTable(1, 100)
    [call] = opened(table, "192.0.2.1")
    table.busy(cast(Any, call))
    assert not table.open(cast(Any, FakeTransport("192.0.2.2")))
    table.close(cast(Any, call))
    assert table.open(cast(Any, FakeTransport("192.0.2.2")))
    assert len(table) == 1


def test_one_address_evicts_its_own_connections_alone() -> None:
    table = ConnectionTable(100, 2, ["203.0.113.0/24"])
    other, first, _ = opened(table, "192.0.2.1", "2001:db8::1", "2001:db8::2")
    opened(table, "2001:db8::3")
    assert (other.cut, first.cut) == (False, True)
    assert not any(t.cut for t in opened(table, *["127.0.0.1"] * 5, *["203.0.113.9"] * 5)), "proxies are exempt"


@pytest.mark.parametrize(("descriptors", "most"), [(1024, 240), (65536, 4096), (10, 1)])
def test_connections_leave_room_for_what_calls_open(descriptors: int, most: int) -> None:
    assert most_connections(4096, descriptors) == most


@pytest.mark.parametrize(("most", "share"), [(4096, 256), (240, 120), (1, 1)])
def test_one_address_cannot_take_all_connections(most: int, share: int) -> None:
    assert share_of_address(256, most) == share


@pytest.mark.fault("caller: idle connections")
async def test_idle_connections_do_not_keep_a_caller_out(tmp_path: Path) -> None:
    async with two_agents(tmp_path, "[limits]\nmax_connections = 5\n") as r, AsyncExitStack() as stack:
        caller = await stack.enter_async_context(calling(r.session("one")))
        await caller.expect("ready")
        idle = [await RawClient.connect(r.address) for _ in range(20)]
        late = await stack.enter_async_context(calling(r.session("two")))
        await late.expect("ready")
        assert caller.closed is None
        for client in idle:
            await client.close()
        assert await metric(r, 'voice_host_limits_exceeded_total{agent="",limit="max_connections"}') >= 15


async def test_a_full_house_answers_that_it_is_full(tmp_path: Path) -> None:
    async with two_agents(tmp_path, "[limits]\nmax_connections = 1\n") as r, AsyncExitStack() as stack:
        caller = await stack.enter_async_context(calling(r.session("one")))
        await caller.expect("ready")
        client = await RawClient.connect(r.address)
        answer = await client.answer()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        await client.close()


@pytest.mark.fault("caller: never reads the answers")
async def test_a_client_that_never_reads_its_answers_is_cut(tmp_path: Path) -> None:
    async with running(tmp_path, "[limits]\nhandshake_timeout_s = 0.3\n", allow="nobody") as r:
        sample = 'voice_host_limits_exceeded_total{agent="",limit="handshake_timeout_s"}'
        before = await metric(r, sample)
        host, port = r.address.split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1)  # reads 2 bytes ahead, and no more
        async with asyncio.timeout(30):
            with suppress(ConnectionError):
                while True:
                    writer.write(request("GET", "/metrics", []) * 100)
                    await writer.drain()
        writer.close()
        assert await metric(r, sample) == before + 1


@pytest.mark.parametrize(("chunk_bytes", "arrives"), [(4096, True), (16, False)])
async def test_a_body_may_take_longer_than_a_request_if_it_does_not_trickle(chunk_bytes: int, arrives: bool) -> None:
    app = FastAPI()

    @app.post("/")
    async def size(request: Request) -> int:
        return len(await request.body())

    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0.05)
            yield bytes(chunk_bytes)

    settings = Settings(limits=LimitsSettings(handshake_timeout_s=0.2))
    async with serving(app, **connection_options(settings)) as address, httpx2.AsyncClient() as http:
        if arrives:
            assert (await http.post(f"http://{address}/", content=body())).json() == 20 * chunk_bytes
        else:
            with pytest.raises(httpx2.TransportError):
                await http.post(f"http://{address}/", content=body())


@pytest.mark.real_time
@pytest.mark.fault("caller: floods requests")
async def test_a_body_in_tiny_chunks_is_parsed_a_little_at_a_time_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    feed = H11Protocol.data_received
    monkeypatch.setattr(H11Protocol, "data_received", lambda self, data: (pieces.append(len(data)), feed(self, data)))
    head = request("POST", "/nothing", [(b"Transfer-Encoding", b"chunked")])
    async with running(tmp_path, allow="nobody") as r:
        sample = 'voice_host_limits_exceeded_total{agent="",limit="http_parsing"}'
        before = await metric(r, sample)
        client = await RawClient.connect(r.address)
        await client.write(head + b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n")
        assert (await client.answer()).status == 404
        await client.write(request("GET", "/health", []))
        assert (await client.answer()).status == 200
        await client.close()
        assert await metric(r, sample) > before
    assert max(pieces) <= SLICE_BYTES


async def test_requests_behind_one_that_is_answered_wait_and_are_all_answered(tmp_path: Path) -> None:
    body = b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"
    long_one = request("POST", "/nothing", [(b"Transfer-Encoding", b"chunked")]) + body
    async with running(tmp_path, allow="nobody") as r:
        client = await RawClient.connect(r.address)
        await client.write((request("GET", "/health", []) + long_one) * 10)
        answers = [(await client.answer()).status for _ in range(20)]
        await client.close()
    assert answers == [200, 404] * 10


@pytest.mark.parametrize(("count", "status"), [(100, 200), (200, 400), (30_000, 400)])
async def test_a_request_has_a_limited_number_of_headers(tmp_path: Path, count: int, status: int) -> None:
    async with running(tmp_path, allow="nobody") as r:
        client = await RawClient.connect(r.address)
        await client.write(request("GET", "/health", [(b"a", b"")] * count))
        assert (await client.answer()).status == status
        await client.close()


SERVE = [sys.executable, "-m", "voice_host", "serve", "--port", "0", "--log-format", "json"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count sockets")
async def test_a_host_with_1024_descriptors_takes_calls_beside_1100_idle_connections(tmp_path: Path) -> None:
    import resource

    raise_descriptor_limit()  # this process has the other end of each connection

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))

    environ = {**os.environ, "VOICE_HOST_AGENTS__ALLOW": "front-desk", "VOICE_HOST_MODEL": "demo"}
    process = await asyncio.create_subprocess_exec(
        *SERVE, cwd=tmp_path, env=environ, stderr=asyncio.subprocess.PIPE, preexec_fn=limit
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            port = 0
            while not port:
                line = json.loads(await process.stderr.readline())
                found = re.search(r":(\d+)$", str(line.get("url", "")))
                port = int(found[1]) if found else 0
        reading = asyncio.create_task(process.stderr.read())
        idle = [await RawClient.connect(f"127.0.0.1:{port}") for _ in range(1100)]
        async with calling(f"ws://127.0.0.1:{port}/agents/front-desk/session") as caller:
            await caller.expect("ready")
            await caller.type("What can you do?")
            await caller.expect("chat")
        for client in idle:
            await client.close()
    finally:
        process.terminate()
        await process.wait()
    assert b"Too many open files" not in await reading
