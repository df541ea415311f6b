"""The event loop that the process runs on: uvloop where there is one, else asyncio's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any


def run_in_event_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run the process's coroutine to its end, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return None

    class Loop(uvloop.Loop):
        """uvloop with an exact clock. Its own is read once a round and counts whole ms: too coarse for latencies."""

        def time(self) -> float:
            return time.monotonic()

    return Loop
