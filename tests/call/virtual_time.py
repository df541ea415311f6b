"""An event loop whose clock jumps: thirty seconds of waiting take no time, and nothing depends on the machine."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _NoWait(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """A selector that never waits: it moves the loop's clock on instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.loop.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything runs, and jumps to the next timer when nothing does."""

    def __init__(self) -> None:
        self.now_s = 0.0
        selector = _NoWait()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s


def run_virtually(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
