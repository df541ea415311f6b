"""Runs a periodic clean-up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from voice_host.tasks import failed, in_background


class Sweeper:
    """Calls `sweep` every `interval_s` seconds from `start()` until `stop()`; exceptions are logged and counted."""

    def __init__(self, name: str, interval_s: float, sweep: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._interval_s = interval_s
        self._sweep = sweep
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start. Idempotent."""
        if self._task is None:
            self._stopping.clear()
            self._task = in_background(self._run(), "sweeper", of=self._name)

    async def stop(self) -> None:
        """Stop after the sweep under way, which is not cancelled: sessions it ends must get their last callback."""
        if self._task is not None:
            self._stopping.set()
            await self._task
            self._task = None

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._stopping.wait()
            except TimeoutError:
                try:
                    await self._sweep()
                except Exception as error:  # noqa: BLE001 (the next sweep must still run)
                    failed("sweeper", error, of=self._name)
