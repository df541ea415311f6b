"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self


class Observable:
    """Something whose state changes, and that tests wait for."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Let those who wait look again."""
        for waiter in self._waiters:
            waiter.set()

    async def until(self, condition: Callable[[Self], bool], timeout_s: float = 10.0) -> None:
        """Wait until `condition(self)` holds.

        Raises:
            TimeoutError: it did not come to hold in time.
        """
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                while not condition(self):
                    waiter.clear()
                    await waiter.wait()
        finally:
            self._waiters.discard(waiter)


async def only_tasks(expected: set[asyncio.Task[Any]], timeout_s: float = 10.0) -> None:
    """Wait until no task is left but `expected` ones and the caller's.

    Raises:
        TimeoutError: some are.
    """
    async with asyncio.timeout(timeout_s):
        # Tasks that are not one's own cannot be waited for without holding on to them: look again and again.
        while asyncio.all_tasks() - expected - {asyncio.current_task()}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
