"""Names that take long to resolve keep nobody but their own agent waiting, on the event loop that the host runs on."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from voice_host import fetch_public_url
from voice_host.outbound.public_fetch import FetchError
from voice_host.tenancy import AgentThreads, attributed_to, look_up, lookups
from voice_host.tenancy.event_loop import run_in_event_loop
from voice_host.tenancy.lookups import LOOKUPS_PER_AGENT


class SlowNames:
    """In place of the system's resolver: names of `slow.example` are answered when it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked = threading.Semaphore(0)
        self.threads: set[str] = set()
        self._resolve = socket.getaddrinfo

    def __call__(self, host: Any, *rest: Any, **named: Any) -> Any:
        if not str(host).endswith("slow.example"):
            return self._resolve(host, *rest, **named)
        self.threads.add(threading.current_thread().name)
        self.asked.release()
        self.released.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async def under_way(self, count: int) -> None:
        assert await asyncio.to_thread(lambda: all(self.asked.acquire(timeout=20) for _ in range(count)))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    slow = SlowNames()
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    yield slow
    slow.released.set()


def on_the_hosts_loop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(AgentThreads())
        async with asyncio.timeout(60):
            await main()

    run_in_event_loop(run())


@asynccontextmanager
async def a_service() -> AsyncIterator[int]:
    async def greet(socket: ServerConnection) -> None:
        await socket.send("hello")

    async with serve(greet, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def open_by_name(number: int) -> None:
    await asyncio.open_connection(f"{number}.slow.example", 80)


async def resolve(number: int) -> None:
    await asyncio.get_running_loop().getaddrinfo(f"{number}.slow.example", 80)


async def fetch(number: int) -> None:
    await fetch_public_url(f"http://{number}.slow.example/", timeout_s=60)


async def websocket(number: int) -> None:
    await connect(f"ws://{number}.slow.example/", open_timeout=60)


@pytest.mark.fault("plugin: looks up names that take long")
@pytest.mark.parametrize("way", [open_by_name, resolve, fetch, websocket])
def test_slow_names_of_one_agent_keep_nobody_else_waiting(
    names: SlowNames, way: Callable[[int], Coroutine[Any, Any, None]]
) -> None:
    async def main() -> None:
        async def reach_the_service() -> None:
            async with connect(f"ws://localhost:{port}/", proxy=None) as service:
                assert await service.recv() == "hello"

        async with a_service() as port:
            waiting = [asyncio.create_task(attributed_to("slow", lambda n=n: way(n))) for n in range(40)]  # type: ignore[misc]
            await names.under_way(LOOKUPS_PER_AGENT)
            await reach_the_service()
            await attributed_to("other", reach_the_service)
            assert not any(task.done() for task in waiting)
            names.released.set()
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(result, (OSError, FetchError)) for result in results), results
        assert len(names.threads) == LOOKUPS_PER_AGENT
        assert all(name.startswith("tools-names-slow") for name in names.threads)

    on_the_hosts_loop(main)


def test_a_name_that_takes_too_long_is_given_up(names: SlowNames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "LOOKUP_TIMEOUT_S", 0.05)

    async def main() -> None:
        with pytest.raises(socket.gaierror, match="too long to resolve"):
            await look_up("slow.example", 80)
        with pytest.raises(OSError, match="too long to resolve"):
            await asyncio.open_connection("slow.example", 80)
        assert not names.released.is_set()

    on_the_hosts_loop(main)  # and the process does not wait for it at its end


def test_addresses_need_no_thread_and_no_connection_is_lost_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[Any] = []
    resolve = socket.getaddrinfo

    def two_addresses(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        resolved.append(host)
        if host != "two.example":
            return resolve(host, port, *rest, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with a_service() as port:
            assert (await loop.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM))[0][4] == ("127.0.0.1", port)
            before = len(resolved)
            async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as service:
                assert await service.recv() == "hello"
            assert resolved[before:] == []
            async with connect(f"ws://two.example:{port}/", proxy=None) as service:  # the first address refuses
                assert await service.recv() == "hello"
        with pytest.raises(OSError, match=r"127.0.0.9.*127.0.0.1|Multiple|refused"):
            await asyncio.open_connection("two.example", port)

    on_the_hosts_loop(main)
