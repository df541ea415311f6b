"""One timer for many waits."""

from __future__ import annotations

import asyncio

import pytest

from voice_host.clock import WaitLimit, now_s
from voice_host.testing import run_in_virtual_time


def test_each_wait_has_the_whole_time() -> None:
    async def main() -> None:
        limit = WaitLimit(1.0)
        for _ in range(10):
            with limit:
                await asyncio.sleep(0.9)
        began_s = now_s()
        with pytest.raises(TimeoutError), limit:
            await asyncio.sleep(5)
        assert now_s() - began_s == pytest.approx(1.0)
        with limit:
            await asyncio.sleep(0.9)

    run_in_virtual_time(main())


def test_time_between_two_waits_does_not_count() -> None:
    async def main() -> None:
        limit = WaitLimit(1.0)
        with limit:
            pass
        await asyncio.sleep(0.9)
        with limit:
            await asyncio.sleep(0.5)

    run_in_virtual_time(main())


def test_without_a_limit_a_wait_is_long_until_one_is_set() -> None:
    async def main() -> None:
        limit = WaitLimit()
        with limit:
            await asyncio.sleep(1000)
        began_s = now_s()
        asyncio.get_running_loop().call_later(5, limit.set_limit, 2.0)
        with pytest.raises(TimeoutError), limit:
            await asyncio.sleep(1000)
        assert now_s() - began_s == pytest.approx(7.0)
        began_s = now_s()
        with pytest.raises(TimeoutError), limit:
            await asyncio.sleep(1000)
        assert now_s() - began_s == pytest.approx(2.0)

    run_in_virtual_time(main())


def test_a_wait_can_be_ended_at_once_and_the_next_one_is_whole() -> None:
    async def main() -> None:
        limit = WaitLimit(100)
        limit.expire()  # nobody waits
        asyncio.get_running_loop().call_later(1, limit.expire)
        began_s = now_s()
        with pytest.raises(TimeoutError), limit:
            await asyncio.sleep(50)
        assert now_s() - began_s == pytest.approx(1.0)
        with limit:
            await asyncio.sleep(50)

    run_in_virtual_time(main())


def test_a_cancellation_stays_one() -> None:
    async def main() -> None:
        limit = WaitLimit(1.0)

        async def wait() -> None:
            with limit:
                await asyncio.sleep(50)

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.5)
        limit.expire()
        task.cancel()  # in the same moment
        await asyncio.wait([task])
        assert task.cancelled()

    run_in_virtual_time(main())


def test_what_the_code_raises_itself_is_raised() -> None:
    async def main() -> None:
        limit = WaitLimit(1.0)
        with pytest.raises(ValueError, match="mine"), limit:
            raise ValueError("mine")

    run_in_virtual_time(main())
