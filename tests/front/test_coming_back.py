"""Callers who come back where they are asked who they are, and counted: the gate, the limits and resume tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.calls.client import TestCaller, calling
from tests.front.guarded import token_of
from tests.front.hosting import Running, installed, running
from tests.front.test_authorization import TOML, bearer, key_for
from tests.front.test_limits import metric, places
from tests.sample_plugins import HELLO
from voice_host_sdk import Caller, Connection

NOTHING = (4401, "there is no call to resume: call again without the resume token")


@asynccontextmanager
async def hello(folder: Path, limits: str = "") -> AsyncIterator[Running]:
    with installed(folder) as plugins:
        plugins.install("hello", HELLO)
        async with running(folder, TOML + limits, allow="hello") as r:
            yield r


def options(credential: str, address: str = "198.51.100.7") -> dict[str, Any]:
    return {"additional_headers": {**bearer(credential), "X-Forwarded-For": address}}


async def begun(stack: AsyncExitStack, r: Running, credential: str, address: str = "198.51.100.7") -> TestCaller:
    caller = await stack.enter_async_context(calling(r.session("hello"), **options(credential, address)))
    await caller.expect("ready", resumed=False)
    return caller


def back(r: Running, caller: TestCaller) -> str:
    return f"{r.session('hello')}?resume={caller.all('ready')[0]['resume_token']}"


@pytest.mark.fault("caller: too many calls")
async def test_one_caller_may_have_so_many_calls(tmp_path: Path) -> None:
    keys = [key_for(tmp_path, "calls", "tokens") for _ in range(2)]
    async with hello(tmp_path, "[limits]\nmax_calls_per_caller = 1\n") as r, AsyncExitStack() as calls:
        first = await begun(calls, r, keys[0])
        async with calling(r.session("hello"), **options(keys[0], "198.51.100.8")) as caller:
            assert await caller.ended() == (4429, "you have too many calls at once")
        await begun(calls, r, keys[1])
        ada = [await token_of(r, keys[0], "hello", subject="ada") for _ in range(2)]
        await begun(calls, r, ada[0])
        async with calling(r.session("hello"), **options(ada[1])) as caller:
            assert (await caller.ended())[0] == 4429, "the same person with another token"
        # Another customer's visitor of the same name, and one who calls themselves after a key.
        await begun(calls, r, await token_of(r, keys[1], "hello", subject="ada"))
        await begun(calls, r, await token_of(r, keys[1], "hello", subject=keys[0].split("_")[1]))
        await first.ws.close()
        await places(r, 4)
        await begun(calls, r, keys[0])


@pytest.mark.fault("caller: comes back before the loss is noticed")
@pytest.mark.parametrize(
    "limit",
    [
        "[limits]\nmax_calls = 1\n",
        "[limits]\nmax_calls_per_caller = 1\n",
        "[limits]\nmax_calls_per_address = 1\n",
        "[agent.hello]\nmax_calls = 1\n",
    ],
)
async def test_a_caller_whose_old_connection_hangs_keeps_the_place_of_the_call(tmp_path: Path, limit: str) -> None:
    key = key_for(tmp_path, "calls")
    async with hello(tmp_path, limit) as r, AsyncExitStack() as calls:
        first = await begun(calls, r, key)
        first.ws.transport.pause_reading()  # it is half gone: it would answer no close
        async with calling(r.session("hello"), **options(key)) as caller:
            assert (await caller.ended())[0] == 4429, "a new call is one too many"
        async with calling(back(r, first), **options(key)) as second:
            await second.expect("ready", resumed=True)
            await places(r, 1)
            async with calling(r.session("hello"), **options(key)) as caller:
                assert (await caller.ended())[0] == 4429, "and so it stays"
        first.ws.transport.resume_reading()
        await first.ended()
        await places(r, 0)


async def test_coming_back_in_vain_gives_no_place_away(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls")
    limits = "[limits]\nmax_calls_per_caller = 1\nmax_metadata_bytes = 200\n"
    async with hello(tmp_path, limits) as r, AsyncExitStack() as calls:
        first = await begun(calls, r, key)
        async with calling(f"{back(r, first)}&more={'x' * 200}", **options(key)) as caller:
            assert await caller.ended() == (4429, "the query is too long")
        await places(r, 1)
        async with calling(r.session("hello"), **options(key)) as caller:
            assert await caller.ended() == (4429, "you have too many calls at once")
        assert first.closed is None


@pytest.mark.fault("caller: comes back")
async def test_who_called_with_a_token_for_one_call_comes_back_with_another_one(tmp_path: Path) -> None:
    key = key_for(tmp_path, "calls", "tokens")
    async with hello(tmp_path) as r, AsyncExitStack() as calls:
        tokens = [await token_of(r, key, "hello", subject="ada", single_use=True) for _ in range(3)]
        first = await begun(calls, r, tokens[0])
        first.ws.transport.abort()
        await places(r, 0)
        async with calling(back(r, first), **options(tokens[0])) as caller:
            assert await caller.ended() == (4401, "the call token was used already")
        async with calling(back(r, first), **options(tokens[1])) as second:
            await second.expect("ready", resumed=True)
            second.ws.transport.abort()
        await places(r, 0)
        # What opens nothing does not use the token up: whoever comes too late calls again with it.
        async with calling(back(r, first), **options(tokens[2])) as caller:
            assert await caller.ended() == NOTHING
        third = await begun(calls, r, tokens[2])
        assert third.all("ready")[0]["session_id"] != first.all("ready")[0]["session_id"]


@pytest.mark.fault("caller: token that opens nothing")
async def test_nobody_else_comes_back_to_a_call_or_ends_it(tmp_path: Path) -> None:
    key, other = key_for(tmp_path, "calls", "tokens"), key_for(tmp_path, "calls", "tokens")
    async with hello(tmp_path) as r, AsyncExitStack() as calls:
        first = await begun(calls, r, await token_of(r, key, "hello", subject="ada"))
        foreign = [key, other, await token_of(r, key, "hello", subject="eve"), await token_of(r, key, "hello")]
        foreign.append(await token_of(r, other, "hello", subject="ada"))  # another customer's visitor of that name
        for credential in foreign:
            async with calling(back(r, first), **options(credential)) as caller:
                assert await caller.ended() == NOTHING
        async with calling(back(r, first)) as caller:
            assert (await caller.ended())[0] == 4401
        assert first.closed is None
        async with calling(back(r, first), **options(await token_of(r, key, "hello", subject="ada"))) as second:
            await second.expect("ready", resumed=True)


class TwoCustomers:
    """An authenticator of an extension: who says whose server it is may make call tokens."""

    async def authenticate(self, connection: Connection) -> Caller | None:
        name = connection.headers.get("x-customer")
        return Caller(name, {"scopes": ["tokens"]}) if name else None


async def test_two_customers_that_an_extension_lets_in_do_not_share_their_visitors(tmp_path: Path) -> None:
    limits = "[limits]\nmax_calls_per_caller = 1\n"
    with installed(tmp_path) as plugins:
        plugins.install("hello", HELLO)
        async with (
            running(tmp_path, TOML + limits, allow="hello", authenticators={"door": TwoCustomers()}) as r,
            httpx2.AsyncClient(base_url=f"http://{r.address}") as http,
            AsyncExitStack() as calls,
        ):
            ada = []
            for customer in ("one", "two", "one"):
                headers = {"x-customer": customer}
                answer = await http.post("/agents/hello/tokens", headers=headers, json={"subject": "ada"})
                ada.append(answer.json()["token"])
            first = await begun(calls, r, ada[0])
            second = await begun(calls, r, ada[1])
            async with calling(back(r, first), **options(ada[1])) as caller:
                assert await caller.ended() == NOTHING
            async with calling(back(r, second), **options(ada[0])) as caller:
                assert await caller.ended() == NOTHING
            async with calling(back(r, first), **options(ada[2])) as caller:
                await caller.expect("ready", resumed=True)


class Names:
    """An authenticator that believes a header, as two extensions of different houses do."""

    def __init__(self, header: str) -> None:
        self._header = header

    async def authenticate(self, connection: Connection) -> Caller | None:
        name = connection.headers.get(self._header)
        return Caller(name) if name else None


async def test_two_extensions_do_not_share_their_callers(tmp_path: Path) -> None:
    doors = {"staff": Names("x-staff"), "guests": Names("x-guest")}
    with installed(tmp_path) as plugins:
        plugins.install("hello", HELLO)
        async with (
            running(tmp_path, TOML, allow="hello", authenticators=doors) as r,
            calling(r.session("hello"), additional_headers={"x-staff": "ada"}) as first,
        ):
            ready = await first.expect("ready")
            again = f"{r.session('hello')}?resume={ready['resume_token']}"
            async with calling(again, additional_headers={"x-guest": "ada"}) as caller:
                assert await caller.ended() == NOTHING
            async with calling(again, additional_headers={"x-staff": "ada"}) as caller:
                await caller.expect("ready", resumed=True)


async def test_a_refusal_to_come_back_is_counted(tmp_path: Path) -> None:
    with installed(tmp_path) as plugins:
        plugins.install("hello", HELLO)
        async with running(tmp_path, allow="hello") as r:
            sample = 'voice_host_calls_refused_total{agent="hello",code="4401"}'
            before = await metric(r, sample)
            async with calling(f"{r.session('hello')}?resume=x.y") as caller:
                assert await caller.ended() == NOTHING
            assert await metric(r, sample) == before + 1
