"""The event loop of async tests: virtual time where both ends of every connection are in this loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any

import anyio.to_thread

from voice_host.testing.virtual_time import VirtualLoop, VirtualSelector

DELIVERY_SHARE = 0.02
"""How much of each wait passes in real time, in case the system has not delivered all bytes yet."""

DELIVERY_MIN_S, DELIVERY_MAX_S = 0.001, 0.05


class _LoopbackSelector(VirtualSelector):
    def select(self, timeout: float | None = None) -> Any:
        ready = super(VirtualSelector, self).select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.loop.threads_at_work or timeout is None or self.loop.works_with_processes:
            return self.wait(timeout)
        delivery_s = min(timeout * DELIVERY_SHARE, DELIVERY_MAX_S)
        if delivery_s >= DELIVERY_MIN_S and (ready := super(VirtualSelector, self).select(delivery_s)):
            return ready
        self.loop.jump(timeout)
        return ready


def wrap_future(future: concurrent.futures.Future[Any], **options: Any) -> asyncio.Future[Any]:
    """Stand in for `asyncio.wrap_future`: time stands still while one of a product's own threads works."""
    wrapped: asyncio.Future[Any] = asyncio.futures.wrap_future(future, **options)
    if isinstance(loop := wrapped.get_loop(), LoopbackLoop):
        loop.stand_still_until(wrapped)
    return wrapped


async def run_sync(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Stand in for `anyio.to_thread.run_sync`, by which files are served: time stands still here, too."""
    done = asyncio.get_running_loop().create_future()
    if isinstance(loop := done.get_loop(), LoopbackLoop):
        loop.stand_still_until(done)
    try:
        return await _run_sync(work, *args, **options)
    finally:
        if not done.done():
            done.set_result(None)


_run_sync = anyio.to_thread.run_sync


class LoopbackLoop(VirtualLoop):
    """Time stands still while anything runs, and jumps to the next timer when nothing does.

    The kit's loop waits in real time while a socket is open, since a service may be at its other end. Here the other
    end is in the same loop. Once a process was started, time passes as it does outside.
    """

    def __init__(self) -> None:
        self.works_with_processes = False
        super().__init__(_LoopbackSelector())

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        self.works_with_processes = True
        return await super().subprocess_exec(*args, **kwargs)
