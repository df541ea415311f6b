"""An event loop in virtual time: waiting takes no real time, and results do not depend on the machine's speed."""

from __future__ import annotations

import asyncio
import functools
import math
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, ParamSpec, TypeVar

START_S = 1000.0
"""The initial time of a loop. Not 0, which is easily mistaken for "no time"."""

LONGEST_S = 24 * 3600.0
"""Virtual seconds after which a test fails, because it waits for something that never happens."""

PATIENCE_S = 1.0
"""Real seconds for which virtual time stands still while threads work. After that it passes, so that a hanging thread
runs into its time limit."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class VirtualTimeUp(AssertionError):
    """A test waited for something that never happened."""


class VirtualSelector(selectors.DefaultSelector):
    """Advances its loop's clock instead of waiting, unless threads or sockets are active."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.loop.threads_at_work or len(self.get_map()) > 1:  # one is the loop's own wake-up socket
            return self.wait(timeout)
        self.loop.jump(timeout)
        return ready

    def wait(self, timeout: float | None) -> Any:
        """Wait in real time. Virtual time stands still for threads, and passes for sockets (a real model's)."""
        if self.loop.threads_at_work and (left_s := self.loop.patience_left_s()) > 0:
            ready = super().select(left_s)
            if ready:
                return ready
        begun_s = time.monotonic()
        ready = super().select(timeout)
        self.loop.now_s += timeout if timeout is not None and not ready else time.monotonic() - begun_s
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Virtual time stands still while anything runs, and jumps to the next timer when nothing does.

    Threads started through the loop (`asyncio.to_thread`, `run_in_executor`, an agent's sync tools) count as running.
    While a socket is open, time passes as in reality.
    """

    def __init__(self, selector: VirtualSelector | None = None) -> None:
        self.threads_at_work = 0
        self.on_time_up: Callable[[], None] | None = None
        self._patience_ends_s = 0.0
        self._limit_s = START_S + LONGEST_S
        selector = selector or VirtualSelector()
        selector.loop = self
        super().__init__(selector)
        self.now_s = START_S

    @property
    def now_s(self) -> float:
        """The time, in seconds."""
        return self._now_s

    @now_s.setter
    def now_s(self, now_s: float) -> None:
        self._now_s = now_s
        # asyncio fires timers early by less than this. Time stands still while anything runs, so a timer that is armed
        # again and again until its time has come would fire for ever. One float further is as little as there is.
        self._clock_resolution = math.ulp(now_s)

    def time(self) -> float:
        return self.now_s

    def jump(self, timeout_s: float | None) -> None:
        """Advance the clock by `timeout_s`. None: no timer is left, so nothing can happen any more.

        Raises:
            VirtualTimeUp: there is no task that the error could be raised in.
        """
        if timeout_s is not None and self.now_s + timeout_s <= self._limit_s:
            self.now_s += timeout_s
            return
        told, self.on_time_up = self.on_time_up, None
        if told is None:
            raise VirtualTimeUp("an event loop in virtual time has nothing left to do, and does not end")
        self._limit_s = self.now_s + LONGEST_S  # leaves time for cleaning up
        self.call_soon(told)

    # --- threads ----------------------------------------------------------------------------------------------------

    def patience_left_s(self) -> float:
        """Real seconds for which virtual time still stands still for the working threads."""
        return self._patience_ends_s - time.monotonic()

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self.stand_still_until(future)
        return future

    def stand_still_until(self, future: asyncio.Future[Any]) -> None:
        """Let no virtual time pass until a future is done, whose thread is working."""
        self._begin_thread()
        future.add_done_callback(self._end_thread)  # also if cancelled: nobody waits for its thread then

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._begin_thread()
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._end_thread()

    def _begin_thread(self) -> None:
        self.threads_at_work += 1
        self._patience_ends_s = time.monotonic() + PATIENCE_S

    def _end_thread(self, _: object = None) -> None:
        self.threads_at_work -= 1


def run_in_virtual_time(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a loop of its own, in virtual time.

    Raises:
        VirtualTimeUp: it waits for something that never happens.
        RuntimeError: an event loop runs in this thread already.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_guarded(main))


async def _guarded(main: Coroutine[Any, Any, _T]) -> _T:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    time_up = False
    task = asyncio.ensure_future(main)

    def give_up() -> None:
        nonlocal time_up
        time_up = True
        task.cancel()

    loop.on_time_up = give_up
    try:
        return await task
    except asyncio.CancelledError:
        if time_up:
            raise VirtualTimeUp("the test waits for something that never comes") from None
        raise


def in_virtual_time(test: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, _T]:
    """Convert an async function to a plain one that runs it in virtual time.

    Tests that use the kit's fixtures do not need this decorator.
    """

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        return run_in_virtual_time(test(*args, **kwargs))

    return run
