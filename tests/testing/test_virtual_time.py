"""The loop in virtual time: what lets time pass, and what does not."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from voice_host.clock import now_s
from voice_host.testing import VirtualTimeUp, in_virtual_time, run_in_virtual_time, virtual_time
from voice_host.testing.virtual_time import VirtualLoop


@in_virtual_time
async def test_waiting_costs_nothing_and_happens_in_order() -> None:
    begun_s, really_s, order = now_s(), time.monotonic(), []

    async def later(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append(round(now_s() - begun_s, 6))

    await asyncio.gather(later(3600), later(0.5), later(40))
    assert order == [0.5, 40, 3600]
    assert time.monotonic() - really_s < 60


@in_virtual_time
async def test_time_stands_still_while_a_thread_works() -> None:
    begun_s = now_s()
    async with asyncio.timeout(0.01):
        await asyncio.to_thread(time.sleep, 0.1)
    assert now_s() == begun_s


@in_virtual_time
async def test_the_loop_goes_on_while_a_thread_works() -> None:
    order: list[str] = []
    asked = asyncio.Event()

    async def answer() -> None:
        await asked.wait()
        order.append("loop")

    def work(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.run_coroutine_threadsafe(_set(asked), loop).result()
        asyncio.run_coroutine_threadsafe(answer(), loop).result()
        order.append("thread")

    await asyncio.to_thread(work, asyncio.get_running_loop())
    assert order == ["loop", "thread"]


async def _set(event: asyncio.Event) -> None:
    event.set()


def test_a_thread_that_hangs_runs_into_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_time, "PATIENCE_S", 0.1)
    release = threading.Event()

    async def main() -> float:
        begun_s = now_s()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.to_thread(release.wait)
        waited_s = now_s() - begun_s
        await asyncio.sleep(100)  # and nobody waits for it any more
        release.set()
        return waited_s

    begun_s = time.monotonic()
    assert run_in_virtual_time(main()) == pytest.approx(0.05, abs=0.01)
    assert time.monotonic() - begun_s > 0.1


@in_virtual_time
async def test_a_real_connection_takes_real_time() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1") as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(30):
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()


def test_who_waits_for_what_never_comes_is_told() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualTimeUp, match="never comes"):
        run_in_virtual_time(main())


def test_who_waits_beside_something_that_goes_on_for_ever_is_told_too() -> None:
    cleaned_up = []

    async def tick() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(60)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        try:
            await asyncio.Event().wait()
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
            await asyncio.sleep(1)
            cleaned_up.append(True)

    with pytest.raises(VirtualTimeUp, match="never comes"):
        run_in_virtual_time(main())
    assert cleaned_up


def test_cancelling_from_within_is_what_it_is() -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_in_virtual_time(main())


@in_virtual_time
async def test_the_clock_of_calls_is_the_loops() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    assert now_s() == loop.time() == loop.now_s


@in_virtual_time
async def test_a_timer_does_not_fire_before_its_time() -> None:
    """It would be armed again at once, and time would stand still for ever."""
    loop = asyncio.get_running_loop()
    due_s = loop.time() + 5e-10
    fired_s: list[float] = []
    loop.call_at(due_s, lambda: fired_s.append(loop.time()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fired_s == []
    await asyncio.sleep(1)
    assert [at_s >= due_s for at_s in fired_s] == [True]
