"""The limits of `voice-host serve`: calls at once, connections that dawdle, and whose address counts."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from tests.calls.client import TestCaller, calling
from tests.front.hosting import Running, installed, running
from tests.fuzz.raw import RawClient, request, upgrade
from tests.sample_plugins import HELLO


@asynccontextmanager
async def two_agents(folder: Path, toml: str) -> AsyncIterator[Running]:
    with installed(folder) as plugins:
        plugins.install("one", HELLO)
        plugins.install("two", HELLO)
        async with running(folder, toml, allow="one,two") as r:
            yield r


async def metric(r: Running, sample: str) -> float:
    async with httpx2.AsyncClient(base_url=f"http://{r.address}") as http:
        lines = (await http.get("/metrics")).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample)), 0.0)


async def refused(r: Running, agent: str, words: str, forwarded: str = "") -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    async with calling(r.session(agent), additional_headers=headers) as caller:
        assert await caller.ended() == (4429, words)


async def places(r: Running, taken: int) -> None:
    """A call gives its place back a moment after its client has seen it end."""
    async with asyncio.timeout(10):
        while r.admission.calls != taken:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def connected(stack: AsyncExitStack, r: Running, agent: str, forwarded: str = "") -> TestCaller:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    caller = await stack.enter_async_context(calling(r.session(agent), additional_headers=headers))
    await caller.expect("ready")
    return caller


@pytest.mark.fault("caller: too many calls")
async def test_calls_beyond_a_limit_are_refused_counted_and_leave_others_alone(tmp_path: Path) -> None:
    toml = "[limits]\nmax_calls = 3\n[agent.one]\nmax_calls = 1\n"
    sample = 'voice_host_limits_exceeded_total{agent="one",limit="agent.max_calls"}'
    async with two_agents(tmp_path, toml) as r, AsyncExitStack() as calls:
        before = await metric(r, sample)
        first = await connected(calls, r, "one")
        await refused(r, "one", "this agent takes no more calls at the moment")
        assert await metric(r, sample) == before + 1
        await connected(calls, r, "two")
        await connected(calls, r, "two")
        await refused(r, "two", "the server takes no more calls at the moment")
        assert first.closed is None
        await first.ws.close()
        await first.ended()
        await places(r, 2)
        await connected(calls, r, "one")


async def test_a_place_is_given_back_however_the_call_ends(tmp_path: Path) -> None:
    async with two_agents(tmp_path, "[limits]\nmax_calls = 1\n") as r:
        for end in ("goodbye", "vanish", "refused", "goodbye"):
            async with connect(r.session("nobody" if end == "refused" else "one"), compression=None) as ws:
                if end != "refused":
                    assert '"ready"' in str(await ws.recv())
                if end == "vanish":
                    ws.transport.abort()
            await places(r, 0)


async def test_addresses_are_those_of_the_callers_and_not_of_the_proxy(tmp_path: Path) -> None:
    async with two_agents(tmp_path, "[limits]\nmax_calls_per_address = 1\n") as r, AsyncExitStack() as calls:
        await connected(calls, r, "one", "198.51.100.7")
        await refused(r, "two", "too many calls at once from your address", "203.0.113.1, 198.51.100.7")
        await connected(calls, r, "one", "2001:db8::1")
        await refused(r, "one", "too many calls at once from your address", "2001:db8::2")
        await connected(calls, r, "one", "198.51.100.8")
        await connected(calls, r, "one")  # loopback itself is not limited
        await connected(calls, r, "one")
        await places(r, 5)


async def test_a_header_from_whom_nobody_trusts_is_not_believed(tmp_path: Path) -> None:
    toml = '[server]\ntrusted_proxies = ["192.0.2.0/24"]\n[limits]\nmax_calls_per_address = 1\n'
    async with two_agents(tmp_path, toml) as r, AsyncExitStack() as calls:
        await connected(calls, r, "one", "198.51.100.7")
        await connected(calls, r, "one", "198.51.100.7")
        await places(r, 2)


@pytest.mark.fault("caller: never completes the handshake")
@pytest.mark.parametrize("sent", [b"", b"GET /agents/one/session HTTP/1.1\r\nHost: x\r\nUpgr", b"\x16\x03\x01\x00"])
async def test_a_connection_that_sends_no_whole_request_is_cut(tmp_path: Path, sent: bytes) -> None:
    async with running(tmp_path, "[limits]\nhandshake_timeout_s = 0.2\n", allow="nobody") as r:
        sample = 'voice_host_limits_exceeded_total{agent="",limit="handshake_timeout_s"}'
        before = await metric(r, sample)
        host, port = r.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        async with asyncio.timeout(10):
            try:
                answer = await reader.read()
            except ConnectionResetError:
                answer = b""
        writer.close()
        if sent.startswith(b"\x16"):
            assert b"400" in answer
        else:
            assert answer == b""
            assert await metric(r, sample) == before + 1


def connections() -> int:
    """Those that this process holds as a server, over or not."""
    gc.collect()
    return sum(type(held).__name__ in ("DeadlineHTTPProtocol", "BoundedCallProtocol") for held in gc.get_objects())


async def test_nothing_holds_a_connection_that_is_over(tmp_path: Path) -> None:
    """A deadline that is not called off keeps it until then, however short the call was."""
    with installed(tmp_path) as plugins:
        plugins.install("one", HELLO)
        async with running(tmp_path, "[limits]\nhandshake_timeout_s = 600\n", allow="one") as r:
            before = connections()
            async with calling(r.session("one")) as caller:
                await caller.expect("ready")
                assert connections() > before
            async with connect(r.session("nobody")) as refused:
                await refused.wait_closed()
            await metric(r, "voice_host_calls_total")
            async with asyncio.timeout(10):
                while connections() > before:  # noqa: ASYNC110 (what is collected tells nobody)
                    await asyncio.sleep(0.02)


async def test_a_call_outlives_the_time_its_handshake_had(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("one", HELLO)
        toml = "[limits]\nhandshake_timeout_s = 0.1\n"
        async with running(tmp_path, toml, allow="one") as r, calling(r.session("one")) as caller:
            await caller.type("hello")
            await caller.expect("metrics")
            assert caller.closed is None


@pytest.mark.fault("caller: huge frame")
async def test_a_frame_beyond_the_limit_is_closed_before_it_is_read(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("one", HELLO)
        toml = "[limits]\nmax_frame_bytes = 2048\n"
        sample = 'voice_host_limits_exceeded_total{agent="",limit="max_frame_bytes"}'
        async with running(tmp_path, toml, allow="one") as r, calling(r.session("one")) as caller:
            before = await metric(r, sample)
            await caller.ws.send(bytes(2049))
            assert (await caller.ended())[0] == 1009
            assert await metric(r, sample) == before + 1


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\r\n\r\n",
        request("GET", "/agents/one/session", [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]),
        upgrade("/agents/one/session", [(b"X", b"x" * 9000)]),
        upgrade("/agents/one/session").replace(b"Version: 13", b"Version: 12"),
    ],
    ids=["no HTTP", "no key", "a header too long", "another version"],
)
async def test_requests_that_cannot_be_read_are_counted(tmp_path: Path, sent: bytes) -> None:
    async with running(tmp_path, allow="nobody") as r:
        sample = 'voice_host_requests_refused_total{reason="unreadable",status="400"}'
        before = await metric(r, sample)
        client = await RawClient.connect(r.address)
        await client.write(sent)
        assert (await client.answer()).status == 400
        await client.close()
        assert await metric(r, sample) == before + 1
